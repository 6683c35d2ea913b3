#include "pipeline/core/schedule.h"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep {
namespace {

constexpr int64_t kAgeing_ms = 10 * 60 * 1000;

int64_t rank(const ReadyStep& step) {
  return start_rank(step.priority, step.waiting_ms);
}

bool on_card(const Slot& slot) {
  return slot.info.device != "cpu";
}

uint64_t weight(const Slot& slot, const Resources& need) {
  return on_card(slot) ? need.gpu_memory_bytes : need.memory_bytes;
}

bool suits(const Slot& slot, const Resources& need) {
  if (!need.pool.empty() && slot.info.pool != need.pool) return false;
  if (on_card(slot) != (need.gpu_memory_bytes > 0)) return false;
  return slot.info.memory_bytes == 0 || weight(slot, need) <= slot.info.memory_bytes;
}

// A step that asks for more CPUs than a pool has takes the whole pool.
uint32_t cpus(const Slot& slot, const Resources& need) {
  return std::min(std::max(need.cpus, 1u), slot.capacity);
}

bool has_room(const Slot& slot, const Resources& need) {
  if (!suits(slot, need) || slot.running >= slot.capacity) return false;
  if (slot.running + cpus(slot, need) > slot.capacity) return false;
  return slot.info.memory_bytes == 0 ||
         slot.used_bytes + weight(slot, need) <= slot.info.memory_bytes;
}

}  // namespace

int64_t start_rank(Priority priority, int64_t waiting_ms) {
  return std::max<int64_t>(0, static_cast<int64_t>(priority) - waiting_ms / kAgeing_ms);
}

std::vector<Start> schedule(std::vector<Slot> slots, std::vector<ReadyStep> ready,
                            std::map<uint32_t, uint32_t> running, std::set<std::string> busy,
                            std::set<std::string>& taken) {
  std::stable_sort(ready.begin(), ready.end(), [](const ReadyStep& a, const ReadyStep& b) {
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    if (a.chain != b.chain) return a.chain > b.chain;
    return a.id < b.id;
  });
  std::vector<Start> starts;
  for (const ReadyStep& step : ready) {
    if (busy.count(step.lock)) continue;
    if (step.max_parallel > 0 && running[step.tmpl] >= step.max_parallel) continue;
    bool waits = std::any_of(step.groups.begin(), step.groups.end(),
                             [&](const std::string& group) { return taken.count(group) > 0; });
    if (waits) {
      taken.insert(step.groups.begin(), step.groups.end());
      continue;
    }
    // The emptiest slot that has room: cards and pools fill evenly.
    size_t best = slots.size();
    for (size_t i = 0; i < slots.size(); ++i) {
      if (!has_room(slots[i], step.need)) continue;
      if (best == slots.size() || slots[i].running < slots[best].running) best = i;
    }
    if (best == slots.size()) continue;
    slots[best].running += cpus(slots[best], step.need);
    slots[best].used_bytes += weight(slots[best], step.need);
    running[step.tmpl] += 1;
    busy.insert(step.lock);
    taken.insert(step.groups.begin(), step.groups.end());
    starts.push_back({step.id, best});
  }
  return starts;
}

std::vector<double> critical_path(const Graph& graph,
                                  const std::function<double(StepId)>& duration) {
  std::vector<double> chain(graph.steps.size(), 0);
  for (auto it = graph.order.rbegin(); it != graph.order.rend(); ++it) {
    double longest = 0;
    for (StepId below : graph.dependents[it->value])
      longest = std::max(longest, chain[below.value]);
    chain[it->value] = longest + duration(*it);
  }
  return chain;
}

std::string unschedulable(const std::vector<Slot>& slots, const Resources& need) {
  for (const Slot& slot : slots) {
    if (suits(slot, need)) return "";
  }
  return fmt::format("no slot{} has {} for it",
                     need.pool.empty() ? "" : fmt::format(" of pool {}", need.pool),
                     need.gpu_memory_bytes > 0 ? "a card with enough memory" : "enough memory");
}

}  // namespace lockstep
