// What of a step's changes counts (`if:`), in numbers: since what its last accepted result read.
// Pure: reads the survey's answers. Knows nothing of how rows and files are counted.
#pragma once

#include <map>
#include <string>

#include "pipeline/core/recipe.h"

namespace lockstep {

// The commits at which a result's inputs were read.
struct LastRead {
  std::map<std::string, std::string> rows;  // by the input's name
  std::map<std::string, std::string> code;  // by source
};

// What has to be counted for a step before it can be weighed against `last`.
void ask(const Survey& survey, StepId step, const LastRead& last, Questions& questions);

struct Weighed {
  bool enough = true;  // it runs
  std::string text;    // why it does not, in numbers; or what could not be counted
};
// `before`: the recipe document of the last accepted result, not empty. Definitions, outputs and
// models always count. What can't be counted is enough.
Weighed weigh(const Survey& survey, StepId step, const InputDigests& inputs,
              const std::string& before, const LastRead& last);

// Has any row or file that the step reads another content than `before` recorded?
bool content_differs(const Survey& survey, StepId step, const std::string& before);

}  // namespace lockstep
