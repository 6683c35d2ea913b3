// What must hold when nothing is left to do: every step is where it should be, for a reason, and
// every model is what the rows, files and models at the heads make of it, computed without digests.
#include <algorithm>
#include <iterator>
#include <sstream>

#include "pipeline/core/names.h"
#include "tests/pipeline/engine/described.h"
#include "tests/sim/world.h"

namespace lockstep::sim {
namespace {

struct Rest {
  World& world;
  std::shared_ptr<const Survey> survey;
  const Plan& plan;
  const Graph& graph;
  std::map<uint32_t, std::string> keys;  // step → what it is made from today

  std::string input_text(const StepInput& input, const Digest& digest);
  void step(uint32_t i);
  void unfinished(uint32_t i);
  void deferred(uint32_t i);
  std::optional<ResultRecord> accepted(const Step& step);
  size_t lines_that_differ(const AttemptRecord& attempt, const Step& step);
  void champion(uint32_t i);
};

// The text that a runner would read; of bytes the digest, which must be what the step above gave.
std::string Rest::input_text(const StepInput& input, const Digest& digest) {
  if (input.kind == InputKind::kRows) {
    const SliceSpec& spec = graph.slices[input.slice.value];
    return world.contents.rows(world.tables.history.head, spec.table, input.columns, spec.where);
  }
  if (input.kind == InputKind::kCode) {
    return world.contents.files(world.code.history.head, graph.code[input.code.value].paths);
  }
  if (input.kind == InputKind::kModel) {
    const Registry& registry = world.engine->registry();
    int64_t number = registry.alias(input.model, kChampion);
    must(number > 0 && registry.model(input.model)->version(number)->digest == digest, "upstream",
         "a step reads another {} than its champion", input.model);
  } else if (plan.at(input.step).state == StepState::kDeferred) {
    std::optional<ResultRecord> last = accepted(graph.step(input.step));
    must(last && last->outputs[input.output] == digest, "upstream",
         "a step reads what is not the last result of {}", graph.step(input.step).name);
  } else {
    must(world.runner.made(keys[input.step.value], digest), "upstream",
         "a step reads what {} did not make of its inputs of today", graph.step(input.step).name);
  }
  return digest.hex();
}

void Rest::step(uint32_t i) {
  const PlannedStep& planned = plan.at(StepId{i});
  const std::string& name = graph.steps[i].name;
  bool open = planned.state == StepState::kRun || planned.state == StepState::kWaiting ||
              planned.state == StepState::kRunning;
  // Known when it is to be started, not when it is planned.
  bool too_large = !unschedulable(world.options.slots, graph.tmpl(StepId{i}).resources).empty();
  if (too_large && planned.state == StepState::kRun) return;
  must(!open, "at rest", "{} is {}", name, word(planned.state));
  if (planned.state == StepState::kDeferred) return deferred(i);
  if (planned.state != StepState::kCurrent) return unfinished(i);
  std::map<std::string, std::string> inputs;
  for (size_t k = 0; k < graph.steps[i].inputs.size(); ++k) {
    const StepInput& input = graph.steps[i].inputs[k];
    inputs[input.name] = input_text(input, planned.inputs[k]);
  }
  keys[i] = training_key(graph.tmpl(StepId{i}).run, graph.steps[i].with, inputs);
  std::optional<ResultRecord> result = world.sqlite.result(planned.recipe->fingerprint);
  must(result.has_value(), "at rest", "{} is current and has no result", name);
  for (const auto& [output, digest] : result->outputs) {
    must(world.runner.made(keys[i], digest), "current",
         "{} is current with what was not made from the rows and files of today", name);
    must(world.present.count(digest) > 0, "current", "{} is current without its bytes", name);
  }
  if (!graph.steps[i].registers.empty()) champion(i);
}

std::optional<ResultRecord> Rest::accepted(const Step& step) {
  Past& past = world.engine->past();
  std::optional<Digest> last = past.accepted(accepted_as(step));
  if (!last && !step.renamed_from.empty()) last = past.accepted(step.renamed_from);
  return last ? world.sqlite.result(*last) : std::nullopt;
}

// Lines of the rows that are here and not there, or there and not here.
size_t Rest::lines_that_differ(const AttemptRecord& attempt, const Step& step) {
  size_t count = 0;
  for (const StepInput& input : step.inputs) {
    if (input.kind != InputKind::kRows) continue;
    const SliceSpec& spec = graph.slices[input.slice.value];
    std::multiset<std::string> lines;
    auto add = [&](const std::string& commit) {
      std::multiset<std::string> all;
      std::istringstream text(world.contents.rows(commit, spec.table, input.columns, spec.where));
      for (std::string line; std::getline(text, line);) all.insert(line);
      return all;
    };
    std::multiset<std::string> now = add(world.tables.history.head), before;
    for (const Json& one : attempt.context.at("spec").at("inputs")) {
      if (one.at("name") == input.name) before = add(one.at("commit"));
    }
    std::vector<std::string> both;
    std::set_symmetric_difference(now.begin(), now.end(), before.begin(), before.end(),
                                  std::back_inserter(both));
    count += both.size();
  }
  return count;
}

// Its last result stands, and what changed since does not count: a row that differs is two lines.
void Rest::deferred(uint32_t i) {
  const Step& step = graph.steps[i];
  const std::optional<Conditions>& condition = graph.tmpl(StepId{i}).condition;
  must(condition && !plan.at(StepId{i}).note.empty(), "deferred", "{} is deferred without a reason",
       step.name);
  std::optional<ResultRecord> last = accepted(step);
  must(last.has_value(), "deferred", "{} is deferred and has no result", step.name);
  for (const auto& [output, digest] : last->outputs) {
    must(world.present.count(digest) > 0, "deferred", "{} is deferred without its bytes",
         step.name);
  }
  std::optional<AttemptRecord> attempt = world.sqlite.attempt(last->attempt);
  must(attempt.has_value(), "deferred", "{} has a result of no attempt", step.name);
  size_t differ = lines_that_differ(*attempt, step);
  must(differ <= 2 * (condition->min_changed_rows - 1), "deferred",
       "{} is deferred, and {} lines of its rows differ", step.name, differ);
}

// Failed and blocked steps say why, and have their reason.
void Rest::unfinished(uint32_t i) {
  const PlannedStep& planned = plan.at(StepId{i});
  const Step& step = graph.steps[i];
  must(!planned.note.empty(), "reasons", "{} is {} without a reason", step.name,
       word(planned.state));
  if (planned.state == StepState::kFailed) {
    bool failed = false;
    for (const AttemptRecord& one : world.sqlite.attempts_of(planned.recipe->fingerprint)) {
      failed = failed || (one.counted && one.state == AttemptState::kFailed);
    }
    must(failed, "reasons", "{} is failed, and no attempt of it failed", step.name);
    return;
  }
  bool above = false;
  auto bad = [&](StepId id) {
    StepState state = plan.at(id).state;
    return state == StepState::kFailed || state == StepState::kBlocked;
  };
  for (StepId need : step.needs) above = above || bad(need);
  for (const StepInput& input : step.inputs) {
    if (input.kind == InputKind::kOutput) above = above || bad(input.step);
    if (input.kind != InputKind::kModel) continue;
    above = above || world.engine->registry().alias(input.model, kChampion) == 0;
  }
  must(above, "reasons", "{} is blocked, and all its inputs are there", step.name);
}

// The champion is what the inputs of today make, or something holds it back.
void Rest::champion(uint32_t i) {
  const Step& step = graph.steps[i];
  const ModelState* model = world.engine->registry().model(step.registers);
  must(model != nullptr, "champion", "{} is current and was never registered", step.registers);
  int64_t number = model->alias(kChampion);
  const Version* now = number ? model->version(number) : nullptr;
  if (now && world.runner.made(keys[i], now->digest)) return;
  if (model->pin(kChampion)) return;
  const Version* newest = nullptr;
  bool any = false;
  for (const Version& version : model->versions) {
    if (version.fingerprint != plan.at(StepId{i}).recipe->fingerprint) continue;
    any = true;
    if (!model->withdrawn(version.number, kChampion)) newest = &version;
  }
  must(any, "champion", "{} has no version of what it is current with", step.registers);
  if (!newest) return;  // withdrawn, all of them
  auto said = model->gates.find(newest->number);
  bool judged = said != model->gates.end() && !said->second.action.empty();
  if (judged && !said->second.passed && !model->approved(newest->number)) return;
  must(!judge(graph.tmpl(StepId{i}).gate, *newest).passed, "champion",
       "{} stays at version {}, and nothing holds it back from version {}", step.registers, number,
       newest->number);
}

}  // namespace

void Checks::at_rest(World& world) {
  Engine& engine = *world.engine;
  must(!engine.active() && engine.past().live().empty(), "at rest", "something still runs");
  must(world.sqlite.intents().empty(), "at rest", "an intent is left: {} {}",
       world.sqlite.intents().empty() ? "" : world.sqlite.intents()[0].kind,
       world.sqlite.intents().empty() ? "" : world.sqlite.intents()[0].target);
  for (const RunRecord& run : world.sqlite.runs(1'000)) {
    must(run.result != "running", "at rest", "run {} is still open", run.id);
  }
  must(planned_["tables"] == world.tables.history.head &&
           planned_["code"] == world.code.history.head,
       "at rest", "the heads of the sources are not planned");
  std::string memory = described(engine.registry()), kept = described(world.ledger.load());
  size_t at = static_cast<size_t>(
      std::mismatch(memory.begin(), memory.end(), kept.begin(), kept.end()).first - memory.begin());
  must(memory == kept, "store equals memory", "in memory {}, in the ledger {}",
       memory.substr(at, 200), kept.substr(std::min(at, kept.size()), 200));
  rest_of_channels(world, false);
}

void Checks::at_rest_after_plan(World& world) {
  at_rest(world);
  FakeSliceCache empty;
  Surveyor afresh({{{"tables", &world.tables}}, {{"code", &world.code}}}, world.workflows, empty);
  std::shared_ptr<Survey> seen = afresh.survey({});
  afresh.answer(*seen, world.engine->questions(*seen));
  std::shared_ptr<const Survey> survey = seen;
  DryWorld dry(*world.engine, survey);
  Trigger all{"data", "", {}, false, false, {}};
  std::unique_ptr<Plan> plan = world.engine->preview(survey, all, dry);
  Rest rest{world, survey, *plan, *survey->graph, {}};
  for (StepId id : survey->graph->order) rest.step(id.value);
  rest_of_models(world, *survey->graph);
  rest_of_channels(world, true);
}

// The models are those of the clients that have rows; the others are retired, none is deleted.
void Checks::rest_of_models(World& world, const Graph& graph) {
  std::set<std::string> expected = models_of(world.shape, world.clients()), produced;
  for (const auto& [model, step] : graph.producer) produced.insert(model);
  must(produced == expected, "models", "the graph makes {} models instead of {}", produced.size(),
       expected.size());
  for (const auto& [name, model] : world.engine->registry().models) {
    if (model.only_previews()) continue;
    must(model.retired == (expected.count(name) == 0), "models", "{} is {}retired", name,
         model.retired ? "" : "not ");
  }
}

// Each channel holds what its aliases say, is built, and stands outside as it does inside.
void Checks::rest_of_channels(World& world, bool planned) {
  const Registry& registry = world.engine->registry();
  for (const auto& [channel, moves] : registry.channels) {
    std::string tag = registry.live(channel);
    const ReleaseState* live = registry.release(tag);
    must(live && live->image, "releases", "release {} of {} has no image", tag, channel);
    must(*live->image == world.images[tag], "releases", "release {} has another image", tag);
    must(world.published[channel] == tag, "published", "{} stands at {}, and {} is live", channel,
         world.published[channel], tag);
  }
  std::vector<ChannelSpec> channels;
  for (const Workflow& one : workflows_of(world.shape)) {
    channels.insert(channels.end(), one.channels.begin(), one.channels.end());
  }
  for (const ChannelSpec& channel : channels) {
    const ReleaseState* live = registry.release(registry.live(channel.name));
    for (const auto& [name, model] : registry.models) {
      bool named =
          std::any_of(channel.models.begin(), channel.models.end(),
                      [&, n = name](const std::string& pattern) { return matches(pattern, n); });
      int64_t champion = model.alias(kChampion), here = model.alias(channel.name);
      if (!named || model.retired || champion == 0) continue;
      // Where a pin ended the channel follows with the next plan's cut.
      bool held = !planned || model.pin(channel.name) || model.withdrawn(champion, channel.name);
      must(held || here == champion, "channels", "{} has version {} of {}, whose champion is {}",
           channel.name, here, name, champion);
      if (here == 0) continue;
      must(
          live && live->release.models.count(name) && live->release.models.at(name).version == here,
          "channels", "the release of {} does not hold version {} of {}", channel.name, here, name);
    }
  }
}

}  // namespace lockstep::sim
