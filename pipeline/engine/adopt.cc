#include "pipeline/engine/adopt.h"

#include <fmt/format.h>

#include "pipeline/engine/context.h"
#include "registry/rules/adopt.h"

namespace lockstep {
namespace {

// As the next plan would see it, were what was taken so far told to the engine.
class AdoptWorld : public DryWorld {
 public:
  AdoptWorld(Engine& engine, std::shared_ptr<const Survey> survey,
             const std::map<std::string, GivenModel>& given, std::string who, std::string reason)
      : DryWorld(engine, survey, true),
        survey_(std::move(survey)),
        given_(given),
        who_(std::move(who)),
        reason_(std::move(reason)) {}

  const ResultRecord* result(const Digest& fingerprint) override {
    auto own = results_.find(fingerprint);
    return own != results_.end() ? &own->second : DryWorld::result(fingerprint);
  }

  std::optional<ModelRef> champion(const std::string& model) override {
    auto own = champions_.find(model);
    return own != champions_.end() ? std::optional(own->second) : DryWorld::champion(model);
  }

  bool accept(StepId id, const PlannedStep& planned, const ResultRecord& result) override {
    const Step& step = survey_->graph->step(id);
    auto given = given_.find(step.registers);
    bool ours = results_.count(planned.recipe->fingerprint) > 0 && given != given_.end();
    if (!ours || champions_.count(step.registers)) return DryWorld::accept(id, planned, result);
    // Two models of the same inputs have one fingerprint, and each its own file.
    ResultRecord own = result;
    own.outputs = given->second.outputs;
    own.metrics = given->second.metrics;
    Version version =
        candidate_of(planned_version(*survey_, id, planned, "adopted"), {}, own).version;
    Adoption adoption = adopt(engine_.registry(), version, who_, reason_);
    champions_[step.registers] = {adoption.version, version.digest};
    out.adopted.push_back({step.registers, step.name, adoption.version, version.digest});
    out.accepted[accepted_as(step)] = version.fingerprint;
    for (Fact& fact : adoption.facts) out.facts.push_back(std::move(fact));
    return true;
  }

  // The files given for the step are its result. False: it can't be adopted.
  bool take(Plan& plan, StepId id) {
    const Step& step = survey_->graph->step(id);
    auto given = given_.find(step.registers);
    if (given == given_.end() || champions_.count(step.registers)) return false;
    if (!not_adoptable(engine_.registry(), step.registers).empty()) return false;
    const Recipe recipe = *plan.at(id).recipe;
    ResultRecord result;
    result.fingerprint = recipe.fingerprint;
    result.recipe = recipe.document;
    result.attempt = "adopted";
    result.outputs = given->second.outputs;
    result.folders = given->second.folders;
    result.metrics = given->second.metrics;
    results_[recipe.fingerprint] = result;
    out.results.push_back(result);
    plan.succeeded(recipe.fingerprint, result);
    return true;
  }

  bool taken(const std::string& model) const { return champions_.count(model) > 0; }

  Adoptions out;

 private:
  std::shared_ptr<const Survey> survey_;
  const std::map<std::string, GivenModel>& given_;
  std::string who_, reason_;
  std::map<Digest, ResultRecord> results_;
  std::map<std::string, ModelRef> champions_;
};

bool known(StepState state) {
  return state == StepState::kCurrent || state == StepState::kDone;
}

std::string why_left(const Engine& engine, const Plan& plan, StepId id, bool given) {
  const PlannedStep& planned = plan.at(id);
  const Step& step = plan.graph().step(id);
  if (known(planned.state)) return "it has its result already";
  if (!given) return "no file is given for it";
  if (std::string why = not_adoptable(engine.registry(), step.registers); !why.empty()) return why;
  if (planned.state == StepState::kWaiting && !planned.waits_for.empty()) {
    return fmt::format("waits for {}, which has no result",
                       plan.graph().step(planned.waits_for.front()).name);
  }
  return planned.note.empty() ? std::string(word(planned.state)) : planned.note;
}

}  // namespace

Adoptions plan_adoptions(Engine& engine, std::shared_ptr<const Survey> survey,
                         const std::map<std::string, GivenModel>& given, const std::string& who,
                         const std::string& reason) {
  AdoptWorld world(engine, survey, given, who, reason);
  Plan plan(survey, world);
  for (bool more = true; more;) {
    more = false;
    const std::set<StepId> ready = plan.ready();
    for (StepId id : ready) {
      if (plan.at(id).state == StepState::kRun && world.take(plan, id)) more = true;
    }
  }
  for (const auto& [model, id] : survey->graph->producer) {
    const bool has_file = given.count(model) > 0;
    if (world.taken(model)) continue;
    if (!has_file && known(plan.at(id).state)) continue;
    world.out.left.push_back(
        {model, survey->graph->step(id).name, why_left(engine, plan, id, has_file)});
  }
  return std::move(world.out);
}

}  // namespace lockstep
