// What somebody moves by hand: a model or a release back, a version or a whole channel forward.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/daemon/backend.h"
#include "registry/rules/queries.h"

namespace lockstep {
namespace {

// Every move, pin and mark among the facts, by kind.
void tell_moves(const std::vector<Fact>& facts, Json& out) {
  out["moves"] = out["pinned"] = out["withdrawn"] = Json::array();
  for (const Fact& fact : facts) {
    if (const AliasMove* move = std::get_if<AliasMove>(&fact)) {
      out["moves"].push_back({{"model", move->model},
                              {"alias", move->alias},
                              {"from", move->from},
                              {"to", move->to},
                              {"why", move->why}});
    } else if (const Pin* pin = std::get_if<Pin>(&fact)) {
      out["pinned"].push_back(
          {{"model", pin->model}, {"alias", pin->alias}, {"version", pin->version}});
    } else if (const Withdrawal* mark = std::get_if<Withdrawal>(&fact)) {
      if (!mark->lifted) {
        out["withdrawn"].push_back({{"model", mark->model}, {"version", mark->version}});
      }
    }
  }
}

Json pins_of(const ModelState& model) {
  Json all = Json::array();
  for (const auto& [alias, pin] : model.pins) {
    all.push_back(
        {{"alias", alias}, {"version", pin.version}, {"who", pin.who}, {"reason", pin.reason}});
  }
  return all;
}

Json release_moved(const Json& cut, const std::string& from) {
  Json out = {{"channel", cut.at("channel")},
              {"from", from},
              {"to", cut.at("tag")},
              {"known", cut.at("known")}};
  if (!cut.value("held_back", Json::array()).empty()) out["held_back"] = cut.at("held_back");
  return out;
}

RollbackRequest rollback_request(Engine& engine, const std::string& name, const Json& body,
                                 const Caller& caller) {
  RollbackRequest request;
  request.model = engine.registry().name_today(name);
  find_model(engine.registry(), name);
  if (body.contains("to") && !body.at("to").is_null()) request.to = body.at("to").get<int64_t>();
  request.channel = body.value("channel", "");
  for (const ChannelSpec& channel : engine.channels()) request.channels.push_back(channel.name);
  request.consumers = consumers_of(engine.registry(), request.model);
  request.with_dependents = body.value("with_dependents", false);
  request.override_pins = body.value("override_pins", false);
  request.who = caller.user;
  request.reason = caller.reason;
  return request;
}

Json rollback_document(const RollbackRequest& request, const Rollback& rollback, bool dry_run) {
  Json dependents = Json::array();
  for (const Rollback::Dependent& one : rollback.dependents) {
    dependents.push_back(
        {{"model", one.model}, {"alias", one.alias}, {"from", one.from}, {"to", one.to}});
  }
  Json out = {{"model", request.model},    {"from", rollback.from},
              {"to", rollback.to},         {"dry_run", dry_run},
              {"dependents", dependents},  {"to_train", rollback.to_train},
              {"releases", Json::array()}, {"run", nullptr}};
  tell_moves(rollback.facts, out);
  return out;
}

// Does it, or says what it would do: the same document.
Json roll_back(Engine& engine, const RollbackRequest& request, const Rollback& rollback,
               bool dry_run) {
  Json out = rollback_document(request, rollback, dry_run);
  std::map<std::string, std::string> before;
  for (const std::string& channel : rollback.moved_channels) {
    before[channel] = engine.registry().live(channel);
  }
  const std::string why = "rollback of " + request.model + ": " + request.reason;
  for (const Json& cut : engine.move_and_cut(
           rollback.facts, engine.cuts_back(rollback.moved_channels), request.who, why, dry_run)) {
    out["releases"].push_back(release_moved(cut, before[cut.at("channel")]));
  }
  if (dry_run) return out;
  if (!rollback.to_train.empty()) engine.owe_plan();
  out["pins"] = pins_of(find_model(engine.registry(), request.model));
  engine.announce("rollback", {{"model", request.model},
                               {"channel", request.channel},
                               {"from", rollback.from},
                               {"to", rollback.to},
                               {"who", request.who},
                               {"why", request.reason}});
  return out;
}

using Arrivals = std::vector<std::pair<std::string, int64_t>>;

// The versions that these facts move aliases to, each once.
Arrivals arrivals(const std::vector<Fact>& facts) {
  std::set<std::pair<std::string, int64_t>> all;
  for (const Fact& fact : facts) {
    const AliasMove* move = std::get_if<AliasMove>(&fact);
    if (move && move->to != 0) all.emplace(move->model, move->to);
  }
  return {all.begin(), all.end()};
}

void still_these(const Arrivals& looked_at, const std::vector<Fact>& facts) {
  if (arrivals(facts) == looked_at) return;
  throw Error(ErrorCode::kConflict, "models were moved meanwhile", "try again");
}

}  // namespace

Json WorkspaceBackend::rollback(const std::string& name, const Json& body, const Caller& caller) {
  daemon_.know_graph();
  const HasBytes has = [&](const Digest& digest) { return daemon_.artifacts().has(digest); };
  const Arrivals looked_at = daemon_.in_loop([&](Engine& engine) {
    RollbackRequest request = rollback_request(engine, name, body, caller);
    return arrivals(roll_back_model(engine.registry(), request, has).facts);
  });
  const bool accept = body.value("accept_expectations", false) || caller.dry_run;
  const Json expected = expectations(looked_at, accept);
  Json out = daemon_.in_loop([&](Engine& engine) {
    RollbackRequest request = rollback_request(engine, name, body, caller);
    Rollback rollback = roll_back_model(engine.registry(), request, has);
    still_these(looked_at, rollback.facts);
    return roll_back(engine, request, rollback, caller.dry_run);
  });
  out["expectations"] = expected;
  if (caller.dry_run || out.at("to_train").empty()) return out;
  Trigger trigger;
  trigger.kind = "manual";
  trigger.who = caller.user;
  trigger.once = true;
  trigger.steps = out.at("to_train").get<std::vector<std::string>>();
  out["run"] = start(std::move(trigger), {}).at("run");
  return out;
}

Json WorkspaceBackend::release_rollback(const std::string& channel, const Json& body,
                                        const Caller& caller) {
  daemon_.know_graph();
  const HasBytes has = [&](const Digest& digest) { return daemon_.artifacts().has(digest); };
  auto wanted = [&](Engine& engine) {
    ReleaseRollbackRequest request;
    request.channel = channel_or_default(engine, channel);
    std::string to = body.value("to", "");
    if (!to.empty()) request.to = find_release(engine.registry(), to).release.tag;
    std::string at = body.value("at", "");
    if (!at.empty()) request.at_ms = parse_time(at);
    request.override_pins = body.value("override_pins", false);
    request.distrust = engine.options().distrust;
    request.who = caller.user;
    request.reason = caller.reason;
    return request;
  };
  const Arrivals looked_at = daemon_.in_loop([&](Engine& engine) {
    return arrivals(roll_back_release(engine.registry(), wanted(engine), has).facts);
  });
  const bool accept = body.value("accept_expectations", false) || caller.dry_run;
  const Json expected = expectations(looked_at, accept);
  return daemon_.in_loop([&](Engine& engine) {
    const ReleaseRollbackRequest request = wanted(engine);
    const ReleaseRollback rollback = roll_back_release(engine.registry(), request, has);
    still_these(looked_at, rollback.facts);
    Json out = {{"channel", request.channel}, {"from", rollback.from},    {"to", rollback.to},
                {"dry_run", caller.dry_run},  {"expectations", expected}, {"known", true}};
    tell_moves(rollback.facts, out);
    out["pins"] = std::exchange(out["pinned"], Json(rollback.pinned));
    if (caller.dry_run) return out;
    engine.append(rollback.facts);
    engine.publish(request.channel);
    engine.announce("rollback", {{"channel", request.channel},
                                 {"from", rollback.from},
                                 {"to", rollback.to},
                                 {"who", caller.user},
                                 {"why", caller.reason}});
    return out;
  });
}

// A version that no plan asked for becomes the champion and stays it; or one channel gets it.
Json WorkspaceBackend::promote(const std::string& name, const Json& body, const Caller& caller) {
  daemon_.know_graph();
  Json done = daemon_.in_loop([&](Engine& engine) {
    PromoteRequest request;
    request.model = engine.registry().name_today(name);
    const ModelState& model = find_model(engine.registry(), name);
    std::optional<std::set<std::string>> planned = engine.planned();
    if (planned && !planned->count(request.model)) {
      throw Error(ErrorCode::kConflict, "no step makes " + request.model + " any more",
                  "the next plan would retire it");
    }
    request.channel = body.value("channel", "");
    // Where a channel is promoted by hand nothing would move it on: a pin is not needed.
    if (!request.channel.empty()) {
      request.pinned = !engine.channel(request.channel).promote_by_hand;
    }
    request.version = body.value("version", model.alias(kChampion));
    request.override_pins = body.value("override_pins", false);
    request.who = caller.user;
    request.reason = caller.reason;
    Promotion promotion = lockstep::promote(engine.registry(), request, [&](const Digest& digest) {
      return daemon_.artifacts().has(digest);
    });
    bool pinned = std::any_of(promotion.facts.begin(), promotion.facts.end(),
                              [](const Fact& fact) { return std::holds_alternative<Pin>(fact); });
    Json out = {{"model", request.model},     {"from", promotion.from}, {"to", request.version},
                {"channel", request.channel}, {"pinned", pinned},       {"dry_run", caller.dry_run},
                {"releases", Json::array()}};
    std::string why =
        fmt::format("promoted {}@{}: {}", request.model, request.version, request.reason);
    std::vector<CutRequest> wanted = engine.cuts();
    if (!request.channel.empty()) wanted = {engine.cut_by_hand(request.channel)};
    Json cuts = engine.move_and_cut(promotion.facts, wanted, caller.user, why, caller.dry_run);
    if (!caller.dry_run && request.channel.empty()) engine.owe_plan();
    for (const Json& cut : cuts) {
      out["releases"].push_back(
          {{"channel", cut.at("channel")}, {"to", cut.at("tag")}, {"known", cut.at("known")}});
    }
    return out;
  });
  // What was trained on the champion before is behind now.
  if (!caller.dry_run && daemon_.serving() && body.value("channel", "").empty()) {
    daemon_.request({Trigger{"approval", caller.user, {}, false, false, {}}, {}, {}});
  }
  return done;
}

// Exactly the versions of one channel's live release, or of the champions, for another channel.
Json WorkspaceBackend::release_promote(const std::string& from, const std::string& to,
                                       const Caller& caller) {
  daemon_.know_graph();
  return daemon_.in_loop([&](Engine& engine) {
    ReleasePromoteRequest request;
    request.from = from;
    request.to = engine.channel(to);
    request.channels = engine.channels();
    request.produced = engine.produced();
    request.distrust = engine.options().distrust;
    request.who = caller.user;
    request.reason = caller.reason;
    ReleasePromotion promotion =
        promote_release(engine.registry(), request,
                        [&](const Digest& digest) { return daemon_.artifacts().has(digest); });
    const std::string before = engine.registry().live(to);
    Json out = {{"channel", to}, {"source", from}, {"from", before}, {"dry_run", caller.dry_run}};
    const std::string why = fmt::format("promoted from {}: {}", from, caller.reason);
    CutRequest wanted = engine.cut_by_hand(to);
    wanted.same_as = promotion.tag;
    Json cut =
        engine.move_and_cut(promotion.facts, {wanted}, caller.user, why, caller.dry_run).at(0);
    tell_moves(promotion.facts, out);
    out.erase("pinned");
    out.erase("withdrawn");
    Json held = promotion.held_back;
    for (const Json& one : cut.at("held_back")) {
      if (std::find(held.begin(), held.end(), one) == held.end()) held.push_back(one);
    }
    out.update({{"to", cut.at("tag")},
                {"known", cut.at("known")},
                {"moved", cut.at("moved")},
                {"models", cut.at("models")},
                {"missing", cut.at("missing")},
                {"held_back", held}});
    return out;
  });
}

}  // namespace lockstep
