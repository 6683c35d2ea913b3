// `debounce-seconds`: commits that come one after the other are planned when none has come for so
// long. Nothing sleeps for it: serve() looks again when it is over.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "pipeline/daemon/daemon.h"

namespace lockstep {
namespace {

constexpr int64_t kMostTimes = 10;  // so often the quiet time a commit waits in all

}  // namespace

// What is held stands at the commit that was planned last. The first plan waits for nothing.
void Daemon::wait_for_quiet(const std::map<std::string, std::string>& cursors,
                            std::map<std::string, std::string>& heads) {
  auto needed = in_loop([](Engine& engine) { return engine.quiet(); });
  int64_t now_ms = clock_.now_ms();
  std::map<std::string, int64_t> until;
  for (auto& [source, head] : heads) {
    auto cursor = cursors.find(source);
    auto quiet_ms = needed.find(source);
    bool news = cursor != cursors.end() && cursor->second != head;
    if (!news || quiet_ms == needed.end()) {
      quiet_.erase(source);
      continue;
    }
    auto [held, first] = quiet_.try_emplace(source, Quiet{head, now_ms, now_ms});
    Quiet& quiet = held->second;
    if (now_ms < quiet.newest_ms)
      quiet.first_ms = quiet.newest_ms = now_ms;  // the clock was put back
    if (quiet.head != head) quiet.head = head, quiet.newest_ms = now_ms;
    int64_t due_ms = std::min(quiet.newest_ms + quiet_ms->second,
                              quiet.first_ms + kMostTimes * quiet_ms->second);
    if (now_ms >= due_ms) continue;
    if (first) spdlog::info("{} is at {}, which waits for quiet", source, head.substr(0, 7));
    until[source] = due_ms;
    head = cursor->second;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  quiet_until_ = std::move(until);
}

// What is planned meanwhile for another reason than the sources leaves them where they are held.
std::map<std::string, std::string> Daemon::held_commits() {
  std::map<std::string, std::string> held;
  for (const auto& [source, until_ms] : quiet_until()) {
    if (until_ms > clock_.now_ms()) held[source];
  }
  if (held.empty()) return held;
  auto cursors = in_loop([](Engine& engine) { return engine.cursors(); });
  for (auto& [source, commit] : held) commit = cursors.at(source);
  return held;
}

}  // namespace lockstep
