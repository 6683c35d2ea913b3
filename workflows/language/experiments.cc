#include "workflows/language/experiments.h"

#include <fmt/core.h>

#include <algorithm>

#include "pipeline/core/inputs.h"
#include "workflows/language/readers.h"

namespace lockstep {
namespace {

constexpr size_t kMostInputs = 25;  // as GitHub Actions
constexpr size_t kMostOptions = 100;

const std::vector<std::string>& type_words() {
  static const std::vector<std::string> words = {"string", "number", "integer", "boolean",
                                                 "choice"};
  return words;
}

void read_type(Fields& fields, WorkflowInput& input, Diagnostics& diagnostics) {
  const YamlNode* type = fields.take("type");
  if (type == nullptr) return;
  auto chosen = read_choice(*type, fields.of("type"), type_words(), diagnostics);
  for (size_t i = 0; chosen && i < type_words().size(); ++i) {
    if (type_words()[i] == *chosen) input.type = static_cast<ValueType>(i);
  }
}

void read_options(Fields& fields, WorkflowInput& input, Diagnostics& diagnostics) {
  const YamlNode* options = fields.take("options");
  if (input.type != ValueType::kChoice) {
    if (options == nullptr) return;
    return diagnostics.error(options->place(), fields.of("options") + " are only for a choice",
                             "type: choice");
  }
  if (options == nullptr) {
    return diagnostics.error(fields.place(), fields.what() + " is a choice and needs \"options\"",
                             "options: [small, large]");
  }
  input.options = read_texts(*options, fields.of("options"), diagnostics);
  if (input.options.size() > kMostOptions) {
    expected(*options, fields.of("options"), fmt::format("at most {} values", kMostOptions),
             diagnostics);
  }
}

void read_default(Fields& fields, WorkflowInput& input, Diagnostics& diagnostics) {
  const YamlNode* node = fields.take("default");
  if (node == nullptr) {
    if (!input.required) input.standard = nothing_of(input);
    return;
  }
  input.standard = nothing_of(input);  // also where it is wrong, so that it is said once
  if (!node->is_scalar()) {
    return expected(*node, fields.of("default"), "one value", diagnostics);
  }
  try {
    // What YAML reads as text is none of the other types; a text may look like anything.
    bool text = node->quoted() || as_text(*node).has_value();
    Json value = text ? Json(node->text()) : to_json(*node);
    bool wants_text = input.type == ValueType::kString || input.type == ValueType::kChoice;
    if (text == wants_text) {
      input.standard = input_value(input, value);
    } else {
      expected(*node, fields.of("default"),
               wants_text ? "text" : fmt::format("a value of type {}", word(input.type)),
               diagnostics);
    }
  } catch (const Error& error) {
    diagnostics.error(node->place(), fields.of("default") + ": " + error.message);
  }
}

WorkflowInput read_one(const YamlEntry& entry, Diagnostics& diagnostics) {
  WorkflowInput input;
  input.name = entry.key;
  input.place = entry.key_place.str();
  check_word(entry.key, entry.key_place, "\"inputs\" of \"manual\"", diagnostics);
  if (entry.value.is_null()) {
    input.standard = nothing_of(input);
    return input;
  }
  Fields fields(entry.value, fmt::format("input \"{}\"", shown(entry.key)), diagnostics);
  read_type(fields, input, diagnostics);
  read_options(fields, input, diagnostics);
  if (const YamlNode* required = fields.take("required")) {
    input.required = read_bool(*required, fields.of("required"), diagnostics).value_or(false);
  }
  if (const YamlNode* text = fields.take("description")) {
    input.description = read_text(*text, fields.of("description"), diagnostics).value_or("");
  }
  read_default(fields, input, diagnostics);
  fields.finish();
  return input;
}

}  // namespace

void read_inputs_of_start(Fields& manual, Workflow& workflow, Diagnostics& diagnostics) {
  const YamlNode* node = manual.take("inputs");
  if (node == nullptr) return;
  if (!node->is_map() || node->entries().empty() || node->entries().size() > kMostInputs) {
    return expected(*node, manual.of("inputs"), fmt::format("a map of 1 to {} inputs", kMostInputs),
                    diagnostics);
  }
  for (const YamlEntry& entry : node->entries()) {
    workflow.inputs.push_back(read_one(entry, diagnostics));
  }
}

void read_tags(const YamlNode& node, Workflow& workflow, Diagnostics& diagnostics) {
  if (!node.is_list() || node.items().empty()) {
    return expected(node, "\"tag\"", "a list of tag names or patterns", diagnostics);
  }
  workflow.tags = read_texts(node, "\"tag\"", diagnostics);
  for (const YamlNode& item : node.items()) {
    if (item.text().find_first_of("?[]!+") == std::string::npos) continue;
    diagnostics.error(item.place(), fmt::format("\"{}\" is no tag pattern", shown(item.text())),
                      "only * stands for other characters (\"/\" among them)");
  }
}

void check_inputs_of_start(const Workflow& workflow, Diagnostics& diagnostics) {
  bool by_itself = workflow.on_data || workflow.on_code || !workflow.schedules.empty() ||
                   !workflow.tags.empty() || !workflow.after.names.empty();
  for (const WorkflowInput& input : workflow.inputs) {
    if (!by_itself || !input.standard.is_null()) continue;
    diagnostics.error(
        parse_place(input.place),
        fmt::format("input \"{}\" is required, but the workflow also starts by itself",
                    shown(input.name)),
        "give it a default, or have only `manual` start the workflow");
  }
}

}  // namespace lockstep
