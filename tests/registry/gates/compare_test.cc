#include "registry/gates/compare.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>

#include "pipeline/base/error.h"
#include "tests/catch.h"
#include "tests/registry/gates/predictions.h"

using namespace lockstep;
using Catch::Matchers::WithinAbs;

namespace {

std::string refusal(const BothSides& sides, const ComparisonSettings& settings = {}) {
  try {
    compare_models(sides.champion, sides.challenger, settings);
  } catch (const Error& error) {
    return std::string(word(error.code)) + ": " + error.message;
  }
  return "taken";
}

BothSides numbers(const std::vector<double>& truth, const std::vector<double>& champion,
                  const std::vector<double>& challenger) {
  BothSides out;
  for (size_t i = 0; i < truth.size(); ++i) {
    const std::string key = std::to_string(i), expected = std::to_string(truth[i]);
    out.champion.push_back(answered(key, expected, std::to_string(champion[i])));
    out.challenger.push_back(answered(key, expected, std::to_string(challenger[i])));
  }
  return out;
}

BothSides swapped(const BothSides& sides) {
  return {sides.challenger, sides.champion};
}

}  // namespace

TEST_CASE("compare: 25 lost and 10 gained of 450 is worse, and held") {
  const Comparison got = decided(split(450, 25, 10, 20));
  CHECK(got.all.rows == 450);
  CHECK(got.all.lost == 25);
  CHECK(got.all.gained == 10);
  CHECK_THAT(got.all.champion, WithinAbs(420 / 450.0, 1e-12));
  CHECK_THAT(got.all.change, WithinAbs(-15 / 450.0, 1e-12));
  CHECK_THAT(*got.all.relative_change, WithinAbs(-15 / 420.0, 1e-12));
  CHECK_THAT(got.all.p, WithinAbs(0.0167, 0.00005));
  CHECK(got.verdict == GateVerdict::kWorse);
  CHECK(got.action == GateAction::kHold);
  CHECK(got.why == "worse: p = 0.0167");
  CHECK(got.lost.size() == 20);
  CHECK(got.gained.size() == 10);
  CHECK(got.lost.front().key == "row-1000000");
}

TEST_CASE("compare: 10 lost and 4 gained is worse within noise: the policy decides") {
  const Comparison got = decided(split(450, 10, 4));
  CHECK_THAT(got.all.p, WithinAbs(0.18, 0.001));
  CHECK(got.verdict == GateVerdict::kWorseWithinNoise);
  CHECK(got.action == GateAction::kAsk);
  CHECK(got.why == "worse within noise: p = 0.18");
  GatePolicy policy;
  policy.worse_within_noise = GateAction::kMove;
  CHECK(decided(split(450, 10, 4), {}, policy).action == GateAction::kMove);
}

TEST_CASE("compare: the four verdicts") {
  CHECK(decided(split(450, 10, 25)).verdict == GateVerdict::kBetter);
  CHECK(decided(split(450, 7, 7)).verdict == GateVerdict::kEqual);
  CHECK(decided(split(450, 0, 0)).why == "no difference");
  const Comparison slightly = decided(split(450, 4, 10));
  CHECK(slightly.verdict == GateVerdict::kEqual);
  CHECK(slightly.why == "better within noise: p = 0.18");
  CHECK(slightly.action == GateAction::kMove);
}

TEST_CASE("compare: metrics by hand") {
  // expected a a a b b c; champion a a b b c c; challenger a a a b b d
  const std::vector<std::string> expected = {"a", "a", "a", "b", "b", "c"};
  const std::vector<std::string> first = {"a", "a", "b", "b", "c", "c"};
  const std::vector<std::string> second = {"a", "a", "a", "b", "b", "d"};
  BothSides sides;
  for (size_t i = 0; i < expected.size(); ++i) {
    sides.champion.push_back(answered(std::to_string(i), expected[i], first[i]));
    sides.challenger.push_back(answered(std::to_string(i), expected[i], second[i]));
  }
  Comparison macro = decided(sides, settings_of(Metric::kMacroF1));
  CHECK_THAT(macro.all.champion, WithinAbs((0.8 + 0.5 + 2 / 3.0) / 3, 1e-12));
  CHECK_THAT(macro.all.challenger, WithinAbs(2 / 3.0, 1e-12));
  CHECK(macro.notes ==
        std::vector<std::string>{"'d' is answered 1 time and expected nowhere: wrong"});
  Comparison micro = decided(sides, settings_of(Metric::kMicroF1));
  CHECK_THAT(micro.all.champion, WithinAbs(4 / 6.0, 1e-12));
  ComparisonSettings some = settings_of(Metric::kMicroF1);
  some.labels = {"a", "b", "nobody"};
  micro = decided(sides, some);
  CHECK_THAT(micro.all.champion, WithinAbs(6 / (3 + 2 + 2 + 2.0), 1e-12));
  CHECK(micro.notes.back() == "class 'nobody' is expected nowhere: not judged");
  some.labels = {"nobody"};
  CHECK(decided(sides, some).all.not_judged ==
        "none of the classes that count is expected or predicted");
}

