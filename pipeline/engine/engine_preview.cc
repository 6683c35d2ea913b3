// Previews: what a branch that is not the watched one would make. Its steps run as any others and
// their results are kept, so that after the merge nothing runs again; no alias moves, no release is
// cut, and nothing of it counts as accepted.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/engine/engine.h"
#include "pipeline/engine/world.h"

namespace lockstep {
namespace {

constexpr const char* kPreview = "preview/";

std::string key_of(const BranchName& branch) {
  return kPreview + branch.mark();
}

Json kept_preview(Store& store, const BranchName& branch) {
  std::string text = store.get(key_of(branch));
  return text.empty() ? Json{{"commit", ""}, {"run", ""}, {"fingerprints", Json::array()}}
                      : parse_json(text, "the preview of " + branch.mark());
}

std::map<std::string, std::set<std::string>> kept_names(Store& store, const std::string& name) {
  std::string text = store.get(name);
  if (text.empty()) return {};
  return parse_json(text, name).get<std::map<std::string, std::set<std::string>>>();
}

}  // namespace

std::map<std::string, std::set<std::string>> Engine::followed() {
  return kept_names(store_, "followed");
}

std::map<std::string, std::set<std::string>> Engine::checks() {
  return kept_names(store_, "checks");
}

std::map<std::string, Json> Engine::previews() {
  std::map<std::string, Json> all;
  for (const auto& [key, text] : store_.all(kPreview)) {
    all[key.substr(std::string_view(kPreview).size())] = parse_json(text, key);
  }
  return all;
}

void Engine::forget_preview(const BranchName& branch) {
  store_.set("speaks/" + branch.mark(), "");
  store_.set(key_of(branch), "");
}

void Engine::settle_preview(const BranchName& branch, const std::string& commit, const Run* run) {
  Json kept = kept_preview(store_, branch);
  kept["commit"] = commit;
  if (run && !run->record.id.empty()) kept["run"] = run->record.id;
  if (run && run->plan) {
    // What the watched branch has not accepted: kept until the merge, whatever collects bytes.
    std::set<std::string> fresh;
    for (uint32_t i = 0; i < run->survey->graph->steps.size(); ++i) {
      const PlannedStep& planned = run->plan->at(StepId{i});
      if (!planned.recipe || !run->plan->selected(StepId{i})) continue;
      if (past_.accepted(accepted_as(run->survey->graph->steps[i])) != planned.recipe->fingerprint)
        fresh.insert(planned.recipe->fingerprint.hex());
    }
    kept["fingerprints"] = fresh;
  }
  store_.set(key_of(branch), kept.dump());
}

void Engine::take_preview(SurveyDone& done) {
  const BranchName& branch = done.trigger.branch;
  if (active_ && !(active_->branch && *active_->branch == branch)) {
    // The watched branches, and who was first, go before; a followed branch is looked at again.
    Error busy(ErrorCode::kConflict, fmt::format("run {} is under way", active_->record.id),
               "a preview begins when nothing else runs; ask again then");
    return done.trigger.once ? answer(done, "", busy) : answer(done, "");
  }
  const std::string& commit = done.survey->commits.at(branch.source);
  if (!asks_for_any(*done.survey->graph, done.trigger)) {
    Error nobody(ErrorCode::kNotFound, "no step reads " + branch.source,
                 "`lockstep plan` lists the steps");
    if (done.trigger.once) return answer(done, "", nobody);
    settle_preview(branch, commit, nullptr);
    return answer(done, "");
  }
  supersede();
  open_run(done);
  Run& run = *active_;
  run.branch = branch;
  run.record.trigger = "preview";
  run.added =
      membership(*run.survey->graph, registry_, planned().value_or(std::set<std::string>())).added;
  if (planned() && run.added.size() > options_.max_new) {
    run.notes.push_back(fmt::format(
        "not trained: it would add {} models, and more than {} wait for approval (max-new)",
        run.added.size(), options_.max_new));
    record_run(done);
    return close_preview();
  }
  run.preview = std::make_unique<PreviewWorld>(*this);
  plan_run(*run.preview);
  if (!run.plan->finished() || done.trigger.once) return record_run(done);
  settle_preview(branch, commit, &run);
  speak("-", run.record.commits, branch);
  comment(branch);
  active_.reset();
  answer(done, "");
}

// The end of a preview. One without a plan was refused.
void Engine::close_preview() {
  Run& run = *active_;
  bool failed =
      !run.plan || run.plan->count(StepState::kFailed) + run.plan->count(StepState::kBlocked) > 0;
  run.record.result = run.cancelling ? "cancelled" : failed ? "failed" : "done";
  run.record.finished_ms = clock_.now_ms();
  ++run.revision;
  run.record.document = run_document(run, registry_, clock_.now_ms());
  store_.put(run.record);
  settle_preview(*run.branch, run.record.commits.at(run.branch->source), &run);
  retell(run.record.id, run.record.result);
  comment(*run.branch);
  active_.reset();
}

std::optional<ModelRef> PreviewWorld::champion(const std::string& model) {
  auto taken = taken_.find(model);
  return taken != taken_.end() ? std::optional(taken->second) : EngineWorld::champion(model);
}

void PreviewWorld::accept(StepId id, const PlannedStep& planned, const ResultRecord& result) {
  const Run& run = *engine_.active_;
  const Step& step = run.survey->graph->step(id);
  if (step.registers.empty()) return;
  std::optional<Candidate> made = candidate(*run.survey, id, planned, result, "preview");
  if (!made) return;
  made->version.preview = run.branch->mark();
  Decision decision = consider(engine_.registry_, *made);
  engine_.append(decision.facts);
  if (!decision.moved) return;
  const Version* version = engine_.registry_.model(step.registers)->version(decision.version);
  taken_[step.registers] = ModelRef{decision.version, version->digest};
}

}  // namespace lockstep
