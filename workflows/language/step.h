// The parts of a workflow file that describe one step. Inside the language room only.
// Knows nothing of other files; of other steps it knows the names.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "workflows/language/fields.h"
#include "workflows/language/template.h"

namespace lockstep {

// What is known while one step is read.
struct StepScope {
  const WorkspaceSources& sources;
  Diagnostics& diagnostics;
  std::string what;                          // `step "train"`
  std::vector<std::string> matrix;           // its axes
  std::vector<std::string> env;              // its variables, the workflow's included
  const std::vector<WorkflowInput>& inputs;  // the workflow's

  // What a model's name, a slice or a parameter may refer to. With `commit`, commits too.
  TemplateScope values(bool commit = false) const;
};

StepTemplate read_step(const std::string& name, const Place& place, const YamlNode& node,
                       const WorkspaceSources& sources,
                       const std::map<std::string, TemplateText>& workflow_env,
                       const std::vector<WorkflowInput>& workflow_inputs, Diagnostics& diagnostics);

// `env` of a workflow or a step; values may refer to `matrix`, to the workflow's inputs and to
// commits (with a warning).
std::map<std::string, TemplateText> read_env(const YamlNode& node, const std::string& what,
                                             const std::vector<std::string>& matrix,
                                             const std::vector<WorkflowInput>& inputs,
                                             const WorkspaceSources& sources,
                                             Diagnostics& diagnostics);

std::vector<MatrixAxis> read_matrix(const YamlNode& node, const StepScope& scope);
std::vector<InputTemplate> read_inputs(const YamlNode& node, const StepScope& scope);
// Once the whole step is read: `previous` names rows of it, and the step registers nothing.
void check_previous(const StepTemplate& step, const std::string& what, Diagnostics& diagnostics);

// Each reads one word of a step into its part of the template.
void read_gate(Fields& step_fields, const StepScope& scope, StepTemplate& step);
// After the gate, inputs and program, which it completes.
void read_evaluate(Fields& step_fields, const StepScope& scope, StepTemplate& step);
void read_resources(Fields& step_fields, const StepScope& scope, Resources& resources);
void read_environment(Fields& step_fields, const StepScope& scope, EnvironmentSpec& environment);
void read_limits(Fields& fields, const StepScope& scope, StepTemplate& step);

// `where` of rows.
void read_where(const YamlNode& node, const std::string& what, const StepScope& scope,
                InputTemplate& input);
// Templates anywhere inside a parameter.
void check_templates(const YamlNode& node, const std::string& what, const StepScope& scope);
// A command for /bin/sh, without templates.
std::optional<std::string> read_script(const YamlNode& node, const std::string& what,
                                       Diagnostics& diagnostics);

// Splits "source/table" or "source:glob" and finds the source where it was left out.
struct Prefixed {
  std::string source;
  std::string rest;
};
Prefixed resolve_table(const std::string& text, const Place& place, const WorkspaceSources& sources,
                       Diagnostics& diagnostics);
Prefixed resolve_glob(const std::string& text, const Place& place, const WorkspaceSources& sources,
                      Diagnostics& diagnostics);

}  // namespace lockstep
