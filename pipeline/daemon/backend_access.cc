// The workspace's answers about who may come in.
#include <charconv>

#include "pipeline/daemon/backend.h"

namespace lockstep {
namespace {

// "90d", "12h", or a time.
std::optional<int64_t> expiry(const std::string& text, int64_t now_ms) {
  if (text.empty()) return std::nullopt;
  constexpr int64_t kMostDays = 3660;
  int64_t count = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  bool span = error == std::errc() && end + 1 == text.data() + text.size();
  int64_t hours = span && *end == 'd' ? 24 : span && *end == 'h' ? 1 : 0;
  if (hours == 0) return parse_time(text);
  if (count < 1 || count * hours > kMostDays * 24) {
    throw Error(ErrorCode::kInvalid, "a token lives for one hour to ten years");
  }
  return now_ms + count * hours * 3'600'000;
}

}  // namespace

Json WorkspaceBackend::health() {
  return {{"ok", true}};
}

Json WorkspaceBackend::ready() {
  if (std::optional<Error> trouble = daemon_.trouble()) throw *trouble;
  daemon_.in_loop([](Engine&) {});
  return {{"ok", true}};
}

Json WorkspaceBackend::tokens() {
  return daemon_.tokens().list(SystemClock().now_ms());
}

Json WorkspaceBackend::token_create(const std::string& name, const std::string& role,
                                    const std::string& expires, const Caller& caller) {
  int64_t now_ms = SystemClock().now_ms();
  return daemon_.tokens().create(name, role, expiry(expires, now_ms), caller.user, now_ms);
}

Json WorkspaceBackend::token_revoke(const std::string& which, const Caller& caller) {
  return daemon_.tokens().revoke(which, caller.user, SystemClock().now_ms());
}

Json WorkspaceBackend::audit(size_t limit) {
  return daemon_.audit().newest(limit);
}

}  // namespace lockstep
