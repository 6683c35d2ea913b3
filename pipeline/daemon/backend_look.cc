// Questions about why, how far behind, and what the rows are.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/judge.h"
#include "pipeline/daemon/predict.h"
#include "pipeline/daemon/versions.h"
#include "pipeline/engine/world.h"
#include "registry/rules/queries.h"

namespace lockstep {
namespace {

// What a question about one model or step needs of the registry, copied out of the loop.
struct Subject {
  std::string model, step;
  std::string state, note;
  std::optional<Version> version, before;
  Json because = Json::array();
  Json gate, withdrawn, pinned;
  std::string alias, preview;
};

Json pin_json(const ModelState& model) {
  for (const auto& [alias, pin] : model.pins) {
    return {{"version", pin.version}, {"alias", alias}, {"who", pin.who}, {"reason", pin.reason}};
  }
  return nullptr;
}

// The version that had the champion alias before this one took it first.
const Version* version_before(const ModelState& model, int64_t number) {
  for (const Moved& moved : model.moves) {
    if (moved.move.alias == kChampion && moved.move.to == number) {
      return moved.move.from > 0 ? model.version(moved.move.from) : nullptr;
    }
  }
  return model.alias(kChampion) > 0 ? model.version(model.alias(kChampion)) : nullptr;
}

// "intent-client-3@2" of a model that has such a version: both apart; else the name as it is.
std::pair<std::string, int64_t> split_version(const Registry& registry, const std::string& name) {
  size_t at = name.rfind('@');
  std::string digits = at == name.npos ? "" : name.substr(at + 1);
  bool number = !digits.empty() && digits.size() < 10 &&
                digits.find_first_not_of("0123456789") == digits.npos;
  const ModelState* model =
      number ? registry.model(registry.name_today(name.substr(0, at))) : nullptr;
  if (!model) return {name, 0};
  if (model->version(std::stoll(digits))) return {name.substr(0, at), std::stoll(digits)};
  throw Error(ErrorCode::kNotFound, name.substr(0, at) + " has no version " + digits,
              "`lockstep model show` lists its versions");
}

// `number`: a version that was named; 0: the champion, else the newest.
void add_registry(Subject& subject, const ModelState& model, int64_t number) {
  int64_t champion = model.alias(kChampion);
  const Version* newest = &model.versions.back();
  const Version* version = champion > 0 ? model.version(champion) : newest;
  if (number > 0) newest = version = model.version(number);
  subject.version = *version;
  subject.preview = version->preview;
  const Version* before = version_before(model, version->number);
  if (before && before != version) subject.before = *before;
  subject.alias = champion > 0 && champion == version->number ? kChampion : "";
  for (const Moved& moved : model.moves) {
    if (moved.move.alias == kChampion && moved.move.to == version->number) {
      subject.because =
          Json::array({fmt::format("version {} took the alias: {} ({}, {})", version->number,
                                   moved.move.why, moved.move.who, rfc3339(moved.time_ms))});
    }
  }
  auto gate = model.gates.find(newest->number);
  if (gate != model.gates.end()) {
    subject.gate = gate_document(model, gate->second);
  }
  const Withdrawal* mark = model.withdrawn(newest->number, kChampion);
  if (mark) {
    subject.withdrawn = {{"version", newest->number}, {"who", mark->who}, {"reason", mark->reason}};
  }
  subject.pinned = pin_json(model);
}

Subject subject_of(Engine& engine, const std::string& wanted) {
  Subject subject;
  const Registry& registry = engine.registry();
  auto [name, number] = split_version(registry, wanted);
  const Run* run = engine.watched();
  const ModelState* model = registry.model(registry.name_today(name));
  if (run && run->plan) {
    const Graph& graph = *run->survey->graph;
    auto step = graph.by_name.find(name);
    if (step == graph.by_name.end()) {
      auto made = graph.producer.find(registry.name_today(name));
      if (made != graph.producer.end()) step = graph.by_name.find(graph.step(made->second).name);
    }
    if (step != graph.by_name.end()) {
      const PlannedStep& planned = run->plan->at(step->second);
      subject.step = step->first;
      subject.state = word(planned.state);
      subject.note = planned.note;
      if (!model) model = registry.model(graph.step(step->second).registers);
    }
  }
  // A newer plan may have had nothing to run, and left no run.
  const Json all = engine.deferred();
  for (const auto& [step, deferred] : all.items()) {
    bool same =
        step == name || step == subject.step ||
        (deferred.at("model").is_string() && deferred.at("model") == registry.name_today(name));
    bool idle = !engine.active() || engine.active()->variant;
    if (!same || !idle) continue;
    subject.step = step;
    subject.state = "deferred";
    subject.note = deferred.at("why");
  }
  if (!model && subject.step.empty()) {
    for (const auto& [known, state] : registry.models) {
      if (!state.versions.empty() && state.versions.back().step == name) model = &state;
    }
  }
  if (!model && subject.step.empty()) {
    throw Error(ErrorCode::kNotFound, "no model or step is called " + name,
                "`lockstep models` and `lockstep plan` list them");
  }
  if (model && !model->versions.empty()) {
    add_registry(subject, *model, number);
    subject.model = subject.version->model;
    if (subject.step.empty()) subject.step = subject.version->step;
  }
  if (!subject.note.empty()) subject.because.push_back(subject.note);
  for (const auto& [channel, held] : engine.held_cuts()) {
    if (!model || model->alias(kChampion) == model->alias(channel)) continue;
    subject.because.push_back(fmt::format("not released in {} yet: {}", channel, held));
  }
  return subject;
}

// The models that some channel's live release names; empty before the first release.
std::set<std::string> released(const Registry& registry) {
  std::set<std::string> names;
  for (const auto& [channel, moves] : registry.channels) {
    const ReleaseState* state = registry.release(registry.live(channel));
    if (!state) continue;
    for (const auto& [name, entry] : state->release.models) names.insert(name);
  }
  return names;
}

// The report of a version that failed its gate; null: none did.
Json failed_gate(const ModelState* model, const Digest& fingerprint) {
  const Version* wanted = model ? candidate_version(*model, fingerprint) : nullptr;
  if (!wanted) return nullptr;
  auto gate = model->gates.find(wanted->number);
  if (gate == model->gates.end() || gate->second.passed) return nullptr;
  return gate_document(*model, gate->second);
}

// Why the version that a plan asks for is there and not the champion.
std::string why_not_champion(const ModelState* model, const Digest& fingerprint) {
  const Version* wanted = model ? candidate_version(*model, fingerprint) : nullptr;
  if (!wanted) return "its result is known, no plan has decided about it yet";
  if (const Withdrawal* mark = model->withdrawn(wanted->number, kChampion)) {
    return fmt::format("version {} is withdrawn by {}, \"{}\"", wanted->number, mark->who,
                       mark->reason);
  }
  Json gate = failed_gate(model, fingerprint);
  if (gate.is_null()) return fmt::format("version {} did not take the alias", wanted->number);
  const bool asks = gate.at("action") == "ask";
  return fmt::format("version {} {}: {}", wanted->number,
                     asks ? "waits for `lockstep approve`" : "failed its gate",
                     gate.at("verdict").get<std::string>());
}

Json text_list(const std::vector<CommitInfo>& commits) {
  Json all = Json::array();
  for (const CommitInfo& commit : commits) {
    std::string first = commit.message.substr(0, commit.message.find('\n'));
    all.push_back(fmt::format("{} {} {}", commit.id.substr(0, 7), commit.author, first));
  }
  return all;
}

Json recorded_authors(const Version& version, const std::string& source) {
  Json all = Json::array();
  for (const Json& one : version.committers.json()) {
    if (one.at("source") != source) continue;
    all.push_back(fmt::format("{} {} <{}>", one.at("commit").get<std::string>().substr(0, 7),
                              one.at("author").get<std::string>(),
                              one.at("email").get<std::string>()));
  }
  return all;
}

// What asked for it beside the watched branches; null: nothing did.
Json preview_of(const Subject& subject) {
  if (subject.preview.empty()) return nullptr;
  const std::string& inputs = subject.version->inputs;
  return variant_json(Variant::parse(subject.preview),
                      inputs.empty() ? Json::object() : parse_json(inputs, "its inputs"));
}

}  // namespace

Json WorkspaceBackend::why(const std::string& name) {
  Subject subject = daemon_.in_loop([&](Engine& engine) { return subject_of(engine, name); });
  Json data = Json::array(), code = Json::array(), upstream = Json::array();
  std::lock_guard<std::mutex> lock(daemon_.sources_mutex());
  SourceSet& sources = daemon_.sources();
  if (subject.version) {
    const Version& version = *subject.version;
    for (const Json& slice : version.slices.json()) {
      Json before = subject.before ? recorded_slice(*subject.before, slice) : Json();
      RowCounts rows = slice_changes(sources, slice, before, version);
      data.push_back({{"source", slice.at("source")},
                      {"table", slice.at("table")},
                      {"slice", slice.at("slice")},
                      {"from", before.is_null() ? Json() : before.at("commit")},
                      {"to", slice.at("commit")},
                      {"rows",
                       {{"added", rows.added},
                        {"removed", rows.removed},
                        {"changed", rows.changed},
                        {"total", slice.at("rows")}}},
                      {"authors", recorded_authors(version, slice.at("source"))}});
    }
    for (CodeChange& change : code_changes(sources, version, subject.before)) {
      code.push_back({{"source", change.source},
                      {"paths", change.paths},
                      {"from", change.from.empty() ? Json() : Json(change.from)},
                      {"to", change.to},
                      {"files", change.files},
                      {"authors", text_list(change.by)}});
    }
    for (const Json& used : version.upstreams.json()) {
      Json from;
      for (const Json& old : subject.before ? subject.before->upstreams.json() : Json::array()) {
        if (old.at("input") == used.at("input")) from = old.at("version");
      }
      upstream.push_back({{"input", used.at("input")},
                          {"model", used.at("model")},
                          {"step", nullptr},
                          {"from", from},
                          {"to", used.at("version")}});
    }
  }
  return {{"model", subject.model.empty() ? Json() : Json(subject.model)},
          {"step", subject.step},
          {"version", subject.version ? Json(subject.version->number) : Json()},
          {"before", subject.before ? Json(subject.before->number) : Json()},
          {"state", subject.state.empty() ? Json() : Json(subject.state)},
          {"alias", subject.alias},
          {"because", subject.because},
          {"preview", preview_of(subject)},
          {"data", data},
          {"code", code},
          {"upstream", upstream},
          {"gate", subject.gate},
          {"withdrawn", subject.withdrawn},
          {"pinned", subject.pinned}};
}

// Live models against the heads: what a plan would say, and how much lies between.
Json WorkspaceBackend::lag() {
  Trigger trigger{"manual", "", {}, false, true};
  std::shared_ptr<Survey> seen = daemon_.look(trigger, {});
  struct Item {
    std::string model, state, why;
    int64_t number = 0;
    Json slices;
    std::vector<SliceId> now;
    bool behind = false;
    Json gate;
  };
  std::vector<Item> items = daemon_.in_loop([&](Engine& engine) {
    DryWorld dry(engine, seen);
    std::unique_ptr<Plan> plan = engine.preview(seen, trigger, dry);
    std::vector<Item> found;
    std::set<std::string> live = released(engine.registry());
    for (const auto& [name, id] : seen->graph->producer) {
      if (!live.empty() && !live.count(name)) continue;  // a trunk that no release lists
      const ModelState* model = engine.registry().model(name);
      Item item{name, std::string(word(plan->at(id).state)), "", 0, Json::array(), {}, false, {}};
      if (model) item.number = model->alias(kChampion);
      const Version* champion = item.number > 0 ? model->version(item.number) : nullptr;
      const auto& recipe = plan->at(id).recipe;
      bool same = champion && recipe && recipe->fingerprint == champion->fingerprint;
      item.behind = !same;
      if (champion) item.slices = champion->slices.json();
      for (const StepInput& input : seen->graph->step(id).inputs) {
        if (input.kind == InputKind::kRows) item.now.push_back(input.slice);
      }
      const Pin* pin = model ? model->pin(kChampion) : nullptr;
      if (!same && pin) {
        item.why = fmt::format("pinned by {}, \"{}\"", pin->who, pin->reason);
      } else if (!same) {
        item.why = plan->at(id).note.empty() ? item.state : plan->at(id).note;
        if (plan->at(id).state == StepState::kDeferred) item.why = "deferred: " + item.why;
        if (recipe && plan->at(id).state == StepState::kCurrent) {
          item.why = why_not_champion(model, recipe->fingerprint);
          item.gate = failed_gate(model, recipe->fingerprint);
        }
      }
      found.push_back(std::move(item));
    }
    return found;
  });
  std::lock_guard<std::mutex> lock(daemon_.sources_mutex());
  Json all = Json::array();
  int64_t now_ms = SystemClock().now_ms();
  for (Item& item : items) {
    Distance distance;
    for (const Json& slice : item.slices) {
      if (item.behind) add_distance(daemon_.sources(), slice, *seen, item.now, distance);
    }
    double hours = distance.since_ms > 0 ? double(now_ms - distance.since_ms) / 3'600'000.0 : 0;
    all.push_back({{"model", item.model},
                   {"version", item.number > 0 ? Json(item.number) : Json()},
                   {"in_step", !item.behind},
                   {"rows", distance.rows},
                   {"commits", distance.commits},
                   {"hours", hours},
                   {"gate", item.gate},
                   {"why", item.behind ? Json(item.why) : Json()}});
  }
  return all;
}

Json sources_json(Daemon& daemon) {
  Daemon::Look seen = daemon.last_look();
  std::map<std::string, int64_t> quiet_until = daemon.quiet_until();
  Json sources = Json::array();
  for (const SourceSpec& spec : daemon.parts().workspace().sources) {
    Json one = {{"name", spec.name},     {"kind", std::string(word(spec.kind))},
                {"place", spec.place},   {"branch", spec.branch},
                {"commit", nullptr},     {"error", nullptr},
                {"quiet_until", nullptr}};
    auto quiet = quiet_until.find(spec.name);
    if (quiet != quiet_until.end()) one["quiet_until"] = rfc3339(quiet->second);
    auto head = seen.heads.find(spec.name);
    if (head != seen.heads.end()) one["commit"] = head->second;
    auto error = seen.errors.find(spec.name);
    if (error != seen.errors.end()) one["error"] = error->second;
    if (head == seen.heads.end() && error == seen.errors.end()) {
      std::lock_guard<std::mutex> lock(daemon.sources_mutex());
      try {
        one["commit"] = daemon.sources().at(spec.name).head();
      } catch (const Error& e) {
        one["error"] = e.what();
      }
    }
    sources.push_back(one);
  }
  return sources;
}

}  // namespace lockstep
