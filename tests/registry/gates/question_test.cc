// What a gate asks, and its answer from the files that evaluations write.
#include "registry/gates/question.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.h"
#include "registry/gates/predictions.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

// So many rows, of which those from `from` to `to` are answered wrongly.
std::string answers(size_t rows, size_t from, size_t to) {
  std::string csv = "key,expected,predicted,channel\n";
  for (size_t i = 0; i < rows; ++i) {
    csv += fmt::format("{},yes,{},{}\n", i, i >= from && i < to ? "no" : "yes",
                       i % 2 ? "web" : "phone");
  }
  return csv;
}

GateEvidence evidence(size_t from, size_t to, Json question = Json::object()) {
  GateEvidence out;
  out.model = "m";
  out.challenger = 2;
  out.champion = 1;
  out.question = std::move(question);
  out.of_champion = answers(450, 0, 10);
  out.of_challenger = answers(450, from, to);
  return out;
}

std::string refused(const std::string& csv, const std::vector<std::string>& slices = {}) {
  try {
    read_predictions(csv, "p.csv", slices);
  } catch (const Error& error) {
    return std::string(word(error.code)) + " " + error.where + " " + error.message;
  }
  return "taken";
}

}  // namespace

TEST_CASE("a gate on 450 rows: 25 lost and 10 gained is held, 10 and 4 is asked about") {
  GateFindings worse = find_gate(evidence(10, 35));
  REQUIRE(worse.comparisons.size() == 1);
  CHECK(worse.comparisons[0].all.lost == 25);
  CHECK(worse.comparisons[0].all.gained == 10);
  CHECK(worse.comparisons[0].all.p == Approx(0.0167).margin(0.00005));
  CHECK(action_of(worse) == GateAction::kHold);
  GateFindings noise = find_gate(evidence(4, 20));
  CHECK(noise.comparisons[0].all.p == Approx(0.18).margin(0.0005));
  CHECK(noise.comparisons[0].verdict == GateVerdict::kWorseWithinNoise);
  CHECK(action_of(noise) == GateAction::kAsk);
  GateFindings lenient = find_gate(evidence(4, 20, {{"policy", {{"worse-within-noise", "move"}}}}));
  CHECK(action_of(lenient) == GateAction::kMove);
}

TEST_CASE("other models of the run make a gate more careful with what it calls worse") {
  GateEvidence one = evidence(10, 35);
  one.yet_to_come = 3;  // 4 × 0.0167 is above 0.05
  CHECK(action_of(find_gate(one)) == GateAction::kAsk);
  CHECK(find_gate(one).comparisons[0].all.together == 4);
  one.yet_to_come = 0;
  one.other_p = {0.001, 0.002, 0.003};  // those go before it: what is left is its own p
  CHECK(find_gate(one).comparisons[0].all.adjusted_p == Approx(0.0167).margin(0.00005));
  CHECK(action_of(find_gate(one)) == GateAction::kHold);
}

TEST_CASE("slices are cut by the values of columns") {
  GateFindings found = find_gate(evidence(10, 35, {{"slices", {"channel"}}}));
  REQUIRE(found.comparisons[0].slices.size() == 2);
  CHECK(found.comparisons[0].slices[0].slice == "channel=phone");
  CHECK(found.comparisons[0].slices[0].rows == 225);
}

TEST_CASE("a broken expectation holds, and names who wants it") {
  GateEvidence one;
  one.model = "m";
  one.challenger = 1;
  one.of_expectations =
      "key,expected,predicted,score,text,ticket,author\n"
      "1,lights_off,media_stop,0.4,turn it off,812,ann\n2,stop,stop,0.9,halt,,\n";
  GateFindings found = find_gate(one);
  REQUIRE(found.expectations);
  CHECK(found.expectations->checked == 2);
  REQUIRE(found.expectations->broken.size() == 1);
  CHECK(found.expectations->broken[0].expectation.author == "ann");
  CHECK(action_of(found) == GateAction::kHold);
  CHECK(reason_of(found).find("ticket 812, ann") != std::string::npos);
  // Without columns that say which row is meant, its key does.
  one.of_expectations = "key,expected,predicted\n7,a,b\n";
  CHECK(find_gate(one).expectations->broken[0].expectation.key == "7");
}

