// What people and the watcher ask for: plans, previews, approvals, rollbacks, pins. As the daemon
// asks: a look plans what has moved, a new process plans what was left open.
#include <algorithm>

#include "registry/rules/queries.h"
#include "tests/sim/world.h"

namespace lockstep::sim {
namespace {

std::map<std::string, std::string> prefixed(Store& store, const std::string& prefix) {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : store.all(prefix)) out[name.substr(prefix.size())] = value;
  return out;
}

// The n-th model that is not retired, modulo how many there are; empty: there is none.
std::string model_at(const Registry& registry, uint32_t pick) {
  std::vector<std::string> names;
  for (const auto& [name, model] : registry.models) {
    if (!model.versions.empty()) names.push_back(name);
  }
  return names.empty() ? "" : names[pick % names.size()];
}

std::string alias_at(const Registry& registry, uint32_t pick) {
  std::vector<std::string> names = {kChampion, kChampion};
  for (const auto& [channel, moves] : registry.channels) names.push_back(channel);
  return names[pick % names.size()];
}

}  // namespace

bool World::send(Trigger trigger, const std::map<std::string, std::string>& commits) {
  SurveyOptions wanted;
  wanted.commits = commits;
  wanted.cursors = engine->cursors();
  wanted.asked = engine->live_commits();
  if (!trigger.once) wanted.last_good = prefixed(store, "workflows/");
  try {
    std::shared_ptr<Survey> seen = surveyor.survey(wanted);
    surveyor.answer(*seen, engine->questions(*seen));
    asked.push_back({seen, trigger});
    if (wrong == Wrong::kForces) trigger.force = true;
    if (wrong == Wrong::kPreviewIsWatched && trigger.kind == "preview") trigger.kind = "data";
    if (wrong == Wrong::kStaleSurvey) {
      for (size_t i = 0; i < seen->slices.size(); ++i) {
        SliceReading& slice = seen->slices[i];
        if (slice.error.empty()) {
          slice.digest =
              first_digests.emplace(seen->graph->slices[i].name(), slice.digest).first->second;
        }
      }
    }
    Flying& one = flying.emplace_back();
    one.kind = Flying::kSurvey;
    one.message.emplace<SurveyDone>(SurveyDone{seen, std::move(trigger), nullptr});
    return true;
  } catch (const Error& error) {
    bool expected = tables.error || code.error || workflows.errors.count(code.history.head) ||
                    error.code == ErrorCode::kNotFound;
    must(expected, "survey", "a survey threw: {}", error.what());
    return false;
  }
}

bool World::look() {
  if (watching) return false;
  std::map<std::string, std::string> errors, now = surveyor.heads(&errors);
  if (!errors.empty()) return false;
  auto cursors = engine->cursors();
  Trigger trigger{"", "lockstep", {}, false, false, {}};
  if (cursors["tables"] != now["tables"]) trigger.kind = "data";
  if (trigger.kind.empty() && cursors["code"] != now["code"]) trigger.kind = "code";
  if (trigger.kind.empty() && left_open) trigger.kind = "data";
  trigger.code_too = left_open || cursors["code"] != now["code"];
  if (trigger.kind.empty()) return false;
  return watching = send(std::move(trigger), now);
}

bool World::look_again() {
  return send({"data", "lockstep", {}, false, false, {}}, {});
}

bool World::preview(uint32_t pick, bool once) {
  if ((watching && !once) || branches.empty() || tables.error || code.error) return false;
  auto at = std::next(branches.begin(), pick % branches.size());
  Variant name{"tables", at->first};
  Trigger trigger{"preview", once ? "ann" : "lockstep", {}, false, once, name};
  if (!once) {
    auto known = engine->previews();
    auto kept = known.find(name.mark());
    bool same = kept != known.end() && kept->second.at("commit") == at->second;
    auto followed = engine->followed();
    if (same || engine->active() || !followed.count("tables")) return false;
    if (!name.name.starts_with("feature/")) return false;
    if (surveyor.merged("tables", tables.history.head, at->second)) {
      std::string commit = at->second;
      return command([=](Engine& e) { e.settle_preview(name, commit, nullptr); });
    }
  }
  bool sent = send(std::move(trigger), {{"tables", at->second}});
  if (!once) watching = sent;
  return sent;
}

