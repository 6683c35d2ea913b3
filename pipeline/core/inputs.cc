#include "pipeline/core/inputs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr double kExact = 9'007'199'254'740'991;  // 2^53 - 1: a whole number in every JSON reader

bool one_line(const std::string& text) {
  return text.size() <= kLongestInput_bytes && valid_utf8(text) &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::optional<Json> as_number(const Json& given) {
  Json value = given;
  if (given.is_string()) {
    const std::string& text = given.get_ref<const std::string&>();
    if (text.find_first_not_of("0123456789+-.eE") != text.npos) return std::nullopt;
    value = Json::parse(text, nullptr, false);
  }
  if (!value.is_number() || !std::isfinite(value.get<double>())) return std::nullopt;
  double number = value.get<double>();
  bool whole = number == std::trunc(number) && std::abs(number) <= kExact;
  return whole ? Json(static_cast<int64_t>(number)) : Json(number);
}

std::optional<Json> as_type(const WorkflowInput& input, const Json& given) {
  const Json text = given.is_string() ? given : Json();
  if (input.type == ValueType::kNumber) return as_number(given);
  if (input.type == ValueType::kInteger) {
    std::optional<Json> number = as_number(given);
    return number && number->is_number_integer() ? number : std::nullopt;
  }
  if (input.type == ValueType::kBoolean) {
    if (given.is_boolean()) return given;
    if (text == "true" || text == "false") return Json(text == "true");
    return std::nullopt;
  }
  if (text.is_null() || !one_line(text)) return std::nullopt;
  bool known = std::find(input.options.begin(), input.options.end(), text) != input.options.end();
  return input.type == ValueType::kString || known ? std::optional(text) : std::nullopt;
}

std::string wanted(const WorkflowInput& input) {
  switch (input.type) {
    case ValueType::kNumber:
      return "a number";
    case ValueType::kInteger:
      return "a whole number";
    case ValueType::kBoolean:
      return "true or false";
    case ValueType::kChoice:
      return fmt::format("one of {}", fmt::join(input.options, ", "));
    default:
      return fmt::format("one line of text of at most {} bytes", kLongestInput_bytes);
  }
}

Error unknown(const std::string& workflow, const std::vector<WorkflowInput>& inputs,
              const std::string& name) {
  std::vector<std::string> names;
  for (const WorkflowInput& input : inputs) names.push_back(input.name);
  return Error(ErrorCode::kInvalid,
               fmt::format("workflow \"{}\" has no input \"{}\"", workflow, printable(name, 64)),
               names.empty() ? "it declares none (on: {manual: {inputs: …}})"
                             : fmt::format("there is {}", fmt::join(names, ", ")),
               inputs.empty() ? "" : inputs.front().place);
}

}  // namespace

std::string_view word(ValueType type) {
  static constexpr std::string_view kWords[] = {"string", "number", "integer", "boolean", "choice"};
  return kWords[static_cast<size_t>(type)];
}

Json nothing_of(const WorkflowInput& input) {
  if (input.type == ValueType::kString) return "";
  if (input.type == ValueType::kBoolean) return false;
  if (input.type == ValueType::kChoice) return input.options.empty() ? "" : input.options.front();
  return 0;
}

Json input_value(const WorkflowInput& input, const Json& given) {
  std::optional<Json> value = as_type(input, given);
  if (value) return *value;
  std::string shown = given.is_string() ? given.get<std::string>() : given.dump(-1, ' ', true);
  throw Error(ErrorCode::kInvalid,
              fmt::format("input \"{}\" must be {}, not \"{}\"", input.name, wanted(input),
                          printable(shown, 64)),
              "", input.place);
}

Json given_inputs(const std::string& workflow, const std::vector<WorkflowInput>& inputs,
                  const Json& given) {
  std::vector<Error> wrong;
  Json values = standard_inputs(inputs);
  for (const auto& [name, value] : given.items()) {
    if (!values.contains(name)) wrong.push_back(unknown(workflow, inputs, name));
  }
  for (const WorkflowInput& input : inputs) {
    auto found = given.find(input.name);
    try {
      if (found != given.end()) values[input.name] = input_value(input, *found);
    } catch (const Error& error) {
      wrong.push_back(error);
      continue;
    }
    const Json& value = values[input.name];
    if (!value.is_null() && !(input.required && value == "")) continue;
    wrong.push_back(Error(ErrorCode::kInvalid, fmt::format("input \"{}\" is required", input.name),
                          fmt::format("--input {}=VALUE, {}", input.name, wanted(input)),
                          input.place));
  }
  if (wrong.size() == 1) throw wrong.front();
  if (!wrong.empty()) throw Errors(std::move(wrong));
  return values;
}

Json standard_inputs(const std::vector<WorkflowInput>& inputs) {
  Json values = Json::object();
  for (const WorkflowInput& input : inputs) values[input.name] = input.standard;
  return values;
}

std::string input_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : canonical_json(value);
}

}  // namespace lockstep
