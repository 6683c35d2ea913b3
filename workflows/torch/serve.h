// The warm worker: libtorch loaded once, each attempt in a child of its own that is forked from it.
// Knows nothing of slots or plans. A child begins as every other began, so attempts cannot
// influence each other; what it writes equals a cold run's bytes.
#pragma once

#include <iosfwd>

namespace lockstep {

// Reads one JSON line per attempt {"id", "cwd", "env": {…}, "args": ["run", ACTION], "log"} and
// answers each with one line {"id", "exit", "message"}, one after the other, until the input ends.
// A line that cannot be read is answered with exit 2. Returns 0.
int serve(std::istream& requests, int answers_fd);

}  // namespace lockstep
