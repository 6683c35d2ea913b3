// The words a step may say under `with:` for each built-in action, with their defaults and bounds.
// Knows nothing of what they do to a model.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/json.h"

namespace lockstep {

enum class SettingKind { kInteger, kNumber, kText, kIntegers, kTexts };

struct SettingSpec {
  std::string name;
  SettingKind kind;
  Json standard;   // the default
  double min = 0;  // of a number, or of each number in a list
  double max = 0;
  std::vector<std::string> choices;  // of a text, or of each text in a list; empty: any
  std::string help;
};

struct InputSpec {
  std::string name;
  bool table;  // CSV with a header; may have a holdout beside it
  std::string help;
};

struct ActionSpec {
  std::string name;  // "torch/text-trunk"
  int revision;
  std::string help;
  std::vector<InputSpec> inputs;
  std::vector<std::string> outputs;
  std::vector<SettingSpec> settings;
};

const std::vector<ActionSpec>& built_in_actions();

// Throws not_found naming the nearest action.
const ActionSpec& find_action(std::string_view name);

// What `actions --json` prints.
Json describe_actions();

// The values of one attempt: all of them present, of the right kind and within bounds.
class Settings {
 public:
  // `with` is a JSON object. Numbers may come as text ("8"), as a matrix value does.
  // Throws Errors (invalid) naming every word that is unknown or ill-valued.
  Settings(const ActionSpec& action, const Json& with);

  bool given(std::string_view name) const;
  uint64_t integer(std::string_view name) const;
  double number(std::string_view name) const;
  std::string text(std::string_view name) const;
  std::vector<uint32_t> integers(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;

 private:
  Json values_;
  Json given_;
};

// The candidate with the fewest edits from `word`, or "" when none is near.
std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace lockstep
