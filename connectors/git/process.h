// One run of a program with a bound on its time and its output, in a process group of its own.
// Knows nothing of git; no shell takes part.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace lockstep {

struct ProcessRequest {
  std::vector<std::string> argv;  // argv[0] is looked up in this process's PATH
  std::vector<std::pair<std::string, std::string>> env;  // the whole environment
  std::string folder;                                    // where it runs
  int64_t limit_ms = 60'000;
  size_t max_output_bytes = 64 * 1024;  // of stdout and stderr together; the newest are kept
};

struct ProcessResult {
  int exit_code = -1;  // 128 + signal when it was killed
  bool timed_out = false;
  std::string output;
};

// stdin is /dev/null. At the limit the group gets SIGTERM (so that it removes its lock files), two
// seconds later SIGKILL. Throws unavailable when the program can't be started.
ProcessResult run_process(const ProcessRequest& request);

}  // namespace lockstep
