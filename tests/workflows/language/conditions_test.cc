// The words that decide when something runs, as values; and what only shows between files.
#include "tests/catch.h"
#include "tests/workflows/language/fixture.h"
#include "workflows/language/parse.h"

using namespace lockstep;

namespace {

std::string workflow(const std::string& name, const std::string& after) {
  std::string on = after.empty() ? "data" : "{workflow: [" + after + "]}";
  return "name: " + name + "\non: " + on + "\nsteps: {of-" + name + ": {run: x}}\n";
}

std::vector<std::string> errors_of(const std::vector<std::string>& files) {
  Diagnostics diagnostics;
  std::vector<Workflow> workflows;
  for (size_t i = 0; i < files.size(); ++i) {
    std::string name = std::string(1, static_cast<char>('a' + i)) + ".yaml";
    workflows.push_back(*parse_workflow(files[i], name, usual_names(), diagnostics));
  }
  check_workflows(workflows, usual_names(), diagnostics);
  return texts(diagnostics.errors());
}

}  // namespace

TEST_CASE("if, concurrency and debounce become values") {
  Diagnostics diagnostics;
  auto file =
      read_workflow(project_file("tests/workflows/language/corpus/good/when.yaml"), diagnostics);
  REQUIRE(file.has_value());
  CHECK(file->quiet_data_ms == 60'000);
  CHECK(file->quiet_code_ms == 5'000);
  const StepTemplate& train = file->steps[0];
  REQUIRE(train.condition.has_value());
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  CHECK(train.condition->paths == Pairs{{"code", "train/*.py"}, {"code", "train/lib/"}});
  CHECK(train.condition->tables == Pairs{{"tables", "utterances"}, {"tables", "corpus"}});
  CHECK(train.condition->slices == std::vector<std::string>{"rows"});
  CHECK(train.condition->min_changed_rows == 50);
  REQUIRE(train.concurrency.size() == 2);
  CHECK(train.concurrency[0].group.parts.size() == 2);
  CHECK(train.concurrency[0].cancel_in_progress == true);
  CHECK(train.concurrency[1].group == parse_template("the trainings"));
  CHECK(train.concurrency[1].cancel_in_progress == false);
  CHECK_FALSE(file->steps[1].condition.has_value());
  CHECK(file->steps[1].concurrency[0].cancel_in_progress == std::nullopt);
}

TEST_CASE("on: workflow alone is no other trigger") {
  Diagnostics diagnostics;
  auto read = [&](const std::string& on) {
    return *parse_workflow("name: b\non: " + on + "\nsteps: {x: {run: x}}\n", "b.yaml",
                           usual_names(), diagnostics);
  };
  Workflow list = read("{workflow: [a, c]}");
  CHECK(list.after.names == std::vector<std::string>{"a", "c"});
  CHECK_FALSE(list.after.any);
  CHECK_FALSE(list.on_data);
  CHECK_FALSE(list.on_code);
  Workflow map = read("{code: {}, workflow: {names: [a], result: any}}");
  CHECK(map.after.any);
  CHECK(map.on_code);
  CHECK_FALSE(read("{workflow: {names: [a], result: done}}").after.any);
}

TEST_CASE("workflows that start each other in a circle are refused, naming the way round") {
  using Texts = std::vector<std::string>;
  CHECK(errors_of({workflow("a", ""), workflow("b", "a"), workflow("c", "a, b")}) == Texts{});
  CHECK(errors_of({workflow("a", "a")}) ==
        Texts{"a.yaml:2:6: workflows start each other in a circle: a (a.yaml:2:6) → a (one of them "
              "must start by itself)"});
  CHECK(errors_of({workflow("a", "b"), workflow("b", "a")}) ==
        Texts{"a.yaml:2:6: workflows start each other in a circle: a (a.yaml:2:6) → b (b.yaml:2:6) "
              "→ a (one of them must start by itself)"});
  CHECK(errors_of(
            {workflow("a", ""), workflow("b", "a, d"), workflow("c", "b"), workflow("d", "c")}) ==
        Texts{"b.yaml:2:6: workflows start each other in a circle: b (b.yaml:2:6) → d (d.yaml:2:6) "
              "→ c (c.yaml:2:6) → b (one of them must start by itself)"});
  CHECK(
      errors_of({workflow("build", ""), workflow("b", "biuld")}) ==
      Texts{"b.yaml:2:6: on: workflow: there is no workflow \"biuld\" (did you mean \"build\"?)"});
}
