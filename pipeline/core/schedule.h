// Which ready steps start now, on which slots: by priority, then by critical path, within the
// memory that each slot has left. Pure. Knows nothing of processes or of who measured the memory.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "pipeline/core/executor.h"
#include "pipeline/core/graph.h"

namespace lockstep {

// A place for attempts: a CPU pool or one card.
struct Slot {
  SlotInfo info;          // memory_bytes 0: not limited
  uint32_t capacity = 1;  // attempts of one CPU at once
  uint32_t running = 0;   // CPUs taken
  uint64_t used_bytes = 0;
};

// Lower runs first.
enum class Priority { kManual = 0, kData = 1, kCode = 2 };

struct ReadyStep {
  StepId id;
  Priority priority = Priority::kCode;
  int64_t waiting_ms = 0;  // since it became ready; ages: one class up every ten minutes
  double chain = 0;        // longest way to the end of the graph through this step
  Resources need;
  std::string lock;  // one attempt at a time for each: the model, or the step's name
  uint32_t tmpl = 0;
  uint32_t max_parallel = 0;
  std::set<std::string> groups = {};  // and one for each of these
};

// The first key of the order in which steps start: the class, aged. The second is the longer chain,
// the third the id.
int64_t start_rank(Priority priority, int64_t waiting_ms);

struct Start {
  StepId id;
  size_t slot = 0;  // index into the given slots
};

// `running` counts live attempts by template; `busy` holds the locks of live attempts, and `taken`
// their groups. A step that waits for a group keeps its other groups from those behind it, which
// `taken` remembers: else it might wait for ever.
std::vector<Start> schedule(std::vector<Slot> slots, std::vector<ReadyStep> ready,
                            std::map<uint32_t, uint32_t> running, std::set<std::string> busy,
                            std::set<std::string>& taken);

// For each step the longest chain of durations from it to the end of the graph, itself included.
std::vector<double> critical_path(const Graph& graph,
                                  const std::function<double(StepId)>& duration);

// Why a step that is ready can never start: no slot of its pool is large enough. Empty: it can.
std::string unschedulable(const std::vector<Slot>& slots, const Resources& need);

}  // namespace lockstep
