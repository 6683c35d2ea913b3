// What the versions of a step are judged on, expanded beside its inputs.
#include "pipeline/core/recipe.h"
#include "tests/catch.h"
#include "tests/fake/survey.h"

using namespace lockstep;

namespace {

using Columns = std::vector<std::string>;

// Trains by client on held out rows; nothing judges it yet.
StepTemplate plain_step() {
  StepTemplate step = train_by_client();
  step.inputs[0].columns = {"text", "intent"};
  step.inputs[0].holdout = Holdout{0.2, {"id"}, "v1"};
  return step;
}

StepTemplate judged_step() {
  StepTemplate step = plain_step();
  step.judged.champion = {{"slices", {"channel"}}};
  step.judged.expect = rows_of("expectations", "client");
  step.judged.expect->name = step.inputs[0].name;
  step.evaluate = EvaluateSpec{};
  step.evaluate->uses = "torch/evaluate";
  step.evaluate->rows = step.inputs[0].name;
  step.evaluate->columns = {"id", "channel"};
  step.evaluate->with = {
      {"text", "text"}, {"label", "${{ matrix.client }}"}, {"columns", {"channel"}}};
  return step;
}

FakeSurvey survey_of(std::vector<StepTemplate> steps) {
  FakeSurvey f;
  f.workflows = {workflow_of(std::move(steps))};
  f.axes["utterances.client"] = {{"a", "b"}, 0};
  return f;
}

Recipe recipe_of(const FakeSurvey& f) {
  auto seen = f.look();
  StepId id = step_id(*seen, "train[client=a]");
  InputDigests digests;
  for (const StepInput& input : seen->graph->step(id).inputs) {
    digests.push_back(sha256(input.name));
  }
  return make_recipe(*seen, id, digests);
}

}  // namespace

TEST_CASE("held out rows come with the columns that answers need") {
  auto graph = survey_of({judged_step()}).look()->graph;
  const Step& step = graph->steps.at(0);
  REQUIRE(step.holdout_rows);
  const StepInput& rows = *step.holdout_rows;
  CHECK(rows.name == step.inputs[0].name);
  CHECK(rows.kind == InputKind::kRows);
  CHECK(rows.columns == Columns{"text", "intent", "id", "channel"});
  CHECK(rows.holdout == step.inputs[0].holdout);
  CHECK(rows.format == "csv");
  const SliceSpec& spec = graph->slices[rows.slice.value];
  CHECK(spec.table == "utterances");
  CHECK(spec.columns == Columns{"channel", "id", "intent", "text"});
  CHECK(spec.holdout_key == Columns{"id"});
  CHECK(spec.where.at("client") == "a");
  CHECK(rows.slice != step.inputs[0].slice);
  CHECK(step.evaluate_with == Json{{"text", "text"}, {"label", "a"}, {"columns", {"channel"}}});
}

TEST_CASE("where nothing is added the held out rows are those of the input") {
  StepTemplate step = judged_step();
  step.evaluate->columns.clear();
  auto graph = survey_of({step}).look()->graph;
  CHECK(graph->steps[0].holdout_rows->slice == graph->steps[0].inputs[0].slice);

  step = judged_step();
  step.inputs[0].columns.clear();  // all columns are read
  graph = survey_of({step}).look()->graph;
  CHECK(graph->steps[0].holdout_rows->slice == graph->steps[0].inputs[0].slice);
  CHECK(graph->steps[0].holdout_rows->columns.empty());
}

TEST_CASE("rows that must come out so are cut for the instance, and are all of it") {
  StepTemplate step = judged_step();
  step.judged.expect_label = "wanted";
  auto graph = survey_of({step}).look()->graph;
  REQUIRE(graph->steps.size() == 2);
  for (const Step& one : graph->steps) {
    REQUIRE(one.expect_rows);
    CHECK(one.expect_rows->name == one.inputs[0].name);
    CHECK_FALSE(one.expect_rows->holdout);
    CHECK(one.expect_rows->columns.empty());
    const SliceSpec& spec = graph->slices[one.expect_rows->slice.value];
    CHECK(spec.table == "expectations");
    CHECK(spec.columns.empty());
    CHECK(spec.holdout_key.empty());
    CHECK(spec.where.at("client") == one.matrix.at("client"));
    CHECK(one.expect_with == Json{{"text", "text"}, {"label", "wanted"}});
  }
  CHECK(graph->steps[0].expect_rows->slice != graph->steps[1].expect_rows->slice);

  step.judged.expect->where.clear();  // then both read one slice
  graph = survey_of({step}).look()->graph;
  CHECK(graph->steps[0].expect_rows->slice == graph->steps[1].expect_rows->slice);
}

TEST_CASE("only what is asked for is there") {
  auto graph = survey_of({plain_step()}).look()->graph;
  CHECK_FALSE(graph->steps[0].holdout_rows);
  CHECK_FALSE(graph->steps[0].expect_rows);
  CHECK(graph->steps[0].evaluate_with.empty());

  StepTemplate step = judged_step();
  step.judged.champion = nullptr;
  graph = survey_of({step}).look()->graph;
  CHECK_FALSE(graph->steps[0].holdout_rows);
  CHECK(graph->steps[0].expect_rows);

  step = judged_step();
  step.judged.expect.reset();
  graph = survey_of({step}).look()->graph;
  CHECK(graph->steps[0].holdout_rows);
  CHECK_FALSE(graph->steps[0].expect_rows);
  CHECK(graph->steps[0].expect_with.empty());
}

TEST_CASE("what versions are judged on trains nothing again") {
  Recipe before = recipe_of(survey_of({plain_step()}));
  Recipe after = recipe_of(survey_of({judged_step()}));
  CHECK(after.document == before.document);
  CHECK(after.fingerprint == before.fingerprint);

  StepTemplate other = judged_step();
  other.evaluate->revision = 9;
  other.evaluate->with["label"] = "x";
  other.judged.expect->table = "others";
  other.judged.approve_by_other = true;
  CHECK(recipe_of(survey_of({other})).fingerprint == before.fingerprint);
}

TEST_CASE("workflows that judge otherwise are not identical") {
  std::vector<Workflow> one = {workflow_of({judged_step()})};
  auto differs = [&](auto change) {
    std::vector<Workflow> other = one;
    change(other[0].steps[0]);
    return !identical(one, other);
  };
  CHECK(identical(one, one));
  CHECK(differs([](StepTemplate& step) { step.judged.champion = nullptr; }));
  CHECK(differs([](StepTemplate& step) { step.judged.approve_by_other = true; }));
  CHECK(differs([](StepTemplate& step) { step.judged.expect_label = "x"; }));
  CHECK(differs([](StepTemplate& step) { step.judged.expect->columns = {"text"}; }));
  CHECK(differs([](StepTemplate& step) { step.evaluate->columns = {"id"}; }));
  CHECK(differs([](StepTemplate& step) { step.evaluate.reset(); }));
  // Equal as numbers, and not the same.
  one[0].steps[0].judged.champion["max-loss"] = 1;
  one[0].steps[0].evaluate->with["n"] = 1;
  CHECK(differs([](StepTemplate& step) { step.judged.champion["max-loss"] = 1.0; }));
  CHECK(differs([](StepTemplate& step) { step.evaluate->with["n"] = 1.0; }));
}

TEST_CASE("a table of expectations waits for quiet as the workflow's other data does") {
  StepTemplate step = judged_step();
  step.judged.expect->source = "promises";
  FakeSurvey f = survey_of({step});
  f.workflows[0].quiet_data_ms = 5000;
  CHECK(f.look()->graph->quiet_ms.at("promises") == 5000);
}
