// `lockstep serve`: watches the sources, by signals where they are on this machine and by a slow
// look everywhere, and has every change planned.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "pipeline/base/steady.h"
#include "pipeline/core/names.h"
#include "pipeline/daemon/daemon.h"
#include "pipeline/systemd/notify.h"

namespace lockstep {
namespace {

constexpr int64_t kSlowLook_ms = 15'000;   // the safety net of local places
constexpr int64_t kRemoteLook_ms = 5'000;  // places that send no signal
constexpr int64_t kFirstPause_ms = 500;    // doubled up to kRemoteLook_ms while a source is away
constexpr int kTick_ms = 250;

// Sources name themselves in what they throw; a line that does so, too, needs it once.
std::string without_name(const std::string& source, const std::string& error) {
  const std::string prefix = "source " + source + ": ";
  return error.rfind(prefix, 0) == 0 ? error.substr(prefix.size()) : error;
}

// The signals of all sources; those without are looked at more often.
class Signals {
 public:
  explicit Signals(const Parts& parts) : sources_(parts.open_sources()) { open(parts); }

  // Asks again those sources that could not give a signal, as when their server was away.
  void open(const Parts& parts) {
    silent_ = false;
    for (const SourceSpec& spec : parts.workspace().sources) {
      if (watches_.count(spec.name)) continue;
      try {
        if (auto watch = sources_->at(spec.name).watch()) watches_[spec.name] = std::move(watch);
      } catch (const Error& error) {
        if (said_.insert(spec.name).second) {
          spdlog::warn("source {}: {}; it is looked at every {} s", spec.name,
                       without_name(spec.name, error.what()), kRemoteLook_ms / 1000);
        }
      }
      silent_ = silent_ || !watches_.count(spec.name);
    }
  }
  bool silent() const { return silent_; }

  // `wake`: readable when somebody asks for a look.
  bool wait(int wait_ms, int wake) {
    std::vector<pollfd> fds = {{wake, POLLIN, 0}};
    for (const auto& [name, watch] : watches_) fds.push_back({watch->fd(), POLLIN, 0});
    poll(fds.data(), fds.size(), wait_ms);
    uint64_t asked = 0;
    bool changed = (fds[0].revents & POLLIN) != 0 && read(wake, &asked, sizeof asked) > 0;
    for (const auto& [name, watch] : watches_) changed = watch->take() || changed;
    return changed;
  }

 private:
  std::unique_ptr<SourceSet> sources_;
  std::map<std::string, std::unique_ptr<SourceWatch>> watches_;
  std::set<std::string> said_;  // sources whose silence was reported
  bool silent_ = false;         // some source gives no signal
};

// The watched branch has its own plans.
bool follows(const Workspace& workspace, const Variant& branch,
             const std::set<std::string>& patterns) {
  for (const SourceSpec& spec : workspace.sources) {
    if (spec.name == branch.source && spec.branch == branch.name) return false;
  }
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches(pattern, branch.name); });
}

}  // namespace

void Daemon::keep_look(Look look) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [name, error] : look.errors) {
    auto before = last_look_.errors.find(name);
    if (before == last_look_.errors.end() || before->second != error) {
      spdlog::warn("source {} can't be read: {}", name, without_name(name, error));
    }
  }
  for (const auto& [name, error] : last_look_.errors) {
    if (!look.errors.count(name)) spdlog::info("source {} is back", name);
  }
  // Of one that is away, what was seen last is as much as is known.
  for (const auto& [name, commit] : last_look_.heads) look.heads.try_emplace(name, commit);
  last_look_ = std::move(look);
}

