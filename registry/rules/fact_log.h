// The port to the kept facts: appends one, inside the caller's transaction, and says where it
// stands. Knows nothing of what the fact means.
#pragma once

#include "registry/rules/registry.h"

namespace lockstep {

class FactLog {
 public:
  virtual ~FactLog() = default;
  // Assigns the next sequence number; time_ms = max(now_ms, last recorded).
  virtual Entry append(const Fact& fact, int64_t now_ms) = 0;
};

}  // namespace lockstep
