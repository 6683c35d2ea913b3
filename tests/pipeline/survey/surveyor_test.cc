#include "pipeline/survey/surveyor.h"

#include "tests/catch.h"
#include "tests/fake/code.h"
#include "tests/fake/slice_cache.h"
#include "tests/fake/tables.h"
#include "tests/fake/workflows.h"

using namespace lockstep;

namespace {

struct Workplace {
  Workplace() {
    tables.commit({{"utterances", utterances({{1, "a"}, {2, "a"}, {3, "b"}})}});
    code.commit({{"train/fit.py", {"fit"}}, {"other/x.py", {"x"}}});
    workflows.always = {workflow_of({train_by_client()})};
  }
  std::shared_ptr<Survey> look(const SurveyOptions& options = {}) {
    return surveyor.survey(options);
  }

  FakeTables tables;
  FakeCode code;
  FakeWorkflows workflows;
  FakeSliceCache cache;
  Surveyor surveyor{{{{"tables", &tables}}, {{"code", &code}}}, workflows, cache};
};

std::vector<std::string> step_names(const Survey& survey) {
  std::vector<std::string> names;
  for (const Step& step : survey.graph->steps) names.push_back(step.name);
  return names;
}

std::string slice_error(const Survey& survey, const std::string& step) {
  const Step& found = survey.graph->step(survey.graph->by_name.at(step));
  return survey.slices[found.inputs[0].slice.value].error;
}

}  // namespace

TEST_CASE("a survey has the graph and every digest at fixed commits") {
  Workplace w;
  auto seen = w.look();
  CHECK(step_names(*seen) == std::vector<std::string>{"train[client=a]", "train[client=b]"});
  CHECK(seen->commits == std::map<std::string, std::string>{{"code", w.code.history.head},
                                                            {"tables", w.tables.history.head}});
  REQUIRE(seen->slices.size() == 2);
  CHECK(seen->slices[0].rows == 2);
  CHECK(seen->slices[1].rows == 1);
  CHECK(seen->slices[0].commit == w.tables.history.head);
  REQUIRE(seen->code.size() == 1);
  CHECK(seen->code[0].files == 1);
  Json listing = {{"train/fit.py", "100644", sha256("fit").hex().substr(0, 40)}};
  CHECK(seen->code[0].digest == sha256(canonical_json(listing)));
  // The axis' values come with the slices' own reading: the table is read once.
  CHECK(w.tables.reads == 1);
  CHECK(w.surveyor.slices().rows_read() == 3);
}

TEST_CASE("fixed commits are surveyed instead of the heads") {
  Workplace w;
  std::string first = w.tables.history.head;
  w.tables.commit({{"utterances", utterances({{9, "z"}})}});
  SurveyOptions options;
  options.commits["tables"] = first;
  auto seen = w.look(options);
  CHECK(step_names(*seen) == std::vector<std::string>{"train[client=a]", "train[client=b]"});
  CHECK(step_names(*w.look()) == std::vector<std::string>{"train[client=z]"});
}

TEST_CASE("rows without a partition value are reported and build no instance") {
  Workplace w;
  w.tables.commit({{"utterances", utterances({{1, "a"}, {2, ""}, {3, ""}})}});
  auto seen = w.look();
  CHECK(step_names(*seen) == std::vector<std::string>{"train[client=a]"});
  REQUIRE(seen->graph->problems.size() == 1);
  CHECK_THAT(seen->graph->problems[0].message,
             Catch::Contains("2 rows of utterances have no client"));
  CHECK_FALSE(seen->graph->incomplete);
}

TEST_CASE("rows without a value are a slice of their own where the matrix maps them") {
  Workplace w;
  w.workflows.always[0].steps[0].matrix[0].null_as = "nobody";
  FakeTable table = utterances({{1, "a"}, {2, ""}, {3, ""}});
  table.rows[2][1] = text_cell("");
  w.tables.commit({{"utterances", table}});
  auto seen = w.look();
  CHECK(step_names(*seen) == std::vector<std::string>{"train[client=a]", "train[client=nobody]"});
  CHECK(seen->graph->problems.empty());
  REQUIRE(seen->slices.size() == 2);
  CHECK(seen->slices[1].error.empty());
  CHECK(seen->slices[1].rows == 2);
  Digest before = seen->slices[1].digest;
  table.rows[1][2] = text_cell("edited");
  w.tables.commit({{"utterances", table}});
  auto after = w.look();
  CHECK(after->slices[1].digest != before);
  CHECK(after->slices[0].digest == seen->slices[0].digest);
}

