// Running one helper program to its end: bytes in, bytes and exit status out, within limits.
// Knows nothing of what the program is for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

struct Subprocess {
  std::vector<std::string> argv;  // argv[0] without a slash is looked up in PATH; no shell
  std::string input;              // the program's stdin
  std::optional<std::vector<std::string>> env;  // "NAME=value"; nothing: this process's own
  int64_t timeout_ms = 60'000;                  // then it and its group are killed
  uint64_t max_output_bytes = 64ull << 20;      // of stdout and stderr each; more kills it too
};

struct SubprocessResult {
  int exit_code = -1;  // -1: did not exit by itself
  int signal = 0;      // that ended it
  bool timed_out = false;
  bool cut = false;  // it wrote more than allowed
  std::string out, err;

  bool ok() const { return exit_code == 0 && !timed_out && !cut; }
};

// Blocks until the program has ended. Thread-safe. Throws not_found when there is no such program,
// unavailable when no process can be started; how the program ends is the result, never thrown.
SubprocessResult run_subprocess(const Subprocess& what);

}  // namespace lockstep
