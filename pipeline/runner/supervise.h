// Watches one program: its output, its time, the order to stop, its end.
// Knows nothing of inputs, outputs or results on disk.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "pipeline/runner/capture.h"
#include "pipeline/runner/order.h"
#include "pipeline/runner/workers.h"
#include "pipeline/runner/workspace.h"

namespace lockstep {

struct Ending {
  std::string end;    // succeeded, failed, cancelled, lost
  std::string error;  // one line, empty when it succeeded
  int exit_code = -1;
  int signal = 0;
  bool warm = false;  // a warm worker has answered and waits for the next attempt
  int64_t user_ms = 0, system_ms = 0;
  uint64_t peak_memory_bytes = 0;
};

// Starts the program and returns when it and all its descendants are gone. SIGUSR1 (cancelled)
// and SIGTERM (lost) must be blocked; they, and a timeout, end the program's group by SIGTERM and,
// after the grace time, by SIGKILL. `started` is told the program's pid
// before the program does anything.
// Throws not_found or denied when the program can't be executed.
// With a warm `worker` the order's action runs in that instead, and stopping means ending it; times
// and memory are then not known. A worker that dies by itself makes the attempt lost.
Ending supervise(const Program& program, const Order& order, LogWriter& log, const Worker* worker,
                 const std::function<void(pid_t)>& started);

// "1500 ms", "10 s", "90 min".
std::string duration_text(int64_t ms);

}  // namespace lockstep