TEST_CASE("compare: AUC counts ties as halves") {
  BothSides sides;
  const double first[] = {0.1, 0.4, 0.35, 0.8}, second[] = {0.5, 0.5, 0.5, 0.9};
  for (int i = 0; i < 4; ++i) {
    sides.champion.push_back(answered(std::to_string(i), i < 2 ? "no" : "yes", ""));
    sides.challenger.push_back(sides.champion.back());
    sides.champion.back().score = first[i];
    sides.challenger.back().score = second[i];
  }
  const Comparison got = decided(sides, settings_of(Metric::kAuc));
  CHECK(got.all.champion == 0.75);
  CHECK(got.all.challenger == 0.75);
  CHECK(got.all.not_judged == "too few rows of one class to be resampled");
}

TEST_CASE("compare: errors and R2 by hand, and their direction") {
  const BothSides sides = numbers({1, 2, 3, 6}, {1, 2, 4, 6}, {2, 2, 3, 9});
  Comparison got = decided(sides, settings_of(Metric::kMae));
  CHECK(got.all.champion == 0.25);
  CHECK(got.all.challenger == 1);
  CHECK(got.all.lost == 2);
  CHECK(got.all.gained == 1);
  CHECK(got.lost.front().key == "3");  // the error that grew most
  got = decided(sides, settings_of(Metric::kRmse));
  CHECK(got.all.champion == 0.5);
  CHECK_THAT(got.all.challenger, WithinAbs(std::sqrt(2.5), 1e-12));
  got = decided(sides, settings_of(Metric::kR2));
  CHECK_THAT(got.all.champion, WithinAbs(1 - 1 / 14.0, 1e-12));
  CHECK_THAT(got.all.challenger, WithinAbs(1 - 10 / 14.0, 1e-12));
  CHECK(decided(numbers({5, 5}, {5, 4}, {5, 5}), settings_of(Metric::kR2)).all.not_judged ==
        "the expected values are all the same");
}

TEST_CASE("compare: large differences are seen by every metric, small ones are noise") {
  for (Metric metric : {Metric::kMae, Metric::kRmse, Metric::kR2}) {
    INFO(word(metric));
    const ComparisonSettings settings = settings_of(metric);
    CHECK(decided(measured_numbers(300, 1, 2, 5), settings).verdict == GateVerdict::kWorse);
    CHECK(decided(measured_numbers(300, 2, 1, 5), settings).verdict == GateVerdict::kBetter);
    const GateVerdict same = decided(measured_numbers(300, 1, 1, 5), settings).verdict;
    CHECK((same == GateVerdict::kEqual || same == GateVerdict::kWorseWithinNoise));
  }
  const ComparisonSettings auc = settings_of(Metric::kAuc);
  CHECK(decided(scored(300, 0.8, 0.1, 5), auc).verdict == GateVerdict::kWorse);
  CHECK(decided(scored(300, 0.1, 0.8, 5), auc).verdict == GateVerdict::kBetter);
  const ComparisonSettings f1 = settings_of(Metric::kMacroF1);
  CHECK(decided(split(450, 60, 10), f1).verdict == GateVerdict::kWorse);
  CHECK(decided(split(450, 10, 60), f1).verdict == GateVerdict::kBetter);
}

TEST_CASE("compare: exchanged sides give the opposite change and the same p") {
  for (Metric metric : {Metric::kAccuracy, Metric::kMacroF1, Metric::kAuc, Metric::kRmse}) {
    INFO(word(metric));
    const BothSides sides = metric == Metric::kAuc    ? scored(200, 0.5, 0.4, 3)
                            : metric == Metric::kRmse ? measured_numbers(200, 1, 1.1, 3)
                                                      : split(200, 15, 8);
    const Comparison one = decided(sides, settings_of(metric));
    const Comparison two = decided(swapped(sides), settings_of(metric));
    CHECK(one.all.change == -two.all.change);
    CHECK(one.all.p == two.all.p);
    CHECK(one.all.lost == two.all.gained);
    if (!one.all.bootstrap) continue;
    CHECK(one.all.bootstrap->low == -two.all.bootstrap->high);
    CHECK(one.all.bootstrap->high == -two.all.bootstrap->low);
  }
}