// Heads against cursors: what moved is planned. Sources that can't be reached are said once, and
// once more when they are back.
// Gives the heads; none where a source could not be read: only what moved elsewhere is planned
// then.
std::map<std::string, std::string> Daemon::look_for_changes() {
  std::map<std::string, std::string> errors, heads;
  {
    std::lock_guard<std::mutex> lock(survey_mutex_);
    heads = surveyor_->heads(&errors);
  }
  for (const auto& [name, commit] : heads) metrics_.commit_seen(name, commit);
  for (const SourceSpec& spec : parts_.workspace().sources) {
    metrics_.looked(spec.name, !errors.count(spec.name), clock_.now_ms());
  }
  keep_look({heads, errors});
  auto cursors = in_loop([](Engine& engine) { return engine.cursors(); });
  // A plan fixes one commit of every source: of one that is away, the commit it had in the last.
  for (const auto& [name, error] : errors) {
    if (!cursors.count(name)) return {};
    heads[name] = cursors[name];
  }
  wait_for_checks(cursors, heads);
  wait_for_quiet(cursors, heads);
  if (!errors.empty() && heads == in_vain_) return {};
  in_vain_.clear();
  Trigger trigger;
  for (const auto& [name, commit] : heads) {
    if (cursors[name] == commit) continue;
    bool data = parts_.workspace().sources.end() !=
                std::find_if(parts_.workspace().sources.begin(), parts_.workspace().sources.end(),
                             [&, n = name](const SourceSpec& spec) {
                               return spec.name == n && keeps_tables(spec.kind);
                             });
    if (trigger.kind.empty() || data) trigger.kind = data ? "data" : "code";
    trigger.code_too = trigger.code_too || !data;
    spdlog::info("{} {} is at {}", data ? "data" : "code", name, commit.substr(0, 7));
  }
  // Taken before the plan: a store that heals while it is made sets it again, for another plan.
  const bool left_open = left_open_.exchange(false);
  if (trigger.kind.empty() && (left_open || frozen_moved(errors))) {
    trigger.kind = "data";
    trigger.code_too = true;
  }
  if (!trigger.kind.empty()) {
    trigger.who = "lockstep";
    std::optional<Error> error = have_planned({trigger, heads, nullptr});
    if (error && left_open) left_open_ = true;
    if (error && !errors.empty()) in_vain_ = heads;
  }
  if (!errors.empty()) heads.clear();
  return heads;
}

// Where a workflow names checks, the newest commit whose checks are green stands for the head;
// while there is none, the one that was planned last.
void Daemon::wait_for_checks(const std::map<std::string, std::string>& cursors,
                             std::map<std::string, std::string>& heads) {
  constexpr size_t kMostCommits = 200;
  auto needed = in_loop([](Engine& engine) { return engine.checks(); });
  for (const auto& [source, names] : needed) {
    auto head = heads.find(source);
    auto cursor = cursors.find(source);
    if (head == heads.end() || cursor == cursors.end() || head->second == cursor->second) continue;
    std::vector<CommitInfo> commits;
    {
      std::lock_guard<std::mutex> lock(survey_mutex_);
      commits = surveyor_->log(source, cursor->second, head->second, kMostCommits);
    }
    std::string green = in_loop([&, name = source, checks = names](Engine& engine) {
      for (const CommitInfo& commit : commits) {
        bool all = std::all_of(checks.begin(), checks.end(), [&](const std::string& check) {
          return is_green(engine, name, commit.id, check);
        });
        if (all) return commit.id;
      }
      return std::string();
    });
    if (green != head->second && waiting_for_checks_[source] != head->second) {
      spdlog::info("code {} is at {}, which waits for {}", source, head->second.substr(0, 7),
                   fmt::join(names, ", "));
    }
    waiting_for_checks_[source] = head->second;
    head->second = green.empty() ? cursor->second : green;
  }
}

