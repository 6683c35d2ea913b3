// Time to wait by: it only grows, whatever is done to the clock on the wall.
// Knows nothing of dates; two processes can't compare theirs.
#pragma once

#include <chrono>
#include <cstdint>

namespace lockstep {

// Milliseconds since some moment before this process began.
inline int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace lockstep
