#include "tests/catch.h"
#include "tests/fake/survey.h"

using namespace lockstep;

namespace {

AxisValues values(std::vector<std::string> all, uint64_t unmapped = 0) {
  return {std::move(all), unmapped};
}

std::vector<std::string> names(const Graph& graph) {
  std::vector<std::string> all;
  for (const Step& step : graph.steps) all.push_back(step.name);
  return all;
}

std::vector<std::string> models(const Graph& graph) {
  std::vector<std::string> all;
  for (const auto& [model, step] : graph.producer) all.push_back(model);
  return all;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a matrix over a table's column and a list gives one step for each pair") {
  FakeSurvey f;
  StepTemplate train = train_by_client();
  train.matrix.push_back(list_axis("size", {"s", "l"}));
  train.registers = parse_template("intent-${{ matrix.client }}-${{ matrix.size }}");
  f.workflows = {workflow_of({train, step_of("all", "all", {rows_of("utterances")})})};
  f.axes["utterances.client"] = values({"a", "b"});
  auto graph = f.look()->graph;
  CHECK(names(*graph) == Names{"train[client=a,size=s]", "train[client=a,size=l]",
                               "train[client=b,size=s]", "train[client=b,size=l]", "all"});
  CHECK(models(*graph) == Names{"all", "intent-a-l", "intent-a-s", "intent-b-l", "intent-b-s"});
  // Two sizes read one slice of their client; the whole table is a third one.
  CHECK(graph->slices.size() == 3);
  CHECK(graph->slices[0].name() == "utterances[client=a]");
  CHECK(graph->code.size() == 1);
}

TEST_CASE("values are resolved where they are referred to, and encoded in names only") {
  FakeSurvey f;
  StepTemplate train = train_by_client();
  train.env["WHO"] = parse_template("${{ matrix.client }}@${{ commit.code }}");
  train.with = {{"label", "for ${{ env.WHO }}"}, {"deep", {{"list", {"${{ matrix.client }}", 3}}}}};
  train.renamed_from = parse_template("old-${{ matrix.client }}");
  f.workflows = {workflow_of({train})};
  f.axes["utterances.client"] = values({"-Zoë/1"});
  auto graph = f.look()->graph;
  const Step& step = graph->steps.at(0);
  CHECK(step.name == "train[client=~2dZo~c3~ab~2f1]");
  CHECK(step.registers == "intent--Zo~c3~ab~2f1");
  CHECK(step.renamed_from == "old--Zo~c3~ab~2f1");
  CHECK(step.env.at("WHO") == "-Zoë/1@c1");
  CHECK(step.with == Json{{"label", "for -Zoë/1@c1"}, {"deep", {{"list", {"-Zoë/1", 3}}}}});
  CHECK(graph->slices[0].where.at("client") == "-Zoë/1");
}

TEST_CASE("long values are bounded in names") {
  FakeSurvey f;
  f.workflows = {workflow_of({train_by_client()})};
  f.axes["utterances.client"] = values({std::string(5000, 'x'), std::string(5000, 'y')});
  auto graph = f.look()->graph;
  REQUIRE(graph->steps.size() == 2);
  CHECK(graph->steps[0].name.size() < 160);
  CHECK(graph->steps[0].registers.size() == 128);
}

TEST_CASE("a matrix that grows without bounds is refused") {
  FakeSurvey f;
  StepTemplate wide = step_of("wide", "");
  Names many;
  for (int i = 0; i < 1000; ++i) many.push_back(std::to_string(i));
  for (const char* name : {"a", "b", "c"}) wide.matrix.push_back(list_axis(name, many));
  f.workflows = {workflow_of({wide, step_of("other", "other")})};
  auto graph = f.look()->graph;
  CHECK(names(*graph) == Names{"other"});
  REQUIRE(graph->problems.size() == 1);
  CHECK_THAT(graph->problems[0].message, Catch::Contains("more than 100000 instances"));
}

TEST_CASE("two values with one name are refused, both, and said; the rest stands") {
  FakeSurvey f;
  StepTemplate train = train_by_client();
  train.matrix.push_back(list_axis("part", {"2", "12"}));
  train.registers = parse_template("m${{ matrix.client }}${{ matrix.part }}");
  f.workflows = {workflow_of({train, step_of("other", "other")})};
  f.axes["utterances.client"] = values({"1", "11"});  // 1+12 = 11+2
  auto graph = f.look()->graph;
  CHECK(models(*graph) == Names{"m1112", "m12", "other"});
  CHECK(graph->incomplete);  // no model may be retired because its step was refused
  REQUIRE(graph->problems.size() == 2);
  CHECK(graph->problems[0].where == "train[client=1,part=12]");
  CHECK_THAT(graph->problems[0].message, Catch::Contains("m112"));

  StepTemplate twice = step_of("twice", "");
  twice.matrix = {list_axis("v", {"a", "b", "a"})};
  f.workflows = {workflow_of({twice})};
  graph = f.look()->graph;
  CHECK(names(*graph) == Names{"twice[v=b]"});
  CHECK(graph->problems.size() == 1);
}

TEST_CASE("two steps that register one model are refused, naming both; the rest stands") {
  FakeSurvey f;
  StepTemplate fixed = step_of("fixed", "intent-a");
  StepTemplate reader = step_of("reader", "r", {output_of("fixed", "model")});
  StepTemplate user = step_of("user", "u", {model_of("intent-a"), model_of("intent-b")});
  f.workflows = {workflow_of({train_by_client(), fixed, reader}, "one"),
                 workflow_of({user}, "two")};
  f.axes["utterances.client"] = values({"b", "c"});
  CHECK(f.look()->graph->problems.empty());

  f.axes["utterances.client"] = values({"a", "b", "c"});
  auto graph = f.look()->graph;
  CHECK(names(*graph) == Names{"train[client=b]", "train[client=c]", "user"});
  CHECK(models(*graph) == Names{"intent-b", "intent-c", "u"});
  CHECK(graph->incomplete);  // intent-a may not be retired
  REQUIRE(graph->problems.size() == 2);
  CHECK(graph->problems[0].where == "model intent-a");
  CHECK_THAT(graph->problems[0].message,
             Catch::StartsWith("train[client=a] and fixed would both register it"));
  CHECK(graph->problems[1].where == "reader");  // it reads an output of a step that is not there
}

TEST_CASE("two steps of one name are refused") {
  FakeSurvey f;
  f.workflows = {workflow_of({step_of("a", "m")}, "one"), workflow_of({step_of("a", "n")}, "two")};
  CHECK_THROWS_WITH(f.look(), Catch::Contains("two steps are called a"));
}

TEST_CASE("rows without a value are reported, or are an instance of the name they are mapped to") {
  FakeSurvey f;
  StepTemplate train = train_by_client();
  f.workflows = {workflow_of({train})};
  f.axes["utterances.client"] = values({"a"}, 5);
  auto graph = f.look()->graph;
  REQUIRE(graph->problems.size() == 1);
  CHECK_THAT(graph->problems[0].message,
             Catch::Contains("5 rows of utterances have no client") && Catch::Contains("map-null"));
  CHECK_FALSE(graph->incomplete);

  train.matrix[0].null_as = "nobody";
  f.workflows = {workflow_of({train})};
  f.axes["utterances.client"] = values({"a", "nobody"});
  graph = f.look()->graph;
  CHECK(names(*graph) == Names{"train[client=a]", "train[client=nobody]"});
  CHECK(graph->slices[1].where == std::map<std::string, std::string>{{"client", ""}});
  // A row whose value really is that name: two values with one name.
  f.axes["utterances.client"] = values({"a", "nobody", "nobody"});
  CHECK(names(*f.look()->graph) == Names{"train[client=a]"});
}

TEST_CASE("values that are not text build no instance") {
  FakeSurvey f;
  f.workflows = {workflow_of({train_by_client()})};
  f.axes["utterances.client"] = values({"a", "\xff\x01"});
  auto graph = f.look()->graph;
  CHECK(names(*graph) == Names{"train[client=a]"});
  REQUIRE(graph->problems.size() == 1);
  CHECK_THAT(graph->problems[0].message, Catch::Contains("~ff~01"));
}

TEST_CASE("an output is tied to the instance with the same matrix values") {
  FakeSurvey f;
  StepTemplate prepare = step_of("prepare", "", {rows_of("utterances", "client")});
  prepare.matrix = {column_axis("client", "utterances")};
  StepTemplate train = step_of("train", "m-${{ matrix.client }}-${{ matrix.size }}",
                               {output_of("prepare", "model"), output_of("words", "model")});
  train.matrix = {column_axis("client", "utterances"), list_axis("size", {"s", "l"})};
  train.needs = {"prepare"};
  f.workflows = {workflow_of({train, prepare, step_of("words", "")})};
  f.axes["utterances.client"] = values({"a", "b"});
  auto survey = f.look();
  const Graph& graph = *survey->graph;
  const Step& one = graph.step(step_id(*survey, "train[client=b,size=s]"));
  CHECK(graph.step(one.inputs[0].step).name == "prepare[client=b]");
  CHECK(graph.step(one.inputs[1].step).name == "words");
  CHECK(one.needs.size() == 2);
  // Inputs come before those that read them.
  std::map<std::string, size_t> place;
  for (size_t i = 0; i < graph.order.size(); ++i) place[graph.step(graph.order[i]).name] = i;
  CHECK(place.at("prepare[client=b]") < place.at("train[client=b,size=s]"));
  CHECK(graph.dependents[step_id(*survey, "words").value].size() == 4);
}

TEST_CASE("a step whose output nobody gives is left out, with those that read it") {
  FakeSurvey f;
  StepTemplate prepare = step_of("prepare", "", {rows_of("raw", "client")});
  prepare.matrix = {column_axis("client", "raw")};
  StepTemplate train = step_of("train", "m-${{ matrix.client }}", {output_of("prepare", "model")});
  train.matrix = {column_axis("client", "utterances")};
  StepTemplate test = step_of("test", "", {output_of("train", "model")});
  test.matrix = {column_axis("client", "utterances")};
  f.workflows = {workflow_of({prepare, train, test, step_of("other", "other")})};
  f.axes["raw.client"] = values({"a"});
  f.axes["utterances.client"] = values({"a", "b"});
  auto graph = f.look()->graph;
  CHECK(names(*graph) == Names{"prepare[client=a]", "train[client=a]", "test[client=a]", "other"});
  CHECK(graph->incomplete);
  CHECK(graph->problems.size() == 2);
  SECTION("the table of the first is gone") {
    f.missing["raw"] = "no table raw";
    CHECK(names(*f.look()->graph) == Names{"other"});
  }
  SECTION("needs on what can't be known") {
    StepTemplate report = step_of("report", "");
    report.needs = {"prepare"};
    f.workflows = {workflow_of({prepare, report})};
    CHECK(names(*f.look()->graph) == Names{"prepare[client=a]", "report"});
    f.missing["raw"] = "no table raw";
    CHECK(names(*f.look()->graph).empty());
  }
  SECTION("a matrix that does not fit is the workflow's fault") {
    train.matrix.clear();
    train.registers = parse_template("m");
    f.workflows = {workflow_of({prepare, train})};
    CHECK_THROWS_WITH(f.look(), Catch::Contains("no matrix variable client"));
  }
}

TEST_CASE("a table that is away stops the expansion") {
  std::vector<Workflow> workflows = {workflow_of({train_by_client()})};
  auto away = [](const MatrixAxis&) -> AxisValues {
    throw Error(ErrorCode::kUnavailable, "no route");
  };
  CHECK_THROWS_WITH(expand(workflows, away, {}), Catch::Contains("no route"));
}

TEST_CASE("cycles are refused, naming the steps") {
  FakeSurvey f;
  f.workflows = {workflow_of(
      {step_of("a", "a", {model_of("b")}), step_of("b", "b", {model_of("a")}), step_of("c", "c")})};
  CHECK_THROWS_WITH(f.look(), Catch::Contains("wait for each other: a, b"));
  f.workflows = {workflow_of({step_of("self", "m", {model_of("m")})})};
  CHECK_THROWS_WITH(f.look(), Catch::Contains("self"));
}

TEST_CASE("frozen inputs and holdouts are slices of their own") {
  FakeSurvey f;
  InputTemplate now = rows_of("utterances"), then = now, held = now;
  then.at = "v1";
  held.holdout = Holdout{0.2, {"id"}, "v1"};
  f.workflows = {workflow_of({step_of("a", "a", {now}), step_of("b", "b", {then}),
                              step_of("c", "c", {held}), step_of("d", "d", {now})})};
  auto graph = f.look()->graph;
  CHECK(graph->slices.size() == 3);
  CHECK(graph->steps[0].inputs[0].slice == graph->steps[3].inputs[0].slice);
  CHECK(graph->slices[1].name() == "utterances@v1");
}
