// Surveys become plans and runs; accidents are held.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/core/names.h"
#include "pipeline/engine/world.h"

namespace lockstep {
namespace {

bool asked_for(const Step& step, const StepTemplate& tmpl, const std::string& name) {
  return matches(name, step.name) || matches(name, tmpl.name) ||
         (!step.registers.empty() && matches(name, step.registers));
}

bool reads(const Graph& graph, const Step& step, const std::string& source) {
  return std::any_of(step.inputs.begin(), step.inputs.end(), [&](const StepInput& input) {
    if (input.kind != InputKind::kRows) return false;
    const SliceSpec& slice = graph.slices[input.slice.value];
    return slice.source == source && slice.at.empty();
  });
}

using PatternsOf = std::map<std::string, std::vector<std::string>>;  // by workflow

bool asks_for(const PatternsOf& patterns, const std::string& workflow, const std::string& name) {
  auto of_one = patterns.find(workflow);
  return of_one != patterns.end() &&
         std::any_of(of_one->second.begin(), of_one->second.end(),
                     [&](const std::string& pattern) { return matches(pattern, name); });
}

bool wants_tag(const Graph& graph, const std::string& workflow, const Trigger& trigger) {
  return graph.home.at(workflow) == trigger.variant.source &&
         (trigger.workflows.count(workflow) > 0 ||
          asks_for(graph.tags, workflow, trigger.variant.name));
}

// Asked for by hand, any branch will do, and any tag that no workflow asks for.
bool follows(const Graph& graph, const Step& step, const Trigger& trigger) {
  const Variant& variant = trigger.variant;
  if (variant.kind == VariantKind::kInputs) return step.workflow == variant.source;
  if (variant.kind == VariantKind::kTag) {
    if (wants_tag(graph, step.workflow, trigger)) return true;
    return trigger.once && graph.home.at(step.workflow) == variant.source &&
           std::none_of(graph.home.begin(), graph.home.end(),
                        [&](const auto& one) { return wants_tag(graph, one.first, trigger); });
  }
  return (trigger.once || asks_for(graph.branches, step.workflow, variant.name)) &&
         reads(graph, step, variant.source);
}

bool listens(const Graph& graph, const Step& step, const Trigger& trigger) {
  if (!step.missing_input.empty()) return false;
  if (trigger.kind == "preview") return follows(graph, step, trigger);
  if (trigger.kind == "schedule" || trigger.kind == "workflow") {
    return step.workflow == trigger.workflow;
  }
  if (trigger.kind == "data") return step.on_data || (trigger.code_too && step.on_code);
  // Of a version: what only people start they start. Of a held change they who wait for it do.
  if (trigger.kind == "approval" && !trigger.once) return step.on_data || step.on_code;
  return trigger.kind != "code" || step.on_code;
}

// What a commit starts by itself: the steps of the workflows that listen to its kind (`on:`).
// Empty: all of them.
std::set<StepId> listening(const Graph& graph, const Trigger& trigger) {
  std::set<StepId> chosen;
  for (uint32_t i = 0; i < graph.steps.size(); ++i) {
    if (listens(graph, graph.steps[i], trigger)) chosen.insert(StepId{i});
  }
  return chosen.size() == graph.steps.size() ? std::set<StepId>() : chosen;
}

std::set<StepId> select(const Graph& graph, const Trigger& trigger) {
  std::set<StepId> chosen;
  if (trigger.steps.empty()) return listening(graph, trigger);
  for (const std::string& name : trigger.steps) {
    size_t before = chosen.size();
    for (uint32_t i = 0; i < graph.steps.size(); ++i) {
      if (asked_for(graph.steps[i], graph.tmpl(StepId{i}), name)) chosen.insert(StepId{i});
    }
    if (chosen.size() == before) {
      throw Error(ErrorCode::kNotFound, "no step or model is called " + name,
                  "`lockstep plan` lists the steps");
    }
  }
  return chosen;
}

// Does the plan have all steps that a commit of this source starts? Else the commit is still news.
bool covers(const Graph& graph, const std::set<StepId>& chosen, const std::string& source) {
  bool data =
      std::any_of(graph.templates.begin(), graph.templates.end(), [&](const StepTemplate& tmpl) {
        auto of_source = [&](const auto& one) { return one.source == source; };
        return std::any_of(tmpl.matrix.begin(), tmpl.matrix.end(), of_source) ||
               std::any_of(tmpl.inputs.begin(), tmpl.inputs.end(), [&](const InputTemplate& input) {
                 return input.kind == InputKind::kRows && of_source(input);
               });
      });
  for (uint32_t i = 0; i < graph.steps.size() && !chosen.empty(); ++i) {
    bool starts = data ? graph.steps[i].on_data : graph.steps[i].on_code;
    if (starts && !chosen.count(StepId{i})) return false;
  }
  return true;
}

// The steps that somebody asked for by name.
std::set<StepId> named(const Trigger& trigger, const std::set<StepId>& chosen) {
  return trigger.kind == "manual" && !trigger.steps.empty() ? chosen : std::set<StepId>();
}

std::set<StepId> forced(const Graph& graph, const Trigger& trigger,
                        const std::set<StepId>& chosen) {
  if (!trigger.force) return {};
  if (!chosen.empty()) return chosen;
  std::set<StepId> all;
  for (uint32_t i = 0; i < graph.steps.size(); ++i) all.insert(StepId{i});
  return all;
}

// Models that the last plan did not ask for and that have no version, or were retired.
std::vector<std::string> new_models(const Graph& graph, const Registry& registry,
                                    const std::set<std::string>& asked_before) {
  std::vector<std::string> names;
  for (const auto& [model, step] : graph.producer) {
    if (asked_before.count(model)) continue;
    const ModelState* known = registry.model(model);
    bool renamed = registry.model(graph.step(step).renamed_from) != nullptr;
    bool fresh = !known || known->versions.empty() || known->retired || known->only_previews();
    if (fresh && !renamed) names.push_back(model);
  }
  return names;
}

std::vector<std::string> vanished_models(const Graph& graph, const Registry& registry) {
  std::set<std::string> renamed;
  for (const Step& step : graph.steps) renamed.insert(step.renamed_from);
  std::vector<std::string> names;
  if (graph.incomplete) return names;
  for (const auto& [model, state] : registry.models) {
    if (state.retired || state.versions.empty() || graph.producer.count(model)) continue;
    if (state.only_previews()) continue;
    if (!renamed.count(model)) names.push_back(model);
  }
  return names;
}

// Does losing `gone` take more than one model and more than 10 % of those that match?
bool takes_too_many(const Registry& registry, const std::vector<std::string>& gone,
                    const std::vector<std::string>& patterns) {
  auto match = [&](const std::string& model) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& pattern) { return matches(pattern, model); });
  };
  size_t lost = static_cast<size_t>(std::count_if(gone.begin(), gone.end(), match));
  size_t live = 0;
  for (const auto& [name, model] : registry.models) {
    bool counts = !model.retired && !model.versions.empty() && !model.only_previews();
    live += counts && match(name) ? 1 : 0;
  }
  return lost > 1 && lost * 10 > live;
}

