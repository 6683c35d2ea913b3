#include "pipeline/core/conditions.h"

#include "tests/catch.h"
#include "tests/fake/survey.h"

using namespace lockstep;

namespace {

struct Fixture {
  FakeSurvey f;
  LastRead last{{{"rows", "t0"}}, {{"code", "c0"}}};

  Fixture() {
    StepTemplate step = step_of("train", "m", {rows_of("utterances"), code_of({"train/"})});
    step.condition = Conditions{};
    f.workflows = {workflow_of({step})};
  }
  Conditions& condition() { return *f.workflows[0].steps[0].condition; }
  InputDigests inputs(const Survey& survey) {
    return {survey.slices[0].digest, survey.code[0].digest};
  }
  std::string before() {
    auto survey = f.look();
    return make_recipe(*survey, StepId{0}, inputs(*survey)).document;
  }
  Weighed weighed(const std::string& before, std::optional<uint64_t> rows,
                  std::optional<uint64_t> files) {
    auto survey = f.look();
    Questions questions;
    ask(*survey, StepId{0}, last, questions);
    for (const RowQuestion& one : questions.rows) {
      if (rows) survey->answers.rows[one] = *rows;
    }
    for (const FileQuestion& one : questions.files) {
      if (files) survey->answers.files[one] = *files;
    }
    return weigh(*survey, StepId{0}, inputs(*survey), before, last);
  }
};

}  // namespace

TEST_CASE("rows count from a number on; what is not known, or not told by rows, is enough") {
  Fixture f;
  std::string before = f.before();
  f.f.rows["utterances"] = "other";
  f.condition().min_changed_rows = 5;
  CHECK_FALSE(f.weighed(before, 4, 0).enough);
  CHECK(f.weighed(before, 4, 0).text == "4 of 5 changed rows");
  CHECK(f.weighed(before, 5, 0).enough);
  CHECK(f.weighed(before, std::nullopt, 0).enough);
  CHECK(f.weighed(before, std::nullopt, 0).text.find("can't be told") != std::string::npos);
  CHECK(f.weighed(before, 0, 0).enough);  // a column has another type
  f.last.rows.clear();
  CHECK(f.weighed(before, 4, 0).enough);
}

TEST_CASE("what restricts nothing asks nothing") {
  Fixture f;
  std::string before = f.before();
  f.f.rows["utterances"] = "other";
  CHECK(f.weighed(before, std::nullopt, std::nullopt).enough);
  f.condition().tables = {{"tables", "corpus"}};
  CHECK_FALSE(f.weighed(before, 9, 9).enough);
  f.condition().tables = {{"elsewhere", "utterances"}, {"tables", "utterances"}};
  CHECK(f.weighed(before, 1, 0).enough);
  f.condition().slices = {"others"};
  CHECK_FALSE(f.weighed(before, 1, 0).enough);
}

TEST_CASE("files count by the globs of their source") {
  Fixture f;
  std::string before = f.before();
  f.f.files["train/"] = "other";
  CHECK(f.weighed(before, 0, 0).enough);
  f.condition().paths = {{"code", "train/*.py"}};
  CHECK_FALSE(f.weighed(before, 0, 0).enough);
  CHECK(f.weighed(before, 0, 1).enough);
  CHECK(f.weighed(before, 0, std::nullopt).enough);
  f.condition().paths = {{"lib", "train/*.py"}};
  CHECK_FALSE(f.weighed(before, 0, 1).enough);
}

TEST_CASE("columns, parameters and new inputs count whatever the number") {
  Fixture f;
  std::string before = f.before();
  f.condition().min_changed_rows = 1000;
  f.condition().paths = {{"code", "nothing/**"}};
  f.f.rows["utterances"] = "other";
  REQUIRE_FALSE(f.weighed(before, 1, 0).enough);
  SECTION("columns") {
    f.f.workflows[0].steps[0].inputs[0].columns = {"text"};
    CHECK(f.weighed(before, 1, 0).enough);
  }
  SECTION("a parameter") {
    f.f.workflows[0].steps[0].with = {{"seed", 8}};
    CHECK(f.weighed(before, 1, 0).enough);
  }
  SECTION("the program") {
    f.f.workflows[0].steps[0].run = "false";
    CHECK(f.weighed(before, 1, 0).enough);
  }
}
