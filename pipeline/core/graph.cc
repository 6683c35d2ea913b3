#include "pipeline/core/graph.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace lockstep {
namespace {

// The steps a step reads from or waits for; models resolve through their producer.
std::vector<StepId> upstream(const Graph& graph, const Step& step) {
  std::vector<StepId> all = step.needs;
  for (const StepInput& input : step.inputs) {
    if (input.kind == InputKind::kOutput) all.push_back(input.step);
    if (input.kind == InputKind::kModel) {
      auto found = graph.producer.find(input.model);
      if (found != graph.producer.end()) all.push_back(found->second);
    }
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

void index_names(Graph& graph) {
  graph.by_name.clear();
  graph.producer.clear();
  for (uint32_t i = 0; i < graph.steps.size(); ++i) {
    const Step& step = graph.steps[i];
    auto [named, fresh] = graph.by_name.emplace(step.name, StepId{i});
    if (!fresh) {
      throw Error(ErrorCode::kInvalid, fmt::format("two steps are called {}", step.name),
                  "rename one of them");
    }
    if (step.registers.empty()) continue;
    auto [made, first] = graph.producer.emplace(step.registers, StepId{i});
    if (!first) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("model {} is registered by two steps, {} and {}", step.registers,
                              graph.step(made->second).name, step.name),
                  "give one of them another name under `registers`");
    }
  }
}

}  // namespace

std::string SliceSpec::name() const {
  std::vector<std::string> cuts;
  for (const auto& [column, value] : where) cuts.push_back(column + "=" + value);
  std::string text = table;
  if (!cuts.empty()) text += fmt::format("[{}]", fmt::join(cuts, ","));
  return at.empty() ? text : text + "@" + at;
}

void link(Graph& graph) {
  index_names(graph);
  size_t count = graph.steps.size();
  graph.dependents.assign(count, {});
  graph.order.clear();
  std::vector<uint32_t> open(count, 0);
  for (uint32_t i = 0; i < count; ++i) {
    std::vector<StepId> above = upstream(graph, graph.steps[i]);
    open[i] = static_cast<uint32_t>(above.size());
    for (StepId id : above) graph.dependents[id.value].push_back(StepId{i});
  }
  for (uint32_t i = 0; i < count; ++i) {
    if (open[i] == 0) graph.order.push_back(StepId{i});
  }
  // Kahn 1962: the order grows while it is read.
  for (size_t at = 0; at < graph.order.size(); ++at) {
    for (StepId below : graph.dependents[graph.order[at].value]) {
      if (--open[below.value] == 0) graph.order.push_back(below);
    }
  }
  if (graph.order.size() == count) return;
  std::vector<std::string> names;
  for (uint32_t i = 0; i < count && names.size() < 10; ++i) {
    if (open[i] > 0) names.push_back(graph.steps[i].name);
  }
  throw Error(ErrorCode::kInvalid,
              fmt::format("these steps wait for each other: {}", fmt::join(names, ", ")),
              "remove one of their inputs or needs");
}

}  // namespace lockstep
