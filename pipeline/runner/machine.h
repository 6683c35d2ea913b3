// What this machine offers attempts: processors, memory, GPUs.
// Knows nothing of who uses them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/json.h"

namespace lockstep {

struct Gpu {
  std::string index;  // for CUDA_VISIBLE_DEVICES
  std::string name;
  uint64_t memory_bytes = 0;
};

struct Machine {
  unsigned cpus = 1;
  uint64_t memory_bytes = 0;
  std::vector<Gpu> gpus;
};

// Processors this process may run on and memory, both within the cgroup's limits; GPUs from
// nvidia-smi where the driver is loaded (waits for it at most 20 s).
Machine find_machine(bool gpus);

// Output of `nvidia-smi --query-gpu=index,name,memory.total --format=csv,noheader,nounits`; lines
// of another shape are passed over.
std::vector<Gpu> parse_gpus(std::string_view text);

Json machine_json(const Machine& machine);

}  // namespace lockstep
