// The seam for time. The engine reads no clock but the one it is given.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace lockstep {

class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since 1970-01-01T00:00:00Z.
  virtual int64_t now_ms() = 0;
};

class SystemClock : public Clock {
 public:
  int64_t now_ms() override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
};

// "2026-03-03T14:00:00Z" (with milliseconds when not whole seconds).
std::string rfc3339(int64_t time_ms);
// Reads RFC 3339, and the shorter "2026-03-03", "2026-03-03 14:00" as UTC; throws invalid.
int64_t parse_time(std::string_view text);

}  // namespace lockstep
