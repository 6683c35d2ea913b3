#include "registry/gates/kernels.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <tuple>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

double number_of(const PredictedRow& row, const std::string& text, const char* what) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, value);
  if (problem != std::errc() || stop != end || !std::isfinite(value)) {
    throw Error(ErrorCode::kInvalid, "row " + printable(row.key) + ": " + what + " '" +
                                         printable(text) + "' is no finite number");
  }
  return value;
}

double predicted_number(const PredictedRow& row) {
  return row.score ? *row.score : number_of(row, row.predicted, "predicted");
}

// ---- classes ----------------------------------------------------------------------------------

struct Cell {  // rows with one expected label and one answer of each model
  uint32_t expected = 0, champion = 0, challenger = 0;
};

struct Counts {
  std::vector<uint64_t> actual, answered, right;
};

struct F1 {
  bool macro = true;
  std::vector<Cell> cells;
  std::vector<bool> counts;  // class → is it one that counts
  mutable Counts sums;       // kept between rounds, to allocate once

  std::optional<double> of(const std::vector<uint32_t>& drawn, uint32_t Cell::*answer) const {
    for (auto* one : {&sums.actual, &sums.answered, &sums.right}) one->assign(counts.size(), 0);
    for (size_t i = 0; i < cells.size(); ++i) {
      const uint32_t expected = cells[i].expected, given = cells[i].*answer;
      sums.actual[expected] += drawn[i];
      sums.answered[given] += drawn[i];
      if (expected == given) sums.right[expected] += drawn[i];
    }
    return macro ? macro_f1() : micro_f1();
  }
  // Mean over the classes that are expected here.
  std::optional<double> macro_f1() const {
    double sum = 0;
    uint64_t classes = 0;
    for (size_t c = 0; c < counts.size(); ++c) {
      if (!counts[c] || sums.actual[c] == 0) continue;
      sum += static_cast<double>(2 * sums.right[c]) /
             static_cast<double>(sums.actual[c] + sums.answered[c]);
      ++classes;
    }
    if (classes == 0) return {};
    return sum / static_cast<double>(classes);
  }
  std::optional<double> micro_f1() const {
    uint64_t right = 0, both = 0;
    for (size_t c = 0; c < counts.size(); ++c) {
      if (!counts[c]) continue;
      right += sums.right[c];
      both += sums.actual[c] + sums.answered[c];
    }
    if (both == 0) return {};
    return static_cast<double>(2 * right) / static_cast<double>(both);
  }
};

// Labels by number, in the order of their bytes: sums don't depend on the order of the rows.
std::map<std::string, uint32_t> numbered_labels(const std::vector<PairedRow>& rows) {
  std::map<std::string, uint32_t> labels;
  for (const PairedRow& row : rows) {
    labels[row.champion->expected];
    labels[row.champion->predicted];
    labels[row.challenger->predicted];
  }
  uint32_t next = 0;
  for (auto& [label, number] : labels) number = next++;
  return labels;
}

Kernel f1_kernel(const std::vector<PairedRow>& rows, const ComparisonSettings& settings) {
  Kernel out;
  auto f1 = std::make_shared<F1>();
  f1->macro = settings.metric == Metric::kMacroF1;
  const auto labels = numbered_labels(rows);
  f1->counts.assign(labels.size(), settings.labels.empty());
  for (const std::string& label : settings.labels) {
    if (auto known = labels.find(label); known != labels.end()) f1->counts[known->second] = true;
  }
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, uint32_t> cells;
  for (const PairedRow& row : rows) {
    const Cell cell = {labels.at(row.champion->expected), labels.at(row.champion->predicted),
                       labels.at(row.challenger->predicted)};
    const auto [known, added] = cells.try_emplace({cell.expected, cell.champion, cell.challenger},
                                                  static_cast<uint32_t>(cells.size()));
    if (added) f1->cells.push_back(cell);
    out.unit_of.push_back(known->second);
  }
  out.units = static_cast<uint32_t>(cells.size());
  out.measure = [f1](const std::vector<uint32_t>& drawn) {
    return MetricValues{f1->of(drawn, &Cell::champion), f1->of(drawn, &Cell::challenger)};
  };
  return out;
}

// ---- area under the curve -----------------------------------------------------------------------

// Rows in the order of one model's scores, sorted once; equal scores share a group.
struct Ranking {
  std::vector<uint32_t> rows;     // lowest score first
  std::vector<uint8_t> last;      // beside: is it the last of its group
  std::vector<uint8_t> positive;  // beside

  // Mann and Whitney's U, ties as halves, in whole numbers.
  std::optional<double> auc(const std::vector<uint32_t>& drawn) const {
    uint64_t above = 0, negatives = 0, positives = 0, group[2] = {0, 0};
    for (size_t i = 0; i < rows.size(); ++i) {
      group[positive[i]] += drawn[rows[i]];
      if (!last[i]) continue;
      above += group[1] * (2 * negatives + group[0]);
      negatives += group[0];
      positives += group[1];
      group[0] = group[1] = 0;
    }
    if (negatives == 0 || positives == 0) return {};
    return static_cast<double>(above) / 2 /
           (static_cast<double>(positives) * static_cast<double>(negatives));
  }
};