Priority priority(const std::string& trigger) {
  if (trigger == "manual") return Priority::kManual;
  return trigger == "data" || trigger == "first" ? Priority::kData : Priority::kCode;
}

std::string trigger_word(const std::vector<Reason>& reasons, const Trigger& trigger) {
  auto has = [&](const char* kind) {
    return std::any_of(reasons.begin(), reasons.end(),
                       [&](const Reason& r) { return r.kind == kind; });
  };
  if (trigger.kind == "manual" && !trigger.steps.empty()) return "manual";
  if (has("first")) return "first";
  if (has("rows")) return "data";
  if (has("code") || has("definition")) return "code";
  return reasons.empty() ? "manual" : "upstream";
}

}  // namespace

Membership membership(const Graph& graph, const Registry& registry,
                      const std::set<std::string>& planned) {
  return {new_models(graph, registry, planned), vanished_models(graph, registry)};
}

std::optional<std::set<std::string>> Engine::planned() {
  return store_.get("planned").empty() ? std::nullopt : std::optional(produced_);
}

std::unique_ptr<Plan> Engine::preview(std::shared_ptr<const Survey> survey, const Trigger& trigger,
                                      World& dry) {
  std::set<StepId> chosen = select(*survey->graph, trigger);
  std::set<StepId> force = forced(*survey->graph, trigger, chosen);
  past_.expect(survey->graph->steps.size());
  return std::make_unique<Plan>(std::move(survey), dry, chosen, force, named(trigger, chosen));
}

