// A graph is kept while what it is expanded from stays the same.
#include <algorithm>

#include "pipeline/core/graph.h"

namespace lockstep {
namespace {

std::map<std::string, std::string> of(const std::set<std::string>& sources,
                                      const std::map<std::string, std::string>& commits) {
  std::map<std::string, std::string> known;
  for (const std::string& source : sources) {
    auto commit = commits.find(source);
    if (commit != commits.end()) known.insert(*commit);
  }
  return known;
}

// The JSON values of a workflow with their types: a number that compares equal may be another one.
std::string values_of(const Workflow& workflow) {
  Json all = Json::array({workflow.values});
  for (const WorkflowInput& input : workflow.inputs) all.push_back(input.standard);
  for (const StepTemplate& step : workflow.steps) {
    all.push_back(step.with);
    all.push_back(step.judged.champion);
    all.push_back(step.evaluate ? step.evaluate->with : Json());
  }
  return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

bool identical(const std::vector<Workflow>& a, const std::vector<Workflow>& b) {
  return a == b &&
         std::equal(a.begin(), a.end(), b.begin(), [](const Workflow& one, const Workflow& other) {
           return values_of(one) == values_of(other);
         });
}

bool Graphs::stands(const std::vector<Workflow>& workflows, const AxisReader& axis,
                    const std::map<std::string, std::string>& commits) const {
  if (!graph_ || !identical(workflows_, workflows)) return false;
  if (of(graph_->commits_read, commits) != commits_) return false;
  try {
    return std::all_of(axes_.begin(), axes_.end(),
                       [&](const auto& one) { return axis(one.first) == one.second; });
  } catch (const Error&) {
    return false;  // to be expanded: that says what is wrong
  }
}

std::shared_ptr<const Graph> Graphs::expanded(const std::vector<Workflow>& workflows,
                                              const AxisReader& axis,
                                              const std::map<std::string, std::string>& commits) {
  if (stands(workflows, axis, commits)) return graph_;
  graph_ = nullptr;
  axes_.clear();
  bool all_read = true;
  auto graph = std::make_shared<const Graph>(expand(
      workflows,
      [&](const MatrixAxis& one) {
        try {
          return axes_.emplace_back(one, axis(one)).second;
        } catch (const Error&) {
          all_read = false;  // what could not be read, and why, is part of the graph
          throw;
        }
      },
      commits));
  workflows_ = workflows;
  commits_ = of(graph->commits_read, commits);
  if (all_read) graph_ = graph;
  return graph;
}

}  // namespace lockstep