TEST_CASE("a missing table blocks the steps that read it and no others") {
  Workplace w;
  StepTemplate lexicon = step_of("lexicon", "lexicon", {rows_of("words")});
  StepTemplate by_word = step_of("word", "word-${{ matrix.word }}");
  by_word.matrix = {column_axis("word", "words")};
  SECTION("as an input") {
    w.workflows.always = {workflow_of({train_by_client(), lexicon})};
    auto seen = w.look();
    CHECK_THAT(slice_error(*seen, "lexicon"), Catch::Contains("no table words"));
    CHECK(slice_error(*seen, "train[client=a]").empty());
    CHECK_FALSE(seen->graph->incomplete);
  }
  SECTION("as a matrix: its instances are unknown, and nothing may be retired for it") {
    w.workflows.always = {workflow_of({train_by_client(), by_word})};
    auto seen = w.look();
    CHECK(seen->graph->steps.size() == 2);
    CHECK(seen->graph->incomplete);
    REQUIRE(seen->graph->problems.size() == 1);
    CHECK_THAT(seen->graph->problems[0].message, Catch::Contains("no table words"));
  }
  SECTION("as a matrix whose steps another step reads") {
    StepTemplate sum = step_of("sum", "sum", {output_of("word", "model")});
    sum.matrix = {list_axis("word", {"x"})};
    w.workflows.always = {workflow_of({train_by_client(), by_word, sum})};
    auto seen = w.look();
    CHECK(step_names(*seen) == std::vector<std::string>{"train[client=a]", "train[client=b]"});
    CHECK(seen->graph->incomplete);
  }
}

TEST_CASE("a missing column of one step's input leaves other steps' matrix alone") {
  Workplace w;
  StepTemplate odd = train_by_client();
  odd.name = "odd";
  odd.registers = parse_template("odd-${{ matrix.client }}");
  odd.inputs[0].columns = {"colour"};
  w.workflows.always = {workflow_of({train_by_client(), odd})};
  auto seen = w.look();
  CHECK(seen->graph->steps.size() == 4);
  CHECK_FALSE(seen->graph->incomplete);
  CHECK(slice_error(*seen, "train[client=a]").empty());
  CHECK_THAT(slice_error(*seen, "odd[client=a]"), Catch::Contains("no column colour"));
}

TEST_CASE("a damaged table is an error of its slices, an unreachable store of the survey") {
  Workplace w;
  w.workflows.always = {workflow_of(
      {step_of("a", "a", {rows_of("utterances")}), step_of("b", "b", {rows_of("words")})})};
  w.tables.commit({{"utterances", utterances({{1, "a"}})}, {"words", utterances({{1, "w"}})}});
  w.tables.damaged.emplace("words", Error(ErrorCode::kInvalid, "words.csv:7 is not UTF-8"));
  auto seen = w.look();
  CHECK(slice_error(*seen, "a").empty());
  CHECK_THAT(slice_error(*seen, "b"), Catch::Contains("words.csv:7"));
  w.tables.damaged.clear();
  w.tables.damaged.emplace("words", Error(ErrorCode::kUnavailable, "connection lost"));
  CHECK_THROWS_WITH(w.look(), Catch::Contains("connection lost"));
}

TEST_CASE("a store that is away while a matrix is read ends the survey") {
  Workplace w;
  StepTemplate plain = step_of("plain", "plain-${{ matrix.client }}");
  plain.matrix = {column_axis("client", "utterances")};
  w.workflows.always = {workflow_of({plain})};
  w.tables.damaged.emplace("utterances", Error(ErrorCode::kUnavailable, "connection lost"));
  CHECK_THROWS_WITH(w.look(), Catch::Contains("connection lost"));
}

TEST_CASE("a source that the workspace no longer has blocks what reads it") {
  Workplace w;
  StepTemplate away = step_of("away", "away", {rows_of("t"), code_of({"x"})});
  away.inputs[0].source = "gone";
  StepTemplate code = step_of("code", "code", {code_of({"x"})});
  code.inputs[0].source = "gone";
  w.workflows.always = {workflow_of({train_by_client(), away, code})};
  auto seen = w.look();
  CHECK_THAT(slice_error(*seen, "away"), Catch::Contains("gone"));
  CHECK_THAT(seen->code.back().error, Catch::Contains("gone"));
  CHECK(slice_error(*seen, "train[client=a]").empty());
}

TEST_CASE("paths that match nothing block, and other files change nothing") {
  Workplace w;
  w.workflows.always = {workflow_of(
      {step_of("a", "a", {code_of({"train/"})}), step_of("b", "b", {code_of({"nothing/**"})})})};
  auto first = w.look();
  CHECK(first->code[0].error.empty());
  CHECK_THAT(first->code[1].error, Catch::Contains("no file of code matches"));
  w.code.commit({{"train/fit.py", {"fit"}}, {"other/x.py", {"y"}}});
  CHECK(w.look()->code[0].digest == first->code[0].digest);
  w.code.commit({{"train/fit.py", {"fit", "100755"}}});
  CHECK(w.look()->code[0].digest != first->code[0].digest);
}

