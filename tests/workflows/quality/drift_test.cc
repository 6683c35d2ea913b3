#include "workflows/quality/drift.h"

#include <cmath>

#include "tests/catch.h"
#include "tests/workflows/quality/made_rows.h"
#include "workflows/quality/bins.h"

using namespace lockstep;
using Catch::Matchers::WithinAbs;

TEST_CASE("chi-square: known points of its tail") {
  CHECK_THAT(chi_square_tail(3.841458820694124, 1), WithinAbs(0.05, 1e-12));
  CHECK_THAT(chi_square_tail(5.991464547107979, 2), WithinAbs(0.05, 1e-12));
  CHECK_THAT(chi_square_tail(11.344866730144373, 3), WithinAbs(0.01, 1e-12));
  CHECK_THAT(chi_square_tail(18.307038053275146, 10), WithinAbs(0.05, 1e-12));
  CHECK_THAT(chi_square_tail(124.34211340400407, 100), WithinAbs(0.05, 1e-9));
  CHECK_THAT(chi_square_tail(287.8815, 250), WithinAbs(0.05, 1e-4));
  CHECK(chi_square_tail(0, 5) == 1);
  CHECK(chi_square_tail(5000, 5) == 0);
  for (double x = 1; x < 300; x += 7) {  // more degrees, more tail; over the seam at 200, too
    for (uint64_t k : {1u, 2u, 50u, 199u, 200u}) {
      CHECK(chi_square_tail(x, k) <= chi_square_tail(x, k + 1) + 1e-5);
    }
  }
}

TEST_CASE("drift: the index by hand") {
  const ColumnDrift got = drift_between({600, 400}, {400, 600}, 1000, 1000);
  const double a = 600.5 / 1001, b = 400.5 / 1001;
  CHECK_THAT(got.psi, WithinAbs(2 * (a - b) * std::log(a / b), 1e-12));
  CHECK_THAT(got.excess, WithinAbs(got.psi - 0.002, 1e-12));
  CHECK(got.p < 1e-10);
  CHECK(got.drifted);
  const ColumnDrift back = drift_between({400, 600}, {600, 400}, 1000, 1000);
  CHECK_THAT(back.psi, WithinAbs(got.psi, 1e-12));
}

TEST_CASE("drift: nothing moved, or too little to say so, is none") {
  CHECK(drift_between({50, 50}, {50, 50}, 100, 100).psi == 0);
  CHECK(drift_between({50, 50}, {50, 50}, 100, 100).p == 1);
  CHECK_FALSE(drift_between({6, 4}, {4, 6}, 10, 10).drifted);  // an index of 0.14
  CHECK(drift_between({0, 100}, {0, 100}, 100, 100).bins == 1);
  CHECK_FALSE(drift_between({}, {}, 0, 0).drifted);
}

TEST_CASE("drift: columns of two looks at the same kind of rows don't drift, others do") {
  const std::vector<ColumnDrift> same = drift(sentences(500, 1), sentences(700, 2));
  REQUIRE(same.size() == 2);
  CHECK(same[0].column == "label");
  CHECK(same[1].column == "text");
  CHECK_FALSE(same[0].drifted);
  CHECK_FALSE(same[1].drifted);

  LabelledRows other = sentences(700, 2);
  for (size_t i = 0; i < other.size(); ++i) {
    if (i % 2 == 0) other.labels[i] = "red";
    other.columns[0].values[i] = "quite other words here";
  }
  const std::vector<ColumnDrift> moved = drift(sentences(500, 1), other);
  CHECK(moved[0].drifted);
  CHECK(moved[1].drifted);
  CHECK(drift(text_rows(), other).empty());
}

TEST_CASE("drift: numbers by tenths of before, NULL as a value of its own") {
  const auto numbers = [](double shift, size_t nulls) {
    LabelledRows rows;
    rows.columns = {{"size", FeatureKind::kNumber, {}}};
    Random random(4);
    for (size_t i = 0; i < 400; ++i) {
      rows.keys.push_back(std::to_string(i));
      rows.labels.push_back("x");
      rows.columns[0].values.push_back(std::to_string(random.uniform() + shift));
      if (i < nulls) rows.columns[0].values.back().reset();
    }
    return rows;
  };
  CHECK_FALSE(drift(numbers(0, 0), numbers(0, 4)).at(1).drifted);
  CHECK(drift(numbers(0, 0), numbers(0.3, 0)).at(1).drifted);
  CHECK(drift(numbers(0, 0), numbers(0, 100)).at(1).drifted);
}

TEST_CASE("bins: edges cut where the values are") {
  CHECK(quantile_edges({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 2) == std::vector<double>{5});
  CHECK(quantile_edges({1, 1, 1, 1}, 10) == std::vector<double>{1});
  CHECK(quantile_edges(std::vector<double>(), 10).empty());
  CHECK(bin_of(5, {5}) == 0);
  CHECK(bin_of(5.1, {5}) == 1);
  CHECK(words_of("Don't, PLAY  2 Ölfässer!") ==
        std::vector<std::string>{"don't", "play", "2", "Ölfässer"});
}
