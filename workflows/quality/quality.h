// What can be said of labelled rows before anything learns from them, as one report with one score.
// Knows nothing of tables, steps or who may go on in spite of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/json.h"
#include "workflows/quality/drift.h"
#include "workflows/quality/noise.h"
#include "workflows/quality/out_of_sample.h"
#include "workflows/quality/rows.h"

namespace lockstep {

// Entropy of the shares over the logarithm of their number: 1 all equal, 0 one alone. Classes
// without rows count. (3500, 300, 4) → 0.2587. None for fewer than two classes or no rows.
std::optional<double> normalised_entropy(const std::vector<uint64_t>& counts);

struct QualityInput {
  LabelledRows train;
  std::optional<LabelledRows> holdout;  // with the same feature columns
  std::optional<LabelledRows> before;   // what was trained on last
  std::vector<std::string> classes;     // declared; none: those that are there
  // Out of sample, beside the rows and the classes as given; none: made here, by naive Bayes.
  std::optional<Probabilities> probabilities;
};

struct QualitySettings {
  FoldSettings folds;
  uint64_t min_class_rows = 5;
  size_t max_suspects = 10'000;
  double warn_below = 80, block_below = 0;  // of the score; 0: never
};

// A row that somebody should look at.
struct Suspect {
  std::string key, column, given, suggested, why;
};

// One part of the score. `lost` = weight × min(1, value / worst).
struct QualityPart {
  std::string name;             // "label_noise", "leakage", …
  std::optional<double> value;  // 0: nothing wrong; none: not judged
  double weight = 0, worst = 0;
  double lost = 0;
  std::string text;  // for people: what was found, or why it was not judged
};

enum class QualityAction { kGood, kWarn, kBlock };
std::string_view word(QualityAction action);  // "good", "warn", "block"

struct ClassCount {
  std::string name;
  uint64_t rows = 0;
};

struct QualityReport {
  uint64_t rows = 0, holdout_rows = 0;
  std::vector<ClassCount> classes;  // declared ones, by name
  std::optional<double> entropy;
  ClassCount minority;  // the declared class with the fewest rows, the first by name
  uint64_t missing_labels = 0, undeclared_labels = 0;
  uint64_t duplicates = 0;   // rows whose content an earlier one has
  uint64_t conflicting = 0;  // rows whose content another has with another label
  uint64_t leaked = 0;       // holdout rows whose content is trained on
  std::vector<ColumnDrift> drift;
  std::optional<LabelNoise> noise;  // rows by key, classes by name
  std::vector<QualityPart> parts;
  double score = 0;  // 100 − what the parts lost
  QualityAction action = QualityAction::kGood;
  std::vector<Suspect> suspects;  // kind by kind, surest first
  uint64_t suspects_left_out = 0;
};

// Equal in whatever order rows and classes come. Throws invalid: no rows, a class declared twice,
// columns that don't fit, and as sorted_rows() and confident_learning() do.
QualityReport look_at(const QualityInput& input, const QualitySettings& settings = {});

// {score, action, rows, classes: {name: rows}, parts: [{name, value, weight, worst, lost, text}],
// …}
Json quality_json(const QualityReport& report);
std::string quality_markdown(const QualityReport& report);
// "key,column,given,suggested,why" and a line for each suspect. Bytes that CSV can't hold are
// U+FFFD.
std::string suspects_csv(const std::vector<Suspect>& suspects);

}  // namespace lockstep
