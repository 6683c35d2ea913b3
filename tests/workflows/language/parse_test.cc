#include "workflows/language/parse.h"

#include "tests/catch.h"
#include "tests/workflows/language/fixture.h"
#include "workflows/language/template.h"

using namespace lockstep;

namespace {

Workflow sketch() {
  Diagnostics diagnostics;
  auto workflow =
      read_workflow(project_file("tests/workflows/language/corpus/good/sketch.yaml"), diagnostics);
  REQUIRE(texts(diagnostics.errors()) == std::vector<std::string>());
  return *workflow;
}

std::vector<std::string> errors_of(const std::vector<std::string>& files,
                                   const WorkspaceSources& names = usual_names()) {
  Diagnostics diagnostics;
  std::vector<Workflow> workflows;
  for (size_t i = 0; i < files.size(); ++i) {
    std::string name = std::string(1, static_cast<char>('a' + i)) + ".yaml";
    if (auto one = parse_workflow(files[i], name, names, diagnostics)) workflows.push_back(*one);
  }
  check_workflows(workflows, names, diagnostics);
  return texts(diagnostics.errors());
}

std::string producer(const std::string& step, const std::string& model,
                     const std::string& reads = "") {
  std::string inputs = reads.empty() ? "" : "inputs: {m: {model: \"" + reads + "\"}}, ";
  return "steps: {" + step + ": {run: x, " + inputs + "outputs: {model: m}, registers: \"" + model +
         "\"}}\n";
}

}  // namespace

