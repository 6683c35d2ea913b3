#include "workflows/language/actions.h"

#include <fmt/core.h>

#include "workflows/language/fields.h"
#include "workflows/language/readers.h"

namespace lockstep {
namespace {

constexpr double kMillion = 1'000'000;
constexpr double kLargestSeed = 9'007'199'254'740'991;  // 2^53 - 1: exact in every JSON reader

WithKey integer(std::string name, double min, double max) {
  return {std::move(name), WithType::kInteger, min, max, {}};
}
WithKey number(std::string name, double min, double max) {
  return {std::move(name), WithType::kNumber, min, max, {}};
}
WithKey text(std::string name) {
  return {std::move(name), WithType::kText, 0, 0, {}};
}

std::vector<WithKey> training_keys() {
  return {integer("epochs", 1, kMillion),
          integer("batch", 1, kMillion),
          number("learning-rate", 0, 1000),
          integer("patience", 0, kMillion),
          integer("seed", 0, kLargestSeed),
          text("text"),
          text("label")};
}

Action trunk() {
  Action action;
  action.name = "torch/text-trunk";
  action.inputs = {{"corpus", {InputKind::kRows}}};
  action.outputs = {"model", "metrics"};
  action.with = training_keys();
  action.with.push_back(integer("width", 1, 65536));
  action.with.push_back(integer("features", 1, 1 << 24));
  action.with.push_back(integer("ngrams", 1, 8));
  return action;
}

Action adapter() {
  Action action;
  action.name = "torch/text-adapter";
  action.inputs = {{"rows", {InputKind::kRows}},
                   {"trunk", {InputKind::kModel, InputKind::kOutput}}};
  action.outputs = {"model", "metrics"};
  action.with = training_keys();
  action.with.push_back({"adapter", WithType::kWord, 0, 0, {"head", "bottleneck", "lora"}});
  action.with.push_back(integer("rank", 1, 4096));
  action.with.push_back(number("alpha", 0, kMillion));
  action.with.push_back({"targets", WithType::kTexts, 0, 0, {}});
  return action;
}

void check_value(const WithKey& key, const YamlNode& value, const std::string& what,
                 Diagnostics& diagnostics) {
  bool text_type = key.type == WithType::kText || key.type == WithType::kWord;
  if (value.text().find("${{") != std::string::npos) {
    if (text_type) return;  // checked as a template
    return not_supported_yet(value.place(), "${{ }} for a number or list", diagnostics,
                             "write the value itself");
  }
  auto low = static_cast<int64_t>(key.min);
  auto high = static_cast<int64_t>(key.max);
  switch (key.type) {
    case WithType::kInteger:
      read_integer(value, what, low, high, diagnostics);
      break;
    case WithType::kNumber: {
      auto found = as_double(value);
      if (found && *found >= key.min && *found <= key.max) break;
      expected(value, what, fmt::format("a number from {} to {}", low, high), diagnostics);
      break;
    }
    case WithType::kText:
      read_text(value, what, diagnostics);
      break;
    case WithType::kWord:
      read_choice(value, what, key.words, diagnostics);
      break;
    case WithType::kTexts:
      read_texts(value, what, diagnostics);
  }
}

}  // namespace

const std::vector<Action>& actions() {
  static const std::vector<Action> all = {trunk(), adapter()};
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

}  // namespace lockstep
