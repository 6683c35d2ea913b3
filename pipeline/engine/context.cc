#include "pipeline/engine/context.h"

#include <algorithm>
#include <set>

namespace lockstep {
namespace {

Json slices_json(const Survey& survey, const Step& step) {
  Json all = Json::array();
  for (const StepInput& input : step.inputs) {
    if (input.kind != InputKind::kRows) continue;
    const SliceSpec& spec = survey.graph->slices[input.slice.value];
    const SliceReading& reading = survey.slices[input.slice.value];
    all.push_back({{"input", input.name},
                   {"source", spec.source},
                   {"table", spec.table},
                   {"slice", spec.name()},
                   {"where", spec.where},
                   {"digest", reading.digest.hex()},
                   {"rows", reading.rows},
                   {"commit", reading.commit}});
  }
  return all;
}

// Who committed the rows: the commits that touched a slice of the step since it last ran; where
// that is not known, the head commit of the slice's source.
Json committers_json(const Survey& survey, const Step& step) {
  Json all = Json::array();
  std::set<std::string> seen;
  for (const StepInput& input : step.inputs) {
    if (input.kind != InputKind::kRows) continue;
    const std::string& source = survey.graph->slices[input.slice.value].source;
    std::vector<CommitInfo> by;
    auto delta = survey.deltas.find(input.slice);
    auto recent = survey.recent.find(source);
    if (delta != survey.deltas.end()) by = delta->second.by;
    if (by.empty() && recent != survey.recent.end() && !recent->second.empty()) {
      by.push_back(recent->second.front());
    }
    for (const CommitInfo& commit : by) {
      if (!seen.insert(source + commit.id).second) continue;
      all.push_back({{"source", source},
                     {"commit", commit.id},
                     {"author", commit.author},
                     {"email", commit.email}});
    }
  }
  return all;
}

Json input_spec(const Survey& survey, const StepInput& input, const Digest& digest,
                const InputFile& file) {
  if (input.kind == InputKind::kRows) {
    return rows_input(survey, input, input.name, survey.slices[input.slice.value].commit);
  }
  Json out = {{"name", input.name}};
  if (input.kind == InputKind::kCode) {
    const CodeSpec& spec = survey.graph->code[input.code.value];
    out.update({{"kind", "code"},
                {"source", spec.source},
                {"commit", survey.code[input.code.value].commit},
                {"paths", spec.paths}});
  } else {
    out.update({{"kind", "bytes"},
                {"digest", digest.hex()},
                {"file", file.file},
                {"folder", file.folder}});
  }
  return out;
}

int64_t seed_of(const Step& step) {
  auto seed = step.with.find("seed");
  return seed != step.with.end() && seed->is_number_integer() ? seed->get<int64_t>() : 0;
}

// Of another commit than the rows they are earlier ones of. None: the program finds no variable.
Json earlier_rows(const Survey& survey, const Step& step, const StepInput& input,
                  const std::string& commit) {
  if (commit.empty()) return {{"name", input.name}, {"kind", "none"}};
  return rows_input(survey, step.inputs[input.rows], input.name, commit);
}

}  // namespace

Json rows_input(const Survey& survey, const StepInput& input, const std::string& name,
                const std::string& commit) {
  const SliceSpec& spec = survey.graph->slices[input.slice.value];
  Json out = {{"name", name},        {"kind", "rows"},        {"source", spec.source},
              {"table", spec.table}, {"commit", commit},      {"columns", input.columns},
              {"where", spec.where}, {"format", input.format}};
  if (input.holdout) {
    out["holdout"] = {{"fraction", input.holdout->fraction},
                      {"key", input.holdout->key},
                      {"salt", input.holdout->salt}};
  }
  return out;
}

Json gate_json(const std::vector<Bound>& gate) {
  Json all = Json::array();
  for (const Bound& bound : gate) {
    all.push_back({{"metric", bound.metric},
                   {"min", bound.min ? Json(*bound.min) : Json()},
                   {"max", bound.max ? Json(*bound.max) : Json()}});
  }
  return all;
}

std::vector<Bound> gate_from(const Json& json) {
  std::vector<Bound> gate;
  for (const Json& item : json) {
    Bound bound{item.at("metric"), std::nullopt, std::nullopt};
    if (!item.at("min").is_null()) bound.min = item.at("min").get<double>();
    if (!item.at("max").is_null()) bound.max = item.at("max").get<double>();
    gate.push_back(std::move(bound));
  }
  return gate;
}

static Json asks_json(const StepTemplate& step) {
  return {{"champion", !step.judged.champion.is_null()},
          {"expect", step.judged.expect.has_value()},
          {"by_other", step.judged.approve_by_other}};
}

Version planned_version(const Survey& survey, StepId id, const PlannedStep& planned,
                        const std::string& trigger) {
  const Step& step = survey.graph->step(id);
  Version v;
  v.model = step.registers;
  v.fingerprint = planned.recipe->fingerprint;
  v.step = step.name;
  v.commits = survey.commits;
  v.recipe = planned.recipe->document;
  v.slices = slices_json(survey, step);
  Json upstreams = Json::array();
  for (const UsedModel& used : planned.used) {
    upstreams.push_back({{"input", used.input},
                         {"model", used.model},
                         {"version", used.ref.version},
                         {"digest", used.ref.digest.hex()}});
  }
  v.upstreams = upstreams;
  v.committers = committers_json(survey, step);
  v.trigger = trigger;
  Json trees = Json::array();
  for (const StepInput& input : step.inputs) {
    if (input.kind == InputKind::kCode) trees.push_back(survey.code[input.code.value].digest.hex());
  }
  if (trees.size() == 1) v.code_tree = trees[0];
  if (trees.size() > 1) v.code_tree = sha256(canonical_json(trees)).hex();
  return v;
}

Json attempt_context(const Plan& plan, StepId id, const std::string& trigger,
                     const std::vector<InputFile>& input_files) {
  const Step& step = plan.graph().step(id);
  const StepTemplate& tmpl = plan.graph().tmpl(id);
  const PlannedStep& planned = plan.at(id);
  Json inputs = Json::array();
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    const StepInput& input = step.inputs[i];
    inputs.push_back(input.kind == InputKind::kPrevious
                         ? earlier_rows(plan.survey(), step, input, planned.previous.at(input.name))
                         : input_spec(plan.survey(), input, planned.inputs[i], input_files[i]));
  }
  Json spec = {{"step", step.name},
               {"uses", tmpl.uses},
               {"run", tmpl.run},
               {"with", step.with},
               {"env", step.env},
               {"secrets", tmpl.secrets},
               {"outputs", tmpl.outputs},
               {"inputs", inputs},
               {"seed", seed_of(step)},
               {"timeout_ms", tmpl.timeout_ms},
               {"checkpoint", planned.recipe->fingerprint.hex()}};
  Json context = {{"spec", spec},
                  {"recipe", planned.recipe->document},
                  {"attempts", tmpl.attempts},
                  {"gate", gate_json(tmpl.gate)},
                  {"asks", asks_json(tmpl)},
                  {"accepted_as", step.registers.empty() ? step.name : step.registers}};
  if (!step.registers.empty()) {
    context["version"] = fact_json(planned_version(plan.survey(), id, planned, trigger));
  }
  return context;
}

