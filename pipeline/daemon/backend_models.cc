// Models, versions, aliases and answers.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/judge.h"
#include "pipeline/daemon/predict.h"
#include "registry/rules/queries.h"

namespace lockstep {
namespace {

Json mark_json(const Withdrawal* mark) {
  if (!mark) return nullptr;
  return {{"who", mark->who}, {"reason", mark->reason}};
}

Json pins_json(const ModelState& model) {
  Json all = Json::array();
  for (const auto& [alias, pin] : model.pins) {
    all.push_back(
        {{"alias", alias}, {"version", pin.version}, {"who", pin.who}, {"reason", pin.reason}});
  }
  return all;
}

Json moves_json(const ModelState& model) {
  Json all = Json::array();
  for (const Moved& moved : model.moves) {
    all.push_back({{"time", rfc3339(moved.time_ms)},
                   {"alias", moved.move.alias},
                   {"from", moved.move.from},
                   {"to", moved.move.to},
                   {"who", moved.move.who},
                   {"why", moved.move.why}});
  }
  return all;
}

Json versions_json(const ModelState& model) {
  Json all = Json::array();
  for (size_t i = 0; i < model.versions.size(); ++i) {
    const Version& version = model.versions[i];
    auto gate = model.gates.find(version.number);
    all.push_back({{"version", version.number},
                   {"created", rfc3339(model.created_ms[i])},
                   {"sha256", version.digest.hex()},
                   {"accuracy", version.metrics.json().value("accuracy", Json())},
                   {"gate", gate == model.gates.end() ? Json() : Json(gate->second.verdict)},
                   {"withdrawn", mark_json(model.withdrawn(version.number, kChampion))}});
  }
  return all;
}

}  // namespace

const ModelState& find_model(const Registry& registry, const std::string& name) {
  const ModelState* model = registry.model(registry.name_today(name));
  if (model) return *model;
  throw Error(ErrorCode::kNotFound, fmt::format("no model is called {}", name),
              "`lockstep models` lists them");
}

const Version& find_version(const ModelState& model, const std::string& name,
                            std::optional<int64_t> number) {
  int64_t wanted = number ? *number : model.alias(kChampion);
  if (wanted == 0) {
    throw Error(ErrorCode::kNotFound, fmt::format("model {} has no champion", name),
                fmt::format("name a version: {}@1", name));
  }
  const Version* version = model.version(wanted);
  if (version) return *version;
  throw Error(ErrorCode::kNotFound, fmt::format("model {} has no version {}", name, wanted),
              fmt::format("`lockstep model show {}` lists its versions", name));
}

Json WorkspaceBackend::models() {
  return daemon_.in_loop([](Engine& engine) {
    Json all = Json::array();
    for (const auto& [name, model] : engine.registry().models) {
      int64_t number = model.alias(kChampion);
      const Version* version = number ? model.version(number) : nullptr;
      Json channels = Json::object();
      for (const auto& [alias, to] : model.aliases) {
        if (alias != kChampion) channels[alias] = to;
      }
      all.push_back({{"name", name},
                     {"version", version ? Json(number) : Json()},
                     {"sha256", version ? Json(version->digest.hex()) : Json()},
                     {"pinned", model.pin(kChampion) != nullptr},
                     {"metrics", version ? version->metrics.json() : Json::object()},
                     {"channels", channels},
                     {"retired", model.retired}});
    }
    return all;
  });
}

Json WorkspaceBackend::model(const std::string& name, std::optional<int64_t> number) {
  return daemon_.in_loop([&](Engine& engine) {
    const ModelState& model = find_model(engine.registry(), name);
    std::optional<int64_t> wanted = number;
    if (!wanted && model.alias(kChampion) == 0 && !model.versions.empty()) {
      wanted = model.versions.back().number;
    }
    const Version& version = find_version(model, name, wanted);
    Json out = fact_json(version);
    out.erase("kind");
    size_t at = static_cast<size_t>(&version - model.versions.data());
    Json aliases = Json::array();
    for (const auto& [alias, to] : model.aliases) {
      if (to == version.number) aliases.push_back(alias);
    }
    auto gate = model.gates.find(version.number);
    out.update({{"name", name},
                {"version", version.number},
                {"sha256", version.digest.hex()},
                {"created", rfc3339(model.created_ms[at])},
                {"aliases", aliases},
                {"withdrawn", mark_json(model.withdrawn(version.number, kChampion))},
                {"gate", gate == model.gates.end() ? Json() : gate_document(model, gate->second)},
                {"imported", version.imported.empty() ? Json() : Json(version.imported)},
                {"versions", versions_json(model)},
                {"moves", moves_json(model)},
                {"pins", pins_json(model)}});
    auto remarks = model.remarks.find(version.number);
    out.update(remarks_json(remarks == model.remarks.end() ? Remarks() : remarks->second));
    return out;
  });
}

// The version that a channel has; without its name the default one, and none where that has none.
std::optional<int64_t> WorkspaceBackend::asked_in(Engine& engine, const std::string& name,
                                                  const ModelState& model,
                                                  const std::string& channel) const {
  if (channel == kChampion) return std::nullopt;
  if (channel.empty() && engine.channels().empty()) return std::nullopt;
  const std::string asked = channel_or_default(engine, channel);
  int64_t live = model.alias(asked);
  if (live > 0) return live;
  if (channel.empty()) return std::nullopt;
  throw Error(ErrorCode::kNotFound, fmt::format("channel {} has no version of {}", asked, name),
              fmt::format("`lockstep model show {}` lists its versions and aliases", name));
}

Json WorkspaceBackend::predict(const std::string& name, std::optional<int64_t> number,
                               const Json& body) {
  Prediction wanted = daemon_.in_loop([&](Engine& engine) {
    const ModelState& model = find_model(engine.registry(), name);
    std::optional<int64_t> asked = number;
    // The default channel's version answers; a model that it does not have by its champion.
    if (!asked) asked = asked_in(engine, name, model, body.value("channel", ""));
    const Version& version = find_version(model, name, asked);
    Prediction prediction{name, version.number, version.digest, {}};
    for (const Json& used : version.upstreams.json()) {
      prediction.upstreams[used.at("input")] = Digest::parse(used.at("digest").get<std::string>());
    }
    return prediction;
  });
  std::vector<std::string> texts = body.value("texts", std::vector<std::string>());
  std::string table = body.value("table", "");
  if (!table.empty()) {
    std::lock_guard<std::mutex> lock(daemon_.sources_mutex());
    texts = table_texts(daemon_.parts(), daemon_.sources(), body);
  }
  Json answers = run_prediction(wanted, texts, daemon_.artifacts());
  return {{"model", name}, {"version", wanted.version}, {"answers", answers}};
}

Json WorkspaceBackend::pin(const std::string& name, const Json& body, const Caller& caller) {
  daemon_.know_graph();
  return daemon_.in_loop([&](Engine& engine) {
    const ModelState& model = find_model(engine.registry(), name);
    Pin wanted;
    wanted.model = engine.registry().name_today(name);
    wanted.alias = body.value("channel", "");
    if (wanted.alias.empty()) wanted.alias = kChampion;
    wanted.version = model.alias(wanted.alias);
    if (body.contains("version") && !body.at("version").is_null()) {
      wanted.version = body.at("version").get<int64_t>();
    }
    wanted.who = caller.user;
    wanted.reason = caller.reason;
    std::vector<Fact> facts = lockstep::pin(engine.registry(), wanted);
    if (!caller.dry_run) engine.append(facts);
    return Json{{"model", wanted.model},
                {"dry_run", caller.dry_run},
                {"pins", pins_json(find_model(engine.registry(), name))}};
  });
}

Json WorkspaceBackend::unpin(const std::string& name, const Json& body, const Caller& caller) {
  Json out = daemon_.in_loop([&](Engine& engine) {
    std::string channel = body.value("channel", "");
    std::vector<Fact> facts;
    if (name.empty()) {
      facts = unpin_channel(engine.registry(), channel, caller.user, caller.reason);
    } else {
      find_model(engine.registry(), name);
      facts = lockstep::unpin(engine.registry(), engine.registry().name_today(name), channel,
                              caller.user, caller.reason);
    }
    Json unpinned = Json::array();
    for (const Fact& fact : facts) {
      const Unpin& one = std::get<Unpin>(fact);
      unpinned.push_back({{"model", one.model}, {"alias", one.alias}});
    }
    if (!caller.dry_run) engine.append(facts);
    return Json{{"unpinned", unpinned}, {"dry_run", caller.dry_run}, {"run", nullptr}};
  });
  if (!body.value("now", false) || caller.dry_run) return out;
  Trigger trigger;
  trigger.kind = "manual";
  trigger.who = caller.user;
  trigger.once = true;
  out["run"] = start(std::move(trigger), {}).at("run");
  return out;
}

}  // namespace lockstep
