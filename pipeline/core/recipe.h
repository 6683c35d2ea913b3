// A step's recipe: everything that decides its result, in one canonical document. Its SHA-256 is
// the fingerprint (Bazel's action key); comparing two documents gives the reasons. Both come from
// one walk, so `why` can't disagree with the fingerprint.
// Knows nothing of results, models' champions or where digests come from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/core/survey.h"

namespace lockstep {

// The digest of each input of a step, in the order of Step::inputs.
using InputDigests = std::vector<Digest>;

struct Recipe {
  std::string document;  // canonical JSON
  Digest fingerprint;
};
Recipe make_recipe(const Survey& survey, StepId step, const InputDigests& inputs);

struct Reason {
  std::string input;     // the input's name, or "with.seed", "uses", "env.X" …
  std::string kind;      // "rows", "code", "output", "model", "definition", "first"
  std::string change;    // one line: "rows changed", "seed 7 → 8"
  bool content = false;  // of an input: nothing but its digest differs
};
// What differs between an earlier recipe document and this step as it is now. An empty `before`
// gives the one reason "first". Throws corrupt when `before` is not a recipe document.
std::vector<Reason> explain(const Survey& survey, StepId step, const InputDigests& inputs,
                            const std::string& before);

// True when every rows input of the step has the digest that `before` recorded.
bool same_rows(const Survey& survey, StepId step, const std::string& before);

}  // namespace lockstep
