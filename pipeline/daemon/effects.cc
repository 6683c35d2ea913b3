#include "pipeline/daemon/effects.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "connectors/oci_layout/image.h"
#include "connectors/oci_layout/layout.h"
#include "pipeline/daemon/daemon.h"
#include "pipeline/daemon/release_image.h"
#include "pipeline/exec/prepare.h"

namespace lockstep {
namespace {

constexpr int64_t kLongestPause_ms = 60'000;
constexpr int kTriesBeforeItIsSaid = 2;

bool about_attempts(const std::string& kind) {
  return kind == "start" || kind == "cancel" || kind == "collect";
}

bool temporary(const Error& error) {
  return error.code == ErrorCode::kUnavailable;
}

}  // namespace

Effects::Effects(Daemon& daemon)
    : daemon_(daemon),
      sources_(daemon.parts().open_sources()),
      release_sources_(daemon.parts().open_sources()) {
  attempts_thread_ = std::thread([this] { lane_loop(attempts_); });
  releases_thread_ = std::thread([this] { lane_loop(releases_); });
}

Effects::~Effects() {
  stop();
}

void Effects::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (attempts_thread_.joinable()) attempts_thread_.join();
  if (releases_thread_.joinable()) releases_thread_.join();
}

void Effects::work(Inbox& inbox) {
  RunnerPlace place;
  place.program = Parts::program("lockstep-runner");
  place.state = daemon_.parts().state() / "runner";
  place.options = {"--idle-exit", "600"};  // seconds without attempts and without a daemon
  auto executor = std::make_unique<LocalExecutor>(
      LocalExecutorOptions{place, daemon_.parts().state() / "incoming"}, daemon_.artifacts());
  {
    std::lock_guard<std::mutex> lock(mutex_);
    executor_ = std::move(executor);
  }
  executor_->on_result([this, &inbox](AttemptResult result) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      auto waiting = once_.find(result.id);
      if (waiting != once_.end()) {
        waiting->second.set_value(std::move(result));
        once_.erase(waiting);
        return;
      }
    }
    inbox.push(std::move(result));
  });
  changed_.notify_all();
}

LocalExecutor& Effects::executor() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!executor_) throw Error(ErrorCode::kUnavailable, "no runner is at work for this workspace");
  return *executor_;
}

void Effects::act(const std::vector<Intent>& intents) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const Intent& intent : intents) {
      if (!known_.insert(intent.id).second) continue;
      (about_attempts(intent.kind) ? attempts_ : releases_).push_back({intent, 0, 0});
    }
  }
  changed_.notify_all();
}

AttemptResult Effects::run_once(const AttemptSpec& spec) {
  std::future<AttemptResult> answer;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    answer = once_[spec.id].get_future();
  }
  executor().start(spec);
  AttemptResult result = answer.get();
  executor().collected(spec.id);
  return result;
}

bool Effects::settled(int64_t wait_ms) {
  std::unique_lock<std::mutex> lock(mutex_);
  auto quiet = [&] {
    bool fresh = std::any_of(releases_.begin(), releases_.end(),
                             [](const Pending& p) { return p.tries < kTriesBeforeItIsSaid; });
    return busy_releases_ == 0 && !fresh;
  };
  return changed_.wait_for(lock, std::chrono::milliseconds(wait_ms), quiet);
}

void Effects::lane_loop(Lane& lane) {
  bool attempts = &lane == &attempts_;
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_) {
    int64_t now = SystemClock().now_ms();
    auto due = std::find_if(lane.begin(), lane.end(),
                            [&](const Pending& p) { return p.not_before_ms <= now; });
    if (due == lane.end() || (attempts && !executor_)) {
      changed_.wait_for(lock, std::chrono::milliseconds(lane.empty() ? 1000 : 50));
      continue;
    }
    Pending pending = *due;
    lane.erase(due);
    busy_releases_ += attempts ? 0 : 1;
    lock.unlock();
    perform(pending, lane);
    lock.lock();
    busy_releases_ -= attempts ? 0 : 1;
    changed_.notify_all();
  }
}