// Hands it to the survey thread and waits until it has become a run, or nothing.
std::optional<Error> Daemon::have_planned(SurveyRequest wanted) {
  auto done = std::make_shared<std::promise<std::optional<Error>>>();
  std::future<std::optional<Error>> planned = done->get_future();
  wanted.started = [done](const std::string& run, const Error* error) {
    if (!run.empty()) spdlog::info("run {} begins", run);
    if (error) spdlog::error("{}", error->what());
    done->set_value(error ? std::optional(*error) : std::nullopt);
  };
  request(std::move(wanted));
  while (!stop_ && !failed_) {
    auto tick = std::chrono::milliseconds(kTick_ms);
    if (planned.wait_for(tick) == std::future_status::ready) return planned.get();
  }
  return std::nullopt;
}

// Branches that workflows follow: whatever moved there is planned, one at a time and only while
// nothing else runs. True when some must wait for that.
bool Daemon::look_for_previews(const std::map<std::string, std::string>& heads) {
  using Followed = std::map<std::string, std::set<std::string>>;
  auto [followed, previews, busy] = in_loop([](Engine& engine) {
    return std::tuple(engine.followed(), engine.previews(), engine.active() != nullptr);
  });
  std::map<std::string, std::map<std::string, std::string>> branches;
  for (const auto& [mark, preview] : previews) {
    Variant variant = Variant::parse(mark);
    if (variant.kind == VariantKind::kBranch) branches[variant.source];
  }
  for (const auto& [source, patterns] : followed) branches[source];
  for (auto& [source, there] : branches) {
    std::lock_guard<std::mutex> lock(survey_mutex_);
    if (heads.count(source)) there = surveyor_->branches(source);
  }
  for (const auto& [mark, preview] : previews) {
    Variant branch = Variant::parse(mark);
    if (branch.kind != VariantKind::kBranch) continue;
    if (branches[branch.source].count(branch.name) || !heads.count(branch.source)) continue;
    in_loop([&](Engine& engine) { engine.forget_preview(branch); });
  }
  bool waiting = false;
  for (const auto& [source, patterns] : static_cast<const Followed&>(followed)) {
    for (const auto& [name, commit] : branches[source]) {
      Variant branch{source, name};
      auto known = previews.find(branch.mark());
      bool same = known != previews.end() && known->second.at("commit") == commit;
      if (same || !follows(parts_.workspace(), branch, patterns)) continue;
      waiting = waiting || busy;
      if (!busy) busy = preview_branch(branch, commit, heads.at(source));
    }
  }
  return waiting;
}

// True where a run has begun. A branch that holds nothing that the watched one does not is done.
bool Daemon::preview_branch(const Variant& branch, const std::string& commit,
                            const std::string& head) {
  auto settle = [&] {
    in_loop([&](Engine& engine) { engine.settle_preview(branch, commit, nullptr); });
  };
  bool merged = false;
  {
    std::lock_guard<std::mutex> lock(survey_mutex_);
    merged = surveyor_->merged(branch.source, head, commit);
  }
  if (merged) return settle(), false;
  spdlog::info("branch {} of {} is at {}", branch.name, branch.source, commit.substr(0, 7));
  Trigger trigger;
  trigger.kind = "preview";
  trigger.who = "lockstep";
  trigger.variant = branch;
  std::optional<Error> error = have_planned({trigger, {{branch.source, commit}}, nullptr});
  // Said once; another commit may mend it.
  if (error && error->code != ErrorCode::kUnavailable) settle();
  return in_loop([](Engine& engine) { return engine.active() != nullptr; });
}

void Daemon::hint() {
  ++asked_;
  uint64_t one = 1;
  if (wake_.get() >= 0) (void)!write(wake_.get(), &one, sizeof one);
}

void Daemon::look_now() {
  constexpr auto kPatience = std::chrono::seconds(30);
  if (!serving_) {
    throw Error(ErrorCode::kUnavailable, "nobody serves this workspace", "`lockstep serve` does");
  }
  hint();
  uint64_t mine = asked_;
  std::unique_lock<std::mutex> lock(mutex_);
  bool looked =
      changed_.wait_for(lock, kPatience, [&] { return stop_ || failed_ || looked_ >= mine; });
  if (!looked || looked_ < mine) {
    throw Error(ErrorCode::kUnavailable, "the sources are still being looked at",
                "it goes on; `lockstep status` shows what comes of it");
  }
}

