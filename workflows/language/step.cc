#include "workflows/language/step.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "workflows/language/actions.h"
#include "workflows/language/conditions.h"
#include "workflows/language/readers.h"

namespace lockstep {
namespace {

constexpr size_t kLongestScript = 64 * 1024;

std::vector<std::string> names_of(const std::vector<WorkflowInput>& inputs) {
  std::vector<std::string> names;
  for (const WorkflowInput& input : inputs) names.push_back(input.name);
  return names;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void read_needs(Fields& fields, const StepScope& scope, StepTemplate& step) {
  const YamlNode* node = fields.take("needs");
  if (node == nullptr) return;
  if (node->is_list()) {
    step.needs = read_texts(*node, fields.of("needs"), scope.diagnostics);
  } else if (auto text = read_text(*node, fields.of("needs"), scope.diagnostics)) {
    step.needs = {*text};
  }
}

void read_strategy(Fields& step_fields, StepScope& scope, StepTemplate& step) {
  const YamlNode* node = step_fields.take("strategy");
  if (node == nullptr) return;
  Fields fields(*node, step_fields.of("strategy"), scope.diagnostics);
  fields.not_yet({"fail-fast"});
  if (const YamlNode* matrix = fields.need("matrix", "variables and their values")) {
    step.matrix = read_matrix(*matrix, scope);
  }
  for (const MatrixAxis& axis : step.matrix) scope.matrix.push_back(axis.name);
  if (const YamlNode* most = fields.take("max-parallel")) {
    auto count = read_integer(*most, fields.of("max-parallel"), 1, 100'000, scope.diagnostics);
    step.max_parallel = static_cast<uint32_t>(count.value_or(0));
  }
  fields.finish();
}

void read_uses(const YamlNode& node, const Fields& fields, const StepScope& scope,
               StepTemplate& step) {
  auto text = read_text(node, fields.of("uses"), scope.diagnostics);
  if (!text) return;
  const Action* action = find_action(*text);
  if (action == nullptr) {
    std::vector<std::string> names;
    for (const Action& known : actions()) {
      if (!known.evaluates) names.push_back(known.name);
    }
    std::string hint = did_you_mean(*text, names);
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    scope.diagnostics.error(node.place(), fmt::format("unknown action \"{}\"", shown(*text)),
                            hint.empty() ? "there is " + list : hint);
    return;
  }
  if (action->evaluates) {
    scope.diagnostics.error(node.place(), action->name + " answers rows for a gate",
                            "write evaluate: {uses: " + action->name + "}");
    return;
  }
  step.uses = action->name;
  step.revision = action->revision;
}

void read_program(Fields& fields, const StepScope& scope, StepTemplate& step) {
  const YamlNode* uses = fields.take("uses");
  const YamlNode* run = fields.take("run");
  if (fields.has("uses") == fields.has("run")) {
    scope.diagnostics.error(parse_place(step.place),
                            scope.what + (uses ? " has both uses and run" : " needs uses or run"),
                            "uses: names an action, run: is any command");
  }
  if (uses) read_uses(*uses, fields, scope, step);
  if (run) step.run = read_script(*run, fields.of("run"), scope.diagnostics).value_or("");
}

// "${{ inputs.NAME }}", where the input is a whole number.
bool whole_number_input(const YamlNode& node, const StepScope& scope) {
  for (const WorkflowInput& input : scope.inputs) {
    bool there = node.text() == "${{ inputs." + input.name + " }}";
    if (there) return input.type == ValueType::kInteger;
  }
  return false;
}

void read_with(Fields& step_fields, const StepScope& scope, StepTemplate& step) {
  const YamlNode* with = step_fields.take("with");
  if (with == nullptr) return;
  if (const Action* action = find_action(step.uses)) {
    check_with(*action, *with, scope.what, scope.diagnostics);
  } else if (step_fields.has("run")) {
    Fields fields(*with, step_fields.of("with"), scope.diagnostics);
    const YamlNode* seed = fields.take("seed");
    if (seed != nullptr && !whole_number_input(*seed, scope)) {
      read_integer(*seed, fields.of("seed"), 0, INT64_MAX >> 10, scope.diagnostics);
    }
    for (const YamlEntry& entry : with->entries()) {
      if (entry.key != "seed") fields.instead(entry.key, "a command gets its values through env");
    }
    fields.finish();
  }
  check_templates(*with, step_fields.of("with"), scope);
  try {
    if (with->is_map()) step.with = to_json(*with);
  } catch (const Error& error) {
    scope.diagnostics.add(error);
  }
}

void read_secrets(Fields& fields, const StepScope& scope, StepTemplate& step) {
  const YamlNode* node = fields.take("secrets");
  if (node == nullptr) return;
  step.secrets = read_texts(*node, fields.of("secrets"), scope.diagnostics);
  for (const YamlNode& item : node->items()) {
    const std::string& name = item.text();
    if (name.empty() ||
        !check_variable(name, item.place(), fields.of("secrets"), scope.diagnostics))
      continue;
    if (!contains(scope.sources.secrets, name)) {
      std::string hint = did_you_mean(name, scope.sources.secrets);
      scope.diagnostics.error(item.place(),
                              fmt::format("the workspace has no secret \"{}\"", shown(name)),
                              hint.empty() ? "add it under secrets in lockstep.yaml" : hint);
    } else if (contains(scope.env, name)) {
      scope.diagnostics.error(
          item.place(),
          fmt::format("\"{}\" is both a secret and a variable of {}", name, scope.what));
    }
  }
}

void read_outputs(Fields& step_fields, const StepScope& scope, StepTemplate& step) {
  const YamlNode* node = step_fields.take("outputs");
  if (node == nullptr) return;
  Fields fields(*node, step_fields.of("outputs"), scope.diagnostics);
  std::set<std::string> files;
  for (const YamlEntry& entry : node->entries()) {
    check_word(entry.key, entry.key_place, fields.what(), scope.diagnostics);
    auto file = read_path(entry.value, fields.of(entry.key), scope.diagnostics);
    if (!file) continue;
    if (file->find_first_of("*?[") != std::string::npos) {
      expected(entry.value, fields.of(entry.key), "one file or folder as text", scope.diagnostics);
    } else if (!files.insert(*file).second) {
      scope.diagnostics.error(
          entry.value.place(),
          fmt::format("two outputs of {} are the file \"{}\"", scope.what, *file));
    }
    step.outputs[entry.key] = *file;
  }
}

void read_registers(Fields& fields, const StepScope& scope, StepTemplate& step) {
  if (const YamlNode* node = fields.take("registers")) {
    step.registers =
        read_template(*node, fields.of("registers"), scope.values(), scope.diagnostics);
  }
  if (const YamlNode* node = fields.take("renamed-from")) {
    step.renamed_from =
        read_template(*node, fields.of("renamed-from"), scope.values(), scope.diagnostics);
  }
}

// What the parts of one step demand of each other.
void check_step(const StepTemplate& step, const StepScope& scope) {
  Diagnostics& diagnostics = scope.diagnostics;
  Place place = parse_place(step.place);
  if (const Action* action = find_action(step.uses)) {
    check_action_use(*action, step, place, scope.what, diagnostics);
  }
  check_previous(step, scope.what, diagnostics);
  if (step.registers && step.outputs.count("model") == 0) {
    diagnostics.error(place, scope.what + " registers a model but declares no output called model",
                      "outputs: {model: model.safetensors}");
  }
  if (step.renamed_from && !step.registers)
    diagnostics.error(place, scope.what + " has renamed-from but registers nothing");
  bool judged = !step.judged.champion.is_null() || step.judged.expect;
  if ((!step.gate.empty() || judged) && !step.registers) {
    diagnostics.error(place, scope.what + " has a gate but registers nothing",
                      "a gate decides about a registered model");
  }
  auto metrics = step.outputs.find("metrics");
  if (!step.gate.empty() && (metrics == step.outputs.end() || metrics->second != "metrics.json")) {
    diagnostics.error(place, scope.what + " has a gate but no metrics to read",
                      "outputs: {metrics: metrics.json}");
  }
  for (const MatrixAxis& axis : step.matrix) {
    if (!step.registers || refers_to(*step.registers, "matrix." + axis.name)) continue;
    diagnostics.error(
        place,
        fmt::format("\"registers\" of {} names one model for every {}", scope.what, axis.name),
        fmt::format("use ${{{{ matrix.{} }}}} in the name", axis.name));
  }
}

}  // namespace

void check_templates(const YamlNode& node, const std::string& what, const StepScope& scope) {
  if (node.is_scalar()) {
    TemplateText text =
        check_template(node.text(), node.place(), what, scope.values(true), scope.diagnostics);
    if (refers_to(text, "commit.")) {
      scope.diagnostics.warn(node.place(), what + " changes with every commit",
                             "the step runs again for each one, whatever it touched");
    }
  }
  for (const YamlNode& item : node.items()) check_templates(item, what, scope);
  for (const YamlEntry& entry : node.entries()) check_templates(entry.value, what, scope);
}

std::optional<std::string> read_script(const YamlNode& node, const std::string& what,
                                       Diagnostics& diagnostics) {
  auto text = as_text(node);
  if (!text || text->empty() || text->size() > kLongestScript) {
    expected(node, what, "a command as text", diagnostics);
    return std::nullopt;
  }
  if (text->find("${{") == std::string::npos) return text;
  diagnostics.error(node.place(), "values are not pasted into run: ${{ }} cannot stand here",
                    "put the value under env and write \"$NAME\" in the command");
  return std::nullopt;
}

TemplateScope StepScope::values(bool commit) const {
  TemplateScope scope{matrix, env, std::nullopt, names_of(inputs)};
  if (commit) {
    scope.commit = sources.tables;
    scope.commit->insert(scope.commit->end(), sources.code.begin(), sources.code.end());
  }
  return scope;
}

std::map<std::string, TemplateText> read_env(const YamlNode& node, const std::string& what,
                                             const std::vector<std::string>& matrix,
                                             const std::vector<WorkflowInput>& inputs,
                                             const WorkspaceSources& sources,
                                             Diagnostics& diagnostics) {
  std::map<std::string, TemplateText> env;
  TemplateScope scope{matrix, std::nullopt, sources.tables, names_of(inputs)};
  scope.commit->insert(scope.commit->end(), sources.code.begin(), sources.code.end());
  Fields fields(node, what, diagnostics);
  for (const YamlEntry& entry : node.entries()) {
    check_variable(entry.key, entry.key_place, what, diagnostics);
    auto text = read_template(entry.value, fields.of(entry.key), scope, diagnostics);
    if (!text) continue;
    if (refers_to(*text, "commit.")) {
      diagnostics.warn(entry.value.place(), fields.of(entry.key) + " changes with every commit",
                       "the step runs again for each one, whatever it touched");
    }
    env[entry.key] = *text;
  }
  return env;
}

StepTemplate read_step(const std::string& name, const Place& place, const YamlNode& node,
                       const WorkspaceSources& sources,
                       const std::map<std::string, TemplateText>& workflow_env,
                       const std::vector<WorkflowInput>& workflow_inputs,
                       Diagnostics& diagnostics) {
  StepTemplate step;
  step.name = name;
  step.place = place.str();
  StepScope scope{sources, diagnostics, fmt::format("step \"{}\"", shown(name)),
                  {},      {},          workflow_inputs};
  check_name(name, place, "steps", diagnostics);
  Fields fields(node, scope.what, diagnostics);
  if (!fields.is_map()) return step;
  fields.instead("debounce", "on: {data: {debounce-seconds: 60}}, for the whole workflow");
  fields.instead("runs-on", "write resources: {pool: NAME}");
  fields.instead("steps", "a step here is one program: uses or run");
  read_needs(fields, scope, step);
  read_strategy(fields, scope, step);
  step.env = workflow_env;
  if (const YamlNode* env = fields.take("env")) {
    for (auto& [key, text] :
         read_env(*env, fields.of("env"), scope.matrix, workflow_inputs, sources, diagnostics))
      step.env[key] = text;
  }
  for (const auto& [key, text] : step.env) scope.env.push_back(key);
  if (const YamlNode* inputs = fields.take("inputs")) step.inputs = read_inputs(*inputs, scope);
  read_program(fields, scope, step);
  read_with(fields, scope, step);
  read_secrets(fields, scope, step);
  read_outputs(fields, scope, step);
  read_registers(fields, scope, step);
  read_gate(fields, scope, step);
  read_evaluate(fields, scope, step);
  read_resources(fields, scope, step.resources);
  read_environment(fields, scope, step.environment);
  read_limits(fields, scope, step);
  read_condition(fields, scope, step);
  if (auto group = read_concurrency(fields, scope.matrix, diagnostics)) {
    step.concurrency.push_back(std::move(*group));
  }
  fields.finish();
  check_step(step, scope);
  return step;
}

}  // namespace lockstep
