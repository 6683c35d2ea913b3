#include "tests/sim/check.h"

#include <algorithm>
#include <map>

#include "tests/sim/world.h"

namespace lockstep::sim {
namespace {

std::string lock_of(const AttemptRecord& attempt) {
  return attempt.model.empty() ? attempt.step : attempt.model;
}

std::vector<int64_t> ids_of(const std::vector<Intent>& intents) {
  std::vector<int64_t> ids;
  for (const Intent& intent : intents) ids.push_back(intent.id);
  return ids;
}

bool all_present(const World& world, const ResultRecord& result) {
  return std::all_of(result.outputs.begin(), result.outputs.end(),
                     [&](const auto& output) { return world.present.count(output.second) > 0; });
}

bool came_back(const World& world, const ResultRecord& result) {
  return std::any_of(result.outputs.begin(), result.outputs.end(),
                     [&](const auto& output) { return world.healed.count(output.second) > 0; });
}

}  // namespace

void Checks::after_turn(World& world) {
  remember(world);
  attempts(world);
  intents(world);
  facts(world, true);
  same_registry(world);
  cursors(world);
  runs(world);
  told(world, true);
  revision_ = world.sqlite.revision();
  intents_ = ids_of(world.sqlite.intents());
}

void Checks::after_restart(World& world, bool unheard) {
  if (!unheard && !revision_.empty()) {
    must(revision_ == world.sqlite.revision() && intents_ == ids_of(world.sqlite.intents()),
         "durable", "a new process does not find what the last durable turn left");
  }
  if (unheard) {
    planned_ = world.engine->cursors();
    for (const auto& [id, attempt] : world.engine->past().live()) {
      if (!attempt.context.contains("preview")) wanted_.insert(attempt.fingerprint);
      seen_.insert(id);
    }
  }
  fresh_ = true;
  facts(world, !unheard);
  same_registry(world);
  attempts(world);
  intents(world);
  cursors(world);
  told(world, false);
  for (const auto& [id, training] : world.runner.ever()) {
    must(world.sqlite.attempt(id).has_value(), "acts on what is durable",
         "attempt {} was started, and the store does not know it", id);
  }
  revision_ = world.sqlite.revision();
  intents_ = ids_of(world.sqlite.intents());
}

// The fingerprints that plans of the watched branches have, and the runs that were forced.
void Checks::remember(World& world) {
  const Run* active = world.engine->active();
  for (const World::Asked& one : world.taken) {
    if (one.trigger.force && active) forced_.insert(active->record.id);
  }
  for (const Run* run : {active, world.engine->last()}) {
    if (!run || !run->plan || run->variant) continue;
    bool planned_now = !world.taken.empty() && world.taken.back().survey == run->survey;
    if (planned_now) current(world, *run->plan);
    for (uint32_t i = 0; i < run->survey->graph->steps.size(); ++i) {
      const PlannedStep& planned = run->plan->at(StepId{i});
      if (planned.recipe) wanted_.insert(planned.recipe->fingerprint);
    }
  }
}

// What a plan finds current has its bytes.
void Checks::current(World& world, const Plan& plan) {
  for (uint32_t i = 0; i < plan.graph().steps.size(); ++i) {
    const PlannedStep& planned = plan.at(StepId{i});
    if (planned.state != StepState::kCurrent) continue;
    std::optional<ResultRecord> result = world.sqlite.result(planned.recipe->fingerprint);
    must(result && all_present(world, *result), "current",
         "{} is current, and the bytes of its result are not there", plan.graph().steps[i].name);
  }
}

void Checks::attempts(World& world) {
  const auto& live = world.engine->past().live();
  std::vector<AttemptRecord> stored = world.sqlite.live_attempts();
  must(stored.size() == live.size(), "store equals memory", "{} live attempts in memory, {} kept",
       live.size(), stored.size());
  std::map<std::string, std::string> locks;
  std::map<Digest, std::string> fingerprints;
  std::map<std::string, uint32_t> taken;
  for (const AttemptRecord& attempt : stored) {
    auto known = live.find(attempt.id);
    must(known != live.end() && known->second.state == attempt.state, "store equals memory",
         "attempt {} is live in the store alone", attempt.id);
    auto [other, first] = locks.emplace(lock_of(attempt), attempt.id);
    must(first, "one live attempt", "{} and {} are both for {}", other->second, attempt.id,
         lock_of(attempt));
    auto [same, alone] = fingerprints.emplace(attempt.fingerprint, attempt.id);
    must(alone, "one live attempt", "{} and {} have one fingerprint", same->second, attempt.id);
    taken[attempt.slot] += attempt.context.value("cpus", 1u);
    if (!seen_.count(attempt.id)) new_attempt(world, attempt);
    if (attempt.state == AttemptState::kRunning) {
      must(world.runner.ever().count(attempt.id) > 0, "running",
           "attempt {} is said to run and was never started", attempt.id);
    }
  }
  for (const Slot& slot : world.options.slots) {
    must(taken[slot.info.name] <= slot.capacity, "slots", "slot {} has {} of {}", slot.info.name,
         taken[slot.info.name], slot.capacity);
  }
  for (const std::string& id : std::exchange(live_, {})) {
    if (!live.count(id)) ended(world, *world.sqlite.attempt(id));
  }
  for (const AttemptRecord& attempt : stored) {
    seen_.insert(attempt.id);
    live_.insert(attempt.id);
  }
}

// An attempt ended as the runner says; what the machine lost is no failure.
void Checks::ended(World& world, const AttemptRecord& attempt) {
  over_.push_back(attempt.id);
  auto training = world.runner.ever().find(attempt.id);
  if (training == world.runner.ever().end() || world.not_started.count(attempt.id)) return;
  AttemptEnd end = training->second.result.end;
  must(attempt.state != AttemptState::kFailed || end != AttemptEnd::kLost, "ends",
       "attempt {} was lost, and counts as a failure", attempt.id);
  must(attempt.state != AttemptState::kSucceeded || end == AttemptEnd::kSucceeded, "ends",
       "attempt {} succeeded, and its runner does not say so", attempt.id);
}

void Checks::new_attempt(World& world, const AttemptRecord& attempt) {
  must(!world.runner.ever().count(attempt.id), "ids", "attempt id {} is used again", attempt.id);
  const Run* run = world.engine->active();
  must(run && run->record.id == attempt.run, "runs", "attempt {} belongs to no run", attempt.id);
  bool forced = forced_.count(attempt.run) > 0;
  std::optional<ResultRecord> result = world.sqlite.result(attempt.fingerprint);
  bool known = result && all_present(world, *result) && !came_back(world, *result);
  must(forced || !known, "known result", "{} was started as {}, and its result is known from {}",
       attempt.step, attempt.id, result ? result->attempt : "");
  size_t failed = 0, allowed = attempt.context.value("attempts", size_t{1});
  for (const AttemptRecord& one : world.sqlite.attempts_of(attempt.fingerprint)) {
    bool counts = one.counted && one.state == AttemptState::kFailed;
    failed += counts ? 1 : 0;
    // As many as its step allowed when it last failed.
    if (counts) allowed = std::max(allowed, one.context.value("attempts", size_t{1}));
  }
  must(forced || failed < allowed, "used up", "{} was started although {} attempts of it failed",
       attempt.step, failed);
  for (const Json& input : attempt.context.at("spec").at("inputs")) {
    if (input.at("kind") != "bytes") continue;
    Digest digest = Digest::parse(input.at("digest").get<std::string>());
    must(world.present.count(digest) || world.damaged.count(digest), "inputs before start",
         "{} was started without the bytes of its input {}", attempt.step,
         input.at("name").get<std::string>());
  }
  const bool evaluation = attempt.context.contains("evaluation");
  auto step = run->survey->graph->by_name.find(
      evaluation ? attempt.step.substr(0, attempt.step.rfind('/')) : attempt.step);
  must(step != run->survey->graph->by_name.end(), "graph", "{} is no step", attempt.step);
  if (evaluation) return;
  const Step& its = run->survey->graph->step(step->second);
  for (StepId need : its.needs) {
    must(decided(run->plan->at(need).state), "inputs before start",
         "{} was started before {}, which it needs", attempt.step,
         run->survey->graph->step(need).name);
  }
}

// An attempt that is to be started has its intent, and only such a one.
void Checks::intents(World& world) {
  std::set<std::string> starts;
  for (const Intent& intent : world.sqlite.intents()) {
    if (intent.kind == "start") starts.insert(intent.target);
    auto here = [&](const Pending& p) { return p.intent.id == intent.id; };
    bool taken = std::any_of(world.attempts.begin(), world.attempts.end(), here) ||
                 std::any_of(world.releases.begin(), world.releases.end(), here) ||
                 std::any_of(world.flying.begin(), world.flying.end(), [&](const Flying& one) {
                   const EffectDone* done = std::get_if<EffectDone>(&one.message);
                   return done && done->intent == intent.id;
                 });
    must(taken || fresh_, "intents", "nobody acts upon the intent to {} {}", intent.kind,
         intent.target);
  }
  for (const auto& [id, attempt] : world.engine->past().live()) {
    if (attempt.state != AttemptState::kStarting) continue;
    must(starts.count(id) > 0, "intents", "attempt {} is to be started, and nobody is told", id);
  }
}

void Checks::facts(World& world, bool heard) {
  for (const Entry& entry : world.ledger.read(shadow_.last_seq, 100'000)) {
    if (heard) {
      if (const AliasMove* move = std::get_if<AliasMove>(&entry.fact)) moved(world, *move);
      if (const Version* version = std::get_if<Version>(&entry.fact)) made(world, *version);
    }
    if (const auto* move = std::get_if<AliasMove>(&entry.fact)) moves_.push_back(told_as(*move));
    if (const auto* move = std::get_if<ChannelMove>(&entry.fact)) moves_.push_back(told_as(*move));
    if (const Release* release = std::get_if<Release>(&entry.fact)) {
      must(release->tag.starts_with(md5_hex(manifest_of(*release))), "tags",
           "release {} is not named by its manifest", release->tag);
    }
    try {
      shadow_.apply(entry);
    } catch (const Error& error) {
      throw Violation{"ledger", error.what()};
    }
  }
}

// By itself nothing moves against a pin, to a withdrawn version, or to what only a branch wanted.
void Checks::moved(World& world, const AliasMove& move) {
  auto word = world.words.find({move.model, move.to});
  bool passed = move.alias == kChampion && move.why == "gate passed";
  must(!passed || word == world.words.end() || word->second == "move", "gates",
       "{} moves to version {}, of which its gate says {}", move.model, move.to,
       word == world.words.end() ? "" : word->second);

  if (move.who != "lockstep" || move.why.starts_with("rollback")) return;
  const ModelState* model = shadow_.model(move.model);
  must(model && model->version(move.to), "moves", "{} moves to no version", move.model);
  must(!model->pin(move.alias), "pins", "{} of {} moved to {} although it is pinned", move.alias,
       move.model, move.to);
  must(!model->withdrawn(move.to, move.alias), "withdrawn", "{} of {} moved to withdrawn {}",
       move.alias, move.model, move.to);
  if (move.alias != kChampion) return;
  must(wanted_.count(model->version(move.to)->fingerprint) > 0, "previews",
       "{} moved to version {}, which no plan of the watched branches wanted", move.model, move.to);
}

// A version's bytes and numbers are those that its attempt gave, and the rows at the commit that it
// names are those that the attempt read.
void Checks::made(World& world, const Version& version) {
  auto training = world.runner.ever().find(version.attempt);
  must(training != world.runner.ever().end(), "versions", "{} {} is of no attempt", version.model,
       version.number);
  // A runner that lost its memory may have run it twice, and either result may have come.
  must(world.runner.made(training->second.key, version.digest), "versions",
       "{} {} has other bytes than attempt {} gave", version.model, version.number,
       version.attempt);
  must(version.metrics.json() == Json{{"accuracy", accuracy_of(version.digest)}}, "versions",
       "{} {} has other metrics than {} gave", version.model, version.number, version.attempt);
  std::optional<AttemptRecord> attempt = world.sqlite.attempt(version.attempt);
  for (const Json& slice : version.slices.json()) {
    for (const Json& input : attempt->context.at("spec").at("inputs")) {
      if (input.at("name") != slice.at("input")) continue;
      std::vector<std::string> columns = input.at("columns");
      std::map<std::string, std::string> there = slice.at("where"), read = input.at("where");
      must(world.contents.rows(slice.at("commit"), slice.at("table"), columns, there) ==
               world.contents.rows(input.at("commit"), input.at("table"), columns, read),
           "provenance", "{} {} names a commit whose rows it was not trained on", version.model,
           version.number);
    }
  }
}

void Checks::same_registry(World& world) {
  const Registry& memory = world.engine->registry();
  must(memory.last_seq == shadow_.last_seq && memory.models.size() == shadow_.models.size(),
       "store equals memory", "the ledger ends at {}, memory at {}", shadow_.last_seq,
       memory.last_seq);
  for (const auto& [name, kept] : shadow_.models) {
    const ModelState* model = memory.model(name);
    must(model && model->aliases == kept.aliases &&
             model->versions.size() == kept.versions.size() &&
             model->moves.size() == kept.moves.size() && model->pins.size() == kept.pins.size() &&
             model->retired == kept.retired && model->gates.size() == kept.gates.size() &&
             model->withdrawals.size() == kept.withdrawals.size(),
         "store equals memory", "{} is another in memory than in the ledger", name);
  }
}

// A source's cursor is the commit of the last plan that was for all who read it.
void Checks::cursors(World& world) {
  std::map<std::string, std::string> now = world.engine->cursors();
  for (const auto& one : world.taken) {
    if (one.trigger.kind == "preview") continue;
    fresh_ = false;
    if (!world.engine->held().is_null()) continue;
    for (const auto& [source, commit] : one.survey->commits) {
      if (one.trigger.steps.empty() || now[source] == commit) planned_[source] = commit;
    }
  }
  must(now == planned_, "cursors", "a cursor is not at the last plan's commit");
}

void Checks::runs(World& world) {
  const Run* active = world.engine->active();
  if (active && active->record.id != run_) {
    run_ = active->record.id;
    int64_t number = std::stoll(run_.substr(1));
    must(number > highest_run_, "ids", "run id {} is used again", run_);
    highest_run_ = number;
  }
  for (const RunRecord& run : world.sqlite.runs(4)) {
    if (run.result != "running" || fresh_) continue;
    must(active && active->record.id == run.id, "runs", "run {} is open, and nobody works on it",
         run.id);
  }
}

}  // namespace lockstep::sim