bool World::command(const std::function<void(Engine&)>& act) {
  engine->inbox().push(Command{[act](Engine& e) {
                                 try {
                                   act(e);
                                 } catch (const Error&) {
                                   // Told to who asked, whatever it is (Daemon::in_loop).
                                 }
                               },
                               nullptr});
  turn();
  return true;
}

static void roll_back(World& world, Engine& engine, const std::string& model, uint32_t pick) {
  RollbackRequest request;
  request.model = model;
  request.who = "ann";
  request.reason = "wrong labels";
  for (const ChannelSpec& channel : engine.channels()) request.channels.push_back(channel.name);
  if (pick % 4 == 0 && !request.channels.empty()) request.channel = request.channels.back();
  if (pick % 8 >= 6) request.to = 1;
  request.consumers = consumers_of(engine.registry(), model);
  request.override_pins = pick % 16 >= 12;
  HasBytes has = [&](const Digest& digest) { return world.present.count(digest) > 0; };
  Rollback back = roll_back_model(engine.registry(), request, has);
  engine.move_and_cut(back.facts, engine.cuts_back(back.moved_channels), "ann", "rollback");
}

static void roll_back_channel(World& world, Engine& engine, uint32_t pick) {
  const auto& channels = engine.channels();
  if (channels.empty()) return;
  ReleaseRollbackRequest request;
  request.channel = channels[pick % channels.size()].name;
  request.who = "ann";
  request.reason = "wrong release";
  HasBytes has = [&](const Digest& digest) { return world.present.count(digest) > 0; };
  ReleaseRollback back = roll_back_release(engine.registry(), request, has);
  engine.append(back.facts);
  engine.publish(request.channel);
}

// Somebody approves what a gate asks about.
static void let_pass(World& world, Engine& engine, uint32_t pick) {
  const std::string model = model_at(engine.registry(), pick);
  if (model.empty()) return;
  std::optional<Digest> today = engine.past().accepted(model);
  ApproveRequest request{model, 0, today ? &*today : nullptr, "ann", "fair"};
  HasBytes has = [&](const Digest& digest) { return world.present.count(digest) > 0; };
  engine.move_and_cut(approve(engine.registry(), request, has), engine.cuts(), "ann", "approved");
}

static void pin_or_unpin(Engine& engine, const Event& event) {
  std::string model = model_at(engine.registry(), event.a);
  std::string alias = alias_at(engine.registry(), event.b);
  if (model.empty()) return;
  if (event.what == What::kPin) {
    int64_t version = engine.registry().alias(model, alias);
    engine.append(pin(engine.registry(), {model, alias, version, PinKind::kHand, "ann", "hold"}));
  } else {
    engine.append(unpin(engine.registry(), model, event.b % 2 == 0 ? "" : alias, "ann", "go on"));
  }
}

bool World::ask(const Event& event) {
  switch (event.what) {
    case What::kRun: {
      const Run* run = engine->watched();
      Trigger trigger{"manual", "ann", {}, event.b % 4 == 3, true, {}};
      if (run && run->survey && !run->survey->graph->steps.empty() && event.b % 8 < 6) {
        const auto& steps = run->survey->graph->steps;
        trigger.steps = {steps[event.a % steps.size()].name};
      }
      return send(std::move(trigger), {});
    }
    case What::kApprove:
      if (engine->held().is_null()) {
        return command([event, this](Engine& e) { let_pass(*this, e, event.a); });
      }
      command([](Engine& e) { e.approve(); });
      return send({"approval", "ann", {}, false, true, {}}, {});
    case What::kCancel: {
      if (!engine->active()) return false;
      std::string id = engine->active()->record.id;
      return command([id](Engine& e) { e.cancel(id); });
    }
    case What::kPin:
    case What::kUnpin:
      return command([event](Engine& e) { pin_or_unpin(e, event); });
    case What::kRollback: {
      std::string model = model_at(engine->registry(), event.a);
      if (model.empty() || engine->channels().empty()) return false;
      return command([=, this](Engine& e) { roll_back(*this, e, model, event.b); });
    }
    default:
      return command([=, this](Engine& e) { roll_back_channel(*this, e, event.a); });
  }
}

}  // namespace lockstep::sim
