#include "pipeline/daemon/effects.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "connectors/oci_layout/image.h"
#include "connectors/oci_layout/layout.h"
#include "pipeline/base/point.h"
#include "pipeline/base/steady.h"
#include "pipeline/daemon/daemon.h"
#include "pipeline/daemon/release_image.h"
#include "pipeline/daemon/restore.h"
#include "pipeline/daemon/signing.h"
#include "pipeline/daemon/versions.h"
#include "pipeline/exec/prepare.h"
#include "pipeline/store/sqlite_store.h"

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

// Null: the attempt was given up meanwhile.
Json context_of(Engine& engine, const std::string& attempt) {
  auto live = engine.past().live().find(attempt);
  return live == engine.past().live().end() ? Json() : live->second.context;
}

}  // namespace

Effects::Effects(Daemon& daemon)
    : daemon_(daemon),
      sources_(daemon.parts().open_sources()),
      release_sources_(daemon.parts().open_sources()),
      holder_(daemon.parts().owner(), [](const std::string& text) { spdlog::warn("{}", text); }),
      outbox_(daemon) {
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
  outbox_.stop();
}

void Effects::work(Inbox& inbox) {
  RunnerPlace place;
  // A runner that is a service of its own is waited for, never started here: it would end with us.
  const char* runner = std::getenv("LOCKSTEP_RUNNER");
  const bool external = runner && std::string_view(runner) == "external";
  if (!external) place.program = Parts::program("lockstep-runner");
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

void Effects::take_parts() {
  reopen_ = true;
  reopen_releases_ = true;
}

void Effects::act(const std::vector<Intent>& intents, Engine& engine) {
  if (intents.empty()) return;
  for (const Intent& intent : intents) {
    if (Outbox::carries(intent.kind)) outbox_.act(intent);
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const Intent& intent : intents) {
      if (Outbox::carries(intent.kind)) continue;
      if (!known_.insert(intent.id).second) continue;
      Json context;
      if (intent.kind == "start") context = context_of(engine, intent.target);
      Lane& lane = about_attempts(intent.kind) ? attempts_ : releases_;
      lane.push_back({intent, std::move(context), 0, 0});
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
  constexpr int64_t kMostForAttempts_ms = 10'000;  // a log to fetch; the runner keeps it meanwhile
  std::unique_lock<std::mutex> lock(mutex_);
  auto quiet = [&](const Lane& lane, const int& busy) {
    return busy == 0 && std::none_of(lane.begin(), lane.end(), [](const Pending& p) {
             return p.tries < kTriesBeforeItIsSaid;
           });
  };
  bool told =
      changed_.wait_for(lock, std::chrono::milliseconds(std::min(wait_ms, kMostForAttempts_ms)),
                        [&] { return !executor_ || quiet(attempts_, busy_attempts_); });
  return changed_.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] {
    return quiet(releases_, busy_releases_);
  }) && told;
}

void Effects::lane_loop(Lane& lane) {
  constexpr size_t kMostAtOnce = 64;
  bool attempts = &lane == &attempts_;
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_) {
    std::vector<Pending> now;
    if (!attempts || executor_) now = due(lane, attempts ? kMostAtOnce : 1);
    if (now.empty()) {
      changed_.wait_for(lock, std::chrono::milliseconds(lane.empty() ? 1000 : 50));
      continue;
    }
    int& busy = attempts ? busy_attempts_ : busy_releases_;
    ++busy;
    lock.unlock();
    attempts ? perform_attempts(std::move(now)) : perform_release(std::move(now.front()));
    lock.lock();
    --busy;
    changed_.notify_all();
  }
}

// In the order they were made; the caller holds the lock.
std::vector<Effects::Pending> Effects::due(Lane& lane, size_t most) {
  std::vector<Pending> now;
  Lane later;
  int64_t now_ms = steady_ms();
  for (Pending& pending : lane) {
    bool take = now.size() < most && pending.not_before_ms <= now_ms;
    take ? now.push_back(std::move(pending)) : later.push_back(std::move(pending));
  }
  lane = std::move(later);
  return now;
}

