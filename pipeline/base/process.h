// Starting a program, and running one to its end: bytes in, bytes and exit status out, within
// limits. Knows nothing of what the program is for; no shell takes part.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lockstep {

struct ProcessStart {
  std::vector<std::string> argv;  // argv[0] without a slash is looked up in this process's PATH
  // The whole environment, as names and values; nothing: this process's own.
  std::optional<std::vector<std::pair<std::string, std::string>>> env;
  std::string folder;                       // where it runs; empty: where this process does
  int input = -1, output = -1, error = -1;  // its first three descriptors; -1: /dev/null
};

// The program leads a session and group of its own, with no signal blocked or ignored and no other
// descriptor open; the caller reaps it. Thread-safe. Throws unavailable when it can't be started.
pid_t start_process(const ProcessStart& what);

struct ProcessRequest {
  std::vector<std::string> argv;  // these three as above
  std::optional<std::vector<std::pair<std::string, std::string>>> env;
  std::string folder;
  std::string input;            // the program's stdin
  int64_t timeout_ms = 60'000;  // then it and its group are killed
  int64_t grace_ms = 0;         // before that they have so long after SIGTERM to tidy up
  uint64_t max_output_bytes = 64ull << 20;  // of stdout and stderr each; more kills it too
  bool keep_newest = false;                 // more does not kill it: the oldest bytes are dropped
};

struct ProcessResult {
  int exit_code = -1;  // -1: did not exit by itself
  int signal = 0;      // that ended it
  bool timed_out = false;
  bool cut = false;  // it wrote more than allowed
  std::string out, err;

  bool ok() const { return exit_code == 0 && !timed_out && !cut; }
};

// Blocks until the program has ended; what it leaves behind in its group is killed. Thread-safe.
// Throws as start_process does; how the program ends is the result, never thrown.
ProcessResult run_process(const ProcessRequest& request);

}  // namespace lockstep
