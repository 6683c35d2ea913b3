// What a gate asks beside bounds, and how rows are answered for it, as values.
#include "tests/catch.h"
#include "tests/workflows/language/fixture.h"

using namespace lockstep;

namespace {

StepTemplate last_step(const std::string& text) {
  Diagnostics diagnostics;
  auto workflow = read_workflow(text, diagnostics);
  REQUIRE(texts(diagnostics.errors()) == std::vector<std::string>());
  return workflow->steps.back();
}

StepTemplate last_of(const std::string& name) {
  return last_step(project_file("tests/workflows/language/corpus/good/" + name));
}

// A step that learns from `rows` and is judged by `rest`.
StepTemplate judged(const std::string& rows, const std::string& rest) {
  return last_step("steps:\n  t:\n    inputs: {rows: {table: t" + rows +
                   "}}\n    run: x\n    outputs: {model: m}\n    registers: m\n" + rest);
}

}  // namespace

TEST_CASE("a gate keeps of the champion what was said, except the test") {
  StepTemplate train = last_of("gate-judged.yaml");
  CHECK(train.judged.champion == Json::parse(R"({
    "metric": "accuracy", "alpha": 0.05, "min-rows": 30, "slices": ["channel"],
    "max-loss": 0.01, "max-relative-loss": 0.02, "slice-max-loss": 0.05,
    "slice-max-relative-loss": 0.1,
    "policy": {"better": "move", "equal": "move", "worse-within-noise": "ask", "worse": "hold",
               "not-judged": "move"}})"));
  CHECK(train.judged.approve_by_other);
  REQUIRE(train.gate.size() == 1);  // the words are no metrics
  CHECK(train.gate[0].metric == "accuracy");

  StepTemplate plain = judged(", holdout: {fraction: 0.5, key: [id]}",
                              "    gate: {champion: {}}\n"
                              "    evaluate: {run: ./answer}\n");
  CHECK(plain.judged.champion == Json::object());
  CHECK_FALSE(plain.judged.approve_by_other);
  CHECK_FALSE(plain.judged.expect);
  CHECK(plain.evaluate->run == "./answer");
  CHECK(plain.evaluate->uses.empty());
  CHECK(plain.evaluate->rows == "rows");
  CHECK(plain.evaluate->with == Json::object());
  CHECK(plain.evaluate->columns.empty());  // all columns are read
}

TEST_CASE("rows that must come out so are an input of their own") {
  StepTemplate train = last_of("gate-judged.yaml");
  REQUIRE(train.judged.expect);
  const InputTemplate& rows = *train.judged.expect;
  CHECK(rows.name == "rows");
  CHECK(rows.kind == InputKind::kRows);
  CHECK(rows.source == "tables");
  CHECK(rows.table == "expectations");
  CHECK(rows.at.empty());
  CHECK(rows.columns == std::vector<std::string>{"text", "wanted", "ticket", "author", "date"});
  CHECK(rows.where.at("client") == parse_template("${{ matrix.client }}"));
  CHECK(rows.format == "csv");
  CHECK_FALSE(rows.holdout);
  CHECK(train.judged.expect_label == "wanted");

  StepTemplate other = judged(", format: jsonl, at: v1",
                              "    gate: {expect: {table: e}}\n    evaluate: {run: ./answer}\n");
  CHECK(other.judged.expect->format == "jsonl");
  CHECK(other.judged.expect->at.empty());
  CHECK(other.judged.expect->columns.empty());
  CHECK(other.judged.expect_label.empty());
  CHECK(other.judged.champion.is_null());
}

TEST_CASE("what torch/evaluate is told is complete") {
  StepTemplate train = last_of("gate-judged.yaml");
  REQUIRE(train.evaluate);
  CHECK(train.evaluate->uses == "torch/evaluate");
  CHECK(train.evaluate->revision == 1);
  CHECK(train.evaluate->rows == "rows");
  // The label is that of torch/text-adapter; the holdout's key and the slices come beside.
  CHECK(train.evaluate->columns == std::vector<std::string>{"id", "channel"});
  CHECK(train.evaluate->with == Json::parse(R"({"text": "text", "label": "intent",
                                               "key": ["id"], "columns": ["channel"]})"));

  StepTemplate expecting = last_of("gate-expect-only.yaml");
  CHECK(expecting.evaluate->with == Json::parse(R"({"text": "text", "label": "intent"})"));
  CHECK(expecting.evaluate->columns.empty());
}

TEST_CASE("columns are those said to evaluate, to the step, or of its action") {
  auto columns = [](const std::string& with, const std::string& evaluate) {
    StepTemplate step = last_step(
        "steps:\n  t:\n    inputs: {corpus: {table: t, holdout: {fraction: 0.5, key: [b, a]}}}\n"
        "    uses: torch/text-trunk\n    with: " +
        with + "\n    outputs: {model: m}\n    registers: m\n" +
        "    gate: {champion: {metric: auc, positive: spam}}\n" +
        "    evaluate: {uses: torch/evaluate" + evaluate + "}\n");
    CHECK(step.evaluate->with["key"] == Json{"b", "a"});
    CHECK(step.evaluate->with["positive"] == "spam");
    CHECK(step.evaluate->with["columns"] == Json::array());
    return step.evaluate->with["text"].get<std::string>() + " " +
           step.evaluate->with["label"].get<std::string>();
  };
  CHECK(columns("{seed: 1}", "") == "text label");
  CHECK(columns("{text: body, label: topic}", "") == "body topic");
  CHECK(columns("{text: body, label: topic}", ", with: {label: class}") == "body class");
}

TEST_CASE("declared columns are given only once") {
  StepTemplate step =
      judged(", columns: [channel, text, label, id], holdout: {fraction: 0.5, key: [id, day]}",
             "    gate: {champion: {slices: [day, channel, country]}}\n"
             "    evaluate: {run: ./answer}\n");
  CHECK(step.evaluate->columns == std::vector<std::string>{"day", "country"});
}
