// Champion and challenger compared on the same holdout rows: by how much, by chance or not.
// Knows nothing of registries, workflows or how the predictions were made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "registry/gates/statistics.h"

namespace lockstep {

// One model's answer to one holdout row.
struct PredictedRow {
  std::string key;        // of the row; once on each side
  std::string expected;   // label or number
  std::string predicted;  // label or number
  // AUC: higher is more of the positive class. MAE, RMSE, R2: goes before `predicted`.
  std::optional<double> score;
  std::vector<std::string> slices;  // that the row is in; the challenger's are read
};

enum class Metric { kAccuracy, kMacroF1, kMicroF1, kAuc, kMae, kRmse, kR2 };
std::string_view word(Metric metric);     // "accuracy", "macro_f1", "micro_f1", "auc", "mae", …
Metric metric_of(std::string_view word);  // throws invalid
bool higher_is_better(Metric metric);

// From best to worst. Better within noise counts as equal.
enum class GateVerdict { kBetter, kEqual, kWorseWithinNoise, kWorse };
std::string_view word(GateVerdict verdict);  // "better", "equal", "worse within noise", "worse"

// From most to least lenient: the alias moves, a person is asked, it stays.
enum class GateAction { kMove, kAsk, kHold };
std::string_view word(GateAction action);  // "move", "ask", "hold"

// How much worse is too much, whatever chance says; positive numbers.
struct LossLimit {
  std::optional<double> absolute;
  std::optional<double> relative;  // of the champion's value: 0.01 is one in a hundred
};

struct ComparisonSettings {
  Metric metric = Metric::kAccuracy;
  std::string positive;             // AUC: the positive class; every other is negative
  std::vector<std::string> labels;  // F1: the classes that count; none: all that are expected
  uint64_t min_rows = 30;           // of a slice; a smaller one is said, not judged
  uint64_t examples = 20;           // keys of rows that are named, of each kind
  LossLimit limit, slice_limit;
  BootstrapSettings bootstrap;  // its alpha is that of the intervals
};

struct ExampleRow {
  std::string key, expected, champion, challenger;
};

// Both models on some rows: all of them, or a slice.
struct Measurement {
  std::string slice;  // empty: all rows
  uint64_t rows = 0;
  std::string not_judged;  // why there is no verdict; empty: there is one
  double champion = 0, challenger = 0;
  double change = 0;                      // challenger − champion
  std::optional<double> relative_change;  // of the champion's value; none where that is 0
  uint64_t lost = 0, gained = 0;  // rows that only the champion, only the challenger has right
  std::string test;               // "exact McNemar", "paired bootstrap"
  double p = 1, adjusted_p = 1;   // adjusted: Holm's, over `together` tests
  uint64_t together = 1;
  std::optional<Bootstrap> bootstrap;
  LossLimit limit;
  GateVerdict verdict = GateVerdict::kEqual;
  std::string why;  // of the verdict
};

struct Comparison {
  Metric metric = Metric::kAccuracy;
  Measurement all;
  std::vector<Measurement> slices;       // by name
  std::vector<ExampleRow> lost, gained;  // the first by key; errors: the largest first
  std::vector<std::string> notes;        // what a reader should know
  double alpha = 0;                      // from here on set by decide_gates()
  GateVerdict verdict = GateVerdict::kEqual;
  GateAction action = GateAction::kMove;
  std::string why;
};

// Measures and tests; verdicts come with decide_gates(). Equal in whatever order the rows come.
// Throws invalid: a key twice on one side, a score that is not finite or not there, a number that
// is none, too many rows or slices, AUC without a positive class; conflict: keys that one side
// lacks, or another expected value under one key. Without rows, with one class alone (AUC), or
// with one value alone (R2) nothing is judged, which `all.not_judged` says.
Comparison compare_models(const std::vector<PredictedRow>& champion,
                          const std::vector<PredictedRow>& challenger,
                          const ComparisonSettings& settings);

struct GatePolicy {
  double alpha = 0.05;
  GateAction better = GateAction::kMove;
  GateAction equal = GateAction::kMove;
  GateAction worse_within_noise = GateAction::kAsk;
  GateAction worse = GateAction::kHold;
  GateAction not_judged = GateAction::kMove;  // bounds and expectations decide alone
};

// Verdicts and actions for comparisons that are decided together (all models of a run, say). Holm's
// correction is over the tests on all rows, and apart over those on slices: more slices never make
// a model's own test weaker. The verdict on a model is that on all rows; a slice that is worse, not
// within noise, makes it worse. Throws invalid on an alpha outside 0 to 1.
// `other_p`: of comparisons that belong to them and are decided already; `yet_to_come`: of how many
// that do p is not known yet. These count as larger: that makes the correction stricter, never
// less.
void decide_gates(std::vector<Comparison>& together, const GatePolicy& policy,
                  const std::vector<double>& other_p = {}, uint64_t yet_to_come = 0);

}  // namespace lockstep
