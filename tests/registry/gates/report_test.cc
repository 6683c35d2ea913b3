#include "registry/gates/report.h"

#include <sstream>

#include "tests/catch.h"
#include "tests/registry/gates/predictions.h"

using namespace lockstep;

namespace {

GateFindings findings_of(const Comparison& comparison) {
  GateFindings out;
  out.model = "intent-client-37";
  out.challenger = 12;
  out.champion = 11;
  out.comparisons = {comparison};
  return out;
}

// Pipes of a line of Markdown that separate cells.
size_t pipes(const std::string& line) {
  size_t found = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else {
      found += line[i] == '|';
    }
  }
  return found;
}

// Every table keeps the number of cells of its head.
void check_tables(const std::string& text) {
  std::istringstream lines(text);
  size_t want = 0;
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    const size_t here = line.rfind("| ", 0) == 0 ? pipes(line) : 0;
    if (want > 0 && here > 0) CHECK(here == want);
    want = here;
  }
}

const char* kHostile =
    "x | y\n# head\n<img src=x onerror=alert(1)> [a](http://evil.example.org) `code` @ann #12 "
    "**b** www.evil.example.org &lt; \\| \xff\x01 ![i](j) $m$ ~~s~~ \xe2\x80\xae";

}  // namespace

TEST_CASE("report: a person reads what, by how much, by chance or not, and what follows") {
  BothSides sides = split(450, 25, 10, 20);
  for (size_t i = 0; i < 450; ++i) sides.challenger[i].slices = {i < 440 ? "lang=en" : "lang=fr"};
  const GateFindings findings = findings_of(decided(sides));
  const std::string text = findings_markdown(findings);
  INFO(text);
  CHECK_THAT(text, Catch::StartsWith("# intent-client-37 version 12 against version 11\n\n"
                                     "**Held.** accuracy\\: worse\\: p = 0.0167."));
  CHECK_THAT(text, Catch::Contains("| **all** | 450 | 0.9333 | 0.9 | -0.03333 -3.57 % | 25 / 10 | "
                                   "exact McNemar, p = 0.0167 | worse |") &&
                       Catch::Contains("| lang=fr | 10 | | | | | | not judged: fewer than 30") &&
                       Catch::Contains("Lost (20 of 25):") && Catch::Contains("Gained:") &&
                       Catch::Contains("| row-1000000 | c0 | c0 | c1 |"));
  check_tables(text);
}

TEST_CASE("report: the document has every number") {
  const Json json =
      findings_json(findings_of(decided(scored(300, 0.8, 0.1, 5), settings_of(Metric::kAuc))));
  CHECK(json["model"] == "intent-client-37");
  CHECK(json["action"] == "hold");
  const Json& one = json["comparisons"][0];
  CHECK(one["metric"] == "auc");
  CHECK(one["better"] == "higher");
  CHECK(one["verdict"] == "worse");
  CHECK(one["all"]["rows"] == 300);
  CHECK(one["all"]["interval"][1] < 0);
  CHECK(one["all"]["rounds"] == 1000);
  CHECK(one["all"]["change"].get<double>() ==
        one["all"]["challenger"].get<double>() - one["all"]["champion"].get<double>());
  CHECK_NOTHROW(canonical_json(json));
}

TEST_CASE("report: what was not judged says so and has no numbers") {
  const Json json = findings_json(findings_of(decided(BothSides{})));
  CHECK(json["comparisons"][0]["verdict"] == "not judged");
  CHECK(json["comparisons"][0]["all"]["not_judged"] == "the holdout has no rows");
  CHECK(json["comparisons"][0]["all"].count("p") == 0);
  CHECK(json["action"] == "move");
}

TEST_CASE("report: the strictest word counts, and a broken expectation always holds") {
  GateFindings findings = findings_of(decided(split(450, 10, 25)));
  CHECK(action_of(findings) == GateAction::kMove);
  findings.comparisons.push_back(decided(split(450, 10, 4), settings_of(Metric::kMacroF1)));
  CHECK(action_of(findings) == GateAction::kAsk);
  CHECK(reason_of(findings).rfind("macro_f1: worse within noise", 0) == 0);
  findings.expectations = check_expectations({{"1", {}, "a", "812", "ann", ""}}, {{"1", {}, "b"}});
  CHECK(action_of(findings) == GateAction::kHold);
  CHECK(reason_of(findings) == "expectation broken: row 1 must be a and is b (ticket 812, ann)");
  CHECK_THAT(findings_markdown(findings), Catch::Contains("1 of 1 expectations are broken"));
  findings.expectations = check_expectations({{"1", {}, "a", "812", "ann", ""}}, {{"1", {}, "a"}});
  CHECK(action_of(findings) == GateAction::kAsk);
}

TEST_CASE("report: nothing to compare with is said") {
  GateFindings findings;
  findings.model = "m";
  findings.challenger = 1;
  CHECK(reason_of(findings) == "no champion yet");
  CHECK(action_of(findings) == GateAction::kMove);
  findings.champion = 3;
  findings.void_because = "the holdout is defined otherwise";
  CHECK(reason_of(findings) == "not compared: the holdout is defined otherwise");
  CHECK(findings_json(findings)["void"] == "the holdout is defined otherwise");
}

TEST_CASE("report: names, labels and keys of others are no markup") {
  const std::string odd = kHostile;
  BothSides sides = split(60, 40, 5);
  for (size_t i = 0; i < 60; ++i) {
    for (PredictedRow* row : {&sides.champion[i], &sides.challenger[i]}) {
      row->key += odd;
      row->expected += odd;
      row->predicted += odd;
    }
    sides.challenger[i].slices = {odd, "small" + odd + std::to_string(i)};
  }
  sides.challenger[0].predicted = "never" + odd;
  GateFindings findings = findings_of(decided(sides));
  findings.model = odd;
  findings.void_because = odd;
  findings.expectations = check_expectations({{odd, {{odd, odd}}, odd, odd, odd, odd}},
                                             {{odd, {{odd, odd}}, "x" + odd}});
  const std::string text = findings_markdown(findings);
  check_tables(text);
  for (const char* bad : {"<", "[a]", "](", "http:", " `", "@ann", "#12", "\n# head", "**b**",
                          "www.", "&lt; \\|", " $m", "~~s", "\xff", "\xe2\x80\xae", "\x01"}) {
    INFO(bad);
    CHECK(text.find(bad) == std::string::npos);
  }
  CHECK_NOTHROW(findings_json(findings).dump());
}
