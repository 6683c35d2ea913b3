#include "workflows/language/actions.h"

#include <fmt/core.h>

#include <algorithm>

#include "workflows/language/fields.h"
#include "workflows/language/readers.h"

namespace lockstep {
namespace {

constexpr double kLargestSeed = 9'007'199'254'740'991;  // 2^53 - 1: exact in every JSON reader

WithKey number(std::string name, WithType type, double min, double max) {
  return {std::move(name), type, min, max, {}, ""};
}
WithKey texts(std::string name, WithType type, std::vector<std::string> words) {
  return {std::move(name), type, 0, 0, std::move(words), ""};
}
WithKey column(std::string name, std::string standard) {
  return {std::move(name), WithType::kText, 0, 0, {}, std::move(standard)};
}

std::vector<WithKey> training_keys(std::string label) {
  return {column("text", "text"),
          column("label", std::move(label)),
          number("epochs", WithType::kInteger, 1, 10'000),
          number("batch", WithType::kInteger, 1, 65'536),
          number("learning-rate", WithType::kNumber, 1e-7, 10),
          number("dropout", WithType::kNumber, 0, 0.95),
          number("patience", WithType::kInteger, 0, 10'000),
          number("seed", WithType::kInteger, 0, kLargestSeed)};
}

Action trunk() {
  Action action;
  action.name = "torch/text-trunk";
  action.inputs = {{"corpus", {InputKind::kRows}}};
  action.outputs = {"model", "metrics"};
  action.with = training_keys("label");
  action.with.push_back(number("features", WithType::kInteger, 16, 1 << 20));
  action.with.push_back(number("ngrams", WithType::kIntegers, 1, 8));
  action.with.push_back(number("characters", WithType::kIntegers, 1, 16));
  action.with.push_back(number("width", WithType::kInteger, 1, 4096));
  action.with.push_back(number("hidden", WithType::kInteger, 0, 4096));
  return action;
}

Action adapter() {
  Action action;
  action.name = "torch/text-adapter";
  action.inputs = {{"rows", {InputKind::kRows}},
                   {"trunk", {InputKind::kModel, InputKind::kOutput}}};
  action.outputs = {"model", "metrics"};
  action.with = training_keys("intent");
  action.with.push_back(texts("adapter", WithType::kText, {"head", "bottleneck", "lora"}));
  action.with.push_back(number("rank", WithType::kInteger, 1, 1024));
  action.with.push_back(number("alpha", WithType::kNumber, 1e-6, 1e6));
  action.with.push_back(texts("targets", WithType::kTexts, {"input", "hidden"}));
  return action;
}

// Its inputs and outputs are those of every evaluation (docs/GATES.md).
Action evaluate() {
  Action action;
  action.name = "torch/evaluate";
  action.inputs = {{"model", {InputKind::kModel}}, {"trunk", {InputKind::kModel}}};
  action.outputs = {"predictions"};
  action.with = {column("text", "text"), column("label", "label"),
                 texts("key", WithType::kTexts, {}), texts("positive", WithType::kText, {}),
                 texts("columns", WithType::kTexts, {})};
  action.evaluates = true;
  return action;
}

Action quality() {
  Action action;
  action.name = "data/quality";
  action.revision = 2;
  action.inputs = {{"rows", {InputKind::kRows}},
                   {"before", {InputKind::kRows, InputKind::kPrevious}, true}};
  action.outputs = {"report", "suspects", "metrics"};
  action.with = {column("label", "label"),
                 texts("key", WithType::kTexts, {}),
                 texts("classes", WithType::kTexts, {}),
                 texts("numbers", WithType::kTexts, {}),
                 texts("categories", WithType::kTexts, {}),
                 number("warn", WithType::kNumber, 0, 100),
                 number("block", WithType::kNumber, 0, 100)};
  for (WithKey& key : action.with) {
    key.columns = key.name == "key" || key.name == "numbers" || key.name == "categories";
    if (key.name == "classes") key.most = 10'000;
  }
  return action;
}

// A value with ${{ }} is checked as a template; what it becomes, by the action itself.
void check_one(const WithKey& key, bool whole, const YamlNode& value, const std::string& what,
               Diagnostics& diagnostics) {
  if (value.text().find("${{") != std::string::npos) return;
  if (key.type == WithType::kText || key.type == WithType::kTexts) {
    if (key.words.empty()) {
      read_text(value, what, diagnostics);
    } else {
      read_choice(value, what, key.words, diagnostics);
    }
    return;
  }
  if (whole) {
    read_integer(value, what, static_cast<int64_t>(key.min), static_cast<int64_t>(key.max),
                 diagnostics);
    return;
  }
  auto found = as_double(value);
  if (found && *found >= key.min && *found <= key.max) return;
  expected(value, what, fmt::format("a number from {} to {}", key.min, key.max), diagnostics);
}

void check_value(const WithKey& key, const YamlNode& value, const std::string& what,
                 Diagnostics& diagnostics) {
  if (key.type != WithType::kIntegers && key.type != WithType::kTexts) {
    return check_one(key, key.type == WithType::kInteger, value, what, diagnostics);
  }
  if (!value.is_list() || value.items().size() > key.most) {
    return expected(value, what, fmt::format("a list of at most {}", key.most), diagnostics);
  }
  for (size_t i = 0; i < value.items().size(); ++i) {
    const YamlNode& item = value.items()[i];
    check_one(key, true, item, "an entry of " + what, diagnostics);
    for (size_t j = 0; j < i; ++j) {
      if (value.items()[j].text() != item.text()) continue;
      diagnostics.error(item.place(), fmt::format("{} has {} twice", what, shown(item.text())));
    }
  }
}

std::string kinds_text(const ActionInput& input) {
  std::string text;
  for (InputKind kind : input.kinds) {
    text += text.empty() ? "" : " or ";
    text += kind == InputKind::kRows       ? "a table"
            : kind == InputKind::kModel    ? "a model"
            : kind == InputKind::kPrevious ? "previous"
                                           : "an output";
  }
  return text;
}

// The columns that the step's value of `key` names.
std::vector<std::string> columns_of(const WithKey& key, const StepTemplate& step) {
  const Json given = step.with.value(key.name, Json());
  if (key.columns && given.is_array()) {
    std::vector<std::string> names;
    for (const Json& one : given) {
      if (one.is_string()) names.push_back(one);
    }
    return names;
  }
  if (key.column.empty()) return {};
  return {given.is_string() ? given.get<std::string>() : key.column};
}

// The columns the action reads must be among those it is given.
void check_columns(const Action& action, const StepTemplate& step, const InputTemplate& input,
                   const std::string& what, Diagnostics& diagnostics) {
  Place place = parse_place(input.place);
  if (input.format != "csv") {
    diagnostics.error(place, fmt::format("{} reads csv, not {}", action.name, input.format));
  }
  if (input.columns.empty()) return;
  for (const WithKey& key : action.with) {
    for (const std::string& name : columns_of(key, step)) {
      if (name.find("${{") != std::string::npos) continue;
      if (std::find(input.columns.begin(), input.columns.end(), name) != input.columns.end())
        continue;
      diagnostics.error(
          place,
          fmt::format("{} of {} reads the column \"{}\", which is not among its columns",
                      action.name, what, shown(name)),
          fmt::format("add it, or name another: with: {{{}: …}}", key.name));
    }
  }
}

const InputTemplate* find_input(const StepTemplate& step, const std::string& name) {
  for (const InputTemplate& input : step.inputs) {
    if (input.name == name) return &input;
  }
  return nullptr;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

const std::vector<Action>& actions() {
  static const std::vector<Action> all = {trunk(), adapter(), evaluate(), quality()};
  return all;
}

const Action* find_action(std::string_view name) {
  for (const Action& action : actions()) {
    if (action.name == name) return &action;
  }
  return nullptr;
}

void check_with(const Action& action, const YamlNode& with, const std::string& what,
                Diagnostics& diagnostics) {
  Fields fields(with, "\"with\" of " + what, diagnostics);
  for (const WithKey& key : action.with) {
    if (const YamlNode* value = fields.take(key.name)) {
      check_value(key, *value, fields.of(key.name), diagnostics);
    }
  }
  fields.finish();
}

void check_action_use(const Action& action, const StepTemplate& step, const Place& place,
                      const std::string& what, Diagnostics& diagnostics) {
  std::vector<std::string> names;
  for (const ActionInput& wanted : action.inputs) {
    names.push_back(wanted.name);
    const InputTemplate* input = find_input(step, wanted.name);
    if (input == nullptr && wanted.optional) continue;
    if (input == nullptr) {
      diagnostics.error(place, fmt::format("{} needs an input \"{}\" for {}: {}", what, wanted.name,
                                           action.name, kinds_text(wanted)));
    } else if (std::find(wanted.kinds.begin(), wanted.kinds.end(), input->kind) ==
               wanted.kinds.end()) {
      diagnostics.error(parse_place(input->place),
                        fmt::format("input \"{}\" of {} must be {} for {}", wanted.name, what,
                                    kinds_text(wanted), action.name));
    } else if (input->kind == InputKind::kRows) {
      check_columns(action, step, *input, what, diagnostics);
    }
  }
  for (const InputTemplate& input : step.inputs) {
    if (input.kind == InputKind::kCode || contains(names, input.name)) continue;
    diagnostics.error(parse_place(input.place),
                      fmt::format("{} does not read the input \"{}\" of {}", action.name,
                                  shown(input.name), what),
                      did_you_mean(input.name, names));
  }
  for (const auto& [name, file] : step.outputs) {
    if (contains(action.outputs, name)) continue;
    diagnostics.error(
        place, fmt::format("{} writes no output \"{}\" ({})", action.name, shown(name), what),
        did_you_mean(name, action.outputs));
  }
}

}  // namespace lockstep
