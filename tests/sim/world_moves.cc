// How messages, effects and the process move: late, twice, never, in any order; the process ends
// anywhere and another begins.
#include <algorithm>

#include "tests/sim/world.h"

namespace lockstep::sim {
namespace {

bool about_attempts(const std::string& kind) {
  return kind == "start" || kind == "cancel" || kind == "collect";
}

}  // namespace

// Intents go to their lanes, as the daemon's do; one that is known there already is not taken
// twice.
void World::act_on(std::vector<Intent> intents) {
  for (Intent& intent : intents) {
    std::vector<Pending>& lane = about_attempts(intent.kind) ? attempts : releases;
    bool known = std::any_of(lane.begin(), lane.end(),
                             [&](const Pending& p) { return p.intent.id == intent.id; });
    if (known) continue;
    Pending pending{std::move(intent), Json(), false, ""};
    if (pending.intent.kind == "start") {
      auto live = engine->past().live().find(pending.intent.target);
      if (live != engine->past().live().end()) pending.context = live->second.context;
    }
    if (wrong == Wrong::kPublishesOld && pending.intent.kind == "publish") {
      pending.begun = true;
      pending.tag = published.count(pending.intent.target)
                        ? published.at(pending.intent.target)
                        : engine->registry().live(pending.intent.target);
    }
    lane.push_back(std::move(pending));
  }
}

void World::turn() {
  taken.clear();
  faults.happened = faults.committed = false;
  try {
    if (!engine->turn(0)) return;
  } catch (const Crash&) {
    return restart();
  } catch (const Error& error) {
    must(faults.happened, "throws", "a turn threw: {}", error.what());
    return restart();
  }
  must(!faults.happened, "torn", "a turn was committed although one of its writes failed");
  act_on(engine->take_intents());
  checks.after_turn(*this);
}

// What was on its way is lost; what the store has is what the next one begins from.
void World::restart() {
  bool unheard = faults.committed && faults.happened;
  faults.reset();
  engine.reset();
  if (db.in_transaction()) db.rollback();
  flying.clear();
  asked.clear();
  taken.clear();
  attempts.clear();
  releases.clear();
  watching = false;
  store.new_process();
  Registry loaded = ledger.load();
  engine = std::make_unique<Engine>(
      store, log, std::move(loaded), clock,
      [this](const Digest& d) { return wrong == Wrong::kTrustsBytes || present.count(d) > 0; },
      options);
  measured.clear();
  engine->judge_with([this](const GateCase& one) -> std::optional<GateWord> {
    if (one.basis.back() % 2 == 0 && measured.insert(one.basis).second) {
      Command told{[basis = one.basis](Engine& e) { e.measured(basis); }, nullptr};
      flying.push_back({Flying::kMeasured, std::move(told)});
      return std::nullopt;
    }
    measured.erase(one.basis);
    GateWord word = word_of(one);
    words[{one.model, one.challenger}] = word.action;
    if (wrong == Wrong::kIgnoresWord) word.action = "move";
    return word;
  });
  checks.after_restart(*this, unheard);
  act_on(engine->take_intents());
  redeliver();
  left_open = engine->left_open();
  look();
}

// The executor reaches the runner (again): what has ended is told, and what it does not know of is
// lost.
void World::redeliver() {
  for (const auto& [id, attempt] : engine->past().live()) {
    if (attempt.state != AttemptState::kRunning || runner.knows(id)) continue;
    AttemptResult lost;
    lost.id = id;
    lost.end = AttemptEnd::kLost;
    flying.push_back({Flying::kResult, std::move(lost)});
  }
  for (const std::string& id : runner.uncollected()) {
    flying.push_back({Flying::kResult, runner.result(id)});
  }
}

bool World::deliver(uint32_t pick, bool twice, bool turn_too) {
  if (flying.empty()) return false;
  size_t at = pick % flying.size();
  // Surveys come in their order: one thread makes them.
  for (size_t i = 0; flying[at].kind == Flying::kSurvey && i < at; ++i) {
    if (flying[i].kind == Flying::kSurvey) at = i;
  }
  Flying one = flying[at];
  EffectDone* effect = std::get_if<EffectDone>(&one.message);
  bool release = effect && !about_attempts(effect->kind);  // one at a time, told once
  twice = twice && one.kind != Flying::kSurvey && !release;
  if (!twice) flying.erase(flying.begin() + static_cast<int64_t>(at));
  if (one.kind == Flying::kSurvey) {
    // Taken by this turn, if it becomes durable.
    SurveyDone& done = std::get<SurveyDone>(one.message);
    bool by_watcher = asked.front().trigger.who == "lockstep";
    done.started = [this, by_watcher, was = asked.front()](const std::string&, const Error* e) {
      if (!e) taken.push_back(was);
      if (by_watcher) watching = false;
      if (!e && was.trigger.kind != "preview") left_open = false;
    };
    asked.pop_front();
    turn_too = true;
  }
  if (AttemptResult* result = std::get_if<AttemptResult>(&one.message)) {
    if (wrong == Wrong::kCountsLost && result->end == AttemptEnd::kLost) {
      result->end = AttemptEnd::kFailed;
    }
    if (wrong == Wrong::kIgnoresGate && result->metrics.contains("accuracy")) {
      result->metrics["accuracy"] = 1.0;
    }
  }
  engine->inbox().push(std::move(one.message));
  if (turn_too) turn();
  return true;
}

bool World::end_attempt(uint32_t pick, uint32_t how) {
  std::vector<std::string> running = runner.running();
  if (running.empty()) return false;
  const std::string& id = running[pick % running.size()];
  how %= 24;
  AttemptEnd end = how < 3    ? AttemptEnd::kFailed
                   : how == 3 ? AttemptEnd::kLost
                              : AttemptEnd::kSucceeded;
  AttemptResult& result = const_cast<AttemptResult&>(runner.end(id, end, how == 4 ? how : 0));
  for (const auto& [name, digest] : result.outputs) {
    present.insert(digest);
    if (damaged.erase(digest) > 0) healed.insert(digest);
  }
  result = runner.result(id);
  if (how == 5) runner.result(id).metrics = {{"accuracy", "high"}};
  if (how == 6) runner.result(id).outputs.clear();
  flying.push_back({Flying::kResult, runner.result(id)});
  return true;
}

void World::confirm(EffectDone done) {
  flying.push_back({Flying::kConfirmation, std::move(done)});
}

// outcome: 0 not now, 1 failed for good, else done.
bool World::effect(uint32_t pick, uint32_t outcome) {
  bool release = attempts.empty() || (!releases.empty() && pick % 4 == 0);
  if (attempts.empty() && releases.empty()) return false;
  return release ? release_effect(outcome) : attempt_effect(pick / 4, outcome);
}

bool World::attempt_effect(uint32_t pick, uint32_t outcome) {
  size_t at = pick % attempts.size();
  for (size_t i = 0; i < at; ++i) {  // of one attempt in their order
    if (attempts[i].intent.target == attempts[at].intent.target) at = i;
  }
  Pending& pending = attempts[at];
  if (outcome == 0) {
    auto live = engine->past().live().find(pending.intent.target);
    if (live == engine->past().live().end()) pending.context = Json();
    return true;
  }
  EffectDone done{pending.intent.id, pending.intent.kind, pending.intent.target, true, "", {}};
  const std::string& id = pending.intent.target;
  if (pending.intent.kind == "start") {
    done.ok = outcome != 1;
    if (!done.ok) done.error = "its rows can't be written";
    if (!done.ok) not_started.insert(id);
    if (done.ok && !pending.context.is_null()) runner.start(id, pending.context);
  } else if (pending.intent.kind == "cancel") {
    std::vector<std::string> running = runner.running();
    if (std::find(running.begin(), running.end(), id) != running.end()) {
      flying.push_back({Flying::kResult, runner.end(id, AttemptEnd::kCancelled, 0)});
    }
  } else {
    runner.collected(id);
  }
  attempts.erase(attempts.begin() + static_cast<int64_t>(at));
  confirm(std::move(done));
  return true;
}

// Are the bytes of all its models there? What is lost by accident can't be built just now; what a
// collection took is a broken promise.
bool World::bytes_of(const std::string& tag) {
  for (const auto& [model, entry] : engine->registry().release(tag)->release.models) {
    if (damaged.count(entry.digest)) return false;
    must(present.count(entry.digest) > 0, "released bytes",
         "release {} is to be built, and the bytes of {} version {} are not there", tag, model,
         entry.version);
  }
  return true;
}

// One at a time. A publish looks at what is live when it begins, and has it done a while later.
bool World::release_effect(uint32_t outcome) {
  if (releases.empty()) return false;
  Pending& pending = releases.front();
  const std::string target = pending.intent.target;
  if (outcome <= 1) {
    pending.begun = false;
    std::rotate(releases.begin(), releases.begin() + 1, releases.end());
    return true;
  }
  EffectDone done{pending.intent.id, pending.intent.kind, target, true, "", Json::object()};
  if (pending.intent.kind == "build") {
    if (!bytes_of(target)) return false;
    images[target] = sha256("image " + target);
    done.data = {{"image", images[target].str()}};
    if (wrong == Wrong::kSkipsBuild) done.data = {{"image", sha256("").str()}}, done.ok = false;
  } else if (!pending.begun) {
    pending.tag = engine->registry().live(target);
    if (!pending.tag.empty() && !images.count(pending.tag) && !bytes_of(pending.tag)) return false;
    pending.begun = true;
    return true;
  } else if (!pending.tag.empty()) {
    images[pending.tag] = sha256("image " + pending.tag);
    published[target] = pending.tag;
  }
  releases.erase(releases.begin());
  confirm(std::move(done));
  return true;
}

// As `lockstep gc`: only while nothing is at work, and nothing that something may need.
bool World::collect_bytes() {
  if (engine->active() || !engine->past().live().empty()) return false;
  std::set<Digest> kept = kept_digests(engine->registry(), 10);
  std::set<Digest> fingerprints;
  for (const auto& [name, model] : engine->registry().models) {
    for (const Version& version : model.versions) {
      if (kept.count(version.digest)) fingerprints.insert(version.fingerprint);
    }
  }
  for (const auto& [name, hex] : store.all("accepted/")) fingerprints.insert(Digest::parse(hex));
  for (const auto& [mark, preview] : engine->previews()) {
    for (const Json& hex : preview.at("fingerprints")) {
      fingerprints.insert(Digest::parse(hex.get<std::string>()));
    }
  }
  for (const Digest& fingerprint : fingerprints) {
    auto result = sqlite.result(fingerprint);
    if (!result) continue;
    for (const auto& [name, digest] : result->outputs) kept.insert(digest);
  }
  size_t before = present.size();
  for (const std::string& id : runner.uncollected()) {
    for (const auto& [name, digest] : runner.result(id).outputs) kept.insert(digest);
  }
  std::erase_if(present, [&](const Digest& digest) { return kept.count(digest) == 0; });
  return present.size() < before;
}

bool World::move(const Event& event) {
  switch (event.what) {
    case What::kEnd:
      return end_attempt(event.a, event.b);
    case What::kEffect:
      return effect(event.a, event.b % 24);
    case What::kDeliver:
      return deliver(event.a, event.b % 16 == 0, event.b % 4 != 1);
    case What::kDrop: {
      if (flying.empty() || flying[event.a % flying.size()].kind != Flying::kResult) return false;
      flying.erase(flying.begin() + event.a % static_cast<int64_t>(flying.size()));
      return true;
    }
    case What::kRedeliver:
      redeliver();
      return !flying.empty();
    case What::kClock:
      clock.now += static_cast<int64_t>(event.a % 1'000) * (event.b % 4 == 0 ? -900 : 1'000);
      return true;
    case What::kRunnerLost: {
      bool any = !runner.running().empty();
      runner.lose_all(event.b % 2 == 0);
      redeliver();
      return any;
    }
    case What::kCollect:
      return collect_bytes();
    case What::kLose: {
      if (present.empty()) return false;
      auto at = std::next(present.begin(), event.a % static_cast<int64_t>(present.size()));
      damaged.insert(*at);
      present.erase(at);
      return true;
    }
    default:
      turn();
      return true;
  }
}

}  // namespace lockstep::sim
