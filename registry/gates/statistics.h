// The statistics behind a gate's word: exact McNemar, Holm, the paired bootstrap.
// Knows nothing of models, metrics or files; equal input gives equal numbers on every machine.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace lockstep {

// Two-sided exact McNemar test (McNemar 1947; exact: Liddell 1983): of rows where exactly one of
// two models is right, `lost` by the new one and `gained` by it. The probability of a split at
// least as uneven when both are equally good, twice the binomial tail at 1/2, at most 1.
// (25, 10) → 0.0167; (10, 4) → 0.180; nothing to tell apart → 1. Any size: the first term by
// Loader's saddle point (2000), the others by ratio; relative error below 1e-9 up to 1e15.
double mcnemar(uint64_t lost, uint64_t gained);

// p-values adjusted for being one of many (Holm 1979), in the order given: each may be compared
// with alpha by itself, and the chance of one false alarm in all of them stays below alpha.
// Throws invalid where one is not in [0, 1].
std::vector<double> holm(const std::vector<double>& p);

// A metric of both models on the same rows; no number: the metric says nothing of these.
struct MetricValues {
  std::optional<double> champion, challenger;
};

struct BootstrapSettings {
  uint64_t rounds = 10000;
  uint64_t seed = 20260101;
  double alpha = 0.05;
  // Rounds are made fewer, never below 1,000, where rows × rounds would be above this.
  uint64_t max_draws = 1'000'000'000;
  std::function<void()> each_round;  // may be empty; gives up where it throws
};

struct Bootstrap {
  double low = 0, high = 0;  // interval of challenger − champion that leaves out alpha
  double p = 1;              // that the difference is none, two-sided
  uint64_t rounds = 0;       // that counted
  uint64_t undefined = 0;    // rounds whose rows gave no number; they count nowhere
};

// Paired percentile bootstrap (Efron, Tibshirani 1993, chapters 13 and 16): as many rows drawn with
// replacement as there are, both models measured on the same ones. The p-value is that of the
// interval which just touches 0, with one round added on either side (Davison, Hinkley 1997).
// `unit_of` gives the unit of each row (rows that count alike share one), `measure` the metric for
// the number of times that each unit was drawn.
Bootstrap paired_bootstrap(const std::vector<uint32_t>& unit_of, uint32_t units,
                           const std::function<MetricValues(const std::vector<uint32_t>&)>& measure,
                           const BootstrapSettings& settings);

}  // namespace lockstep
