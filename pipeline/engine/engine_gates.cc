// Gates that ask for more than bounds: evaluations are had as any attempts are, then judged.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/point.h"
#include "pipeline/engine/context.h"
#include "pipeline/engine/engine.h"

namespace lockstep {
namespace {

// What the attempts are called behind their step's name.
constexpr const char *kEvaluate = "/evaluate", *kEvaluateChampion = "/evaluate-champion",
                     *kExpectations = "/expectations";

GateWord holds(const std::string& why) {
  return {"hold", why, "", "", {}};
}

// The holdout under which a version was trained, as its recipe has it; nothing where there is none
// or where the version came without a recipe.
Json holdout_of(const Version& version, const std::string& input) {
  if (version.recipe.empty()) return {};
  Json recipe = parse_json(version.recipe, "the recipe of " + version.model);
  Json inputs = recipe.value("inputs", Json::object());
  return inputs.contains(input) ? inputs.at(input).value("holdout", Json()) : Json();
}

// RULES "Registry", holdout: under different definitions one has learned what the other is asked.
std::string not_comparable(const Version& champion, const Version& challenger,
                           const std::string& input) {
  const Json before = holdout_of(champion, input), now = holdout_of(challenger, input);
  if (before == now) return "";
  if (before.is_null()) {
    return fmt::format("version {} was trained without a holdout, or it is not known with which",
                       champion.number);
  }
  return fmt::format("version {} was trained under another holdout", champion.number);
}

// The upstreams that a version was trained on, by the name of the input; false: one of the step's
// model inputs is not among them.
bool upstreams_of(const Version& version, const Step& step, std::map<std::string, Digest>& out) {
  for (const Json& upstream : version.upstreams.json()) {
    out[upstream.at("input").get<std::string>()] =
        Digest::parse(upstream.at("digest").get<std::string>());
  }
  return std::all_of(step.inputs.begin(), step.inputs.end(), [&](const StepInput& input) {
    return input.kind != InputKind::kModel || out.count(input.name) > 0;
  });
}

std::string rows_error(const Survey& survey, const std::optional<StepInput>& rows) {
  return rows ? survey.slices[rows->slice.value].error : "";
}

}  // namespace

bool Engine::wanted(const Digest& fingerprint) const {
  return !active_->plan->wanting(fingerprint).empty() || active_->evaluations.count(fingerprint);
}

// What one gate has to go by so far.
struct Engine::GateWork {
  StepId id;
  const PlannedStep& planned;
  GateCase asked;
  Json basis = Json::object();  // all that its word will be given for
  std::string failed;           // why an evaluation can't be had; empty: none failed
  bool complete = true;
  std::vector<Digest> bytes;  // that had to be there
  bool missing = false;       // some were not
};

// Takes the predictions of a version, or has them made: `name` says on which rows.
void Engine::want(GateWork& work, const Version& version,
                  const std::map<std::string, Digest>& upstreams, const std::string& name,
                  std::optional<Digest>& predictions) {
  const Survey& survey = *active_->survey;
  const ResultRecord* trained = past_.result(work.planned.recipe->fingerprint);
  bool folder = trained && trained->folders.count("model") && trained->folders.at("model");
  const Step& step = survey.graph->step(work.id);
  const bool expect = name == kExpectations;
  EvaluationOf what{version.digest,
                    folder,
                    upstreams,
                    expect ? *step.expect_rows : *step.holdout_rows,
                    expect ? step.expect_with : step.evaluate_with,
                    step.name + name};
  Evaluation made = evaluation_of(survey, work.id, work.planned, what,
                                  input_files(*survey.graph, work.id, active_->plan.get()));
  work.basis["evaluations"].push_back(made.fingerprint.hex());
  if (const ResultRecord* known = past_.result(made.fingerprint)) {
    predictions = known->outputs.at("predictions");
    return;
  }
  work.complete = false;
  if (!active_->plan) return;
  if (!past_.is_live(made.fingerprint) && world_->used_up(made.fingerprint, true)) {
    work.failed = fmt::format("version {} could not be evaluated: `lockstep logs {}` says why",
                              version.number, what.name);
    return;
  }
  Run::Awaited& awaited = active_->evaluations[made.fingerprint];
  awaited.context = std::move(made.context);
  awaited.steps.insert(work.id);
}

void Engine::want_all(GateWork& work, const Version& challenger, const Version* champion) {
  const Step& step = active_->survey->graph->step(work.id);
  const StepTemplate& tmpl = active_->survey->graph->tmpl(work.id);
  std::map<std::string, Digest> on, champion_on;
  upstreams_of(challenger, step, on);
  std::string& why = work.asked.void_because;
  if (champion) why = not_comparable(*champion, challenger, tmpl.evaluate->rows);
  if (champion && why.empty() && !upstreams_of(*champion, step, champion_on)) {
    why = fmt::format("it is not known what version {} was trained on", champion->number);
  }
  auto there = [&](const Digest& digest) {
    work.bytes.push_back(digest);
    if (!past_.present(digest)) work.missing = true;
    return !work.missing;
  };
  if (champion && why.empty() && !there(champion->digest)) {
    why = fmt::format("the bytes of version {} are missing", champion->number);
  }
  for (const auto& [input, digest] : champion_on) {
    if (!why.empty() || there(digest)) continue;
    why = fmt::format("the {} that version {} was trained on is missing", input, champion->number);
  }
  work.basis["void"] = why;
  if (champion && why.empty()) {
    want(work, challenger, on, kEvaluate, work.asked.of_challenger);
    want(work, *champion, champion_on, kEvaluateChampion, work.asked.of_champion);
  }
  if (!step.expect_rows) return;
  work.asked.expectations = active_->survey->slices[step.expect_rows->slice.value].rows;
  want(work, challenger, on, kExpectations, work.asked.of_expectations);
}

static GateBases::From basis_from(const Survey& survey, const Step& step,
                                  const PlannedStep& planned, const Decision& pending) {
  GateBases::From from{planned.recipe->fingerprint, pending.version, pending.against, {}, {}};
  for (const auto& rows : {step.holdout_rows, step.expect_rows}) {
    if (!rows) continue;
    from.rows.push_back(survey.slices[rows->slice.value].digest);
    from.columns.push_back(survey.slices[rows->slice.value].columns);
  }
  return from;
}

// Why nothing can be asked of a gate's evaluator; empty: it can.
std::string Engine::not_askable(const Survey& survey, StepId id) const {
  const Step& step = survey.graph->step(id);
  const StepTemplate& tmpl = survey.graph->tmpl(id);
  if (!tmpl.evaluate) return "its step has no evaluate: to ask";
  for (const auto& rows : {step.holdout_rows, step.expect_rows}) {
    if (std::string error = rows_error(survey, rows); !error.empty()) return error;
  }
  std::string why = unschedulable(options_.slots, tmpl.resources);
  return why.empty() ? "" : "it can't be evaluated: " + why;
}

// The word of a gate on the version that a pending decision named; nothing: evaluations have to be
// had first, and are asked for.
std::optional<GateWord> Engine::word_on(StepId id, const PlannedStep& planned,
                                        const std::string& model, const Decision& pending) {
  const Survey& survey = *active_->survey;
  const StepTemplate& tmpl = survey.graph->tmpl(id);
  const ModelState& state = *registry_.model(model);
  const Version& challenger = *state.version(pending.version);
  const Version* champion = pending.against ? state.version(pending.against) : nullptr;
  if (std::string why = not_askable(survey, id); !why.empty()) return holds(why);
  auto kept = state.gates.find(challenger.number);
  const GateReport* said = kept == state.gates.end() ? nullptr : &kept->second;
  // Given once for the very same things, it stands, whatever else this run compares.
  auto stands = [said](const std::string& basis) {
    return !basis.empty() && said && said->basis == basis;
  };
  auto again = [said] {
    return GateWord{said->action, said->verdict, said->basis, said->report, {}};
  };
  GateBases::From from = basis_from(survey, survey.graph->step(id), planned, pending);
  auto has = [this](const Digest& digest) { return past_.present(digest); };
  if (stands(bases_.find(survey.graph, id, from, has))) return again();
  GateWork work{id, planned, {}, {}, {}, true, {}, false};
  work.asked.model = model;
  work.asked.challenger = challenger.number;
  work.asked.champion = pending.against;
  if (champion) work.asked.question = tmpl.judged.champion;
  work.basis = {{"question", work.asked.question},
                {"by_other", tmpl.judged.approve_by_other},
                {"evaluations", Json::array()}};
  want_all(work, challenger, champion);
  bases_.count();
  if (!work.failed.empty()) return holds(work.failed);
  work.asked.basis = sha256(canonical_json(work.basis)).str();
  if (stands(work.asked.basis)) {
    if (!work.missing) {
      bases_.keep(survey.graph, id, std::move(from), work.asked.basis, std::move(work.bytes));
    }
    return again();
  }
  if (!active_->plan) {  // how many are compared is known when all are planned
    active_->to_judge.insert(id);
    return std::nullopt;
  }
  if (!work.complete) return std::nullopt;
  return judged(id, std::move(work.asked));
}

std::optional<GateWord> Engine::judged(StepId id, GateCase asked) {
  if (!judge_) return holds("nobody is here to judge it");
  const bool compares = asked.of_champion.has_value();
  const size_t known = active_->compared.size() + 1;
  asked.other_p = active_->compared;
  asked.yet_to_come = compares ? std::max(models_to_compare(), known) - known : 0;
  try {
    std::optional<GateWord> word = judge_(asked);
    if (!word) {
      active_->measuring[asked.basis].insert(id);
      return std::nullopt;
    }
    word->basis = asked.basis;
    if (word->p) active_->compared.push_back(*word->p);
    point("engine.gate.spoken");
    return word;
  } catch (const Error& error) {
    if (error.code == ErrorCode::kUnavailable) throw;  // a full disk is no word on a model
    return holds(std::string("it can't be judged: ") + error.what());
  }
}

void Engine::measured(const std::string& basis) {
  point("engine.gate.measured");
  if (!active_) return;
  auto found = active_->measuring.find(basis);
  if (found == active_->measuring.end()) return;
  const std::set<StepId> steps = std::move(found->second);
  active_->measuring.erase(found);
  look_again(steps);
}

// The models whose steps were executed by this run, or are yet to be, and whose gates look at a
// champion. Counted once: all of them are corrected for the same number.
size_t Engine::models_to_compare() {
  Run& run = *active_;
  if (run.to_compare) return *run.to_compare;
  size_t count = 0;
  const Graph& graph = *run.survey->graph;
  for (uint32_t i = 0; i < graph.steps.size(); ++i) {
    const StepId id{i};
    if (graph.tmpl(id).judged.champion.is_null() || !run.plan->selected(id)) continue;
    auto step = run.steps.find(id);
    bool executed = step != run.steps.end() && step->second.executed;
    if (executed || !decided(run.plan->at(id).state)) ++count;
  }
  run.to_compare = count;
  return count;
}

void Engine::judge_waiting() {
  for (StepId id : std::exchange(active_->to_judge, {})) active_->plan->judge(id);
}

// What an evaluation was asked for is there, or will not be: the gates that wait for it look again.
void Engine::evaluated(const Digest& fingerprint) {
  if (!active_) return;
  auto found = active_->evaluations.find(fingerprint);
  if (found == active_->evaluations.end()) return;
  const std::set<StepId> steps = std::move(found->second.steps);
  active_->evaluations.erase(found);
  look_again(steps);
}

void Engine::look_again(const std::set<StepId>& steps) {
  for (StepId id : steps) {
    if (active_->plan) active_->plan->judge(id);
  }
  note_reasons(*active_);
  ++active_->revision;
}

// Before any step: a gate holds up whatever reads the model. True: some were started.
bool Engine::start_evaluations() {
  std::vector<const Digest*> waiting;
  std::vector<ReadyStep> ready;
  const Graph& graph = *active_->survey->graph;
  // Of a gate that has spoken meanwhile (another evaluation failed for good) nobody waits for more.
  std::erase_if(active_->evaluations, [&](const auto& one) {
    return std::none_of(one.second.steps.begin(), one.second.steps.end(), [&](StepId id) {
      return active_->plan->at(id).state == StepState::kRunning;
    });
  });
  for (const auto& [fingerprint, awaited] : active_->evaluations) {
    if (past_.is_live(fingerprint)) continue;
    ReadyStep one;
    one.id = StepId{static_cast<uint32_t>(waiting.size())};
    one.need = graph.tmpl(*awaited.steps.begin()).resources;
    one.lock = awaited.context.at("spec").at("step");
    one.tmpl = UINT32_MAX;
    ready.push_back(std::move(one));
    waiting.push_back(&fingerprint);
  }
  std::set<std::string> busy, taken;
  for (const auto& [id, attempt] : past_.live()) busy.insert(attempt.step);
  const std::vector<Start> starts = schedule(slots(), std::move(ready), {}, busy, taken);
  for (const Start& start : starts) start_evaluation(*waiting[start.id.value], start.slot);
  return !starts.empty();
}

void Engine::start_evaluation(const Digest& fingerprint, size_t slot) {
  const Run::Awaited& awaited = active_->evaluations.at(fingerprint);
  const StepTemplate& tmpl = active_->survey->graph->tmpl(*awaited.steps.begin());
  const Slot& place = options_.slots[slot];
  AttemptRecord record;
  record.fingerprint = fingerprint;
  record.id = fmt::format("a{:06}-{}", store_.next("attempt"), fingerprint.hex().substr(0, 8));
  record.run = active_->record.id;
  record.step = awaited.context.at("spec").at("step");
  record.started_ms = clock_.now_ms();
  record.context = awaited.context;
  put_on(record, place, tmpl.resources);
  past_.put(record);
  point("engine.evaluation.recorded");
  ++active_->revision;
  intend("start", record.id);
}

std::set<std::string> Engine::expecting() {
  std::string text = store_.get("expecting");
  if (text.empty()) return {};
  return parse_json(text, "models with expectations").get<std::set<std::string>>();
}

void Engine::keep_expecting(const Graph& graph) {
  std::set<std::string> models;
  for (uint32_t i = 0; i < graph.steps.size(); ++i) {
    if (graph.tmpl(StepId{i}).judged.expect) models.insert(graph.steps[i].registers);
  }
  const std::string text = models.empty() ? "" : Json(models).dump();
  if (store_.get("expecting") != text) store_.set("expecting", text);
}

Engine::Expectations Engine::expectations_of(const Plan& plan, const std::string& model,
                                             int64_t number) {
  const Survey& survey = plan.survey();
  auto producer = survey.graph->producer.find(model);
  if (producer == survey.graph->producer.end()) {
    throw Error(ErrorCode::kNotFound, "no step makes " + model + " any more");
  }
  const Step& step = survey.graph->step(producer->second);
  const PlannedStep& planned = plan.at(producer->second);
  const Version& version = *registry_.model(model)->version(number);
  std::map<std::string, Digest> upstreams;
  bool all = upstreams_of(version, step, upstreams);
  std::string error = rows_error(survey, step.expect_rows);
  if (!step.expect_rows) error = "its workflow expects nothing of it";
  if (error.empty() && !planned.recipe)
    error = step.name + " is " + std::string(word(planned.state));
  if (error.empty() && !all) error = "it is not known what the version was trained on";
  if (!error.empty()) throw Error(ErrorCode::kConflict, error);
  const ResultRecord* trained = past_.result(version.fingerprint);
  bool folder = trained && trained->folders.count("model") && trained->folders.at("model");
  EvaluationOf what{version.digest,    folder,           upstreams,
                    *step.expect_rows, step.expect_with, step.name + kExpectations};
  Evaluation made = evaluation_of(survey, producer->second, planned, what,
                                  input_files(*survey.graph, producer->second, &plan));
  const ResultRecord* known = past_.result(made.fingerprint);
  return {made.fingerprint, std::move(made.context),
          known ? std::optional(known->outputs.at("predictions")) : std::nullopt,
          survey.slices[step.expect_rows->slice.value].rows};
}

}  // namespace lockstep
