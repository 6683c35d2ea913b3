// `lockstep serve`: watches the sources, by signals where they are on this machine and by a slow
// look everywhere, and has every change planned.
#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "pipeline/daemon/daemon.h"

namespace lockstep {
namespace {

constexpr int64_t kSlowLook_ms = 15'000;   // the safety net of local places
constexpr int64_t kRemoteLook_ms = 5'000;  // places that send no signal
constexpr int kTick_ms = 250;

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
          spdlog::warn("source {}: {}; it is looked at every {} s", spec.name, error.what(),
                       kRemoteLook_ms / 1000);
        }
      }
      silent_ = silent_ || !watches_.count(spec.name);
    }
  }
  bool silent() const { return silent_; }

  bool wait(int wait_ms) {
    std::vector<pollfd> fds;
    for (const auto& [name, watch] : watches_) fds.push_back({watch->fd(), POLLIN, 0});
    poll(fds.data(), fds.size(), wait_ms);
    bool changed = false;
    for (const auto& [name, watch] : watches_) changed = watch->take() || changed;
    return changed;
  }

 private:
  std::unique_ptr<SourceSet> sources_;
  std::map<std::string, std::unique_ptr<SourceWatch>> watches_;
  std::set<std::string> said_;  // sources whose silence was reported
  bool silent_ = false;         // some source gives no signal
};

}  // namespace

// Heads against cursors: what moved is planned. Sources that can't be reached are said once, and
// once more when they are back.
void Daemon::look_for_changes(std::map<std::string, std::string>& said) {
  std::map<std::string, std::string> errors, heads;
  {
    std::lock_guard<std::mutex> lock(survey_mutex_);
    heads = surveyor_->heads(&errors);
  }
  for (const auto& [name, error] : errors) {
    if (said[name] != error) spdlog::warn("source {} can't be read: {}", name, error);
    said[name] = error;
  }
  for (auto it = said.begin(); it != said.end();) {
    bool back = !errors.count(it->first);
    if (back) spdlog::info("source {} is back", it->first);
    it = back ? said.erase(it) : std::next(it);
  }
  if (!errors.empty()) return;  // a plan fixes one commit of every source
  auto cursors = in_loop([](Engine& engine) { return engine.cursors(); });
  Trigger trigger;
  for (const auto& [name, commit] : heads) {
    if (cursors[name] == commit) continue;
    bool data = parts_.workspace().sources.end() !=
                std::find_if(parts_.workspace().sources.begin(), parts_.workspace().sources.end(),
                             [&, n = name](const SourceSpec& spec) {
                               return spec.name == n && keeps_tables(spec.kind);
                             });
    if (trigger.kind.empty() || data) trigger.kind = data ? "data" : "code";
    spdlog::info("{} {} is at {}", data ? "data" : "code", name, commit.substr(0, 7));
  }
  if (trigger.kind.empty()) return;
  trigger.who = "lockstep";
  auto done = std::make_shared<std::promise<void>>();
  std::future<void> planned = done->get_future();
  request({trigger, heads, [done](const std::string& run, const Error* error) {
             if (!run.empty()) spdlog::info("run {} begins", run);
             if (error) spdlog::error("{}", error->what());
             done->set_value();
           }});
  while (!stop_ && !failed_ &&
         planned.wait_for(std::chrono::milliseconds(kTick_ms)) != std::future_status::ready) {
  }
}

int Daemon::serve() {
  serving_ = true;
  begin();
  work();
  Signals signals(parts_);
  spdlog::info("serving {} on {}", parts_.workspace().folder.string(), parts_.socket().string());
  std::map<std::string, std::string> said;
  // A run that an earlier process left open goes on: its attempts are adopted by fingerprint.
  bool left_open = in_loop([](Engine& engine) {
    std::vector<RunRecord> last = engine.store().runs(1);
    return !engine.past().live().empty() || (!last.empty() && last[0].result == "running");
  });
  if (left_open) {
    Trigger trigger;
    trigger.kind = "data";
    trigger.who = "lockstep";
    request({trigger, {}, nullptr});
  }
  int64_t next_look_ms = 0;
  while (!stop_ && !failed_) {
    bool signal = signals.wait(kTick_ms);
    int64_t now = clock_.now_ms();
    if (!signal && now < next_look_ms) continue;
    look_for_changes(said);
    if (signals.silent()) signals.open(parts_);
    bool quiet = !signals.silent() && said.empty();
    next_look_ms = clock_.now_ms() + (quiet ? kSlowLook_ms : kRemoteLook_ms);
  }
  if (failed_) {
    spdlog::error("stopped: {}", failure());
    return 3;
  }
  spdlog::info("stopping; what is running goes on in the runner and is taken by the next serve");
  return 0;
}

}  // namespace lockstep