TEST_CASE("words of a gate that are none are refused") {
  for (const Json& words :
       {Json{{"metric", "luck"}}, Json{{"policy", {{"worse", "pray"}}}},
        Json{{"policy", {{"terrible", "hold"}}}}, Json{{"alpha", "small"}}, Json{{"slices", 7}}}) {
    CAPTURE(words.dump());
    CHECK_THROWS_AS(gate_question(words), Error);
  }
  GateQuestion all = gate_question({{"metric", "macro_f1"},
                                    {"alpha", 0.01},
                                    {"min-rows", 5},
                                    {"max-loss", 0.02},
                                    {"slice-max-relative-loss", 0.1},
                                    {"rounds", 2000},
                                    {"seed", 9},
                                    {"labels", {"a"}},
                                    {"positive", "a"}});
  CHECK(all.settings.metric == Metric::kMacroF1);
  CHECK(all.policy.alpha == 0.01);
  CHECK(all.settings.bootstrap.alpha == 0.01);
  CHECK(all.settings.min_rows == 5);
  CHECK(all.settings.limit.absolute == 0.02);
  CHECK(all.settings.slice_limit.relative == 0.1);
  CHECK(all.settings.bootstrap.rounds == 2000);
  CHECK(all.settings.bootstrap.seed == 9);
}

TEST_CASE("predictions that are none are refused with their line") {
  CHECK(refused("") == "invalid p.csv:1 the file is empty: it has not even a header");
  CHECK(refused("key,expected\n") == "invalid p.csv:1 no column is called predicted");
  CHECK(refused("key,expected,predicted,key\n") == "invalid p.csv:1 two columns are called key");
  CHECK(refused("key,expected,predicted,score\n1,a,a,\n2,a,a,much\n") ==
        "invalid p.csv:3 a score is no finite number: much");
  CHECK(refused("key,expected,predicted,score\n1,a,a,inf\n").find("finite") != std::string::npos);
  CHECK(refused("key,expected,predicted\n1,a\n").find("p.csv:2") != std::string::npos);
  CHECK(refused("key,expected,predicted\n", {"channel"}) ==
        "invalid p.csv:1 no column is called channel");
  CHECK(refused("key,expected,predicted\n") == "taken");
  // Cut anywhere it is refused or has fewer rows: nothing is made up.
  const std::string whole = "key,expected,predicted,score\n1,a,b,0.5\n2,b,b,1\n";
  for (size_t end = 0; end < whole.size(); ++end) {
    CAPTURE(end);
    const std::string cut = whole.substr(0, end);
    size_t rows = 0;
    ErrorCode code = ErrorCode::kInvalid;
    try {
      rows = read_predictions(cut, "p", {}).size();
    } catch (const Error& error) {
      code = error.code;
    }
    CHECK(rows <= static_cast<size_t>(std::count(cut.begin(), cut.end(), '\n')));
    CHECK(code == ErrorCode::kInvalid);
  }
}

TEST_CASE("an evaluation that leaves out what must come out so is not taken for its word") {
  const std::string csv = "key,expected,predicted,text\n1,on,on,turn it on\n";
  GateEvidence one;
  one.model = "m";
  one.of_expectations = csv;
  one.expectations = 1;
  CHECK(find_gate(one).expectations->passed());
  one.expectations = 2;
  try {
    find_gate(one);
    FAIL("one of two was not answered");
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kConflict);
    CHECK_THAT(error.what(), Catch::Contains("2 rows") && Catch::Contains("answered 1"));
  }
}
