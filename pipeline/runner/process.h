// Starting a program in a session of its own, and ending everything it started.
// Knows nothing of attempts.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "pipeline/base/fd.h"

namespace lockstep {

struct Launch {
  std::vector<std::string> argv;
  std::vector<std::string> env;  // "NAME=value"
  std::string folder;            // working folder
  int output = -1;               // receives stdout
  int error = -1;                // receives stderr; -1: `output` does
  int input = -1;                // stdin; -1: empty
  uint64_t memory_bytes = 0;     // RLIMIT_DATA; 0: none
  bool dies_with_parent = true;
  // Called in the new process, with its pid, before the program is executed. It has our memory
  // while we wait, so it must leave nothing behind there but what it writes to files.
  std::function<void(pid_t)> record;
};

// Starts the program; it leads a session and group of its own.
// argv[0] without a slash is looked up in the PATH of `env`. The caller must be single-threaded.
// Throws not_found or denied when the program can't be executed, unavailable when `record` threw.
pid_t launch(const Launch& launch);

// Makes this process inherit the orphans of its descendants.
void adopt_orphans();
// SIGKILL to every descendant of this process, repeated until none is left; reaps them. Gives up
// after some seconds on processes that the kernel does not let go.
void kill_descendants();

// A descriptor that polls readable when `pid` ends; not open when there is no such process.
Fd open_pidfd(pid_t pid);
// Sends through the descriptor, so never to a stranger with a reused number.
void signal_pidfd(const Fd& pidfd, int signal);

}  // namespace lockstep
