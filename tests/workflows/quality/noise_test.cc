#include "workflows/quality/noise.h"

#include <cmath>

#include "pipeline/base/error.h"
#include "tests/catch.h"
#include "tests/workflows/quality/made_rows.h"

using namespace lockstep;
using Catch::Matchers::WithinAbs;

namespace {

std::vector<uint32_t> labels_of(const LabelledRows& rows) {
  std::vector<uint32_t> out;
  for (const auto& label : rows.labels) {
    out.push_back(!label ? kNoLabel : *label == "blue" ? 0 : *label == "green" ? 1 : 2);
  }
  return out;
}

uint32_t best(const Probabilities& p, size_t row) {
  uint32_t out = 0;
  for (uint32_t c = 1; c < p.classes; ++c) {
    if (p.at(row, c) > p.at(row, out)) out = c;
  }
  return out;
}

}  // namespace

TEST_CASE("confident learning: by hand") {
  // Thresholds: class 0 mean(.9 .8 .1 .6) = .6, class 1 mean(.7 .9 .2) = .6.
  const Probabilities p = {2, {.9, .1, .8, .2, .1, .9, .6, .4, .3, .7, .1, .9, .8, .2}};
  const LabelNoise found = confident_learning({0, 0, 0, 0, 1, 1, 1}, p, 1);
  CHECK(found.judged == 7);
  CHECK_THAT(found.thresholds[0], WithinAbs(0.6, 1e-12));
  CHECK_THAT(found.thresholds[1], WithinAbs(0.6, 1e-12));
  CHECK(found.joint == std::vector<uint64_t>{3, 1, 1, 2});
  CHECK_THAT(found.noise, WithinAbs((4 * 0.25 + 3 / 3.0) / 7, 1e-12));
  REQUIRE(found.suspects.size() == 2);
  CHECK(found.suspects[0].row == 2);
  CHECK(found.suspects[0].suggested == 1);
  CHECK_THAT(found.suspects[0].margin, WithinAbs(-0.8, 1e-12));
  CHECK(found.suspects[1].row == 6);
}

TEST_CASE("confident learning: right labels are no suspects, whatever the model is sure of") {
  const Probabilities even = {2, std::vector<double>(20, 0.5)};
  CHECK(confident_learning({0, 0, 0, 0, 0, 1, 1, 1, 1, 1}, even).suspects.empty());
  Probabilities sure = {3, {}};
  std::vector<uint32_t> labels;
  for (uint32_t i = 0; i < 30; ++i) {
    labels.push_back(i % 3);
    for (uint32_t c = 0; c < 3; ++c) sure.values.push_back(c == i % 3 ? 0.8 : 0.1);
  }
  const LabelNoise found = confident_learning(labels, sure);
  CHECK(found.noise == 0);
  CHECK(found.suspects.empty());
}

TEST_CASE("confident learning: a class of few rows is neither judged nor suggested") {
  Probabilities p = {3, {}};
  std::vector<uint32_t> labels;
  for (uint32_t i = 0; i < 20; ++i) {
    labels.push_back(i % 2);
    for (double one : {0.2, 0.1, 0.7}) p.values.push_back(one);
  }
  labels[0] = 2;
  labels[1] = kNoLabel;
  const LabelNoise found = confident_learning(labels, p);
  CHECK(found.judged == 18);
  CHECK(found.thresholds[2] == 2);
  for (const SuspectLabel& one : found.suspects) CHECK(one.suggested != 2);
}

TEST_CASE("confident learning: odd probabilities are refused") {
  CHECK_THROWS_AS(confident_learning({0}, {2, {0.5}}), Error);
  CHECK_THROWS_AS(confident_learning({0}, {2, {0.5, 0.6}}), Error);
  CHECK_THROWS_AS(confident_learning({0}, {2, {1.5, -0.5}}), Error);
  CHECK_THROWS_AS(confident_learning({0}, {2, {std::nan(""), 0.5}}), Error);
  CHECK_THROWS_AS(confident_learning({2}, {2, {0.5, 0.5}}), Error);
  CHECK_THROWS_AS(confident_learning({}, {0, {}}), Error);
}

TEST_CASE("naive Bayes, fold by fold: knows the classes it was shown") {
  const LabelledRows rows = sorted_rows(sentences(600, 1), "rows");
  const std::vector<uint32_t> labels = labels_of(rows);
  const Probabilities p = out_of_sample(rows, labels, 3);
  size_t right = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    double sum = 0;
    for (uint32_t c = 0; c < 3; ++c) sum += p.at(i, c);
    CHECK_THAT(sum, WithinAbs(1, 1e-9));
    right += best(p, i) == labels[i];
  }
  CHECK(right > 570);
}

TEST_CASE("naive Bayes, fold by fold: a row's own label says nothing about it") {
  LabelledRows rows = sentences(300, 1);
  add(rows, "same", *rows.columns[0].values[7], rows.labels[7]);  // equal rows share a fold
  rows = sorted_rows(rows, "rows");
  std::vector<uint32_t> labels = labels_of(rows);
  const Probabilities before = out_of_sample(rows, labels, 3);
  for (size_t row : {size_t{3}, size_t{7}, size_t{100}}) {
    std::vector<uint32_t> wrong = labels;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows.columns[0].values[i] == rows.columns[0].values[row]) wrong[i] = (wrong[i] + 1) % 3;
    }
    const Probabilities after = out_of_sample(rows, wrong, 3);
    // The temperature is everybody's; the order of the classes is the row's own.
    for (uint32_t a = 0; a < 3; ++a) {
      for (uint32_t b = 0; b < 3; ++b) {
        CHECK((before.at(row, a) < before.at(row, b)) == (after.at(row, a) < after.at(row, b)));
      }
    }
  }
}

TEST_CASE("naive Bayes, fold by fold: categories, numbers and NULL are features") {
  LabelledRows rows;
  rows.columns = {{"kind", FeatureKind::kCategory, {}}, {"size", FeatureKind::kNumber, {}}};
  std::vector<uint32_t> labels;
  for (uint32_t i = 0; i < 400; ++i) {
    const uint32_t label = i % 3;
    rows.keys.push_back(std::to_string(1000 + i));
    rows.labels.push_back(std::to_string(label));
    labels.push_back(label);
    rows.columns[0].values.push_back(label == 0 ? std::nullopt : std::optional<std::string>("k"));
    rows.columns[1].values.push_back(std::to_string((label == 2 ? 1000 : 0) + i));
  }
  FoldSettings settings;
  settings.folds = 5;
  const Probabilities p = out_of_sample(rows, labels, 3, settings);
  size_t right = 0;
  for (size_t i = 0; i < rows.size(); ++i) right += best(p, i) == labels[i];
  CHECK(right > 370);  // the tenth that holds both small and large sizes is anybody's
  settings.folds = 1;
  CHECK_THROWS_AS(out_of_sample(rows, labels, 3, settings), Error);
}
