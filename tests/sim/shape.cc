#include "tests/sim/shape.h"

#include "tests/fake/workflows.h"

namespace lockstep::sim {
namespace {

enum Bit : uint32_t {
  kTrunk,
  kTrainReadsTrunk,
  kPrepare,
  kTrainReadsPrepare,
  kTune,
  kReport,
  kBlend,
  kTwins,
  kGate,
  kHighGate,
  kStaging,
  kTwoTries,
  kParameter,
  kTrunkGate,
  kOneAtATime,
  kFollows,
  kTrunkReadsPrepare,
  kLockFile,
  kTooLarge,
  kRenamed,
  // for the world's life (kFlowBits)
  kFewNew,
  kCancels,
  kSlots,
  kSlots2,
  kClients0,
  kClients1,
  kClients2,
  kImpatient,
  kDefers,
  kJudges,
  kExpects,
};

bool has(uint64_t shape, Bit bit) {
  return (shape >> bit & 1) != 0;
}

InputTemplate corpus() {
  InputTemplate in = rows_of("corpus");
  in.name = "corpus";
  return in;
}

InputTemplate named(std::string name, InputTemplate in) {
  in.name = std::move(name);
  return in;
}

StepTemplate prepare(uint64_t shape) {
  StepTemplate step = step_of("prepare", "", {corpus(), code_of({"prepare/"})});
  step.outputs = {{"words", "words.txt"}, {"counts", "counts.json"}};
  if (has(shape, kDefers)) {
    step.condition = Conditions{};
    step.condition->min_changed_rows = 2;
    step.condition->paths = {{"code", "prepare/*.py"}};
  }
  return step;
}

StepTemplate trunk(uint64_t shape) {
  StepTemplate step = step_of("trunk", "trunk", {corpus()});
  if (has(shape, kPrepare) && has(shape, kTrunkReadsPrepare)) {
    step.inputs.push_back(output_of("prepare", "words"));
  }
  if (has(shape, kTrunkGate)) step.gate = {{"accuracy", 0.3, std::nullopt}};
  return step;
}

StepTemplate train(uint64_t shape) {
  StepTemplate step = train_by_client();
  if (has(shape, kRenamed)) {
    step.registers = parse_template("bot-${{ matrix.client }}");
    step.renamed_from = parse_template("intent-${{ matrix.client }}");
  }
  if (has(shape, kTrunk) && has(shape, kTrainReadsTrunk)) {
    step.inputs.push_back(model_of("trunk"));
  }
  if (has(shape, kPrepare) && has(shape, kTrainReadsPrepare)) {
    step.inputs.push_back(output_of("prepare", "counts"));
  }
  if (has(shape, kGate)) step.gate = {{"accuracy", has(shape, kHighGate) ? 0.6 : 0.2, {}}};
  step.attempts = has(shape, kTwoTries) ? 2 : 1;
  step.with = {{"size", has(shape, kParameter) ? 2 : 1}};
  if (has(shape, kDefers)) {
    step.condition = Conditions{};
    step.condition->min_changed_rows = 3;
  }
  if (has(shape, kLockFile)) step.environment.files = {"train/lock"};
  // What is evaluated reads no output of another step.
  bool outputs = has(shape, kPrepare) && has(shape, kTrainReadsPrepare);
  if (has(shape, kJudges) && !outputs) {
    step.inputs[0].holdout = Holdout{0.5, {"id"}, "v1"};
    step.evaluate = EvaluateSpec{"", 0, "answer", Json::object(), "rows", {}};
    step.judged.champion = Json::object();
    if (has(shape, kExpects)) step.judged.expect = named("rows", rows_of("corpus"));
  }
  return step;
}

StepTemplate tune(uint64_t shape) {
  std::string prefix = has(shape, kRenamed) ? "bot-" : "intent-";
  StepTemplate step = step_of("tune", "tuned-${{ matrix.client }}",
                              {named("base", model_of(prefix + "${{ matrix.client }}")),
                               rows_of("utterances", "client"), code_of({"tune/"})});
  step.matrix = {column_axis("client", "utterances")};
  step.max_parallel = has(shape, kOneAtATime) ? 1 : 0;
  step.attempts = 2;
  return step;
}

// Nothing in it depends on which of the two it is: both have one fingerprint.
StepTemplate twins(uint64_t shape) {
  StepTemplate step = step_of("twin", "twin-${{ matrix.side }}", {corpus()});
  step.matrix = {list_axis("side", {"left", "right"})};
  if (has(shape, kTooLarge)) step.resources.memory_bytes = 1ULL << 50;
  return step;
}

StepTemplate blend(uint64_t shape) {
  StepTemplate step = step_of("blend", "blend", {rows_of("utterances")});
  if (has(shape, kTrunk)) step.inputs.push_back(model_of("trunk"));
  step.inputs[0].columns = {"client", "text"};
  return step;
}

}  // namespace

std::vector<Workflow> workflows_of(uint64_t shape) {
  std::vector<StepTemplate> first, second;
  if (has(shape, kPrepare)) first.push_back(prepare(shape));
  if (has(shape, kTrunk)) first.push_back(trunk(shape));
  first.push_back(train(shape));
  if (has(shape, kReport)) {
    first.push_back(step_of("report", "", {code_of({"prepare/"})}));
    first.back().needs = {"train"};
  }
  if (has(shape, kTune)) second.push_back(tune(shape));
  if (has(shape, kTwins)) second.push_back(twins(shape));
  if (has(shape, kBlend)) second.push_back(blend(shape));
  std::vector<Workflow> all = {workflow_of(first, "first"), workflow_of(second, "second")};
  if (has(shape, kFollows)) all[0].branches = {"feature/*"};
  all[0].channels = {{"production", {"*"}, "image"}};
  if (has(shape, kImpatient)) all[0].channels[0].max_wait_ms = 5'000;
  if (has(shape, kStaging)) all[1].channels = {{"staging", {"t*", "*-client-1"}, "staging"}};
  return all;
}

EngineOptions options_of(uint64_t shape) {
  EngineOptions options;
  options.max_new = has(shape, kFewNew) ? 2 : 50;
  options.cancel_superseded = has(shape, kCancels);
  options.slots = {{{"cpu", "local", "cpu", 1ULL << 30}, has(shape, kSlots) ? 2u : 6u}};
  if (has(shape, kSlots2)) options.slots.push_back({{"cpu2", "local", "cpu", 1ULL << 30}, 1});
  return options;
}

GateWord word_of(const GateCase& asked) {
  const Digest& read = asked.of_challenger     ? *asked.of_challenger
                       : asked.of_expectations ? *asked.of_expectations
                                               : Digest();
  const char* action = read.bytes[0] % 4 == 0 ? "hold" : read.bytes[0] % 4 == 1 ? "ask" : "move";
  return {action, std::string("the answers say ") + action, "", "", {}};
}

std::string client_name(uint32_t number) {
  return "client-" + std::to_string(number % kClients);
}

FakeCommit first_tables(uint64_t shape) {
  uint32_t clients = 1 + (shape >> kClients0 & 7) % 6;
  std::vector<std::pair<int64_t, std::string>> rows;
  for (uint32_t i = 0; i < clients * 2; ++i) rows.emplace_back(i + 1, client_name(i % clients));
  return {{"utterances", utterances(rows)}, {"corpus", utterances({{1, "x"}, {2, "y"}})}};
}

FakeTree first_code() {
  return {{"train/fit.py", {"fit 0"}},
          {"train/lock", {"lock 0"}},
          {"prepare/words.py", {"words 0"}},
          {"tune/tune.py", {"tune 0"}}};
}

std::set<std::string> models_of(uint64_t shape, const std::set<std::string>& clients) {
  std::set<std::string> models;
  if (has(shape, kTrunk)) models.insert("trunk");
  if (has(shape, kBlend)) models.insert("blend");
  if (has(shape, kTwins)) models.insert({"twin-left", "twin-right"});
  for (const std::string& client : clients) {
    models.insert((has(shape, kRenamed) ? "bot-" : "intent-") + client);
    if (has(shape, kTune)) models.insert("tuned-" + client);
  }
  return models;
}

}  // namespace lockstep::sim