void put_on(AttemptRecord& record, const Slot& place, const Resources& need) {
  const bool cpu = place.info.device == "cpu";
  record.slot = place.info.name;
  record.context["slot"] = place.info.name;
  record.context["device"] = place.info.device;
  record.context["cpus"] = std::min(need.cpus, place.capacity);
  record.context["memory_bytes"] = cpu ? need.memory_bytes : need.gpu_memory_bytes;
}

std::string inputs_of(const Run& run) {
  bool has = run.variant && run.variant->kind == VariantKind::kInputs;
  return has ? canonical_json(run.trigger.inputs) : "";
}

void mark_preview(Json& context, const Run& run) {
  context["preview"] = run.variant->mark();
  if (!context.contains("version")) return;
  context["version"]["preview"] = run.variant->mark();
  std::string inputs = inputs_of(run);
  if (!inputs.empty()) context["version"]["inputs"] = inputs;
}

static Candidate filled(Version version, std::vector<Bound> gate, const Json& asks,
                        const ResultRecord& result) {
  auto model = result.outputs.find("model");
  if (model == result.outputs.end()) {
    throw Error(ErrorCode::kInvalid,
                version.step + " registers a model but has no output called model");
  }
  version.attempt = result.attempt;
  version.metrics = result.metrics;
  version.environment = result.environment;
  version.digest = model->second;
  Candidate candidate;
  candidate.version = std::move(version);
  candidate.gate = std::move(gate);
  candidate.who = "lockstep";
  candidate.asks_champion = asks.value("champion", false);
  candidate.asks_expect = asks.value("expect", false);
  candidate.approve_by_other = asks.value("by_other", false);
  return candidate;
}

