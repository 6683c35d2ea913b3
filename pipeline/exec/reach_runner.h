// Reaching the runner of a workspace: connecting to it, or starting it first.
// Knows nothing of the protocol.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/base/fd.h"

namespace lockstep {

struct RunnerPlace {
  std::filesystem::path program;     // lockstep-runner; empty: never start one, only connect
  std::filesystem::path state;       // its folder, absolute
  std::filesystem::path socket;      // empty: state/runner.sock
  std::vector<std::string> options;  // further arguments, such as --torch PATH
  int64_t wait_ms = 30'000;          // for a started runner to answer

  std::filesystem::path socket_path() const {
    return socket.empty() ? state / "runner.sock" : socket;
  }
};

// A connection to the runner. Where none answers, one is started in a session of its own, with
// its output in state/runner.log, and waited for; of several starters at once one runner remains.
// A socket file that nobody serves does not disturb. Throws unavailable, with the end of that log.
Fd reach_runner(const RunnerPlace& place);

}  // namespace lockstep
