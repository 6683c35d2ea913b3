// One attempt from start to result, in a process of its own that outlives runner and daemon.
// Knows nothing of sockets, other attempts or who reads the result.
#pragma once

#include <cstdint>
#include <string>

#include "pipeline/base/fd.h"
#include "pipeline/runner/order.h"
#include "pipeline/runner/workers.h"
#include "pipeline/runner/workspace.h"

namespace lockstep {

struct ShimSettings {
  RunnerPaths runner;
  std::string torch = "lockstep-torch", quality = "lockstep-quality";
  uint64_t log_bytes = 64ull << 20;
  size_t warm_workers = 0;
};

// Signals a shim understands: SIGUSR1 cancels the attempt; SIGTERM means that the machine goes
// down (the attempt is then lost, not failed).

// Runs in a freshly forked child of a single-threaded process and never returns. `lock` is the
// locked order.json: its lock ends with the shim, however it ends. Everything else that was open
// is closed. Leaves result.json behind. With a `worker` (else null) the action runs in that.
[[noreturn]] void run_shim(const Order& order, const ShimSettings& settings, Fd lock,
                           Worker* worker);

// What the shim writes to the file `pid`: its own pid, then its program's with the start time.
struct ShimPids {
  pid_t shim = 0;
  pid_t program = 0;
  uint64_t program_start = 0;  // field 22 of /proc/<pid>/stat
};
ShimPids read_shim_pids(const std::filesystem::path& file);  // zeros where nothing is written yet
// Kills what a shim that died without a result left of its program's group.
void kill_leftovers(const ShimPids& pids);

}  // namespace lockstep