// Of one attempt the start comes before the cancel and the cancel before the collect; attempts
// among themselves have no order, so all of a kind are asked for together.
void Effects::perform_attempts(std::vector<Pending> due) {
  std::vector<Pending*> starts, cancels, collects;
  for (Pending& pending : due) {
    if (pending.intent.kind == "start") starts.push_back(&pending);
    if (pending.intent.kind == "cancel") cancels.push_back(&pending);
    if (pending.intent.kind == "collect") collects.push_back(&pending);
  }
  // What hinders all of them, as a store that can't be opened, is each one's outcome.
  auto all = [](const std::vector<Pending*>& some, auto&& act) {
    try {
      return act();
    } catch (...) {
      return Outcomes(some.size(), std::current_exception());
    }
  };
  if (!starts.empty()) point("effect.start.before");
  settle_all(starts, all(starts, [&] { return start(starts); }));
  for (Pending* pending : cancels) {
    settle(*pending, attempts_, [&] {
      point("effect.cancel.before");
      executor().cancel(pending->intent.target);
      point("effect.cancel.after");
      return Json();
    });
  }
  settle_all(collects, all(collects, [&] { return collect(collects); }));
}

void Effects::settle_all(const std::vector<Pending*>& due, const Outcomes& outcomes) {
  for (size_t i = 0; i < due.size(); ++i) {
    settle(*due[i], attempts_, [&] {
      if (outcomes[i]) std::rethrow_exception(outcomes[i]);
      return Json();
    });
  }
}

void Effects::perform_release(Pending pending) {
  settle(pending, releases_, [&] {
    const std::string& kind = pending.intent.kind;
    if (kind == "ground") return ground(pending.intent.target);
    if (kind == "sign") return sign_release(pending.intent.target);
    return kind == "build" ? build(pending.intent.target) : publish(pending.intent.target);
  });
}

// `outcome` gives the effect's data or throws what hindered it.
void Effects::settle(Pending& pending, Lane& lane, const std::function<Json()>& outcome) {
  EffectDone done{pending.intent.id, pending.intent.kind, pending.intent.target, false, "",
                  Json::object()};
  bool again = false;
  try {
    Json data = outcome();
    if (!data.is_null()) done.data = std::move(data);
    done.ok = true;
  } catch (const Error& error) {
    done.error = error.what();
    again = temporary(error) || !about_attempts(pending.intent.kind);
  } catch (const std::exception& error) {
    // Of a library, or for want of memory: nobody said whether it passes. Only a start may be given
    // up, as a failed attempt; what else is left undone would be left for ever.
    done.error = fmt::format("unexpected: {}", error.what());
    again = pending.intent.kind != "start";
  }
  if (again) {
    int64_t pause = std::min<int64_t>(kLongestPause_ms, 500LL << std::min(pending.tries, 10));
    pending.not_before_ms = steady_ms() + pause;
    if (++pending.tries == kTriesBeforeItIsSaid) daemon_.say(done);
    std::lock_guard<std::mutex> lock(mutex_);
    lane.push_back(std::move(pending));
    return;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    known_.erase(pending.intent.id);
  }
  point("effect.confirm.before");
  daemon_.tell(std::move(done));
}

Effects::Outcomes Effects::start(const std::vector<Pending*>& due) {
  Outcomes outcomes(due.size());
  std::vector<AttemptSpec> specs;
  std::vector<size_t> places;
  PrepareFrom from;
  if (due.empty()) return outcomes;
  if (!snapshots_) snapshots_ = std::make_unique<Database>(daemon_.parts().state() / "state.db");
  SqliteSnapshotIndex index(*snapshots_);
  const SnapshotUse snapshots{index, [](const std::string& text) { spdlog::warn("{}", text); }};
  if (reopen_.exchange(false)) sources_ = daemon_.parts().open_sources();
  Watched watched = sources_->watched();
  from = {watched.tables, watched.code,
          [this](const std::string& name) { return daemon_.parts().secret(name); }, &snapshots};
  for (size_t i = 0; i < due.size(); ++i) {
    const std::string& attempt = due[i]->intent.target;
    try {
      // It may have been given up while it could not be started.
      Json context = due[i]->tries == 0 ? due[i]->context : daemon_.in_loop([&](Engine& engine) {
        return context_of(engine, attempt);
      });
      if (context.is_null()) continue;
      specs.push_back(prepare_attempt(attempt, context, from, daemon_.artifacts()));
      places.push_back(i);
    } catch (...) {
      outcomes[i] = std::current_exception();
    }
  }
  point("effect.start.prepared");
  Outcomes started = executor().start_all(specs);
  point("effect.start.after");
  for (size_t i = 0; i < places.size(); ++i) outcomes[places[i]] = started[i];
  return outcomes;
}