// For `systemctl status`; said when it changes.
void Daemon::say_state(const std::map<std::string, std::string>& away) {
  std::string text = "watching " + std::to_string(parts_.workspace().sources.size()) + " sources";
  for (const auto& [name, error] : away) text += fmt::format("; {} can't be read", name);
  if (std::exchange(said_state_, text) != text) notify_status(text);
}

// What the clock asks for; `now_ms` of steady_ms(), but schedules are on the wall. False while the
// store is in trouble.
bool Daemon::tend(int64_t now_ms) {
  if (trouble()) return false;
  try {
    if (clock_.now_ms() >= next_tick_ms_) next_tick_ms_ = run_schedules();
    if (now_ms >= next_forget_ms_) next_forget_ms_ = now_ms + forget_old();
    if (anybody_asked_ && now_ms >= next_follower_ms_) {
      next_follower_ms_ = plan_followers() ? 0 : now_ms + kRemoteLook_ms;
    }
  } catch (const Error&) {
    if (!trouble()) throw;
    return false;
  }
  return true;
}

int Daemon::serve() {
  wake_ = Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  serving_ = true;
  begin();
  work();
  auto signals = std::make_unique<Signals>(parts_);
  spdlog::info("serving {} on {}", parts_.workspace().folder.string(), parts_.socket().string());
  // What an earlier process left is planned with the first look that finds all sources: a run goes
  // on, whose attempts are adopted by fingerprint; an alias that moved is released.
  left_open_ = in_loop([](Engine& engine) { return engine.left_open(); });
  int64_t next_look_ms = 0, pause_ms = 0;  // of steady_ms(): looks go on when the clock is put back
  bool waiting = false;                    // a preview, for the end of a run
  bool away = false;                       // some source
  notify_ready("at work");
  while (!stop_ && !failed_) {
    if (parts_changed_.exchange(false)) signals = std::make_unique<Signals>(parts_);
    bool signal = signals->wait(kTick_ms, wake_.get());
    uint64_t asked = asked_;
    int64_t now = steady_ms();
    if (!tend(now)) continue;
    // A source that is away is not asked at every signal: the next look sees what they were about.
    bool due = now >= next_look_ms || (signal && !away);
    if (!due && !(waiting && idle())) continue;
    try {
      std::map<std::string, std::string> heads = look_for_changes();
      if (!heads.empty()) waiting = look_for_previews(heads);
      if (!heads.empty()) waiting = look_for_experiments(heads) || waiting;
    } catch (const std::exception& error) {
      if (failed_) break;
      spdlog::warn("looking at the sources failed: {}", error.what());  // and again with the next
      if (trouble()) continue;
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      looked_ = asked;
    }
    changed_.notify_all();
    say_state(last_look().errors);
    if (signals->silent()) signals->open(parts_);
    next_tick_ms_ = 0;  // what was planned may have another schedule
    away = !last_look().errors.empty();
    pause_ms = !away ? 0 : std::clamp(pause_ms * 2, kFirstPause_ms, kRemoteLook_ms);
    int64_t quiet_ms = signals->silent() ? kRemoteLook_ms : kSlowLook_ms;
    next_look_ms = steady_ms() + (away ? pause_ms : quiet_ms);
    for (const auto& [source, until_ms] : quiet_until()) {
      next_look_ms = std::min(next_look_ms, steady_ms() + until_ms - clock_.now_ms());
    }
  }
  if (failed_) {
    spdlog::error("stopped: {}", failure());
    notify_stopping("stopped: " + failure());
    return 3;
  }
  notify_stopping("stopping; what is running goes on in the runner");
  spdlog::info("stopping; what is running goes on in the runner and is taken by the next serve");
  return 0;
}

}  // namespace lockstep
