// `previous`: a step that looks at rows is given those that its last accepted result was made of,
// and asks for nothing new while the rows are the same.
#include "tests/pipeline/engine/bench.h"

using namespace lockstep;

namespace {

struct Looking : Bench {
  Looking() {
    InputTemplate before;
    before.name = "before";
    before.kind = InputKind::kPrevious;
    before.previous = "rows";
    workflows.always = {workflow_of({step_of("look", "", {before, rows_of("utterances")})})};
    look();
  }
  // What its live attempt is given as `before`: the commit of those rows, or "none".
  std::string before() {
    const AttemptRecord& one = engine->past().live().at(attempt("look"));
    const Json input = one.context.at("spec").at("inputs").at(0);
    CHECK(input.at("name") == "before");
    if (input.at("kind") == "none") return "none";
    Json rows = one.context.at("spec").at("inputs").at(1);
    rows["name"] = "before";
    rows["commit"] = input.at("commit");
    CHECK(input == rows);
    return input.at("commit");
  }
  bool current() { return look().empty() && live().empty(); }
};

}  // namespace

TEST_CASE("earlier rows are those of the last accepted result, and the same while the rows are") {
  Looking b;
  CHECK(b.before() == "none");
  const std::string first = b.tables.history.head;
  b.finish_all("1");
  CHECK(b.current());
  const std::string second = b.edit(1, "x");
  b.look();
  CHECK(b.before() == first);
  b.finish_all("2");
  CHECK(b.current());
  b.restart();
  CHECK(b.current());
  SECTION("what fails or is superseded is no result") {
    b.edit(2, "y");
    b.look();
    CHECK(b.before() == second);
    b.fail("look");
    b.edit(3, "z");
    b.look();
    CHECK(b.before() == second);
    const std::string last = b.edit(3, "zz");
    b.look();
    b.finish_all("3");
    CHECK(b.current());
    b.edit(1, "end");
    b.look();
    CHECK(b.before() == last);
  }
  SECTION("rows go back: looked at again, beside what was there just before") {
    b.edit(1, "text 1");
    b.rows({{1, "a"}, {2, "b"}, {3, "c"}});
    b.look();
    CHECK(b.before() == second);
    b.finish_all("3");
    CHECK(b.current());
  }
  SECTION("another command, the same rows: what they were compared with then") {
    b.workflows.always[0].steps[0].run = "false";
    b.look();
    CHECK(b.before() == first);
  }
  SECTION("rows that were cut in another way are not compared") {
    b.workflows.always[0].steps[0].inputs[1].columns = {"id", "text"};
    b.look();
    CHECK(b.before() == "none");
    b.finish_all("3");
    CHECK(b.current());
  }
  SECTION("nor those of a commit that is no longer on the branch") {
    b.tables.history.head = first;
    const std::string other = b.edit(2, "another history");
    b.look();
    CHECK(b.before() == "none");
    b.finish_all("3");
    CHECK(b.current());
    b.edit(3, "goes on");
    b.look();
    CHECK(b.before() == other);
  }
}

TEST_CASE("earlier rows are no reason of their own") {
  Looking b;
  b.finish_all("1");
  b.edit(1, "x");
  Json steps = b.document(b.look()).at("steps");
  REQUIRE(steps.size() == 1);
  const Json reasons = steps[0].at("reasons");
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].at("input") == "rows");
}