TEST_CASE("the workflow of the contract becomes values") {
  Workflow workflow = sketch();
  CHECK(workflow.name == "intents");
  CHECK(workflow.file == "w.yaml");
  REQUIRE(workflow.steps.size() == 2);
  const StepTemplate& trunk = workflow.steps[0];
  CHECK(trunk.uses == "torch/text-trunk");
  CHECK(trunk.revision == 1);
  CHECK(trunk.inputs[0].at == "corpus-2026-01");
  CHECK(trunk.with == Json{{"width", 128}, {"seed", 7}});
  const StepTemplate& train = workflow.steps[1];
  CHECK(train.place == "w.yaml:10:3");
  CHECK(train.max_parallel == 8);
  REQUIRE(train.matrix.size() == 1);
  CHECK(train.matrix[0].name == "client");
  CHECK(train.matrix[0].source == "tables");
  CHECK(train.matrix[0].table == "utterances");
  CHECK(train.matrix[0].column == "client");
  CHECK(train.resources.gpu_memory_bytes == 1ull << 30);
  CHECK(train.timeout_ms == 600'000);
  CHECK(train.attempts == 2);
  CHECK(train.outputs.at("model") == "model.safetensors");
  CHECK(*train.registers == parse_template("intent-${{ matrix.client }}"));
  REQUIRE(train.gate.size() == 1);
  CHECK(train.gate[0].metric == "accuracy");
  CHECK(train.gate[0].min == 0.8);
  CHECK_FALSE(train.gate[0].max);
  REQUIRE(workflow.channels.size() == 1);
  CHECK(workflow.channels[0].name == "production");
  CHECK(workflow.channels[0].models == std::vector<std::string>{"intent-*"});
  CHECK(workflow.channels[0].image == "intents");
  CHECK(workflow.channels[0].max_wait_ms == 600'000);
}

TEST_CASE("inputs keep what they read and where they said so") {
  std::vector<InputTemplate> inputs = sketch().steps[1].inputs;
  REQUIRE(inputs.size() == 3);
  CHECK(inputs[0].kind == InputKind::kRows);
  CHECK(inputs[0].source == "tables");
  CHECK(inputs[0].columns == std::vector<std::string>{"text", "intent"});
  CHECK(inputs[0].where.at("client") == parse_template("${{ matrix.client }}"));
  CHECK(*inputs[0].holdout == Holdout{0.2, {"id"}, "v1"});
  CHECK(inputs[0].format == "csv");
  CHECK(inputs[1].kind == InputKind::kModel);
  CHECK(inputs[1].model == parse_template("trunk"));
  CHECK(inputs[1].place == "w.yaml:14:22");
  CHECK(inputs[2].kind == InputKind::kCode);
  CHECK(inputs[2].source == "code");
  CHECK(inputs[2].paths == std::vector<std::string>{"train/**"});
}

TEST_CASE("triggers: what is named starts it, nothing named means data and code") {
  auto on = [](const std::string& text) {
    Diagnostics diagnostics;
    auto workflow = read_workflow(text + "steps: {a: {run: x}}\n", diagnostics);
    REQUIRE(workflow);
    return std::make_pair(workflow->on_data, workflow->on_code);
  };
  CHECK(on("") == std::make_pair(true, true));
  CHECK(on("on: data\n") == std::make_pair(true, false));
  CHECK(on("on: [code]\n") == std::make_pair(false, true));
  CHECK(on("on: {manual: {}}\n") == std::make_pair(false, false));
}

TEST_CASE("variables of the workflow reach every step, and a step's own win") {
  Diagnostics diagnostics;
  auto workflow = read_workflow(
      "env: {A: no, B: 1.50}\nsteps: {a: {run: x, env: {A: yes}}, b: {run: y}}\n", diagnostics);
  REQUIRE(workflow);
  CHECK(workflow->steps[0].env.at("A") == parse_template("yes"));
  CHECK(workflow->steps[0].env.at("B") == parse_template("1.50"));
  CHECK(workflow->steps[1].env.at("A") == parse_template("no"));
}

TEST_CASE("a workflow without a name is called like its file") {
  Diagnostics diagnostics;
  auto workflow =
      parse_workflow("steps: {a: {run: x}}", "workflows/night.yaml", usual_names(), diagnostics);
  REQUIRE(workflow);
  CHECK(workflow->name == "night");
  CHECK_FALSE(parse_workflow("steps: {a: {run: x}}", "w/a b.yaml", usual_names(), diagnostics));
}

TEST_CASE("templates split as core reads them") {
  Diagnostics diagnostics;
  TemplateScope scope{{"a", "b"}, std::vector<std::string>{"E"}, std::nullopt};
  for (const char* text : {"", "x", "${{ matrix.a }}", "x-${{matrix.a}}-${{ env.E }}y", "}} $ {{",
                           "${{ matrix.a }}${{ matrix.b }}"}) {
    INFO(text);
    CHECK(check_template(text, {}, "it", scope, diagnostics) == parse_template(text));
  }
  CHECK(diagnostics.ok());
}

TEST_CASE("patterns meet when some text matches both") {
  CHECK(patterns_meet("intent-*", "intent-trunk"));
  CHECK(patterns_meet("*-a", "b-*"));
  CHECK(patterns_meet("*", "*"));
  CHECK(patterns_meet("a*c", "abc*"));
  CHECK(patterns_meet("", "*"));
  CHECK_FALSE(patterns_meet("intent-*", "trunk"));
  CHECK_FALSE(patterns_meet("a*", "b*"));
  CHECK_FALSE(patterns_meet("a*x", "a*y"));
  CHECK_FALSE(patterns_meet("a", ""));
}

TEST_CASE("errors of all files come at once") {
  std::vector<std::string> errors =
      errors_of({"steps: {a: {rnu: x}}\n", "steps: {b: {run: x, retyr: 3}}\n"});
  REQUIRE(errors.size() == 3);
  CHECK_THAT(errors[0], Catch::StartsWith("a.yaml:1:9: step \"a\" needs uses or run"));
  CHECK_THAT(errors[1], Catch::StartsWith("a.yaml:1:13: unknown key \"rnu\""));
  CHECK_THAT(errors[2], Catch::StartsWith("b.yaml:1:21: unknown key \"retyr\""));
}

TEST_CASE("what only shows between files is found") {
  std::string one = producer("t", "m");
  CHECK(errors_of({one, producer("u", "n", "m")}).empty());
  CHECK_THAT(errors_of({one, producer("u", "m")}).at(0),
             Catch::StartsWith("b.yaml:1:9: step \"u\" registers \"m\", which another step") &&
                 Catch::Contains("workflow \"a\" at a.yaml:1:9"));
  CHECK_THAT(errors_of({producer("t", "m", "n"), producer("u", "n", "m")}).at(0),
             Catch::Contains("a.yaml:1:9: workflows wait in a circle: t → u → t"));
  CHECK_THAT(errors_of({"name: x\n" + one, "name: x\n" + producer("u", "n")}).at(0),
             Catch::Contains("b.yaml:1:1: a second workflow is called \"x\""));
  CHECK(errors_of({one, producer("t", "n")}) ==
        std::vector<std::string>{"b.yaml:1:9: a second step is called \"t\" (the first is step "
                                 "\"t\" of workflow \"a\" at a.yaml:1:9)"});
  std::string release = "releases: {production: {models: [m], image: {name: m}}}\n";
  CHECK_THAT(errors_of({one + release, producer("u", "n") + release}).at(0),
             Catch::Contains(
                 "b.yaml:2:12: a second channel \"production\" (the first is at a.yaml:2:12)"));
}

TEST_CASE("models are found by name, by list and by pattern") {
  std::string matrix =
      "steps: {t: {strategy: {matrix: {l: [de, en]}}, run: x, outputs: {model: m}, registers: "
      "\"m-${{ matrix.l }}\"}}\n";
  CHECK(errors_of({matrix, producer("u", "n", "m-en")}).empty());
  CHECK_THAT(errors_of({matrix, producer("u", "n", "m-fr")}).at(0),
             Catch::Contains("no step registers the model \"m-fr\"") &&
                 Catch::Contains("there is m-de, m-en, n"));
  std::string table =
      "steps: {t: {strategy: {matrix: {c: {table: u, column: c}}}, run: x, outputs: {model: m}, "
      "registers: \"m-${{ matrix.c }}\"}}\n";
  CHECK(errors_of({table, producer("u", "n", "m-anything")}).empty());
  // A fixed name wins over a pattern that could also mean it: this is no circle.
  CHECK(errors_of({table, producer("u", "m-base")}).empty());
  CHECK_THAT(errors_of({table, producer("u", "n", "trunk")}).at(0),
             Catch::Contains("no step registers the model \"trunk\""));
}

TEST_CASE("a long chain and a wide graph are checked quickly, without recursion") {
  std::string text = "steps:\n  s0: {run: x}\n";
  for (int i = 1; i < 8000; ++i) {
    text += "  s" + std::to_string(i) + ": {run: x, needs: s" + std::to_string(i - 1) + "}\n";
  }
  CHECK(errors_of({text}).empty());
}

TEST_CASE("the default channel must be one that a workflow has") {
  WorkspaceSources names = usual_names();
  names.channel = "prodution";
  names.channel_place = "lockstep.yaml:9:10";
  std::string text =
      producer("t", "m") + "releases: {production: {models: [\"m*\"], image: {name: m}}}\n";
  CHECK(errors_of({text}, names).at(0) ==
        "lockstep.yaml:9:10: no workflow has a channel \"prodution\" (did you mean "
        "\"production\"?)");
}

TEST_CASE("a release pattern that nothing matches is warned of") {
  Diagnostics diagnostics;
  read_workflow(producer("t", "m") + "releases: {p: {models: [m, x-*], image: {name: m}}}\n",
                diagnostics);
  CHECK(diagnostics.ok());
  REQUIRE(diagnostics.warnings().size() == 1);
  CHECK_THAT(diagnostics.warnings()[0].message, Catch::Contains("\"x-*\""));
}