// The runner frees what it kept of an attempt; its log stays here.
Effects::Outcomes Effects::collect(const std::vector<Pending*>& due) {
  Outcomes outcomes(due.size());
  std::vector<std::string> ids;
  std::vector<size_t> places;
  for (size_t i = 0; i < due.size(); ++i) {
    try {
      keep_log(due[i]->intent.target);
      ids.push_back(due[i]->intent.target);
      places.push_back(i);
    } catch (...) {
      outcomes[i] = std::current_exception();
    }
  }
  if (!ids.empty()) point("effect.collect.before");
  Outcomes forgotten = executor().collected_all(ids);
  if (!ids.empty()) point("effect.collect.after");
  for (size_t i = 0; i < places.size(); ++i) outcomes[places[i]] = forgotten[i];
  return outcomes;
}

void Effects::keep_log(const std::string& attempt) {
  constexpr uint64_t kPiece_bytes = 1 << 20;
  constexpr uint64_t kMostLog_bytes =
      (64 << 20) + kPiece_bytes;  // the runner's, with its last line
  std::string log;
  while (log.size() < kMostLog_bytes) {
    std::string piece = executor().log(attempt, log.size(), kPiece_bytes);
    if (piece.empty()) break;
    log += piece;
  }
  if (!log.empty()) point("effect.log.before");
  if (!log.empty()) real_files().write_atomic(daemon_.log_file(attempt), log, 0600);
}

Json Effects::build(const std::string& tag) {
  const std::unique_lock<std::mutex> one_at_a_time = building();
  daemon_.know_graph();  // an image says the name that its channel gives it
  std::string base, place, code;
  ImageSpec spec = daemon_.in_loop([&](Engine& engine) {
    const ReleaseState* state = engine.registry().release(tag);
    if (state) base = state->release.base, code = state->release.code;
    place = engine.base_place(base);
    return release_image(engine, tag, daemon_.artifacts());
  });
  if (!base.empty()) daemon_.images().bring_base(base, place, spec);
  if (!code.empty()) spec.code = daemon_.images().code_files(code);
  point("effect.build.before");
  Digest image = build_image(
      spec, [this](const Digest& digest) { return daemon_.artifacts().path(digest); },
      daemon_.parts().workspace().releases);
  point("effect.build.after");
  return {{"image", image.str()}};
}

// The base image of a channel could not be had when a release was to be cut; now it is.
Json Effects::ground(const std::string& channel) {
  auto known = daemon_.in_loop([](Engine& engine) { return engine.images(); });
  auto waits = known.find(channel);
  if (waits == known.end() || waits->second.error.empty()) return Json::object();
  point("effect.ground.before");
  const std::string ref = waits->second.ref;
  daemon_.know_graph();
  daemon_.images().resolve(ref, waits->second);
  point("effect.ground.found");
  daemon_.in_loop([&](Engine& engine) {
    auto now = engine.images();
    if (!now.count(channel) || now[channel].ref != ref) return;  // a plan has come between
    now[channel] = waits->second;
    engine.know_images(now);
    try {
      engine.move_and_cut({}, engine.cuts(), "lockstep", "the base image can be had again");
    } catch (const Error& error) {
      engine.note(std::string("release held: ") + error.what());
    }
  });
  return Json::object();
}

