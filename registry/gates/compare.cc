#include "registry/gates/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"
#include "registry/gates/kernels.h"

namespace lockstep {
namespace {

constexpr size_t kMaxRows = 100'000'000, kMaxSlices = 10'000;
constexpr double kMostUndefined = 0.1;  // of the rounds

[[noreturn]] void invalid(const std::string& message, const std::string& hint = "") {
  throw Error(ErrorCode::kInvalid, message, hint);
}

bool of_labels(Metric metric) {
  return metric == Metric::kAccuracy || metric == Metric::kMacroF1 || metric == Metric::kMicroF1;
}

bool of_errors(Metric metric) {
  return metric == Metric::kMae || metric == Metric::kRmse || metric == Metric::kR2;
}

// ---- pairs --------------------------------------------------------------------------------------

using Side = std::vector<const PredictedRow*>;

// By key; each key once, every score a number.
Side sorted_side(const std::vector<PredictedRow>& rows, const std::string& whose) {
  if (rows.size() > kMaxRows) invalid(whose + " predictions have too many rows");
  Side side;
  for (const PredictedRow& row : rows) {
    if (row.score && !std::isfinite(*row.score)) {
      invalid(whose + " score of row " + printable(row.key) + " is not finite");
    }
    side.push_back(&row);
  }
  std::sort(side.begin(), side.end(), [](auto* a, auto* b) { return a->key < b->key; });
  const auto twice = std::adjacent_find(side.begin(), side.end(),
                                        [](auto* a, auto* b) { return a->key == b->key; });
  if (twice != side.end()) {
    invalid(whose + " predictions have row " + printable((*twice)->key) + " more than once",
            "predictions are written once for each row of the holdout");
  }
  return side;
}

// Rows of `a` that `b` has not; throws conflict.
void want_all(const Side& a, const Side& b, const std::string& whose) {
  Side missing;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(missing),
                      [](auto* x, auto* y) { return x->key < y->key; });
  if (missing.empty()) return;
  throw Error(ErrorCode::kConflict,
              whose + " predictions lack " + std::to_string(missing.size()) + " of " +
                  std::to_string(a.size()) + " rows, the first is " +
                  printable(missing.front()->key),
              "evaluate both models on the same holdout");
}

std::vector<PairedRow> paired(const Side& champion, const Side& challenger) {
  want_all(champion, challenger, "the challenger's");
  want_all(challenger, champion, "the champion's");
  std::vector<PairedRow> rows;
  for (size_t i = 0; i < champion.size(); ++i) {
    if (champion[i]->expected != challenger[i]->expected) {
      throw Error(ErrorCode::kConflict,
                  "row " + printable(champion[i]->key) + " is expected to be '" +
                      printable(champion[i]->expected) + "' for the champion and '" +
                      printable(challenger[i]->expected) + "' for the challenger",
                  "evaluate both models on the same commit of the holdout");
    }
    rows.push_back({champion[i], challenger[i]});
  }
  return rows;
}

// ---- one measurement ----------------------------------------------------------------------------

bool champion_right(const PairedRow& row) {
  return row.champion->predicted == row.champion->expected;
}
bool challenger_right(const PairedRow& row) {
  return row.challenger->predicted == row.challenger->expected;
}

// By how much the challenger's error is larger.
double grown(const PairedRow& row) {
  return absolute_error(*row.challenger) - absolute_error(*row.champion);
}

// > 0: lost, < 0: gained, 0: neither.
double lost_by(const PairedRow& row, Metric metric) {
  if (of_errors(metric)) return grown(row);
  if (!of_labels(metric)) return 0;
  return double(champion_right(row)) - double(challenger_right(row));
}

void set_change(Measurement& out) {
  out.change = out.challenger - out.champion;
  if (out.champion != 0) out.relative_change = out.change / std::fabs(out.champion);
  if (!std::isfinite(out.champion) || !std::isfinite(out.challenger)) {
    invalid("the errors are too large to be measured");
  }
}

std::string nothing_to_measure(Metric metric) {
  switch (metric) {
    case Metric::kAuc:
      return "the rows are all of one class, or none is of the positive one";
    case Metric::kR2:
      return "the expected values are all the same";
    default:
      return "none of the classes that count is expected or predicted";
  }
}

void by_bootstrap(const std::vector<PairedRow>& rows, const ComparisonSettings& settings,
                  Measurement& out) {
  const Kernel kernel = kernel_of(rows, settings);
  std::vector<uint32_t> once(kernel.units);
  for (uint32_t unit : kernel.unit_of) ++once[unit];
  const MetricValues values = kernel.measure(once);
  if (!values.champion || !values.challenger) {
    out.not_judged = nothing_to_measure(settings.metric);
    return;
  }
  out.champion = *values.champion;
  out.challenger = *values.challenger;
  set_change(out);
  out.test = "paired bootstrap";
  out.bootstrap =
      paired_bootstrap(kernel.unit_of, kernel.units, kernel.measure, settings.bootstrap);
  out.p = out.bootstrap->p;
  const auto all = static_cast<double>(out.bootstrap->rounds + out.bootstrap->undefined);
  if (static_cast<double>(out.bootstrap->undefined) > kMostUndefined * all) {
    out.not_judged = "too few rows of one class to be resampled";
  }
}

void by_mcnemar(const std::vector<PairedRow>& rows, Measurement& out) {
  uint64_t champion = 0, challenger = 0;
  for (const PairedRow& row : rows) {
    champion += champion_right(row);
    challenger += challenger_right(row);
  }
  const auto n = static_cast<double>(rows.size());
  out.champion = static_cast<double>(champion) / n;
  out.challenger = static_cast<double>(challenger) / n;
  set_change(out);
  out.test = "exact McNemar";
  out.p = mcnemar(out.lost, out.gained);
}

Measurement measured(const std::vector<PairedRow>& rows, const ComparisonSettings& settings) {
  Measurement out;
  out.rows = rows.size();
  if (rows.empty()) {
    out.not_judged = "the holdout has no rows";
    return out;
  }
  for (const PairedRow& row : rows) {
    const double by = lost_by(row, settings.metric);
    if (by > 0) ++out.lost;
    if (by < 0) ++out.gained;
  }
  if (settings.metric == Metric::kAccuracy) {
    by_mcnemar(rows, out);
  } else {
    by_bootstrap(rows, settings, out);
  }
  return out;
}

// ---- slices, examples, notes --------------------------------------------------------------------

std::vector<Measurement> measured_slices(const std::vector<PairedRow>& rows,
                                         const ComparisonSettings& settings) {
  std::map<std::string, std::vector<PairedRow>> slices;
  for (const PairedRow& row : rows) {
    const auto& names = row.challenger->slices;
    for (const std::string& name : std::set<std::string>(names.begin(), names.end())) {
      slices[name].push_back(row);
      if (slices.size() > kMaxSlices) invalid("more than 10,000 slices");
    }
  }
  std::vector<Measurement> out;
  for (const auto& [name, part] : slices) {
    Measurement slice;
    if (part.size() < settings.min_rows) {
      slice.rows = part.size();
      slice.not_judged = "fewer than " + std::to_string(settings.min_rows) + " rows";
    } else {
      slice = measured(part, settings);
    }
    slice.slice = name;
    slice.limit = settings.slice_limit;
    out.push_back(std::move(slice));
  }
  return out;
}

void add_examples(const std::vector<PairedRow>& rows, const ComparisonSettings& settings,
                  Comparison& out) {
  for (double sign : {1.0, -1.0}) {
    std::vector<std::pair<double, const PairedRow*>> found;
    for (const PairedRow& row : rows) {
      const double by = sign * lost_by(row, settings.metric);
      if (by > 0) found.push_back({by, &row});
    }
    std::stable_sort(found.begin(), found.end(),
                     [](auto& a, auto& b) { return a.first > b.first; });
    if (found.size() > settings.examples) found.resize(settings.examples);
    for (const auto& [by, row] : found) {
      (sign > 0 ? out.lost : out.gained)
          .push_back({row->champion->key, row->champion->expected, row->champion->predicted,
                      row->challenger->predicted});
    }
  }
}

void add_notes(const std::vector<PairedRow>& rows, const ComparisonSettings& settings,
               Comparison& out) {
  if (!of_labels(settings.metric)) return;
  std::set<std::string> expected;
  for (const PairedRow& row : rows) expected.insert(row.champion->expected);
  std::map<std::string, uint64_t> unseen;
  for (const PairedRow& row : rows) {
    if (expected.count(row.challenger->predicted) == 0) ++unseen[row.challenger->predicted];
  }
  constexpr size_t kMost = 10;
  for (const auto& [label, answers] : unseen) {
    if (out.notes.size() == kMost) break;
    out.notes.push_back("'" + printable(label) + "' is answered " + std::to_string(answers) +
                        (answers == 1 ? " time" : " times") + " and expected nowhere: wrong");
  }
  for (const std::string& label : settings.labels) {
    if (settings.metric == Metric::kAccuracy || expected.count(label) > 0) continue;
    if (out.notes.size() == 2 * kMost) break;
    out.notes.push_back("class '" + printable(label) + "' is expected nowhere: not judged");
  }
}

void check_settings(const ComparisonSettings& settings) {
  const BootstrapSettings& b = settings.bootstrap;
  if (b.rounds < 100 || b.rounds > 10'000'000) invalid("rounds must be 100 to 10,000,000");
  if (!(b.alpha > 0 && b.alpha < 1)) invalid("alpha must be between 0 and 1");
  if (settings.metric == Metric::kAuc && settings.positive.empty()) {
    invalid("AUC needs the name of the positive class", "set `positive`");
  }
  for (const LossLimit* limit : {&settings.limit, &settings.slice_limit}) {
    for (const auto& value : {limit->absolute, limit->relative}) {
      if (value && !(*value >= 0 && std::isfinite(*value))) {
        invalid("a limit on what may be lost must be a number from 0");
      }
    }
  }
}

}  // namespace

Comparison compare_models(const std::vector<PredictedRow>& champion,
                          const std::vector<PredictedRow>& challenger,
                          const ComparisonSettings& settings) {
  check_settings(settings);
  const std::vector<PairedRow> rows =
      paired(sorted_side(champion, "the champion's"), sorted_side(challenger, "the challenger's"));
  Comparison out;
  out.metric = settings.metric;
  out.all = measured(rows, settings);
  out.all.limit = settings.limit;
  out.slices = measured_slices(rows, settings);
  add_examples(rows, settings, out);
  add_notes(rows, settings, out);
  return out;
}

}  // namespace lockstep
