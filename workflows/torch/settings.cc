#include "workflows/torch/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

size_t edits(std::string_view a, std::string_view b) {  // Levenshtein
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    size_t corner = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      size_t change = corner + (a[i] == b[j] ? 0 : 1);
      corner = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

// A number as JSON has it, or one that a text spells completely.
Json as_number(const Json& value) {
  if (value.is_number() || !value.is_string()) return value;
  const auto& text = value.get_ref<const std::string&>();
  uint64_t whole = 0;
  double real = 0;
  const char* end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, whole);
  if (parsed.ec == std::errc() && parsed.ptr == end) return whole;
  parsed = std::from_chars(text.data(), end, real);
  if (parsed.ec == std::errc() && parsed.ptr == end && std::isfinite(real)) return real;
  return value;
}

[[noreturn]] void refuse(const SettingSpec& spec, const Json& value, const std::string& wanted) {
  std::string shown = value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 80);
  throw Error(ErrorCode::kInvalid, fmt::format("with.{} is {}", spec.name, shown), wanted,
              "with." + spec.name);
}

Json checked_number(const SettingSpec& spec, const Json& value, bool whole) {
  Json number = as_number(value);
  if (whole && number.is_number_float() &&
      number.get<double>() == std::floor(number.get<double>())) {
    double real = number.get<double>();
    if (real >= 0 && real < 9e15) number = static_cast<uint64_t>(real);
  }
  bool kind = whole ? number.is_number_unsigned() : number.is_number();
  if (!kind || number.get<double>() < spec.min || number.get<double>() > spec.max) {
    refuse(spec, value,
           fmt::format("give a {} from {} to {}", whole ? "whole number" : "number", spec.min,
                       spec.max));
  }
  return number;
}

Json checked_text(const SettingSpec& spec, const Json& value) {
  if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
    refuse(spec, value, "give a text");
  }
  auto text = value.get<std::string>();
  if (!spec.choices.empty() &&
      std::find(spec.choices.begin(), spec.choices.end(), text) == spec.choices.end()) {
    refuse(spec, value, fmt::format("one of {}", fmt::join(spec.choices, ", ")));
  }
  return text;
}

Json checked(const SettingSpec& spec, const Json& value) {
  switch (spec.kind) {
    case SettingKind::kInteger:
      return checked_number(spec, value, true);
    case SettingKind::kNumber:
      return checked_number(spec, value, false);
    case SettingKind::kText:
      return checked_text(spec, value);
    default:
      break;
  }
  if (!value.is_array() || value.size() > 16) refuse(spec, value, "give a list of at most 16");
  Json list = Json::array();
  for (const Json& item : value) {
    Json one = spec.kind == SettingKind::kIntegers ? checked_number(spec, item, true)
                                                   : checked_text(spec, item);
    if (std::find(list.begin(), list.end(), one) != list.end()) {
      refuse(spec, value, "each only once");
    }
    list.push_back(one);
  }
  std::sort(list.begin(), list.end());  // the order has no meaning and so no bytes
  return list;
}

std::string_view kind_word(SettingKind kind) {
  switch (kind) {
    case SettingKind::kInteger:
      return "integer";
    case SettingKind::kNumber:
      return "number";
    case SettingKind::kText:
      return "text";
    case SettingKind::kIntegers:
      return "list of integers";
    default:
      return "list of texts";
  }
}

}  // namespace

std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t fewest = std::max<size_t>(word.size() / 2, 2) + 1;
  if (word.size() > 64) return best;
  for (const std::string& candidate : candidates) {
    size_t distance = edits(word, candidate);
    if (distance < fewest) {
      fewest = distance;
      best = candidate;
    }
  }
  return best;
}

const ActionSpec& find_action(std::string_view name) {
  std::vector<std::string> names;
  for (const ActionSpec& action : built_in_actions()) {
    if (action.name == name) return action;
    names.push_back(action.name);
  }
  std::string near = nearest_word(name, names);
  throw Error(ErrorCode::kNotFound, fmt::format("there is no action {}", name),
              near.empty() ? fmt::format("there are {}", fmt::join(names, ", "))
                           : fmt::format("did you mean {}?", near));
}

Json describe_actions() {
  Json out = Json::array();
  for (const ActionSpec& action : built_in_actions()) {
    Json inputs = Json::array();
    for (const InputSpec& input : action.inputs) {
      inputs.push_back(
          {{"name", input.name}, {"kind", input.table ? "table" : "model"}, {"help", input.help}});
    }
    Json with = Json::array();
    for (const SettingSpec& spec : action.settings) {
      Json entry = {{"name", spec.name},
                    {"kind", kind_word(spec.kind)},
                    {"default", spec.standard},
                    {"help", spec.help}};
      bool numeric = spec.kind != SettingKind::kText && spec.kind != SettingKind::kTexts;
      if (numeric) entry.update({{"min", spec.min}, {"max", spec.max}});
      if (!spec.choices.empty()) entry["choices"] = spec.choices;
      with.push_back(entry);
    }
    out.push_back({{"name", action.name},
                   {"revision", action.revision},
                   {"help", action.help},
                   {"inputs", inputs},
                   {"outputs", action.outputs},
                   {"with", with}});
  }
  return out;
}

Settings::Settings(const ActionSpec& action, const Json& with) : given_(with) {
  if (!with.is_object()) throw Error(ErrorCode::kInvalid, "with is not a map", "", "with");
  std::vector<Error> wrong;
  std::vector<std::string> names;
  for (const SettingSpec& spec : action.settings) {
    names.push_back(spec.name);
    try {
      values_[spec.name] =
          with.contains(spec.name) ? checked(spec, with[spec.name]) : spec.standard;
    } catch (const Error& error) {
      wrong.push_back(error);
    }
  }
  for (const auto& [key, value] : with.items()) {
    if (std::find(names.begin(), names.end(), key) != names.end()) continue;
    std::string near = nearest_word(key, names);
    wrong.emplace_back(ErrorCode::kInvalid,
                       fmt::format("{} does not know with.{}", action.name, key.substr(0, 64)),
                       near.empty() ? fmt::format("it knows {}", fmt::join(names, ", "))
                                    : fmt::format("did you mean {}?", near));
  }
  if (wrong.size() == 1) throw wrong.front();
  if (!wrong.empty()) throw Errors(wrong);
}

bool Settings::given(std::string_view name) const {
  return given_.contains(std::string(name));
}

uint64_t Settings::integer(std::string_view name) const {
  return values_.at(std::string(name)).get<uint64_t>();
}

double Settings::number(std::string_view name) const {
  return values_.at(std::string(name)).get<double>();
}

std::string Settings::text(std::string_view name) const {
  return values_.at(std::string(name)).get<std::string>();
}

std::vector<uint32_t> Settings::integers(std::string_view name) const {
  return values_.at(std::string(name)).get<std::vector<uint32_t>>();
}

std::vector<std::string> Settings::texts(std::string_view name) const {
  return values_.at(std::string(name)).get<std::vector<std::string>>();
}

}  // namespace lockstep
