// Attempts: started on slots, taken when they end, never twice.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pipeline/base/point.h"
#include "pipeline/engine/context.h"
#include "pipeline/engine/engine.h"

namespace lockstep {
namespace {

// metrics.json is a flat map name → finite number; anything else fails the attempt.
std::string metrics_problem(const Json& metrics) {
  if (!metrics.is_object()) return "metrics.json is not a map of names to numbers";
  for (const auto& [name, value] : metrics.items()) {
    if (!value.is_number() || !std::isfinite(value.get<double>())) {
      return fmt::format("metric {} in metrics.json is not a finite number", name);
    }
  }
  return "";
}

// A result without one of the declared outputs is none.
std::string output_problem(const Json& context, const AttemptResult& result) {
  for (const auto& [name, file] : context.at("spec").at("outputs").items()) {
    if (!result.outputs.count(name)) return fmt::format("output `{}` is missing", name);
  }
  return "";
}

// Of `concurrency`, by attempts of whatever plan.
std::set<std::string> taken_groups(const Past& past) {
  std::set<std::string> taken;
  for (const auto& [id, attempt] : past.live()) {
    if (!attempt.context.contains("groups")) continue;
    for (const Json& group : attempt.context.at("groups")) taken.insert(group.get<std::string>());
  }
  return taken;
}

bool any_room(const std::vector<Slot>& slots) {
  return std::any_of(slots.begin(), slots.end(),
                     [](const Slot& slot) { return slot.running < slot.capacity; });
}

}  // namespace

// A step's place in the order of schedule().
struct Turn {
  int64_t rank = 0;
  double chain = 0;
  StepId id;
};

static bool later(const Turn& a, const Turn& b) {
  if (a.rank != b.rank) return a.rank > b.rank;
  if (a.chain != b.chain) return a.chain < b.chain;
  return b.id < a.id;
}

// A step that no slot can ever hold fails; those below it are looked at again, so more may follow.
bool Engine::fail_impossible(const std::vector<Slot>& slots) {
  std::map<StepId, std::string> impossible;
  std::map<uint32_t, std::string> why_not;  // by template: all its steps need the same
  const Graph& graph = *active_->survey->graph;
  for (StepId id : active_->plan->ready()) {
    auto [known, fresh] = why_not.try_emplace(graph.step(id).tmpl);
    if (fresh) known->second = unschedulable(slots, graph.tmpl(id).resources);
    if (!known->second.empty()) impossible[id] = known->second;
  }
  for (const auto& [id, why] : impossible) active_->plan->impossible(id, why);
  return !impossible.empty();
}

// Thousands may be ready for few slots: only those whose turn it may be are looked at closely.
void Engine::start_ready() {
  if (!active_ || active_->cancelling) return;
  std::vector<Slot> all = slots();
  // While all are taken nobody is looked at: the end of what runs is a turn, too.
  if (!any_room(all) && !past_.live().empty()) return;
  if (start_evaluations()) all = slots();
  while (fail_impossible(all)) ++active_->revision;
  if (active_->plan->ready().empty() || !any_room(all)) return;
  note_reasons(*active_);
  int64_t now_ms = clock_.now_ms();
  std::vector<Turn> line;
  line.reserve(active_->plan->ready().size());
  for (StepId id : active_->plan->ready()) {
    const Run::Wait& wait = active_->waits[id.value];
    line.push_back(
        {start_rank(wait.priority, now_ms - wait.since_ms), active_->chain[id.value], id});
  }
  std::make_heap(line.begin(), line.end(), later);
  std::set<std::string> taken = taken_groups(past_);
  while (!line.empty() && any_room(all)) {
    start_some(line, taken);
    all = slots();
  }
}

// Takes the next steps out of `line`, a heap, and starts those that find a place.
void Engine::start_some(std::vector<Turn>& line, std::set<std::string>& taken) {
  constexpr size_t kLookedAt = 64;
  const Graph& graph = *active_->survey->graph;
  std::map<uint32_t, uint32_t> running;
  std::set<std::string> busy;
  for (const auto& [id, attempt] : past_.live()) {
    busy.insert(attempt.model.empty() ? attempt.step : attempt.model);
    auto step = graph.by_name.find(attempt.step);
    if (step != graph.by_name.end()) ++running[graph.step(step->second).tmpl];
  }
  std::vector<ReadyStep> ready;
  while (!line.empty() && ready.size() < kLookedAt) {
    std::pop_heap(line.begin(), line.end(), later);
    StepId id = line.back().id;
    line.pop_back();
    const Step& step = graph.step(id);
    const StepTemplate& tmpl = graph.tmpl(id);
    const Run::Wait& wait = active_->waits[id.value];
    ready.push_back({id, wait.priority, clock_.now_ms() - wait.since_ms, active_->chain[id.value],
                     tmpl.resources, step.registers.empty() ? step.name : step.registers, step.tmpl,
                     tmpl.max_parallel, step.groups});
  }
  for (const Start& one : schedule(slots(), std::move(ready), running, busy, taken)) {
    // Two steps with one fingerprint: the first start has made the other one wait for it.
    if (active_->plan->at(one.id).state == StepState::kRun) start(one.id, one.slot);
  }
}

std::vector<InputFile> Engine::input_files(const Graph& graph, StepId id, const Plan* plan) {
  std::vector<InputFile> files;
  for (const StepInput& input : graph.step(id).inputs) {
    InputFile file{input.name, false};
    StepId producer = input.step;
    std::string output = input.output;
    if (input.kind == InputKind::kModel) {
      output = "model";
      auto made_by = graph.producer.find(input.model);
      if (made_by != graph.producer.end()) producer = made_by->second;
    }
    if (producer.known()) {
      auto declared = graph.tmpl(producer).outputs.find(output);
      if (declared != graph.tmpl(producer).outputs.end()) {
        file.file = declared->second.substr(declared->second.rfind('/') + 1);
      }
      std::shared_ptr<const Recipe> recipe = plan ? plan->at(producer).recipe : nullptr;
      const ResultRecord* result = recipe ? past_.result(recipe->fingerprint) : nullptr;
      if (result && result->folders.count(output)) file.folder = result->folders.at(output);
    }
    files.push_back(file);
  }
  return files;
}

void Engine::start(StepId id, size_t slot) {
  const Step& step = active_->survey->graph->step(id);
  const StepTemplate& tmpl = active_->survey->graph->tmpl(id);
  const Slot& place = options_.slots[slot];
  StepRun& step_run = active_->steps[id];
  AttemptRecord record;
  record.fingerprint = active_->plan->at(id).recipe->fingerprint;
  record.id =
      fmt::format("a{:06}-{}", store_.next("attempt"), record.fingerprint.hex().substr(0, 8));
  record.run = active_->record.id;
  record.step = step.name;
  record.model = step.registers;
  record.started_ms = clock_.now_ms();
  record.context = attempt_context(*active_->plan, id, step_run.trigger,
                                   input_files(active_->plan->graph(), id, active_->plan.get()));
  if (active_->variant) mark_preview(record.context, *active_);
  record.context["ledger"] = registry_.last_seq;
  if (!step.groups.empty()) record.context["groups"] = step.groups;
  if (step.cancel_in_progress) record.context["cancel_in_progress"] = *step.cancel_in_progress;
  put_on(record, place, tmpl.resources);
  past_.put(record);
  point("engine.attempt.recorded");
  step_run.attempt = record.id;
  step_run.started_ms = record.started_ms;
  step_run.executed = true;
  active_->plan->started(id);
  ++active_->revision;
  intend("start", record.id);
}

void Engine::take(AttemptResult& result) {
  auto live = past_.live().find(result.id);
  intend("collect", result.id);
  if (live == past_.live().end()) return;  // was taken before, or given up: never twice
  AttemptRecord record = live->second;
  std::string problem;
  if (result.end == AttemptEnd::kSucceeded) {
    problem = metrics_problem(result.metrics);
    if (problem.empty()) problem = output_problem(record.context, result);
  }
  if (!problem.empty()) {
    result.end = AttemptEnd::kFailed;
    result.error = problem;
  }
  if (result.end != AttemptEnd::kCancelled) {
    store_.set("cancelled/" + (record.model.empty() ? record.step : record.model), "");
  }
  bool ran = result.end == AttemptEnd::kSucceeded || result.end == AttemptEnd::kFailed;
  if (ran) keep_executed(record);
  if (result.end == AttemptEnd::kSucceeded) return succeed(record, result);
  fail(record, result);
}

void Engine::succeed(AttemptRecord& record, const AttemptResult& result) {
  ResultRecord kept;
  kept.fingerprint = record.fingerprint;
  kept.attempt = record.id;
  kept.outputs = result.outputs;
  kept.folders = result.folders;
  kept.metrics = result.metrics;
  kept.environment = result.environment;
  kept.recipe = record.context.at("recipe");
  kept.duration_ms = result.finished_ms - result.started_ms;
  past_.put(kept);
  point("engine.result.recorded");
  record.state = AttemptState::kSucceeded;
  record.finished_ms = clock_.now_ms();
  past_.put(record);
  tell_attempt(record);
  if (record.context.contains("evaluation")) return evaluated(record.fingerprint);
  bool wanted = active_ && !active_->plan->wanting(record.fingerprint).empty();
  // What a plan of the watched branches asked for is theirs, though a preview wants it too.
  bool theirs = wanted && active_->variant && !record.context.contains("preview");
  if (!wanted || theirs) accept_stray(record, kept);
  reconsider(record);
  if (!wanted) return;
  for (StepId id : active_->plan->wanting(record.fingerprint)) {
    StepRun& step = active_->steps[id];
    step.attempt = record.id;
    step.executed = true;
    if (step.started_ms == 0) step.started_ms = record.started_ms;
    step.finished_ms = clock_.now_ms();
  }
  active_->plan->succeeded(record.fingerprint, kept);
  note_reasons(*active_);
  ++active_->revision;
}

// A result that no plan wants any more is gated like any candidate only if its commits are still on
// their branches, the model has not moved since the attempt began, and the newest plan has not
// decided for another result.
std::string Engine::moved_on(const AttemptRecord& record) {
  std::string name = record.context.at("accepted_as");
  auto decided = decided_.find(name);
  if (decided != decided_.end() && decided->second != record.fingerprint) {
    return "a newer plan has decided for another result";
  }
  std::optional<RunRecord> run = store_.run(record.run);
  for (const auto& [source, commit] : run ? run->commits : std::map<std::string, std::string>()) {
    if (!off_branch_.count({source, commit})) continue;
    return fmt::format("commit {} is no longer on the branch of {}", commit.substr(0, 7), source);
  }
  const ModelState* model = record.model.empty() ? nullptr : registry_.model(record.model);
  int64_t began = record.context.value("ledger", int64_t{0});
  for (const Moved& moved : model ? model->moves : std::vector<Moved>()) {
    if (moved.move.alias == kChampion && moved.seq > began) return "the model has moved since";
  }
  return "";
}

// Where it moves nothing, the version is kept all the same.
void Engine::accept_stray(const AttemptRecord& record, const ResultRecord& result) {
  bool preview = record.context.contains("preview");
  std::string name = record.context.at("accepted_as");
  std::string why = preview ? "it is a preview" : moved_on(record);
  if (why.empty() && !record.context.contains("version")) past_.accept(name, record.fingerprint);
  if (!record.context.contains("version")) return;
  Candidate candidate = candidate_from(record.context, result);
  // Its last rows went while it was trained: known to the results, no model of today.
  if (!preview && planned() && !produced_.count(candidate.version.model)) return;
  if (!why.empty()) {
    append(consider(registry_, candidate).facts);
    if (preview) return;
    return note(fmt::format("{} stays: the result of {} came late, {}", candidate.version.model,
                            record.id, why));
  }
  past_.accept(name, record.fingerprint);
  take_decision(candidate, decide(registry_, candidate));
}

void Engine::fail(AttemptRecord& record, const AttemptResult& result) {
  bool lost = result.end == AttemptEnd::kLost;
  bool cancelled = result.end == AttemptEnd::kCancelled;
  record.state = lost        ? AttemptState::kLost
                 : cancelled ? AttemptState::kCancelled
                             : AttemptState::kFailed;
  record.error = replace_invalid_utf8(result.error);
  record.finished_ms = clock_.now_ms();
  past_.put(record);
  tell_attempt(record);
  if (!active_) return;
  size_t allowed = record.context.value("attempts", size_t{1});
  bool used_up = past_.failures(record.fingerprint) >= allowed;
  // What was forced once is not begun again by a plan that forces nothing.
  bool again = (lost || cancelled) && (!used_up || active_->trigger.force);
  bool final = (cancelled && active_->cancelling) || (used_up && !again);
  if (record.context.contains("evaluation")) {
    if (final) evaluated(record.fingerprint);
    return;
  }
  for (StepId id : active_->plan->wanting(record.fingerprint)) {
    active_->steps[id].finished_ms = clock_.now_ms();
    active_->waits[id.value].since_ms = clock_.now_ms();
  }
  active_->plan->failed(record.fingerprint, record.error, final);
  reconsider(record);
  note_reasons(*active_);
  ++active_->revision;
}

void Engine::cancel(const std::string& run) {
  if (!active_ || active_->record.id != run) {
    throw Error(ErrorCode::kNotFound, fmt::format("run {} is not running", run),
                "`lockstep runs` lists the runs");
  }
  active_->cancelling = true;
  for (const std::string& id : wanted_attempts()) intend("cancel", id);
  ++active_->revision;
}

}  // namespace lockstep