void Effects::perform(Pending& pending, Lane& lane) {
  EffectDone done{pending.intent.id, pending.intent.kind, pending.intent.target, false, "",
                  Json::object()};
  try {
    done.data = perform(pending.intent);
    done.ok = true;
  } catch (const Error& error) {
    done.error = error.what();
    bool again = temporary(error) || !about_attempts(pending.intent.kind);
    if (again) {
      int64_t pause = std::min<int64_t>(kLongestPause_ms, 500LL << std::min(pending.tries, 10));
      pending.not_before_ms = SystemClock().now_ms() + pause;
      if (++pending.tries == kTriesBeforeItIsSaid) daemon_.say(done);
      std::lock_guard<std::mutex> lock(mutex_);
      lane.push_back(pending);
      return;
    }
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    known_.erase(pending.intent.id);
  }
  daemon_.tell(std::move(done));
}

Json Effects::perform(const Intent& intent) {
  if (intent.kind == "start") start(intent.target);
  if (intent.kind == "cancel") executor().cancel(intent.target);
  if (intent.kind == "collect") collect(intent.target);
  if (intent.kind == "build") return build(intent.target);
  if (intent.kind == "publish") return publish(intent.target);
  return Json::object();
}

void Effects::start(const std::string& attempt) {
  Json context = daemon_.in_loop([&](Engine& engine) {
    auto live = engine.past().live().find(attempt);
    return live == engine.past().live().end() ? Json() : live->second.context;
  });
  if (context.is_null()) return;  // given up meanwhile
  Watched watched = sources_->watched();
  PrepareFrom from{watched.tables, watched.code,
                   [this](const std::string& name) { return daemon_.parts().secret(name); }};
  executor().start(prepare_attempt(attempt, context, from, daemon_.artifacts()));
}

// The runner frees what it kept of an attempt; its log stays here.
void Effects::collect(const std::string& attempt) {
  constexpr uint64_t kPiece_bytes = 1 << 20;
  constexpr uint64_t kMostLog_bytes = 64 << 20;
  std::string log;
  while (log.size() < kMostLog_bytes) {
    std::string piece = executor().log(attempt, log.size(), kPiece_bytes);
    if (piece.empty()) break;
    log += piece;
  }
  if (!log.empty()) real_files().write_atomic(daemon_.log_file(attempt), log, 0600);
  executor().collected(attempt);
}

Json Effects::build(const std::string& tag) {
  ImageSpec spec = daemon_.in_loop([&](Engine& engine) { return release_image(engine, tag); });
  Digest image = build_image(
      spec, [this](const Digest& digest) { return daemon_.artifacts().path(digest); },
      daemon_.parts().workspace().releases);
  return {{"image", image.str()}};
}

// What a release was trained on stays readable, whatever becomes of the branches: replay and
// rollback need the commits.
void Effects::hold_training_rows(const std::string& tag) {
  std::set<std::pair<std::string, std::string>> commits = daemon_.in_loop([&](Engine& engine) {
    std::set<std::pair<std::string, std::string>> found;
    const ReleaseState* state = engine.registry().release(tag);
    for (const auto& [name, entry] : state->release.models) {
      const ModelState* model = engine.registry().holder(name, entry);
      const Version* version = model ? model->version(entry.version) : nullptr;
      for (const Json& slice : version ? version->slices : Json::array()) {
        found.emplace(slice.at("source"), slice.at("commit"));
      }
    }
    return found;
  });
  for (const auto& [source, commit] : commits) {
    auto store = release_sources_->tables.find(source);
    if (store == release_sources_->tables.end()) continue;
    try {
      store->second->keep(commit);
    } catch (const Error& error) {
      // Not ours to write, or gone already: said by a replay that needs it.
      spdlog::warn("commit {} of {} can't be held: {}", commit.substr(0, 7), source, error.what());
    }
  }
}

// Carries no value: the channel's live release as it is now is what the layout and the registry
// are brought in line with.
Json Effects::publish(const std::string& channel) {
  std::string tag =
      daemon_.in_loop([&](Engine& engine) { return engine.registry().live(channel); });
  if (tag.empty()) return Json::object();
  const fs::path& folder = daemon_.parts().workspace().releases;
  if (!Layout(folder).find(tag)) build(tag);
  set_ref(folder, channel, tag);
  hold_training_rows(tag);
  std::unique_ptr<RegistryClient> registry = daemon_.parts().registry();
  if (!registry) return Json::object();
  PushReport report = registry->push(folder, tag, channel);
  return {{"tag", tag}, {"image", report.image.str()}, {"was_there", report.was_there}};
}

}  // namespace lockstep
