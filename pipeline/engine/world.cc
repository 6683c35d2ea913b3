#include "pipeline/engine/world.h"

#include "pipeline/engine/context.h"

namespace lockstep {

std::shared_ptr<const Recipe> EngineWorld::recipe(const Survey& survey, StepId step,
                                                  const InputDigests& inputs) {
  return engine_.recipes_.of(survey, step, inputs);
}

const ResultRecord* EngineWorld::result(const Digest& fingerprint) {
  return engine_.past_.result(fingerprint);
}

bool EngineWorld::live(const Digest& fingerprint) {
  return engine_.past_.is_live(fingerprint);
}

bool EngineWorld::used_up(const Digest& fingerprint, bool asked) {
  if (!engine_.past_.used_up(fingerprint)) return false;
  // Asked for by hand: its attempts count from zero again, but those of this run count.
  const Run* run = engine_.active_.get();
  bool by_hand =
      asked && run && (run->trigger.kind == "manual" || (run->variant && run->trigger.once));
  if (by_hand) engine_.past_.forgive(fingerprint, engine_.active_->record.id);
  return !by_hand || engine_.past_.used_up(fingerprint);
}

std::optional<ModelRef> EngineWorld::champion(const std::string& model) {
  int64_t number = engine_.registry_.alias(model, kChampion);
  if (number == 0) return std::nullopt;
  const Version* version = engine_.registry_.model(model)->version(number);
  return ModelRef{number, version->digest};
}

std::string EngineWorld::last_recipe(const Step& step) {
  std::string recipe = engine_.past_.last_recipe(accepted_as(step));
  if (recipe.empty() && !step.renamed_from.empty()) {
    recipe = engine_.past_.last_recipe(step.renamed_from);
  }
  return recipe;
}

std::optional<Candidate> EngineWorld::candidate(const Survey& survey, StepId id,
                                                const PlannedStep& planned,
                                                const ResultRecord& result,
                                                const std::string& trigger) {
  const Step& step = survey.graph->step(id);
  const ModelState* model = engine_.registry_.model(step.registers);
  if (model) {
    const Version* best = candidate_version(*model, planned.recipe->fingerprint);
    auto alias = model->aliases.find(kChampion);
    if (best && alias != model->aliases.end() && alias->second == best->number) {
      return std::nullopt;
    }
  }
  return candidate_of(planned_version(survey, id, planned, trigger), survey.graph->tmpl(id),
                      result);
}

bool EngineWorld::ready(StepId id, const PlannedStep& planned, Candidate& made) {
  if (!made.asks_champion && !made.asks_expect) return true;
  Decision first = consider(engine_.registry_, made);
  if (!first.pending) return true;
  engine_.append(first.facts);  // whatever comes of it, the version is there
  made.word = engine_.word_on(id, planned, made.version.model, first);
  return made.word.has_value();
}

bool EngineWorld::accept(StepId id, const PlannedStep& planned, const ResultRecord& result) {
  const Survey& survey = *engine_.active_->survey;
  const Step& step = survey.graph->step(id);
  engine_.past_.accept(accepted_as(step), planned.recipe->fingerprint);
  engine_.decided_[accepted_as(step)] = planned.recipe->fingerprint;
  if (step.registers.empty()) return true;
  auto known = engine_.active_->steps.find(id);
  const StepRun step_run = known == engine_.active_->steps.end() ? StepRun() : known->second;
  // A forced attempt whose bytes differ is a candidate of its own, although its fingerprint is
  // the champion's.
  std::optional<Candidate> made =
      candidate(survey, id, planned, result, step_run.trigger.empty() ? "known" : step_run.trigger);
  if (!made && step_run.executed) {
    const ModelState* model = engine_.registry_.model(step.registers);
    if (!model->find(planned.recipe->fingerprint, result.outputs.at("model"))) {
      made = candidate_of(planned_version(survey, id, planned, "forced"), survey.graph->tmpl(id),
                          result);
    }
  }
  if (!made) return true;
  if (!ready(id, planned, *made)) return false;  // `result` is not looked at from here on
  engine_.take_decision(*made, decide(engine_.registry_, *made));
  return true;
}

bool DryWorld::used_up(const Digest& fingerprint, bool asked) {
  return !(by_hand_ && asked) && engine_.past_.used_up(fingerprint);
}

std::optional<ModelRef> DryWorld::champion(const std::string& model) {
  auto moved = moved_.find(model);
  return moved != moved_.end() ? std::optional(moved->second) : EngineWorld::champion(model);
}

// A gate that has yet to look at a version moves nothing here.
bool DryWorld::accept(StepId id, const PlannedStep& planned, const ResultRecord& result) {
  const Step& step = survey_->graph->step(id);
  if (step.registers.empty()) return true;
  std::optional<Candidate> made = candidate(*survey_, id, planned, result, "plan");
  if (!made) return true;
  Decision decision = decide(engine_.registry_, *made);
  if (decision.moved) {
    moved_[step.registers] = ModelRef{decision.version, made->version.digest};
  }
  return true;
}

}  // namespace lockstep