bool Engine::asks_for_any(const Graph& graph, const Trigger& trigger) {
  return graph.steps.empty() || !trigger.steps.empty() ||
         std::any_of(graph.steps.begin(), graph.steps.end(),
                     [&](const Step& step) { return listens(graph, step, trigger); });
}

void Engine::take(SurveyDone& done) {
  if (done.trigger.kind == "preview") return take_preview(done);
  const Graph& graph = *done.survey->graph;
  off_branch_ = done.survey->off_branch;
  std::optional<std::set<std::string>> before = planned();
  auto [added, retired] = membership(graph, registry_, before.value_or(std::set<std::string>()));
  try {
    select(graph, done.trigger);  // throws before anything changes
  } catch (const Error& error) {
    return answer(done, "", error);
  }
  // Whatever becomes of it now, nobody has to ask for it again.
  if (done.trigger.kind == "workflow") answered(done.trigger.workflow);
  if (!asks_for_any(graph, done.trigger)) {
    if (done.trigger.kind == "workflow") return answer(done, "");
    if (done.trigger.kind == "schedule") {
      set_tick(done.trigger.workflow, done.trigger.tick_ms);
      return answer(done, "");
    }
    for (const auto& [source, commit] : done.survey->commits)
      store_.set("cursor/" + source, commit);
    speak("-", done.survey->commits, std::nullopt);
    return answer(done, "");
  }
  if (before && hold_accident(done, added, retired)) return;
  OpenSteps open = yet_to_do();
  std::vector<std::string> superseded = supersede();
  begin_run(done, !before, open, std::move(added), std::move(retired));
  if (active_) name_successor(superseded);
}

// RULES "Accidents are held": a commit that would retire more than one model and more than 10 %
// of a channel (or of all), or add more than max-new, waits with the list until somebody approves
// exactly it.
bool Engine::hold_accident(SurveyDone& done, const std::vector<std::string>& added,
                           const std::vector<std::string>& retired) {
  bool vanish = takes_too_many(registry_, retired, {"*"});
  std::vector<ChannelSpec> channels = channels_;
  const auto& wanted = done.survey->graph->channels;
  channels.insert(channels.end(), wanted.begin(), wanted.end());
  for (const ChannelSpec& channel : channels) {
    vanish = vanish || takes_too_many(registry_, retired, channel.models);
  }
  bool flood = added.size() > options_.max_new;
  if (!vanish && !flood) {
    store_.set("held", "");
    return false;
  }
  std::string digest = sha256(canonical_json(Json{added, retired})).hex();
  if (store_.get("approved") == digest) {
    store_.set("approved", "");
    store_.set("held", "");
    return false;
  }
  if (!active_) supersede();  // a run left open by a process that is gone: nobody goes on with it
  Json held = {{"added", flood ? Json(added) : Json::array()},
               {"retired", vanish ? Json(retired) : Json::array()},
               {"commits", done.survey->commits},
               {"digest", digest}};
  bool known = store_.get("held") == held.dump();
  store_.set("held", held.dump());
  if (known && !done.trigger.once) {
    answer(done, "");
    return true;
  }
  auto run = std::make_unique<Run>();
  run->record = {fmt::format("r{}", store_.next("run")),
                 done.trigger.kind,
                 "held",
                 done.survey->commits,
                 Json(),
                 clock_.now_ms(),
                 clock_.now_ms()};
  run->survey = done.survey;
  run->data = data_json(*done.survey);
  run->held = held;
  run->record.document = run_document(*run, registry_, clock_.now_ms());
  keep(run->record);
  speak(run->record.id, run->record.commits, std::nullopt);
  answer(done, run->record.id);
  if (!active_) last_ = std::move(run);
  return true;
}

Json Engine::approve() {
  Json held = this->held();
  if (held.is_null()) {
    throw Error(ErrorCode::kNotFound, "no change is held", "`lockstep status` shows what waits");
  }
  store_.set("approved", held.at("digest"));
  owe_plan();
  return held;
}

