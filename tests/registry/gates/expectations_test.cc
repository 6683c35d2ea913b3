#include "registry/gates/expectations.h"

#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

const Expectation kOff = {"", {{"text", "turn it off"}}, "lights_off", "812", "ann", "2026-03-01"};
const Expectation kKeyed = {"17", {}, "greeting", "", "bob", ""};

std::string refusal(const std::vector<Expectation>& expectations) {
  try {
    validate_expectations(expectations);
  } catch (const Error& error) {
    return std::string(word(error.code)) + ": " + error.message;
  }
  return "taken";
}

}  // namespace

TEST_CASE("expectations: kept, by columns and by key") {
  const ExpectationReport report = check_expectations(
      {kOff, kKeyed}, {{"3", {{"text", "turn it off"}, {"client", "c"}}, "lights_off"},
                       {"17", {{"text", "hello"}}, "greeting"},
                       {"18", {{"text", "turn it on"}}, "odd"}});
  CHECK(report.checked == 2);
  CHECK(report.passed());
}

TEST_CASE("expectations: a broken one names the row, who wrote it, and what came") {
  const ExpectationReport report = check_expectations(
      {kOff, kKeyed}, {{"3", {{"text", "turn it off"}}, "media_stop"}, {"17", {}, "greeting"}});
  REQUIRE(report.broken.size() == 1);
  CHECK(report.broken[0].key == "3");
  CHECK(report.broken[0].predicted == "media_stop");
  CHECK(report.broken[0].why ==
        "text 'turn it off' must be lights_off and is media_stop at row 3 "
        "(ticket 812, ann, 2026-03-01)");
}

TEST_CASE("expectations: one that nobody answered is broken") {
  const ExpectationReport report = check_expectations({kKeyed}, {{"1", {}, "greeting"}});
  REQUIRE(report.broken.size() == 1);
  CHECK(report.broken[0].why == "row 17 was not answered (bob)");
  CHECK(expectations_json(report)["broken"][0]["answered"] == false);
}

TEST_CASE("expectations: every row that one is about has to come out so") {
  const ExpectationReport report =
      check_expectations({kOff}, {{"9", {{"text", "turn it off"}}, "lights_off"},
                                  {"5", {{"text", "turn it off"}}, "media_stop"},
                                  {"4", {{"text", "turn it off"}}, "media_off"}});
  REQUIRE(report.broken.size() == 1);
  CHECK(report.broken[0].key == "4");
}

TEST_CASE("expectations: key and columns together; a row without the column is another") {
  Expectation both = kOff;
  both.key = "3";
  CHECK(check_expectations({both}, {{"3", {{"text", "turn it off"}}, "lights_off"}}).passed());
  CHECK_FALSE(check_expectations({both}, {{"3", {}, "lights_off"}}).passed());
  CHECK_FALSE(
      check_expectations({both}, {{"4", {{"text", "turn it off"}}, "lights_off"}}).passed());
  // MetricValues that would run into each other without their lengths.
  const Expectation joined = {"", {{"a", "1:b"}, {"c", "d"}}, "x", "", "", ""};
  CHECK_FALSE(check_expectations({joined}, {{"1", {{"a", "1:"}, {"c", "bd"}}, "x"}}).passed());
}

TEST_CASE("expectations: those that contradict each other name both authors") {
  Expectation other = kOff;
  other.expected = "media_stop";
  other.author = "bob";
  CHECK(refusal({kOff, other}) ==
        "conflict: text 'turn it off' must be lights_off (ticket 812, ann, 2026-03-01) and "
        "media_stop (ticket 812, bob, 2026-03-01)");
  CHECK(refusal({kOff, kOff}) == "taken");
  // Different rows, though their names and values read alike one after the other.
  CHECK(refusal({{"", {{"a", "b"}, {"c", "d"}}, "x", "", "", ""},
                 {"", {{"a1:bc", "d"}}, "y", "", "", ""}}) == "taken");
  CHECK(refusal({kOff, {"", {}, "x", "", "ann", ""}}) ==
        "invalid: expectation 2 names neither a key nor a column (ann)");
  CHECK(refusal({{"1", {}, "", "", "", ""}}) ==
        "invalid: the expectation of row 1 says nothing of what must come out");
}

TEST_CASE("expectations: as JSON and Markdown") {
  const ExpectationReport report =
      check_expectations({kOff}, {{"3", {{"text", "turn it off"}}, "media_stop"}});
  const Json json = expectations_json(report);
  CHECK(json["checked"] == 1);
  CHECK(json["passed"] == false);
  CHECK(json["broken"][0]["columns"] == Json({{"text", "turn it off"}}));
  CHECK(json["broken"][0]["author"] == "ann");
  CHECK(expectations_markdown(report) ==
        "**1 of 1 expectations are broken.**\n\n"
        "| what | must be | is | ticket | author | date |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| text 'turn it off' | lights\\_off | media\\_stop | 812 | ann | 2026-03-01 |\n");
  CHECK(expectations_markdown(check_expectations({}, {})) == "");
}
