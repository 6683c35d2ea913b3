// What the engine knows for `if:`: what each step's last accepted result read, and which steps the
// newest plan deferred.
#include <algorithm>

#include "pipeline/engine/context.h"
#include "pipeline/engine/world.h"

namespace lockstep {
namespace {

// Of an attempt's inputs, as they are prepared for it.
LastRead read_by(const AttemptRecord& attempt) {
  LastRead last;
  for (const Json& input : attempt.context.at("spec").at("inputs")) {
    std::string kind = input.at("kind");
    if (kind == "rows") last.rows[input.at("name")] = input.at("commit");
    if (kind == "code") last.code[input.at("source")] = input.at("commit");
  }
  return last;
}

LastRead read_by(const Version& version) {
  LastRead last{{}, version.commits};
  for (const Json& slice : version.slices.json()) last.rows[slice.at("input")] = slice.at("commit");
  return last;
}

// What an attempt would read that the run has yet to start.
LastRead read_in(const Survey& survey, const Step& step) {
  LastRead last{{}, survey.commits};
  for (const StepInput& input : step.inputs) {
    if (input.kind != InputKind::kRows) continue;
    last.rows[input.name] = survey.slices[input.slice.value].commit;
  }
  return last;
}

bool is_of(const AttemptRecord& attempt, const Step& step) {
  return attempt.context.at("accepted_as").get_ref<const std::string&>() == accepted_as(step) &&
         !attempt.context.contains("preview");
}

}  // namespace

std::optional<Digest> EngineWorld::last_accepted(const Step& step) {
  std::optional<Digest> last = engine_.past_.accepted(accepted_as(step));
  if (last || step.renamed_from.empty()) return last;
  return engine_.past_.accepted(step.renamed_from);
}

const ResultRecord* EngineWorld::last_result(const Step& step) {
  std::optional<Digest> last = last_accepted(step);
  return last ? engine_.past_.result(*last) : nullptr;
}

LastRead EngineWorld::last_read(const Step& step) {
  std::optional<Digest> last = last_accepted(step);
  if (!last) return {};
  const ModelState* model = engine_.registry_.model(step.registers);
  if (!model && !step.renamed_from.empty()) model = engine_.registry_.model(step.renamed_from);
  for (size_t i = model ? model->versions.size() : 0; i > 0; --i) {
    const Version& version = model->versions[i - 1];
    if (version.fingerprint == *last) return read_by(version);
  }
  const ResultRecord* result = engine_.past_.result(*last);
  if (!result) return {};
  std::optional<AttemptRecord> attempt = engine_.store_.attempt(result->attempt);
  return attempt ? read_by(*attempt) : LastRead();
}

bool EngineWorld::busy(const Step& step) {
  for (const auto& [id, attempt] : engine_.past_.live()) {
    if (is_of(attempt, step)) return true;
  }
  return false;
}

Questions Engine::questions(const Survey& survey) {
  Questions all;
  const Run* run = active_ && !active_->variant ? active_.get() : nullptr;
  for (uint32_t i = 0; i < survey.graph->steps.size(); ++i) {
    const Step& step = survey.graph->steps[i];
    const bool earlier =
        std::any_of(step.inputs.begin(), step.inputs.end(),
                    [](const StepInput& input) { return input.kind == InputKind::kPrevious; });
    if (!survey.graph->tmpl(StepId{i}).condition && !earlier) continue;
    std::string before = world_->last_recipe(step);
    if (before.empty() || !content_differs(survey, StepId{i}, before)) continue;
    if (earlier) EngineWorld(*this).ask_about_previous(survey, StepId{i}, all);
    if (!survey.graph->tmpl(StepId{i}).condition) continue;
    ask(survey, StepId{i}, world_->last_read(step), all);
    for (const auto& [id, attempt] : past_.live()) {
      if (is_of(attempt, step)) ask(survey, StepId{i}, read_by(attempt), all);
    }
    if (!run) continue;
    auto planned = run->survey->graph->by_name.find(step.name);
    if (planned == run->survey->graph->by_name.end()) continue;
    const Step& now = run->survey->graph->step(planned->second);
    ask(survey, StepId{i}, read_in(*run->survey, now), all);
  }
  return all;
}

// Persisted, because most plans that defer something have nothing to run, and leave no run.
void Engine::keep_deferred() {
  if (!active_ || active_->variant || !active_->plan) return;
  Json all = Json::object();
  const Graph& graph = *active_->survey->graph;
  for (uint32_t i = 0; i < graph.steps.size(); ++i) {
    const PlannedStep& planned = active_->plan->at(StepId{i});
    if (planned.state != StepState::kDeferred) continue;
    const std::string& model = graph.steps[i].registers;
    all[graph.steps[i].name] = {{"model", model.empty() ? Json() : Json(model)},
                                {"why", planned.note}};
  }
  std::string text = all.empty() ? "" : all.dump();
  if (store_.get("deferred") != text) store_.set("deferred", text);
}

Json Engine::deferred() {
  std::string text = store_.get("deferred");
  return text.empty() ? Json::object() : parse_json(text, "the deferred steps");
}

// After an attempt has ended: what its step has yet to do may count otherwise now.
void Engine::reconsider(const AttemptRecord& ended) {
  if (!active_ || !active_->plan) return;
  const Graph& graph = *active_->survey->graph;
  auto named = graph.by_name.find(ended.step);
  auto made = graph.producer.find(ended.model);
  if (named == graph.by_name.end() && made == graph.producer.end()) return;
  active_->plan->reconsider(made != graph.producer.end() ? made->second : named->second);
}

}  // namespace lockstep
