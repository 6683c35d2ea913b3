// Previews: what a branch that is not the watched one, a tag, or a workflow with other inputs would
// make. Its steps run as any others and
// their results are kept, so that after the merge nothing runs again; no alias moves, no release is
// cut, and nothing of it counts as accepted.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/text.h"
#include "pipeline/engine/context.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/world.h"

namespace lockstep {
namespace {

constexpr const char* kPreview = "preview/";
// What a run says that started it, by VariantKind.
constexpr const char* kWords[] = {"preview", "tag", "inputs"};

// The commit that decides whether it is to be planned again.
std::string commit_of(const Survey& survey, const Variant& variant) {
  bool inputs = variant.kind == VariantKind::kInputs;
  return survey.commits.at(inputs ? survey.graph->home.at(variant.source) : variant.source);
}

std::string key_of(const Variant& variant) {
  return kPreview + variant.mark();
}

Json kept_preview(Store& store, const Variant& variant) {
  std::string text = store.get(key_of(variant));
  return text.empty() ? Json{{"commit", ""}, {"run", ""}, {"fingerprints", Json::array()}}
                      : parse_json(text, "the preview of " + printable(variant.mark()));
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

void Engine::forget_preview(const Variant& variant) {
  store_.set("speaks/" + variant.mark(), "");
  store_.set(key_of(variant), "");
}

// Experiments of inputs have no end of their own, as a branch has: the newest are kept.
void Engine::forget_old_experiments() {
  constexpr size_t kMostKept = 100;
  std::multimap<int64_t, std::string> by_age;  // of those that are over
  for (const auto& [mark, kept] : previews()) {
    if (Variant::parse(mark).kind != VariantKind::kInputs || kept.at("commit") == "") continue;
    by_age.emplace(kept.value("at", int64_t{0}), mark);
  }
  for (auto it = by_age.begin(); by_age.size() > kMostKept; it = by_age.erase(it)) {
    forget_preview(Variant::parse(it->second));
  }
}

void Engine::settle_preview(const Variant& variant, const std::string& commit, const Run* run) {
  Json kept = kept_preview(store_, variant);
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
  if (variant.kind == VariantKind::kInputs) kept["at"] = clock_.now_ms();
  store_.set(key_of(variant), kept.dump());
  if (variant.kind == VariantKind::kInputs) forget_old_experiments();
}

void Engine::take_preview(SurveyDone& done) {
  const Variant& variant = done.trigger.variant;
  if (active_ && !(active_->variant && *active_->variant == variant)) {
    // The watched branches, and who was first, go before; a followed branch is looked at again.
    Error busy(ErrorCode::kConflict, fmt::format("run {} is under way", active_->record.id),
               "a preview begins when nothing else runs; ask again then");
    return done.trigger.once ? answer(done, "", busy) : answer(done, "");
  }
  const Graph& graph = *done.survey->graph;
  bool no_workflow = variant.kind == VariantKind::kInputs && !graph.home.count(variant.source);
  if (no_workflow || !asks_for_any(graph, done.trigger)) {
    std::string whose = variant.kind == VariantKind::kBranch ? "reads " : "is for ";
    Error nobody(ErrorCode::kNotFound, "no step " + whose + printable(variant.source),
                 "`lockstep plan` lists the steps");
    if (done.trigger.once) return answer(done, "", nobody);
    if (variant.kind == VariantKind::kInputs) {
      forget_preview(variant);  // its workflow is gone
    } else {
      settle_preview(variant, done.survey->commits.at(variant.source), nullptr);
    }
    return answer(done, "");
  }
  plan_preview(done, commit_of(*done.survey, variant));
}

void Engine::plan_preview(SurveyDone& done, const std::string& commit) {
  const Variant& variant = done.trigger.variant;
  Json kept = kept_preview(store_, variant);
  if (variant.kind == VariantKind::kInputs) {
    // Durable before anything is done: whatever comes between, it is begun again.
    kept["commit"] = "";
    kept["inputs"] = done.trigger.inputs;
    store_.set(key_of(variant), kept.dump());
  }
  supersede();
  open_run(done);
  Run& run = *active_;
  run.variant = variant;
  run.record.trigger = kWords[static_cast<size_t>(variant.kind)];
  std::string before = kept.at("commit");
  if (variant.kind == VariantKind::kTag && !before.empty() && before != commit) {
    run.notes.push_back(fmt::format("tag {} was moved from {} to {}", printable(variant.name),
                                    before.substr(0, 7), commit.substr(0, 7)));
  }
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
  // Of a tag there is a run to be shown, whatever it had to do.
  bool recorded = done.trigger.once || variant.kind == VariantKind::kTag;
  if (!run.plan->finished() || recorded) return record_run(done);
  settle_preview(variant, commit, &run);
  speak("-", run.record.commits, variant);
  comment(variant);
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
  keep(run.record);
  settle_preview(*run.variant, commit_of(*run.survey, *run.variant), &run);
  retell(run.record.id, run.record.result);
  comment(*run.variant);
  active_.reset();
}

std::optional<ModelRef> PreviewWorld::champion(const std::string& model) {
  auto taken = taken_.find(model);
  return taken != taken_.end() ? std::optional(taken->second) : EngineWorld::champion(model);
}

bool PreviewWorld::accept(StepId id, const PlannedStep& planned, const ResultRecord& result) {
  const Run& run = *engine_.active_;
  const Step& step = run.survey->graph->step(id);
  if (step.registers.empty()) return true;
  std::optional<Candidate> made = candidate(*run.survey, id, planned, result, "preview");
  if (!made) return true;
  made->version.preview = run.variant->mark();
  made->version.inputs = inputs_of(run);
  if (!ready(id, planned, *made)) return false;
  Decision decision = consider(engine_.registry_, *made);
  engine_.append(decision.facts);
  if (!decision.moved) return true;
  const Version* version = engine_.registry_.model(step.registers)->version(decision.version);
  taken_[step.registers] = ModelRef{decision.version, version->digest};
  return true;
}

}  // namespace lockstep
