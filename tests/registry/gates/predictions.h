// Predictions made up for tests of gates. Knows nothing of how they are compared.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "pipeline/base/random.h"
#include "registry/gates/compare.h"

namespace lockstep {

struct BothSides {
  std::vector<PredictedRow> champion, challenger;
};

inline PredictedRow answered(const std::string& key, const std::string& expected,
                             const std::string& predicted) {
  return {key, expected, predicted, {}, {}};
}

// `rows` rows of `classes` classes; the first `lost` only the champion has right, the next `gained`
// only the challenger, `both_wrong` neither.
inline BothSides split(uint64_t rows, uint64_t lost, uint64_t gained, uint64_t both_wrong = 0,
                       uint64_t classes = 3) {
  BothSides out;
  for (uint64_t i = 0; i < rows; ++i) {
    const std::string key = "row-" + std::to_string(1'000'000 + i);
    const std::string right = "c" + std::to_string(i % classes);
    const std::string wrong = "c" + std::to_string((i + 1) % classes);
    const bool neither = i >= lost + gained && i < lost + gained + both_wrong;
    const bool champion = !neither && (i < lost || i >= lost + gained);
    const bool challenger = !neither && i >= lost;
    out.champion.push_back(answered(key, right, champion ? right : wrong));
    out.challenger.push_back(answered(key, right, challenger ? right : wrong));
  }
  return out;
}

// Binary rows with scores; each side's scores are right by `champion`, `challenger` (0: chance).
inline BothSides scored(uint64_t rows, double champion, double challenger, uint64_t seed) {
  BothSides out;
  Random random(seed);
  for (uint64_t i = 0; i < rows; ++i) {
    const bool positive = random.below(3) == 0;
    const std::string key = std::to_string(i), expected = positive ? "yes" : "no";
    const double common = random.uniform();
    const auto row = [&](double skill) {
      PredictedRow one = answered(key, expected, "");
      one.score = common + random.uniform() + (positive ? skill : 0);
      return one;
    };
    out.champion.push_back(row(champion));
    out.challenger.push_back(row(challenger));
  }
  return out;
}

// Numbers with errors of each side.
inline BothSides measured_numbers(uint64_t rows, double champion, double challenger,
                                  uint64_t seed) {
  BothSides out;
  Random random(seed);
  for (uint64_t i = 0; i < rows; ++i) {
    const double truth = random.uniform() * 10;
    const auto row = [&](double error) {
      PredictedRow one = answered(std::to_string(i), std::to_string(truth), "");
      one.score = truth + (random.uniform() - 0.5) * error;
      return one;
    };
    out.champion.push_back(row(champion));
    out.challenger.push_back(row(challenger));
  }
  return out;
}

template <class T>
void shuffle(std::vector<T>& items, uint64_t seed) {
  Random random(seed);
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.below(i)]);
}

inline Comparison decided(const BothSides& sides, const ComparisonSettings& settings = {},
                          const GatePolicy& policy = {}) {
  std::vector<Comparison> all = {compare_models(sides.champion, sides.challenger, settings)};
  decide_gates(all, policy);
  return all.front();
}

inline ComparisonSettings settings_of(Metric metric, uint64_t rounds = 1000) {
  ComparisonSettings out;
  out.metric = metric;
  out.positive = "yes";
  out.bootstrap.rounds = rounds;
  return out;
}

}  // namespace lockstep
