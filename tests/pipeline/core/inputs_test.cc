// Values of a start by hand: read by their types, refused all at once.
#include "pipeline/core/inputs.h"

#include "pipeline/core/graph.h"
#include "tests/catch.h"
#include "tests/fake/workflows.h"

using namespace lockstep;

namespace {

WorkflowInput input_of(const std::string& name, ValueType type, Json standard) {
  WorkflowInput input;
  input.name = name;
  input.type = type;
  input.standard = std::move(standard);
  input.required = input.standard.is_null();
  input.place = "w.yaml:1:1";
  return input;
}

std::vector<WorkflowInput> some() {
  WorkflowInput size = input_of("size", ValueType::kChoice, "large");
  size.options = {"small", "large"};
  return {input_of("epochs", ValueType::kInteger, 3), input_of("rate", ValueType::kNumber, 0.5),
          input_of("frozen", ValueType::kBoolean, false), input_of("note", ValueType::kString, ""),
          size};
}

std::vector<std::string> refused(const std::vector<WorkflowInput>& inputs, const Json& given) {
  std::vector<std::string> all;
  try {
    given_inputs("w", inputs, given);
  } catch (const Errors& errors) {
    for (const Error& error : errors.all) all.emplace_back(error.what());
  } catch (const Error& error) {
    all.emplace_back(error.what());
  }
  return all;
}

AxisValues no_axis(const MatrixAxis&) {
  return {};
}

}  // namespace

TEST_CASE("inputs: texts and values of the type are one value") {
  Json standard = given_inputs("w", some(), Json::object());
  CHECK(standard ==
        Json{{"epochs", 3}, {"rate", 0.5}, {"frozen", false}, {"note", ""}, {"size", "large"}});
  CHECK(given_inputs("w", some(), {{"epochs", "3"}, {"rate", "5e-1"}, {"frozen", "false"}}) ==
        standard);
  Json given = given_inputs("w", some(), {{"epochs", 7.0}, {"rate", 2}, {"frozen", true}});
  CHECK(given.at("epochs").is_number_integer());
  CHECK(canonical_json(given) == R"({"epochs":7,"frozen":true,"note":"","rate":2,"size":"large"})");
  CHECK(given_inputs("w", some(), {{"note", "$(reboot) `x` ${{ env.A }}"}}).at("note") ==
        "$(reboot) `x` ${{ env.A }}");
}

TEST_CASE("inputs: whatever is wrong is said at once, with its place") {
  auto all = refused(some(), {{"epochs", "1.5"},
                              {"rate", "nan"},
                              {"frozen", "yes"},
                              {"note", "two\nlines"},
                              {"size", "huge"},
                              {"epoch", "1"}});
  REQUIRE(all.size() == 6);
  CHECK_THAT(all[0], Catch::Contains("workflow \"w\" has no input \"epoch\""));
  CHECK_THAT(all[0], Catch::Contains("there is epochs, rate"));
  CHECK_THAT(all[1], Catch::StartsWith("w.yaml:1:1: input \"epochs\" must be a whole number"));
  CHECK_THAT(all[4], Catch::Contains("\"two?lines\""));
  CHECK_THAT(all[5], Catch::Contains("one of small, large"));
  for (const Json& wrong : {Json("1e999"), Json("0x10"), Json(" 1"), Json(""), Json("1 2"),
                            Json(1e300), Json(9007199254740993), Json(Json::array()), Json()}) {
    CAPTURE(wrong.dump());
    CHECK(refused(some(), {{"epochs", wrong}}).size() == 1);
  }
  CHECK(refused(some(), {{"note", std::string(4097, 'x')}}).size() == 1);
  CHECK(refused(some(), {{"note", std::string(4096, 'x')}}).empty());
}

TEST_CASE("inputs: one that is required must be given, and not be empty") {
  std::vector<WorkflowInput> inputs = {input_of("day", ValueType::kString, nullptr)};
  CHECK(refused(inputs, Json::object()).size() == 1);
  CHECK(refused(inputs, {{"day", ""}}).size() == 1);
  CHECK(refused(inputs, {{"day", "monday"}}).empty());
}

TEST_CASE("inputs: they stand in texts, and alone in a parameter keep their type") {
  Workflow workflow = workflow_of({step_of("train", "m-${{ inputs.size }}")});
  workflow.inputs = some();
  workflow.steps[0].env["A"] = parse_template("${{ inputs.epochs }}x${{ inputs.rate }}");
  workflow.steps[0].with = {{"epochs", "${{ inputs.epochs }}"}, {"both", "${{ inputs.epochs }}!"}};
  Graph graph = expand({workflow}, no_axis, {});
  CHECK(graph.steps[0].env.at("A") == "3x0.5");
  CHECK(graph.steps[0].with == Json{{"epochs", 3}, {"both", "3!"}});
  CHECK(graph.steps[0].registers == "m-large");
  workflow.values = {{"epochs", 9}, {"size", "small"}};
  graph = expand({workflow}, no_axis, {});
  CHECK(graph.steps[0].with == Json{{"epochs", 9}, {"both", "9!"}});
  CHECK(graph.steps[0].registers == "m-small");
  CHECK(graph.steps[0].missing_input.empty());
  CHECK(graph.inputs.at("w").size() == 5);
  workflow.inputs[0].standard = nullptr;
  workflow.values = Json::object();
  CHECK(expand({workflow}, no_axis, {}).steps[0].missing_input == "epochs");
}