TEST_CASE("workflows that do not load keep the last definition that did, and say so") {
  Workplace w;
  std::string good = w.code.history.head;
  std::string bad = w.code.commit({{"train/fit.py", {"new"}}});
  w.workflows.errors.emplace(bad, Error(ErrorCode::kInvalid, "workflows/a.yaml:3:1: no such step"));
  SECTION("with one") {
    SurveyOptions options;
    options.last_good = {{"code", good}};
    auto seen = w.look(options);
    CHECK(seen->kept_old_workflows);
    REQUIRE(seen->notes.size() == 1);
    CHECK_THAT(seen->notes[0], Catch::Contains("a.yaml:3:1"));
    CHECK(seen->graph->steps.size() == 2);
    // The definition is old, the code is today's.
    CHECK(seen->code[0].commit == bad);
    CHECK(w.workflows.asked.back() == options.last_good);
  }
  SECTION("without one") {
    CHECK_THROWS_WITH(w.look(), Catch::Contains("a.yaml:3:1"));
  }
  SECTION("a repository that can't be reached is no reason to look back") {
    w.workflows.errors.clear();
    w.workflows.errors.emplace(bad, Error(ErrorCode::kUnavailable, "no route"));
    SurveyOptions options;
    options.last_good = {{"code", good}};
    CHECK_THROWS_WITH(w.look(options), Catch::Contains("no route"));
  }
}

TEST_CASE("history: who committed since the cursor, and whether it was rewritten") {
  Workplace w;
  std::string first = w.tables.history.head;
  SurveyOptions options;
  options.cursors = {{"tables", first}, {"code", w.code.history.head}};
  w.tables.commit({{"utterances", utterances({{1, "a"}})}}, "cat");
  w.tables.commit({{"utterances", utterances({{2, "a"}})}}, "dan");
  auto seen = w.look(options);
  CHECK(seen->notes.empty());
  CHECK(seen->recent.count("code") == 0);
  REQUIRE(seen->recent.at("tables").size() == 2);
  CHECK(seen->recent.at("tables")[0].author == "dan");
  w.tables.history.head.clear();
  w.tables.commit({{"utterances", utterances({{5, "e"}})}}, "eve");
  auto rewritten = w.look(options);
  REQUIRE(rewritten->notes.size() == 1);
  CHECK_THAT(rewritten->notes[0], Catch::Contains("tables: history was rewritten"));
  CHECK(step_names(*rewritten) == std::vector<std::string>{"train[client=e]"});
}

TEST_CASE("heads: what can't be reached is left out and named") {
  Workplace w;
  w.code.error = Error(ErrorCode::kUnavailable, "no route");
  std::map<std::string, std::string> errors;
  auto heads = w.surveyor.heads(&errors);
  CHECK(heads == std::map<std::string, std::string>{{"tables", w.tables.history.head}});
  CHECK_THAT(errors.at("code"), Catch::Contains("no route"));
  CHECK_THROWS_WITH(w.look(), Catch::Contains("no route"));
}

TEST_CASE("a slice that names no columns tells which its table has, an empty one too") {
  Workplace w;
  StepTemplate named = step_of("named", "", {rows_of("utterances")});
  named.inputs[0].columns = {"text"};
  StepTemplate all = step_of("all", "", {rows_of("utterances", "client", "nobody")});
  w.workflows.always = {workflow_of({named, all})};
  auto columns = [&](const std::string& step) {
    auto seen = w.look();
    const Step& found = seen->graph->step(seen->graph->by_name.at(step));
    return seen->slices[found.inputs[0].slice.value].columns;
  };
  CHECK(columns("named") == nullptr);
  REQUIRE(columns("all"));
  CHECK(*columns("all") == std::vector<std::string>{"client", "id", "intent", "text"});
  FakeTable wider = w.tables.now().at("utterances");
  wider.schema.columns.push_back({"extra", ValueTag::kText});
  for (Row& row : wider.rows) row.push_back(text_cell("x"));
  w.tables.commit({{"utterances", wider}});
  CHECK(columns("all")->size() == 5);
  CHECK(columns("named") == nullptr);
}

TEST_CASE("commits that are asked about: which of them are still on their branches") {
  Workplace w;
  std::string base = w.tables.history.head;
  std::string lost = w.tables.commit({{"utterances", utterances({{9, "z"}})}});
  w.tables.history.head = base;
  std::string newest = w.tables.commit({{"utterances", utterances({{1, "a"}})}});
  SurveyOptions options;
  options.asked = {
      {"tables", base}, {"tables", lost}, {"code", w.code.history.head}, {"gone", "x"}};
  CHECK(w.look(options)->off_branch == std::set<SourceCommit>{{"tables", lost}});
  SECTION("seen from the head, though an older commit is planned") {
    options.commits = {{"tables", base}};
    options.asked.emplace("tables", newest);
    CHECK(w.look(options)->off_branch == std::set<SourceCommit>{{"tables", lost}});
  }
}