// Attempts that the new plan still wants are adopted by their fingerprints; the rest is finished,
// or cancelled where the policy says so.
std::vector<std::string> Engine::supersede() {
  std::vector<std::string> superseded;
  if (active_) {
    tell_news();
    active_->record.result = active_->cancelling ? "cancelled" : "superseded";
    if (!active_->cancelling) superseded.push_back(active_->record.id);
    active_->record.finished_ms = clock_.now_ms();
    active_->record.document = run_document(*active_, registry_, clock_.now_ms());
    keep(active_->record);
    retell(active_->record.id, active_->record.result);
    // A preview has no successor: it begins again.
    if (active_->variant) superseded.clear(), active_.reset();
    if (active_) last_ = std::move(active_);
  }
  for (const RunRecord& run : store_.runs(kRunsLookedAt)) {
    if (run.result != "running" || (last_ && last_->record.id == run.id)) continue;
    // Left open by a process that is gone.
    RunRecord left = *store_.run(run.id);
    left.result = "superseded";
    left.finished_ms = clock_.now_ms();
    if (left.document.is_object()) left.document["result"] = "superseded";
    keep(left);
    retell(left.id, left.result);
    superseded.push_back(left.id);
  }
  return superseded;
}

// `renamed-from` that can't be followed is said; the plan goes on without it.
void Engine::carry_renamed(Run& run) {
  for (const auto& [model, step] : run.survey->graph->producer) {
    const std::string& old = run.survey->graph->step(step).renamed_from;
    if (old.empty()) continue;
    std::vector<Fact> facts;
    try {
      facts = rename(registry_, old, model);
    } catch (const Error& error) {
      run.notes.push_back(error.what());
    }
    append(facts);
  }
}

// Policy `cancel`, or the step's own `cancel-in-progress`: what the new plan does not want is
// stopped, but never one model twice in a row (or a busy source would never let it finish). What
// still waits for others may yet want its attempt.
void Engine::cancel_unwanted() {
  const Graph& graph = *active_->survey->graph;
  for (const auto& [id, attempt] : past_.live()) {
    if (!attempt.context.value("cancel_in_progress", options_.cancel_superseded)) continue;
    if (wanted(attempt.fingerprint)) continue;
    auto step = graph.by_name.find(attempt.step);
    bool may_want =
        step != graph.by_name.end() && !active_->plan->at(step->second).waits_for.empty();
    std::string mark = "cancelled/" + (attempt.model.empty() ? attempt.step : attempt.model);
    if (may_want || !store_.get(mark).empty()) continue;
    store_.set(mark, id);
    intend("cancel", id);
  }
}

void Engine::keep_produced() {
  std::string text = Json(produced_).dump();
  if (store_.get("produced") != text) store_.set("produced", text);
}

void Engine::open_run(const SurveyDone& done) {
  active_ = std::make_unique<Run>();
  Run& run = *active_;
  run.survey = done.survey;
  run.data = data_json(*done.survey);
  run.trigger = done.trigger;
  run.notes = done.survey->notes;
  for (const Problem& problem : done.survey->graph->problems) {
    run.notes.push_back(problem.where + ": " + problem.message);
  }
  run.record.trigger = done.trigger.kind;
  run.record.result = "running";
  run.record.commits = done.survey->commits;
  run.record.started_ms = clock_.now_ms();
}

void Engine::plan_run(World& world, const OpenSteps& open) {
  Run& run = *active_;
  const Graph& graph = *run.survey->graph;
  std::set<StepId> chosen = select(graph, run.trigger);
  std::set<StepId> force = forced(graph, run.trigger, chosen);
  run.named = named(run.trigger, chosen);
  // What the run before had yet to do is this one's, whatever it is for.
  for (const std::string& name : open.all) {
    auto step = graph.by_name.find(name);
    if (step == graph.by_name.end()) continue;
    if (!chosen.empty()) chosen.insert(step->second);
    if (open.named.count(name)) run.named.insert(step->second);
  }
  past_.expect(graph.steps.size());
  run.plan = std::make_unique<Plan>(run.survey, world, chosen, force, run.named);
  run.chain = critical_path(*run.survey->graph, [](StepId) { return 1.0; });
  judge_waiting();
  run.planned = planned_summary(*run.plan);
  note_reasons(run);
}