Candidate candidate_of(Version version, const StepTemplate& step, const ResultRecord& result) {
  return filled(std::move(version), step.gate, asks_json(step), result);
}

Candidate candidate_from(const Json& context, const ResultRecord& result) {
  return filled(std::get<Version>(fact_from_json(context.at("version"))),
                gate_from(context.at("gate")), context.value("asks", Json::object()), result);
}

// Its recipe is of another kind than a step's: no fingerprint of one is that of the other.
static Digest evaluation_fingerprint(const Survey& survey, StepId id, const PlannedStep& planned,
                                     const EvaluationOf& what, std::string* document) {
  const Step& step = survey.graph->step(id);
  const StepTemplate& tmpl = survey.graph->tmpl(id);
  const EvaluateSpec& evaluate = *tmpl.evaluate;
  const SliceReading& rows = survey.slices[what.rows.slice.value];
  Json inputs = Json::object(), lock_files = Json::array();
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    if (step.inputs[i].kind == InputKind::kRows) continue;
    auto upstream = what.upstreams.find(step.inputs[i].name);
    inputs[step.inputs[i].name] =
        (upstream == what.upstreams.end() ? planned.inputs[i] : upstream->second).hex();
  }
  for (CodeId lock : step.lock_files) lock_files.push_back(survey.code[lock.value].digest.hex());
  Json holdout;
  if (what.rows.holdout) {
    holdout = {{"fraction", what.rows.holdout->fraction},
               {"key", what.rows.holdout->key},
               {"salt", what.rows.holdout->salt}};
  }
  Json columns =
      what.rows.columns.empty() && rows.columns ? Json(*rows.columns) : Json(what.rows.columns);
  *document = canonical_json({{"evaluation", 1},
                              {"uses", evaluate.uses},
                              {"revision", evaluate.revision},
                              {"run", evaluate.run},
                              {"with", what.with},
                              {"env", step.env},
                              {"secrets", tmpl.secrets},
                              {"model", what.model.hex()},
                              {"inputs", inputs},
                              {"lock_files", lock_files},
                              {"rows",
                               {{"name", what.rows.name},
                                {"digest", rows.digest.hex()},
                                {"columns", columns},
                                {"format", what.rows.format},
                                {"holdout", holdout}}}});
  return sha256(*document);
}

Evaluation evaluation_of(const Survey& survey, StepId id, const PlannedStep& planned,
                         const EvaluationOf& what, const std::vector<InputFile>& input_files) {
  const Step& step = survey.graph->step(id);
  const StepTemplate& tmpl = survey.graph->tmpl(id);
  std::string document;
  Evaluation out;
  out.fingerprint = evaluation_fingerprint(survey, id, planned, what, &document);
  const std::string file = tmpl.outputs.at("model");
  Json inputs = Json::array();
  inputs.push_back({{"name", "model"},
                    {"kind", "bytes"},
                    {"digest", what.model.hex()},
                    {"file", file.substr(file.rfind('/') + 1)},
                    {"folder", what.folder}});
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    if (step.inputs[i].kind == InputKind::kRows) continue;
    auto upstream = what.upstreams.find(step.inputs[i].name);
    const Digest& digest = upstream == what.upstreams.end() ? planned.inputs[i] : upstream->second;
    inputs.push_back(input_spec(survey, step.inputs[i], digest, input_files[i]));
  }
  Json rows = input_spec(survey, what.rows, {}, {});
  rows["only_holdout"] = true;  // without a holdout: all of them, as if they were held out
  inputs.push_back(std::move(rows));
  Json spec = {{"step", what.name},
               {"uses", tmpl.evaluate->uses},
               {"run", tmpl.evaluate->run},
               {"with", what.with},
               {"env", step.env},
               {"secrets", tmpl.secrets},
               {"outputs", {{"predictions", "predictions.csv"}}},
               {"inputs", inputs},
               {"seed", seed_of(step)},
               {"timeout_ms", tmpl.timeout_ms},
               {"checkpoint", out.fingerprint.hex()}};
  out.context = {{"spec", spec},
                 {"recipe", document},
                 {"attempts", tmpl.attempts},
                 {"evaluation", true},
                 {"accepted_as", what.name}};
  return out;
}

}  // namespace lockstep
