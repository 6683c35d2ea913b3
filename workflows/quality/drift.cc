#include "workflows/quality/drift.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "workflows/quality/bins.h"

namespace lockstep {
namespace {

constexpr size_t kMostValues = 49;
constexpr uint64_t kFewest = 10;  // rows of a value that has a bin of its own
constexpr double kDrifted = 0.1, kAlpha = 0.01;

// Value → times, on both sides.
struct Tally {
  std::map<std::string, std::pair<uint64_t, uint64_t>> values;

  void add(const std::string& value, bool now) {
    auto& [first, second] = values[value];
    ++(now ? second : first);
  }
  // The frequent ones in bins of their own, the others in one.
  void into(std::vector<uint64_t>& before, std::vector<uint64_t>& now) const {
    std::vector<std::pair<uint64_t, std::pair<uint64_t, uint64_t>>> order;
    for (const auto& [value, times] : values) {
      order.push_back({times.first + times.second, times});
    }
    std::stable_sort(order.begin(), order.end(),
                     [](auto& a, auto& b) { return a.first > b.first; });
    uint64_t other_before = 0, other_now = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      const auto& [first, second] = order[i].second;
      if (i < kMostValues && order[i].first >= kFewest) {
        before.push_back(first);
        now.push_back(second);
      } else {
        other_before += first;
        other_now += second;
      }
    }
    if (other_before + other_now > 0) {
      before.push_back(other_before);
      now.push_back(other_now);
    }
  }
};

// A value as it is, apart from NULL.
std::string named(const std::optional<std::string>& value) {
  return value ? "=" + *value : "";
}

void tally_column(const FeatureColumn& column, bool text, bool now, Tally& tally) {
  for (const auto& value : column.values) {
    if (!text || !value) {
      tally.add(named(value), now);
      continue;
    }
    for (const std::string& word : words_of(*value)) tally.add("=" + word, now);
  }
}

void count_numbers(const FeatureColumn& column, const std::vector<double>& edges,
                   std::vector<uint64_t>& counts) {
  counts.assign(edges.size() + 2, 0);  // the last bin: NULL
  for (size_t i = 0; i < column.values.size(); ++i) {
    const auto value = number_at(column, i);
    ++counts[value ? bin_of(*value, edges) : edges.size() + 1];
  }
}

ColumnDrift column_drift(const FeatureColumn& before, const FeatureColumn& now, uint64_t tests) {
  std::vector<uint64_t> first, second;
  if (now.kind == FeatureKind::kNumber) {
    const std::vector<double> edges = quantile_edges(before, 10);
    count_numbers(before, edges, first);
    count_numbers(now, edges, second);
  } else {
    Tally tally;
    tally_column(before, now.kind == FeatureKind::kText, false, tally);
    tally_column(now, now.kind == FeatureKind::kText, true, tally);
    tally.into(first, second);
  }
  ColumnDrift out = drift_between(first, second, before.values.size(), now.values.size(), tests);
  out.column = now.name;
  return out;
}

double total(const std::vector<uint64_t>& counts) {
  double sum = 0;
  for (uint64_t one : counts) sum += static_cast<double>(one);
  return sum;
}

}  // namespace

double chi_square_tail(double x, uint64_t degrees) {
  if (degrees == 0 || !(x > 0)) return 1;
  const auto k = static_cast<double>(degrees);
  if (degrees > 200) {  // Wilson, Hilferty 1931
    const double z = (std::cbrt(x / k) - (1 - 2 / (9 * k))) / std::sqrt(2 / (9 * k));
    return 0.5 * std::erfc(z / std::sqrt(2.0));
  }
  // Abramowitz, Stegun 26.4.4 and 26.4.5: finite sums for whole degrees.
  const bool odd = degrees % 2 == 1;
  double sum = odd ? std::erfc(std::sqrt(x / 2)) : std::exp(-x / 2);
  double term =
      odd ? std::sqrt(2 * x / 3.14159265358979323846) * std::exp(-x / 2) : std::exp(-x / 2) * x / 2;
  for (uint64_t d = odd ? 3 : 4; d <= degrees; d += 2) {
    sum += term;
    term *= x / static_cast<double>(d);
  }
  return std::min(1.0, sum);
}

ColumnDrift drift_between(const std::vector<uint64_t>& before, const std::vector<uint64_t>& now,
                          uint64_t before_rows, uint64_t now_rows, uint64_t tests) {
  ColumnDrift out;
  double empty = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i] + now[i] == 0) ++empty;  // a bin of no side says nothing
  }
  out.bins = before.size() - static_cast<uint64_t>(empty);
  if (before_rows == 0 || now_rows == 0 || out.bins < 2) return out;
  const auto bins = static_cast<double>(out.bins);
  const double all_before = total(before) + bins / 2, all_now = total(now) + bins / 2;
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i] + now[i] == 0) continue;
    const double a = (static_cast<double>(before[i]) + 0.5) / all_before;
    const double b = (static_cast<double>(now[i]) + 0.5) / all_now;
    out.psi += (b - a) * std::log(b / a);
  }
  const double chance = 1 / static_cast<double>(before_rows) + 1 / static_cast<double>(now_rows);
  out.excess = std::max(0.0, out.psi - (bins - 1) * chance);
  out.p = chi_square_tail(out.psi / chance, out.bins - 1);
  out.drifted = out.excess >= kDrifted && out.p <= kAlpha / static_cast<double>(tests);
  return out;
}

std::vector<ColumnDrift> drift(const LabelledRows& before, const LabelledRows& now) {
  std::vector<ColumnDrift> out;
  if (before.size() == 0 || now.size() == 0) return out;
  std::map<std::string, std::pair<const FeatureColumn*, const FeatureColumn*>> shared;
  for (const FeatureColumn& column : now.columns) shared[column.name].second = &column;
  for (const FeatureColumn& column : before.columns) {
    const auto found = shared.find(column.name);
    if (found != shared.end()) found->second.first = &column;
  }
  uint64_t tests = 1;
  for (const auto& [name, both] : shared) tests += both.first ? 1 : 0;
  const FeatureColumn labels[] = {{now.label_column, FeatureKind::kCategory, before.labels},
                                  {now.label_column, FeatureKind::kCategory, now.labels}};
  out.push_back(column_drift(labels[0], labels[1], tests));
  for (const auto& [name, both] : shared) {
    if (both.first) out.push_back(column_drift(*both.first, *both.second, tests));
  }
  return out;
}

}  // namespace lockstep