TEST_CASE("compare: the order of the rows changes nothing") {
  for (Metric metric : {Metric::kMacroF1, Metric::kAuc, Metric::kMae, Metric::kR2}) {
    INFO(word(metric));
    BothSides sides = metric == Metric::kAuc       ? scored(200, 0.5, 0.4, 3)
                      : metric == Metric::kMacroF1 ? split(200, 15, 8)
                                                   : measured_numbers(200, 1, 1.1, 3);
    const Comparison one = decided(sides, settings_of(metric));
    shuffle(sides.champion, 1);
    shuffle(sides.challenger, 2);
    const Comparison two = decided(sides, settings_of(metric));
    CHECK(one.all.challenger == two.all.challenger);
    CHECK(one.all.p == two.all.p);
    CHECK(one.all.bootstrap->low == two.all.bootstrap->low);
    CHECK(one.all.bootstrap->high == two.all.bootstrap->high);
    REQUIRE(one.lost.size() == two.lost.size());
    for (size_t i = 0; i < one.lost.size(); ++i) CHECK(one.lost[i].key == two.lost[i].key);
  }
}

TEST_CASE("compare: more lost rows never raise the verdict") {
  GateVerdict before = GateVerdict::kBetter;
  for (uint64_t lost = 0; lost < 60; ++lost) {
    const GateVerdict now = decided(split(450, lost, 20)).verdict;
    CHECK(now >= before);
    before = now;
  }
  CHECK(before == GateVerdict::kWorse);
}

TEST_CASE("compare: limits on what may be lost hold whatever chance says") {
  ComparisonSettings settings;
  settings.limit.absolute = 0.01;
  Comparison got = decided(split(450, 10, 4), settings);
  CHECK(got.verdict == GateVerdict::kWorse);
  CHECK(got.why == "0.01333 worse, at most 0.01 is allowed (p = 0.18)");
  settings.limit = {{}, 0.01};
  CHECK(decided(split(450, 10, 4), settings).why ==
        "1.345 % worse, at most 1 % is allowed (p = 0.18)");
  settings.limit = {0.02, 0.02};
  CHECK(decided(split(450, 10, 4), settings).verdict == GateVerdict::kWorseWithinNoise);
  CHECK(decided(split(100, 2, 0), settings).verdict == GateVerdict::kWorseWithinNoise);  // exactly
  CHECK(decided(split(100, 0, 50), settings).verdict == GateVerdict::kBetter);
}

TEST_CASE("compare: a small slice is said and not judged, a worse one holds the model") {
  BothSides sides = split(500, 25, 40);
  for (size_t i = 0; i < 500; ++i) {
    sides.challenger[i].slices = {i < 30 ? "lang=de" : "lang=en"};
    if (i >= 490) sides.challenger[i].slices = {"lang=fr"};
  }
  const Comparison got = decided(sides);
  REQUIRE(got.slices.size() == 3);
  CHECK(got.slices[0].slice == "lang=de");
  CHECK(got.slices[0].verdict == GateVerdict::kWorse);
  CHECK(got.slices[1].verdict == GateVerdict::kBetter);
  CHECK(got.slices[2].not_judged == "fewer than 30 rows");
  CHECK(got.all.verdict == GateVerdict::kEqual);
  CHECK(got.slices[0].together == 2);
  CHECK(got.all.together == 1);
  CHECK(got.verdict == GateVerdict::kWorse);
  CHECK(got.action == GateAction::kHold);
  CHECK(got.why.rfind("slice lang=de: worse: p = ", 0) == 0);
}

TEST_CASE("decide: a slice within noise does not decide; one that is not judged never does") {
  BothSides sides = split(450, 10, 25);
  for (size_t i = 0; i < 450; ++i) sides.challenger[i].slices = {i < 4 || i > 400 ? "a" : "b"};
  const Comparison got = decided(sides);
  CHECK(got.slices[0].verdict == GateVerdict::kWorseWithinNoise);
  CHECK(got.action == GateAction::kMove);
}

TEST_CASE("decide: Holm's correction is over everything that is decided together") {
  const BothSides one = split(450, 25, 10);
  const auto run = [&](size_t models) {
    std::vector<Comparison> all = {compare_models(one.champion, one.challenger, {})};
    const BothSides same = split(450, 0, 0);
    while (all.size() < models) all.push_back(compare_models(same.champion, same.challenger, {}));
    decide_gates(all, {});
    return all.front();
  };
  CHECK(run(1).verdict == GateVerdict::kWorse);
  CHECK(run(2).verdict == GateVerdict::kWorse);
  const Comparison many = run(100);
  CHECK(many.verdict == GateVerdict::kWorseWithinNoise);
  CHECK(many.all.together == 100);
  CHECK(many.why == "worse within noise: p = 0.0167, 1 after Holm's correction");
}

