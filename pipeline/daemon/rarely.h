// How often something that may happen thousands of times a second is said: the first time, and then
// once a minute with the number of times in between. Knows nothing of what is said, and prints
// nothing.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace lockstep {

class Rarely {
 public:
  // `key` (few there are) has happened. How often it has since it was said last, this time counted;
  // nothing while it is too early to say it again. `now_ms` of a clock; one that goes back is
  // taken.
  std::optional<uint64_t> due(const std::string& key, int64_t now_ms) {
    constexpr int64_t kPause_ms = 60'000;
    std::lock_guard<std::mutex> lock(mutex_);
    Said& said = said_[key];
    ++said.times;
    if (said.last_ms != 0 && now_ms >= said.last_ms && now_ms < said.last_ms + kPause_ms) {
      return std::nullopt;
    }
    said.last_ms = now_ms;
    return std::exchange(said.times, 0);
  }

 private:
  struct Said {
    int64_t last_ms = 0;  // 0: never
    uint64_t times = 0;
  };
  std::mutex mutex_;
  std::map<std::string, Said> said_;
};

}  // namespace lockstep
