#include "registry/gates/statistics.h"

#include <cmath>
#include <numeric>

#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

TEST_CASE("mcnemar: exact values, computed in whole numbers") {
  struct Vector {
    uint64_t lost, gained;
    double p;
  };
  const Vector vectors[] = {
      {25, 10, 0.01667384780012071},
      {10, 4, 0.1795654296875},
      {1, 0, 1.0},
      {5, 0, 0.0625},
      {6, 1, 0.125},
      {16, 15, 1.0},
      {30, 12, 0.007915897334896727},
      {60, 41, 0.07275700687752419},
      {1000, 1100, 0.030720707864242296},
      {5000, 5200, 0.04878796312682245},
      {40000, 40500, 0.07862036880510799},
      {300, 100, 2.5918869069720767e-24},
      {2000, 500, 2.855087369006352e-211},
  };
  for (const Vector& one : vectors) {
    INFO(one.lost << " lost, " << one.gained << " gained");
    CHECK_THAT(mcnemar(one.lost, one.gained), WithinRel(one.p, 1e-9));
    CHECK(mcnemar(one.lost, one.gained) == mcnemar(one.gained, one.lost));
  }
}

TEST_CASE("mcnemar: nothing to tell apart is 1, and no size overflows") {
  CHECK(mcnemar(0, 0) == 1);
  CHECK(mcnemar(7, 7) == 1);
  CHECK(mcnemar(5'000'000'000, 5'000'000'000) == 1);
  CHECK(mcnemar(5'000'000'000, 0) == 0);
  // Near the normal distribution, continuity corrected.
  for (uint64_t apart : {500u, 1500u, 3000u}) {
    const uint64_t half = 1'000'000;
    const double z = (2.0 * apart - 1) / std::sqrt(2.0 * half);
    CHECK_THAT(mcnemar(half + apart, half - apart), WithinRel(std::erfc(z / std::sqrt(2.0)), 1e-4));
  }
}

TEST_CASE("mcnemar: falls as the split of the same rows gets more uneven") {
  for (uint64_t all : {9u, 10u, 35u, 200u, 1001u}) {
    for (uint64_t lost = all / 2 + 1; lost < all; ++lost) {
      CHECK(mcnemar(lost + 1, all - lost - 1) < mcnemar(lost, all - lost));
    }
  }
}

TEST_CASE("holm: adjusts in the order given, never above 1, never out of order") {
  const std::vector<double> adjusted = holm({0.01, 0.04, 0.03, 0.005});
  const std::vector<double> want = {0.03, 0.06, 0.06, 0.02};
  for (size_t i = 0; i < want.size(); ++i) CHECK_THAT(adjusted[i], WithinAbs(want[i], 1e-12));
  CHECK(holm({}).empty());
  CHECK(holm({0.2}) == std::vector<double>{0.2});
  CHECK(holm({0.9, 0.8}) == std::vector<double>{1, 1});
  CHECK_THROWS_AS(holm({0.5, std::nan("")}), Error);
  CHECK_THROWS_AS(holm({1.5}), Error);
  CHECK_THROWS_AS(holm({-0.1}), Error);
}

namespace {

// Mean of the challenger's units; the champion's is 0.
Bootstrap of_means(const std::vector<double>& values, const BootstrapSettings& settings) {
  std::vector<uint32_t> unit_of(values.size());
  std::iota(unit_of.begin(), unit_of.end(), 0u);
  const auto measure = [&](const std::vector<uint32_t>& drawn) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += drawn[i] * values[i];
    return MetricValues{0.0, sum / static_cast<double>(values.size())};
  };
  return paired_bootstrap(unit_of, static_cast<uint32_t>(values.size()), measure, settings);
}

}  // namespace

TEST_CASE("bootstrap: the same numbers on every machine") {
  // Computed apart, in whole numbers, from the published generator.
  std::vector<double> values;
  for (int i = 0; i < 64; ++i) values.push_back((i * 37 % 64 - 24) / 64.0);  // exact in binary
  const Bootstrap got = of_means(values, {});
  CHECK(got.rounds == 10000);
  CHECK(got.low == 0.046630859375);
  CHECK(got.high == 0.186767578125);
  CHECK_THAT(got.p, WithinAbs(0.0011998800119988, 1e-12));
  const Bootstrap other = of_means(values, {10000, 7, 0.05, 1'000'000'000});
  CHECK(other.low != got.low);
  CHECK_THAT(other.low, WithinAbs(got.low, 0.01));
}

TEST_CASE("bootstrap: covers what it says it covers") {
  // Means of 50 values around 0.1 with a spread of one third of 1: sd of the mean is known.
  std::vector<double> values;
  for (int i = 0; i < 50; ++i) values.push_back(0.1 + (i - 24.5) / 50);
  const Bootstrap got = of_means(values, {});
  const double sd = std::sqrt((50.0 * 50 - 1) / 12) / 50 / std::sqrt(50.0);
  CHECK_THAT(got.low, WithinAbs(0.1 - 1.96 * sd, 0.1 * sd));
  CHECK_THAT(got.high, WithinAbs(0.1 + 1.96 * sd, 0.1 * sd));
  CHECK_THAT(got.p, WithinAbs(std::erfc(0.1 / sd / std::sqrt(2.0)), 0.01));
}

TEST_CASE("bootstrap: without a difference p is 1; without rows nothing is drawn") {
  const Bootstrap none = of_means({0, 0, 0}, {});
  CHECK(none.p == 1);
  CHECK(none.low == 0);
  CHECK(none.high == 0);
  CHECK(of_means({}, {}).rounds == 0);
}

TEST_CASE("bootstrap: many rows get fewer rounds, never below a thousand") {
  const std::vector<double> values(100, 0.5);
  BootstrapSettings settings;
  settings.max_draws = 200'000;
  CHECK(of_means(values, settings).rounds == 2000);
  settings.max_draws = 1;
  CHECK(of_means(values, settings).rounds == 1000);
}

TEST_CASE("bootstrap: rounds without a number count nowhere, and are counted") {
  const auto measure = [](const std::vector<uint32_t>& drawn) {
    return drawn[0] == 0 ? MetricValues{} : MetricValues{1.0, 2.0};
  };
  const Bootstrap got = paired_bootstrap({0, 1, 1, 1}, 2, measure, {});
  CHECK(got.rounds + got.undefined == 10000);
  CHECK_THAT(static_cast<double>(got.undefined) / 10000, WithinAbs(std::pow(0.75, 4), 0.02));
  CHECK(got.low == 1);
}
