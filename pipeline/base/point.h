// Labelled places at which a test has this very process killed: before, between and after writes
// that must last and effects outside. Knows nothing of what is written there.
#pragma once

#include <atomic>

namespace lockstep {

namespace points {
extern std::atomic<bool> armed;           // by LOCKSTEP_KILL_AT, when the program starts
void passed(const char* label) noexcept;  // may not return
}  // namespace points

// Costs one relaxed load. With LOCKSTEP_KILL_AT="store.commit.before:3" in the environment the
// process sends SIGKILL to itself when it passes that label the third time (":1" may be left out);
// a fork counts on from where it was. Where LOCKSTEP_KILLED names a file, that file is made first,
// and nobody is killed once it is there: one variable for a process and all that it starts kills
// one of them. Labels are listed in tests/torture/kills/labels, which the tidy test holds complete.
inline void point(const char* label) noexcept {
  if (points::armed.load(std::memory_order_relaxed)) points::passed(label);
}

}  // namespace lockstep