Ranking ranking_of(const std::vector<PairedRow>& rows, const PredictedRow* PairedRow::*model,
                   const std::string& positive) {
  Ranking out;
  out.rows.resize(rows.size());
  std::iota(out.rows.begin(), out.rows.end(), 0u);
  const auto score = [&](uint32_t row) { return *(rows[row].*model)->score; };
  std::sort(out.rows.begin(), out.rows.end(),
            [&](uint32_t a, uint32_t b) { return score(a) < score(b); });
  for (size_t i = 0; i < out.rows.size(); ++i) {
    out.last.push_back(i + 1 == out.rows.size() || score(out.rows[i]) != score(out.rows[i + 1]));
    out.positive.push_back((rows[out.rows[i]].*model)->expected == positive);
  }
  return out;
}

Kernel each_row(const std::vector<PairedRow>& rows) {
  Kernel out;
  out.unit_of.resize(rows.size());
  std::iota(out.unit_of.begin(), out.unit_of.end(), 0u);
  out.units = static_cast<uint32_t>(rows.size());
  return out;
}

Kernel auc_kernel(const std::vector<PairedRow>& rows, const std::string& positive) {
  for (const PairedRow& row : rows) {
    for (const PredictedRow* side : {row.champion, row.challenger}) {
      if (!side->score) {
        throw Error(ErrorCode::kInvalid, "row " + printable(side->key) + " has no score",
                    "AUC ranks rows by score: have the evaluator write one for every row");
      }
    }
  }
  Kernel out = each_row(rows);
  auto champion = ranking_of(rows, &PairedRow::champion, positive);
  auto challenger = ranking_of(rows, &PairedRow::challenger, positive);
  // Units in the order of the champion's scores: its rounds read memory from front to back.
  for (uint32_t i = 0; i < out.units; ++i) out.unit_of[champion.rows[i]] = i;
  for (uint32_t& row : champion.rows) row = out.unit_of[row];
  for (uint32_t& row : challenger.rows) row = out.unit_of[row];
  out.measure = [champion = std::move(champion),
                 challenger = std::move(challenger)](const std::vector<uint32_t>& drawn) {
    return MetricValues{champion.auc(drawn), challenger.auc(drawn)};
  };
  return out;
}

// ---- regression ---------------------------------------------------------------------------------

struct ErrorSums {
  std::vector<double> champion, challenger;  // |error|, or its square
  std::vector<double> expected;              // from the mean of all, for R2

  static double sum(const std::vector<uint32_t>& drawn, const std::vector<double>& of) {
    double out = 0;
    for (size_t i = 0; i < of.size(); ++i) out += drawn[i] * of[i];
    return out;
  }
  double rows(const std::vector<uint32_t>& drawn) const {
    uint64_t all = 0;
    for (uint32_t one : drawn) all += one;
    return static_cast<double>(all);
  }
  MetricValues mean(const std::vector<uint32_t>& drawn) const {
    const double n = rows(drawn);
    return {sum(drawn, champion) / n, sum(drawn, challenger) / n};
  }
  MetricValues root(const std::vector<uint32_t>& drawn) const {
    const MetricValues squares = mean(drawn);
    return {std::sqrt(*squares.champion), std::sqrt(*squares.challenger)};
  }
  MetricValues explained(const std::vector<uint32_t>& drawn) const {
    const double n = rows(drawn), mean_here = sum(drawn, expected) / n;
    double spread = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      const double d = expected[i] - mean_here;
      if (drawn[i] > 0) spread += drawn[i] * (d * d);
    }
    if (!(spread > 0)) return {};
    return {1 - sum(drawn, champion) / spread, 1 - sum(drawn, challenger) / spread};
  }
};

Kernel error_kernel(const std::vector<PairedRow>& rows, Metric metric) {
  auto errors = std::make_shared<ErrorSums>();
  double total = 0;
  for (const PairedRow& row : rows) {
    for (bool first : {true, false}) {
      const double error = absolute_error(first ? *row.champion : *row.challenger);
      (first ? errors->champion : errors->challenger)
          .push_back(metric == Metric::kMae ? error : error * error);
    }
    errors->expected.push_back(number_of(*row.champion, row.champion->expected, "expected"));
    total += errors->expected.back() / static_cast<double>(rows.size());
  }
  for (double& value : errors->expected) value -= total;
  Kernel out = each_row(rows);
  if (metric == Metric::kMae) out.measure = [errors](const auto& d) { return errors->mean(d); };
  if (metric == Metric::kRmse) out.measure = [errors](const auto& d) { return errors->root(d); };
  if (metric == Metric::kR2) out.measure = [errors](const auto& d) { return errors->explained(d); };
  return out;
}

}  // namespace

double absolute_error(const PredictedRow& row) {
  return std::fabs(predicted_number(row) - number_of(row, row.expected, "expected"));
}

Kernel kernel_of(const std::vector<PairedRow>& rows, const ComparisonSettings& settings) {
  switch (settings.metric) {
    case Metric::kMacroF1:
    case Metric::kMicroF1:
      return f1_kernel(rows, settings);
    case Metric::kAuc:
      return auc_kernel(rows, settings.positive);
    default:
      return error_kernel(rows, settings.metric);
  }
}

}  // namespace lockstep
