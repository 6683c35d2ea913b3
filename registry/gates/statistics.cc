#include "registry/gates/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "pipeline/base/error.h"
#include "pipeline/base/random.h"

namespace lockstep {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr uint64_t kMinRounds = 1000;

// log(n!) minus Stirling's formula for it; n > 0. By its series from 16 on, below it by the
// product.
double stirling_error(double n) {
  if (n < 16) {
    double product = 1;
    for (double i = 2; i <= n; ++i) product *= i;
    return std::log(product) - (n + 0.5) * std::log(n) + n - 0.5 * std::log(2 * kPi);
  }
  const double square = n * n;
  return (1 / 12.0 - (1 / 360.0 - (1 / 1260.0 - 1 / 1680.0 / square) / square) / square) / n;
}

// Probability of exactly k of n at 1/2; 0 < k < n.
double half_binomial(double k, double n) {
  const double d = (n - 2 * k) / n;  // log1p: no digits are lost where k is near n / 2
  const double deviance = n / 2 * ((1 - d) * std::log1p(-d) + (1 + d) * std::log1p(d));
  const double errors = stirling_error(n) - stirling_error(k) - stirling_error(n - k);
  return std::sqrt(n / (2 * kPi * k) / (n - k)) * std::exp(errors - deviance);
}

}  // namespace

double mcnemar(uint64_t lost, uint64_t gained) {
  const auto fewer = static_cast<double>(std::min(lost, gained));
  const double all = static_cast<double>(lost) + static_cast<double>(gained);
  if (lost == gained) return 1;
  if (fewer == 0) return std::min(1.0, std::exp2(1 - all));
  double term = 1, sum = 1;
  for (double k = fewer; k > 0 && term > sum * 1e-17; --k) {
    term *= k / (all - k + 1);
    sum += term;
  }
  return std::min(1.0, 2 * half_binomial(fewer, all) * sum);
}

std::vector<double> holm(const std::vector<double>& p) {
  for (double one : p) {
    if (!(one >= 0 && one <= 1)) throw Error(ErrorCode::kInvalid, "a p-value outside 0 to 1");
  }
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double highest = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    highest = std::max(highest, static_cast<double>(p.size() - i) * p[order[i]]);
    adjusted[order[i]] = std::min(1.0, highest);
  }
  return adjusted;
}

Bootstrap paired_bootstrap(const std::vector<uint32_t>& unit_of, uint32_t units,
                           const std::function<MetricValues(const std::vector<uint32_t>&)>& measure,
                           const BootstrapSettings& settings) {
  const uint64_t rows = unit_of.size();
  Bootstrap out;
  if (rows == 0) return out;
  const uint64_t few = std::max(kMinRounds, settings.max_draws / rows);
  const uint64_t rounds = std::min(settings.rounds, few);
  Random random(settings.seed);
  std::vector<double> changes;
  std::vector<uint32_t> drawn(units);
  for (uint64_t round = 0; round < rounds; ++round) {
    if (settings.each_round) settings.each_round();
    std::fill(drawn.begin(), drawn.end(), 0);
    for (uint64_t i = 0; i < rows; ++i) ++drawn[unit_of[random.below(rows)]];
    const MetricValues values = measure(drawn);
    if (!values.champion || !values.challenger) continue;
    changes.push_back(*values.challenger - *values.champion);
  }
  out.rounds = changes.size();
  out.undefined = rounds - out.rounds;
  if (changes.empty()) return out;
  std::sort(changes.begin(), changes.end());
  const auto outside = static_cast<size_t>(settings.alpha / 2 * static_cast<double>(out.rounds));
  const size_t left_out = std::min(outside, (changes.size() - 1) / 2);
  out.low = changes[left_out];
  out.high = changes[changes.size() - 1 - left_out];
  const auto down = std::upper_bound(changes.begin(), changes.end(), 0.0) - changes.begin();
  const auto up = changes.end() - std::lower_bound(changes.begin(), changes.end(), 0.0);
  out.p = std::min(
      1.0, 2.0 * static_cast<double>(1 + std::min(down, up)) / static_cast<double>(out.rounds + 1));
  return out;
}

}  // namespace lockstep
