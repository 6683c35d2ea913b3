// A step's recipe: everything that decides its result, in one canonical document. Its SHA-256 is
// the fingerprint (Bazel's action key); comparing two documents gives the reasons. Both come from
// one walk, so `why` can't disagree with the fingerprint.
// Knows nothing of results, models' champions or where digests come from.
#pragma once

#include <memory>
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

// Recipes kept for the next plan over the same graph: made again only where what they are made of
// differs. Gives what make_recipe() gives.
class Recipes {
 public:
  std::shared_ptr<const Recipe> of(const Survey& survey, StepId step, const InputDigests& inputs);

 private:
  using Columns = std::vector<std::string>;
  // What a survey may change of a step's recipe.
  struct Known {
    InputDigests inputs;
    std::vector<Digest> lock_files;
    std::vector<std::shared_ptr<const Columns>> columns;  // by input
    std::shared_ptr<const Recipe> recipe;
  };
  static bool same(const Known& known, const Survey& survey, const Step& step,
                   const InputDigests& inputs);

  std::shared_ptr<const Graph> graph_;  // held, so that no other one has its address
  std::vector<Known> known_;            // by StepId
};

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