TEST_CASE("decide: more slices never make a model's own test weaker") {
  BothSides sides = split(450, 25, 10);
  for (size_t i = 0; i < 450; ++i) {
    for (size_t slice = 0; slice < 40; ++slice) {
      sides.challenger[i].slices.push_back("s" +
                                           std::to_string(slice + 40 * (i / (3 * slice + 40))));
    }
  }
  const Comparison got = decided(sides);
  CHECK(got.slices.size() > 40);
  CHECK(got.all.adjusted_p == got.all.p);
  CHECK(got.verdict == GateVerdict::kWorse);
}

TEST_CASE("compare: rows that don't belong together are refused") {
  const BothSides good = split(10, 1, 1);
  BothSides sides = good;
  sides.champion.pop_back();
  CHECK(refusal(sides) ==
        "conflict: the champion's predictions lack 1 of 10 rows, the first is row-1000009");
  CHECK(refusal(swapped(sides)) ==
        "conflict: the challenger's predictions lack 1 of 10 rows, the first is row-1000009");
  sides = good;
  sides.challenger[3].key = sides.challenger[2].key;
  CHECK(refusal(sides) ==
        "invalid: the challenger's predictions have row row-1000002 more than once");
  sides = good;
  sides.challenger[3].expected = "odd\n";
  CHECK(refusal(sides) ==
        "conflict: row row-1000003 is expected to be 'c0' for the champion and 'odd?' for the "
        "challenger");
  CHECK(refusal({{}, good.challenger}) ==
        "conflict: the champion's predictions lack 10 of 10 rows, the first is row-1000000");
  for (double odd : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    sides = good;
    sides.champion[4].score = odd;
    CHECK(refusal(sides) == "invalid: the champion's score of row row-1000004 is not finite");
  }
}

TEST_CASE("compare: numbers that are none are refused") {
  for (const char* odd : {"", "x", "1,5", "nan", "inf", "1e999", "1 ", " 1", "0x10"}) {
    INFO(odd);
    BothSides sides = numbers({1, 2}, {1, 2}, {1, 2});
    sides.champion[1].predicted = odd;
    CHECK(refusal(sides, settings_of(Metric::kMae)) ==
          "invalid: row 1: predicted '" + std::string(odd) + "' is no finite number");
  }
  BothSides huge = numbers({1, 2}, {1, 2}, {1, 2});
  huge.challenger[0].score = 1e200;
  CHECK(refusal(huge, settings_of(Metric::kRmse)) ==
        "invalid: the errors are too large to be measured");
}

TEST_CASE("compare: what can't be judged is said") {
  const Comparison nothing = decided(BothSides{});
  CHECK(nothing.all.not_judged == "the holdout has no rows");
  CHECK(nothing.action == GateAction::kMove);
  CHECK(nothing.why == "not judged: the holdout has no rows");
  GatePolicy strict;
  strict.not_judged = GateAction::kHold;
  CHECK(decided(BothSides{}, {}, strict).action == GateAction::kHold);

  BothSides one_class = scored(50, 1, 1, 1);
  for (auto* side : {&one_class.champion, &one_class.challenger}) {
    for (PredictedRow& row : *side) row.expected = "no";
  }
  CHECK(decided(one_class, settings_of(Metric::kAuc)).all.not_judged ==
        "the rows are all of one class, or none is of the positive one");
}

TEST_CASE("compare: settings that make no sense are refused") {
  const BothSides sides = scored(50, 1, 1, 1);
  ComparisonSettings settings = settings_of(Metric::kAuc);
  settings.positive = "";
  CHECK(refusal(sides, settings) == "invalid: AUC needs the name of the positive class");
  settings = settings_of(Metric::kAuc, 10);
  CHECK(refusal(sides, settings) == "invalid: rounds must be 100 to 10,000,000");
  settings = {};
  settings.limit.absolute = -0.1;
  CHECK(refusal(sides, settings) == "invalid: a limit on what may be lost must be a number from 0");
  BothSides unscored = sides;
  unscored.challenger[7].score.reset();
  CHECK(refusal(unscored, settings_of(Metric::kAuc)) == "invalid: row 7 has no score");
  CHECK(metric_of("auc") == Metric::kAuc);
  CHECK_THROWS_AS(metric_of("AUC"), Error);
}

TEST_CASE("compare: ten thousand rounds on ten thousand rows", "[.timing]") {
  for (Metric metric : {Metric::kMacroF1, Metric::kAuc, Metric::kMae, Metric::kR2}) {
    const BothSides sides = metric == Metric::kAuc       ? scored(10000, 0.5, 0.4, 3)
                            : metric == Metric::kMacroF1 ? split(10000, 500, 400, 600, 150)
                                                         : measured_numbers(10000, 1, 1.1, 3);
    const auto begin = std::chrono::steady_clock::now();
    decided(sides, settings_of(metric, 10000));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("%s: %.2f s\n", std::string(word(metric)).c_str(), took.count());
    CHECK(took.count() < 10);
  }
}