void Engine::record_run(const SurveyDone& done) {
  active_->record.id = fmt::format("r{}", store_.next("run"));
  active_->record.document = run_document(*active_, registry_, clock_.now_ms());
  keep(active_->record);
  speak(active_->record.id, active_->record.commits, active_->variant);
  answer(done, active_->record.id);
}

OpenSteps Engine::yet_to_do() const {
  OpenSteps names;
  if (!active_ || !active_->plan || active_->variant || active_->cancelling) return names;
  const Graph& graph = *active_->survey->graph;
  for (uint32_t i = 0; i < graph.steps.size(); ++i) {
    bool open = !decided(active_->plan->at(StepId{i}).state);
    if (!open || !active_->plan->selected(StepId{i})) continue;
    names.all.insert(graph.steps[i].name);
    // What runs already is what was asked for, unless the next plan would cancel it.
    bool served = active_->plan->at(StepId{i}).state == StepState::kRunning &&
                  !graph.steps[i].cancel_in_progress.value_or(options_.cancel_superseded);
    bool wanted = active_->named.count(StepId{i}) > 0 && !served;
    if (wanted) names.named.insert(graph.steps[i].name);
  }
  return names;
}

void Engine::begin_run(SurveyDone& done, bool first, const OpenSteps& open,
                       std::vector<std::string> added, std::vector<std::string> retired) {
  open_run(done);
  Run& run = *active_;
  run.first = first;
  if (first) run.record.trigger = "first";
  know(*done.survey->graph);
  know_images(done.survey->images);
  keep_produced();
  keep_followed(*done.survey->graph);
  keep_expecting(*done.survey->graph);
  carry_renamed(run);
  if (!done.survey->graph->incomplete) {
    append(retire(registry_, produced_, "no step of the workspace produces it any more"));
  }
  decided_.clear();
  plan_run(*world_, open);
  cancel_unwanted();
  keep_deferred();
  run.added = std::move(added);
  run.retired = std::move(retired);
  if (run.trigger.kind == "schedule") set_tick(run.trigger.workflow, run.trigger.tick_ms);
  std::set<StepId> chosen = select(*run.survey->graph, run.trigger);
  for (const auto& [source, commit] : run.survey->commits) {
    if (first || covers(*run.survey->graph, chosen, source)) {
      store_.set("cursor/" + source, commit);
    }
  }
  const bool after_all =
      run.trigger.kind == "approval" || run.trigger.kind == "manual" || run.trigger.code_too;
  if (after_all && run.trigger.steps.empty()) nothing_owed();
  // The code commits at which the workflows loaded, for the day when a newer one does not.
  for (const auto& [source, commit] : run.survey->commits) {
    if (!run.survey->kept_old_workflows) store_.set("workflows/" + source, commit);
  }
  store_.set("planned", "1");
  bool idle = run.plan->finished() && run.moves.empty() && run.added.empty() &&
              run.retired.empty() && run.gates_failed.empty() && oldest_unreleased_ms_ == 0 &&
              releases_stand();
  if (!idle || run.trigger.once) return record_run(done);
  ask_followers();
  speak("-", run.record.commits, std::nullopt);
  active_.reset();
  answer(done, "");
}

// Once for each step, when it is first to be run: the look at all of them costs next to nothing.
void Engine::note_reasons(Run& run) {
  run.waits.resize(run.survey->graph->steps.size());
  for (uint32_t i = 0; i < run.waits.size(); ++i) {
    StepId id{i};
    if (run.waits[i].known) continue;
    const PlannedStep& planned = run.plan->at(id);
    if (planned.state != StepState::kRun && planned.state != StepState::kRunning) continue;
    StepRun& step = run.steps[id];
    step.reasons = why_stale(*run.plan, id, world_->last_recipe(run.survey->graph->steps[i]));
    step.trigger = trigger_word(step.reasons, run.trigger);
    run.waits[i] = {true, priority(step.trigger), clock_.now_ms()};
  }
}

}  // namespace lockstep
