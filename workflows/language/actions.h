// The actions that `uses:` may name, with their revision and the words their `with` takes.
// Knows nothing of how an action trains; the training binary has the same list.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/core/workflow.h"
#include "pipeline/yaml/yaml.h"

namespace lockstep {

enum class WithType { kInteger, kNumber, kText, kIntegers, kTexts };

struct WithKey {
  std::string name;
  WithType type = WithType::kText;
  double min = 0;  // of numbers, also of those in a list, inclusive
  double max = 0;
  std::vector<std::string> words;  // of texts, also of those in a list; empty: any
  std::string column;              // of a kText that names a column: which one without it
  size_t most = 16;                // entries of a list
  bool columns = false;            // of kTexts: they name columns
};

struct ActionInput {
  std::string name;
  std::vector<InputKind> kinds;  // what it may be fed from
  bool optional = false;
};

struct Action {
  std::string name;
  int revision = 1;  // raised whenever the bytes it writes may change; part of the fingerprint
  std::vector<ActionInput> inputs;  // code inputs may stand beside them
  std::vector<std::string> outputs;
  std::vector<WithKey> with;
  bool evaluates = false;  // for `evaluate`, not for a step
};

const std::vector<Action>& actions();
const Action* find_action(std::string_view name);  // nullptr when there is none

// Reports every key and value of `with` that the action does not take.
void check_with(const Action& action, const YamlNode& with, const std::string& what,
                Diagnostics& diagnostics);

// Reports inputs and outputs of `step` that do not fit the action, columns it misses included.
void check_action_use(const Action& action, const StepTemplate& step, const Place& place,
                      const std::string& what, Diagnostics& diagnostics);

}  // namespace lockstep
