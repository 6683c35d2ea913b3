// What people and scripts read of runs and plans, as documents.
#include <fmt/format.h>

#include "pipeline/core/names.h"
#include "pipeline/engine/engine.h"

namespace lockstep {
namespace {

// The slice or code input that a reason is about, with the number of rows or files.
Json reason_json(const Survey& survey, const Step& step, const Reason& reason) {
  Json out = {{"input", reason.input}, {"kind", reason.kind}, {"change", reason.change}};
  for (const StepInput& input : step.inputs) {
    if (input.name != reason.input || input.kind != InputKind::kRows) continue;
    out["slice"] = survey.graph->slices[input.slice.value].name();
    auto delta = survey.deltas.find(input.slice);
    if (delta != survey.deltas.end()) out["changed"] = delta->second.rows.all();
  }
  return out;
}

Json reasons_json(const Survey& survey, const Step& step, const std::vector<Reason>& reasons) {
  Json all = Json::array();
  for (const Reason& reason : reasons) all.push_back(reason_json(survey, step, reason));
  return all;
}

Json names_json(const Graph& graph, const std::vector<StepId>& ids) {
  Json all = Json::array();
  for (StepId id : ids) all.push_back(graph.step(id).name);
  return all;
}

}  // namespace

Json data_json(const Survey& survey) {
  struct Total {
    uint64_t rows = 0;
    size_t values = 0;
    std::string column, commit;
    std::set<std::map<std::string, std::string>> seen;
  };
  std::map<std::pair<std::string, std::string>, Total> tables;
  for (size_t i = 0; i < survey.slices.size(); ++i) {
    const SliceSpec& spec = survey.graph->slices[i];
    Total& total = tables[{spec.source, spec.table}];
    if (!total.seen.insert(spec.where).second) continue;
    total.commit = survey.slices[i].commit;
    total.rows += survey.slices[i].rows;
    if (spec.where.size() == 1) {
      total.column = spec.where.begin()->first;
      ++total.values;
    }
  }
  Json all = Json::array();
  for (const auto& [place, total] : tables) {
    Json by;
    if (total.values > 0) by = {{"column", total.column}, {"values", total.values}};
    all.push_back({{"source", place.first},
                   {"table", place.second},
                   {"rows", total.rows},
                   {"by", by},
                   {"commit", total.commit}});
  }
  return all;
}

namespace {

Json code_json(const Survey& survey) {
  Json all = Json::array();
  for (size_t i = 0; i < survey.code.size(); ++i) {
    const CodeSpec& spec = survey.graph->code[i];
    all.push_back({{"source", spec.source},
                   {"paths", spec.paths},
                   {"files", survey.code[i].files},
                   {"commit", survey.code[i].commit}});
  }
  return all;
}

Json changes_json(const Survey& survey) {
  Json all = Json::array();
  for (const auto& [id, delta] : survey.deltas) {
    const SliceSpec& spec = survey.graph->slices[id.value];
    all.push_back({{"source", spec.source},
                   {"table", spec.table},
                   {"slice", spec.name()},
                   {"added", delta.rows.added},
                   {"removed", delta.rows.removed},
                   {"changed", delta.rows.changed}});
  }
  return all;
}

// A step that was current and stays so is only counted: a run's document costs what the run did.
bool is_listed(const Run& run, StepId id) {
  if (!run.plan->selected(id)) return false;
  if (run.plan->at(id).state != StepState::kCurrent) return true;
  auto known = run.steps.find(id);
  return known != run.steps.end() &&
         (!known->second.attempt.empty() || !known->second.reasons.empty());
}

size_t count_models(const Run& run) {
  size_t count = 0;
  for (uint32_t i = 0; run.plan && i < run.survey->graph->steps.size(); ++i) {
    count += !run.survey->graph->steps[i].registers.empty() && run.plan->selected(StepId{i});
  }
  return count;
}

Json step_json(const Run& run, StepId id, const Registry& registry) {
  const Step& step = run.survey->graph->step(id);
  const PlannedStep& planned = run.plan->at(id);
  bool calm = planned.state == StepState::kDeferred || planned.state == StepState::kWaiting;
  Json out = {{"step", step.name},
              {"state", word(planned.state)},
              {"model", step.registers.empty() ? Json() : Json(step.registers)},
              {"version", Json()},
              {"attempt", Json()},
              {"seconds", Json()},
              {"error", planned.note.empty() || calm ? Json() : Json(planned.note)},
              {"note", planned.note.empty() || !calm ? Json() : Json(planned.note)},
              {"waits_for", names_json(*run.survey->graph, planned.waits_for)},
              {"reasons", Json::array()}};
  if (planned.recipe) out["fingerprint"] = planned.recipe->fingerprint.hex();
  const ModelState* model = step.registers.empty() ? nullptr : registry.model(step.registers);
  if (model && planned.recipe && decided(planned.state)) {
    const Version* version = candidate_version(*model, planned.recipe->fingerprint);
    if (version) out["version"] = version->number;
  }
  auto known = run.steps.find(id);
  if (known == run.steps.end()) return out;
  out["reasons"] = reasons_json(*run.survey, step, known->second.reasons);
  if (!known->second.attempt.empty()) out["attempt"] = known->second.attempt;
  if (known->second.finished_ms > 0) {
    out["seconds"] = double(known->second.finished_ms - known->second.started_ms) / 1000;
  }
  return out;
}

}  // namespace

Json variant_json(const Variant& variant, const Json& inputs) {
  if (variant.kind == VariantKind::kInputs) {
    return {{"workflow", variant.source}, {"inputs", inputs}};
  }
  const char* what = variant.kind == VariantKind::kTag ? "tag" : "branch";
  return {{"source", variant.source}, {what, variant.name}};
}

namespace {

// What a preview's models would do beside their champions; a step that made none says why.
Json preview_json(const Run& run, const Registry& registry) {
  if (!run.variant) return nullptr;
  Json models = Json::array();
  for (uint32_t i = 0; run.plan && i < run.survey->graph->steps.size(); ++i) {
    const Step& step = run.survey->graph->steps[i];
    const PlannedStep& planned = run.plan->at(StepId{i});
    if (step.registers.empty() || !run.plan->selected(StepId{i})) continue;
    const ModelState* model = registry.model(step.registers);
    bool known = model && planned.recipe && planned.state != StepState::kFailed;
    const Version* version =
        known ? candidate_version(*model, planned.recipe->fingerprint) : nullptr;
    const Version* champion = model ? model->version(model->alias(kChampion)) : nullptr;
    if (version && version == champion) continue;
    auto gate = version ? model->gates.find(version->number) : decltype(model->gates.end()){};
    bool judged = version && gate != model->gates.end();
    models.push_back({{"model", step.registers},
                      {"version", version ? Json(version->number) : Json()},
                      {"metrics", version ? version->metrics.json() : Json::object()},
                      {"passed", version ? Json(!judged || gate->second.passed) : Json()},
                      {"verdict", judged ? Json(gate->second.verdict) : Json()},
                      {"champion", champion ? Json(champion->number) : Json()},
                      {"champion_metrics", champion ? champion->metrics.json() : Json::object()}});
  }
  Json out = {{"models", models}};
  out.update(variant_json(*run.variant, run.trigger.inputs));
  return out;
}

size_t executed(const Run& run) {
  size_t count = 0;
  for (const auto& [id, step] : run.steps) {
    count += step.executed && run.plan->at(id).state == StepState::kDone ? 1 : 0;
  }
  return count;
}

Json gates_json(const Run& run) {
  Json failed = Json::array();
  for (const GateReport& report : run.gates_failed) {
    failed.push_back(
        {{"model", report.model}, {"version", report.version}, {"verdict", report.verdict}});
  }
  return {{"passed", run.gates_passed}, {"failed", failed}};
}

}  // namespace

Json run_document(const Run& run, const Registry& registry, int64_t now_ms) {
  const RunRecord& record = run.record;
  int64_t end_ms = record.finished_ms > 0 ? record.finished_ms : now_ms;
  Json steps = Json::array();
  if (run.plan) {
    for (StepId id : run.survey->graph->order) {
      if (is_listed(run, id)) steps.push_back(step_json(run, id, registry));
    }
  }
  auto count = [&](StepState state) { return run.plan ? run.plan->count(state) : 0; };
  Json tag;
  Json releases = run.releases;
  for (Json& release : releases) {
    std::string name = release.at("tag");
    if (!name.empty()) tag = name;
    const ReleaseState* state = name.empty() ? nullptr : registry.release(name);
    release["image"] = state && state->image ? Json(state->image->str()) : Json();
  }
  return {{"run", record.id},
          {"result", record.result},
          {"superseded_by", run.superseded_by.empty() ? Json() : Json(run.superseded_by)},
          {"left_out", run.left_out},
          {"models", count_models(run)},
          {"executed", run.plan ? executed(run) : 0},
          {"current", count(StepState::kCurrent)},
          {"deferred", count(StepState::kDeferred)},
          {"failed", count(StepState::kFailed)},
          {"blocked", count(StepState::kBlocked)},
          {"release", tag},
          {"trigger", record.trigger},
          {"started", rfc3339(record.started_ms)},
          {"finished", record.finished_ms > 0 ? Json(rfc3339(record.finished_ms)) : Json()},
          {"seconds", double(end_ms - record.started_ms) / 1000},
          {"first", run.first},
          {"revision", run.revision},
          {"planned", run.planned},
          {"commits", record.commits},
          {"data", run.data},
          {"code", code_json(*run.survey)},
          {"changes", changes_json(*run.survey)},
          {"steps", steps},
          {"gates", gates_json(run)},
          {"preview", preview_json(run, registry)},
          {"moves", run.moves},
          {"added", run.added},
          {"retired", run.retired},
          {"releases", releases},
          {"held", run.held},
          {"notes", run.notes}};
}

std::vector<Reason> why_stale(const Plan& plan, StepId id, const std::string& last_recipe) {
  std::vector<Reason> reasons = explain(plan.survey(), id, plan.at(id).inputs, last_recipe);
  if (reasons.empty() && plan.at(id).forced) return {{"", "definition", "asked for by hand"}};
  if (reasons.empty()) return {{"", "output", "the bytes of its result are not there"}};
  return reasons;
}

Json planned_summary(const Plan& plan) {
  Json counts = Json::object();
  std::set<std::string> above;
  for (StepId id : plan.graph().order) {
    if (!plan.selected(id)) continue;
    std::string state(word(plan.at(id).state));
    counts[state] = counts.value(state, 0) + 1;
    for (StepId up : plan.at(id).waits_for) {
      const Step& step = plan.graph().step(up);
      above.insert(step.registers.empty() ? step.name : step.registers);
    }
  }
  return {{"counts", counts}, {"waits_for", above}};
}

Json plan_document(const Plan& plan, Past& past) {
  const Survey& survey = plan.survey();
  Json steps = Json::array();
  std::map<StepState, size_t> counted;
  for (StepId id : plan.graph().order) {
    const Step& step = plan.graph().step(id);
    const PlannedStep& planned = plan.at(id);
    std::string state(word(planned.state));
    ++counted[planned.state];
    std::vector<Reason> reasons;
    if (planned.state == StepState::kRun || planned.state == StepState::kRunning ||
        planned.state == StepState::kDeferred) {
      reasons = why_stale(plan, id,
                          past.last_recipe(step.registers.empty() ? step.name : step.registers));
    }
    // Filled and moved: a list in braces copies every value twice, for every step of the plan.
    Json::object_t one;
    one["step"] = step.name;
    one["state"] = std::move(state);
    one["fingerprint"] = planned.recipe ? Json(planned.recipe->fingerprint.hex()) : Json();
    one["model"] = step.registers.empty() ? Json() : Json(step.registers);
    one["reasons"] = reasons_json(survey, step, reasons);
    one["waits_for"] = names_json(plan.graph(), planned.waits_for);
    one["note"] = planned.note.empty() ? Json() : Json(planned.note);
    steps.push_back(std::move(one));
  }
  Json counts = Json::object();
  for (const auto& [state, count] : counted) counts[std::string(word(state))] = count;
  Json problems = survey.notes;
  for (const Problem& problem : plan.graph().problems) {
    problems.push_back(problem.where + ": " + problem.message);
  }
  Json document = {{"commits", survey.commits}, {"counts", counts}, {"problems", problems}};
  document["steps"] = std::move(steps);
  return document;
}

}  // namespace lockstep
