// Workflows given as values: by code commit, or the same for all; and short ways to write them.
// Knows nothing of YAML.
#pragma once

#include <optional>

#include "pipeline/base/error.h"
#include "pipeline/core/workflows.h"

namespace lockstep {

class FakeWorkflows : public Workflows {
 public:
  std::vector<Workflow> always;                     // at commits that are not named below
  std::map<std::string, std::vector<Workflow>> at;  // code commit → what it says
  std::map<std::string, Error> errors;              // code commit → what is wrong with it
  std::vector<std::map<std::string, std::string>> asked;

  std::vector<Workflow> load(const std::map<std::string, std::string>& commits) override {
    asked.push_back(commits);
    for (const auto& [source, commit] : commits) {
      if (auto bad = errors.find(commit); bad != errors.end()) throw bad->second;
      if (auto found = at.find(commit); found != at.end()) return found->second;
    }
    return always;
  }
};

inline InputTemplate rows_of(const std::string& table, const std::string& cut = "",
                             const std::string& value = "${{ matrix.client }}") {
  InputTemplate in;
  in.name = "rows";
  in.kind = InputKind::kRows;
  in.source = "tables";
  in.table = table;
  if (!cut.empty()) in.where[cut] = parse_template(value);
  return in;
}

inline InputTemplate code_of(std::vector<std::string> paths) {
  InputTemplate in;
  in.name = "code";
  in.kind = InputKind::kCode;
  in.source = "code";
  in.paths = std::move(paths);
  return in;
}

inline InputTemplate output_of(const std::string& step, const std::string& output) {
  InputTemplate in;
  in.name = "from-" + step;
  in.kind = InputKind::kOutput;
  in.step = step;
  in.output = output;
  return in;
}

inline InputTemplate model_of(const std::string& model) {
  InputTemplate in;
  in.name = "base";
  in.kind = InputKind::kModel;
  in.model = parse_template(model);
  return in;
}

inline MatrixAxis column_axis(const std::string& name, const std::string& table) {
  MatrixAxis axis;
  axis.name = axis.column = name;
  axis.source = "tables";
  axis.table = table;
  return axis;
}

inline MatrixAxis list_axis(const std::string& name, std::vector<std::string> values) {
  MatrixAxis axis;
  axis.name = name;
  axis.values = std::move(values);
  return axis;
}

// A step that runs `true` and gives model.bin; `registers` may be empty.
inline StepTemplate step_of(const std::string& name, const std::string& registers,
                            std::vector<InputTemplate> inputs = {}) {
  StepTemplate step;
  step.name = name;
  step.run = "true";
  step.outputs = {{"model", "model.bin"}};
  step.inputs = std::move(inputs);
  if (!registers.empty()) step.registers = parse_template(registers);
  return step;
}

// "train[client=…]" registers intent-…, from the client's rows of `utterances`.
inline StepTemplate train_by_client() {
  StepTemplate step = step_of("train", "intent-${{ matrix.client }}",
                              {rows_of("utterances", "client"), code_of({"train/"})});
  step.matrix = {column_axis("client", "utterances")};
  return step;
}

inline Workflow workflow_of(std::vector<StepTemplate> steps, const std::string& name = "w") {
  Workflow workflow;
  workflow.name = name;
  workflow.source = "code";
  workflow.steps = std::move(steps);
  return workflow;
}

}  // namespace lockstep