// Beside the image, for whoever has the folder alone.
Json Effects::sign_release(const std::string& tag) {
  Digest content = daemon_.in_loop([&](Engine& engine) {
    const ReleaseState* state = engine.registry().release(tag);
    if (!state) throw Error(ErrorCode::kNotFound, "no release is called " + tag);
    return state->release.content;
  });
  point("effect.sign.before");
  Json signature = sign(daemon_.parts(), signed_text(content));
  if (signature.is_null()) return Json::object();  // the key was taken out of the configuration
  fs::path folder = daemon_.parts().workspace().releases / "signatures";
  fs::create_directories(folder);
  Json document = {{"tag", tag}, {"content", content.str()}};
  document.update(signature);
  real_files().write_atomic(folder / (tag + ".json"), canonical_json(document) + "\n", 0644);
  point("effect.sign.after");
  return signature;
}

// What a release was trained on stays readable, whatever becomes of the branches: replay and
// rollback need the commits.
std::optional<Error> Effects::hold_training_rows(const std::string& tag) {
  std::set<SourceCommit> commits =
      daemon_.in_loop([&](Engine& engine) { return training_commits(engine.registry(), {tag}); });
  if (reopen_releases_.exchange(false)) release_sources_ = daemon_.parts().open_sources();
  return holder_.hold(release_sources_->watched().tables, commits);
}

// The workspace was restored, the channel has not moved since, and at the registry it is another
// image: of a release, or a rollback, that is younger than the backup. It is not taken back
// unasked.
bool Effects::ahead_of_restore(RegistryClient& registry, const std::string& channel,
                               const std::string& tag) {
  std::optional<Digest> ours;
  const bool restored = daemon_.in_loop([&](Engine& engine) {
    const std::string key = kRestoredChannel + channel, was = engine.store().get(key);
    if (!was.empty() && was != tag) engine.store().set(key, "");
    if (const ReleaseState* state = engine.registry().release(tag)) ours = state->image;
    return was == tag;
  });
  if (!restored) return false;
  const std::optional<Digest> there = registry.resolve(channel);
  if (!there || (ours && *there == *ours)) return false;
  const std::string text = fmt::format(
      "{} is {} at the registry, of after the backup that was restored: it stays until the next "
      "release, or `lockstep release push`",
      channel, there->str());
  spdlog::warn("{}", text);
  daemon_.in_loop([&](Engine& engine) { engine.note(text); });
  return true;
}

std::unique_lock<std::mutex> Effects::publishing() {
  constexpr int kTries = 400;
  constexpr auto kPause = std::chrono::milliseconds(50);
  std::unique_lock<std::mutex> turn(publishing_, std::defer_lock);
  for (int tries = 0; !turn.try_lock(); ++tries) {
    if (tries == kTries) {
      throw Error(ErrorCode::kUnavailable, "another push is under way, and takes long",
                  "try again; `lockstep status` shows what waits");
    }
    std::this_thread::sleep_for(kPause);
  }
  return turn;
}

// Carries no value: the channel's live release as it is now is what the layout and the registry
// are brought in line with.
Json Effects::publish(const std::string& channel) {
  std::unique_lock<std::mutex> turn = publishing();
  std::string tag =
      daemon_.in_loop([&](Engine& engine) { return engine.registry().live(channel); });
  if (tag.empty()) return Json::object();
  const fs::path& folder = daemon_.parts().workspace().releases;
  if (!Layout(folder).find(tag)) build(tag);
  point("effect.publish.before");
  {
    const std::unique_lock<std::mutex> one_at_a_time = building();
    set_ref(folder, channel, tag);
  }
  point("effect.publish.ref");
  std::optional<Error> away = hold_training_rows(tag);
  point("effect.publish.held");
  Json done = Json::object();
  if (std::unique_ptr<RegistryClient> registry = daemon_.parts().registry()) {
    const std::string place = daemon_.in_loop([&](Engine& engine) {
      const ReleaseState* state = engine.registry().release(tag);
      return state ? engine.base_place(state->release.base) : std::string();
    });
    const std::string from = daemon_.images().mount_from(place);
    const bool ahead = ahead_of_restore(*registry, channel, tag);
    PushReport report = registry->push(folder, tag, ahead ? "" : channel, from);
    done = {{"tag", tag}, {"image", report.image.str()}, {"was_there", report.was_there}};
  }
  point("effect.publish.after");
  // Last: a release need not wait for a source that is away, only the intent does.
  if (away) throw *away;
  return done;
}

}  // namespace lockstep
