// A simulated workspace: the real engine, rules, surveyor, SQLite store and ledger; sources,
// runner, releases and the process itself are played. Everything that moves is an event of a story.
// Knows nothing of where stories come from or of what is done when a rule is broken.
#pragma once

#include <deque>

#include "pipeline/engine/world.h"
#include "pipeline/survey/surveyor.h"
#include "tests/fake/slice_cache.h"
#include "tests/fake/workflows.h"
#include "tests/sim/check.h"
#include "tests/sim/ports.h"
#include "tests/sim/runner.h"
#include "tests/sim/shape.h"
#include "tests/sim/story.h"

namespace lockstep::sim {

class SimClock : public Clock {
 public:
  int64_t now = 1'000'000'000;
  int64_t now_ms() override { return now; }
};

// A message on its way to the inbox.
struct Flying {
  enum Kind { kSurvey, kResult, kConfirmation, kMeasured } kind = kResult;
  Message message;
};

// An intent that somebody is about to act upon.
struct Pending {
  Intent intent;
  Json context;        // of a start
  bool begun = false;  // of a publish: `tag` is what it found live
  std::string tag;
};

class World {
 public:
  World(uint64_t shape, Wrong wrong);

  // Lets it happen. False: there was nothing it could happen to. Throws Violation.
  bool apply(const Event& event);
  // All comes to rest, and what must hold at rest is looked at.
  void settle();

  // ---- the sources (world_sources.cc) ----
  bool edit_rows(const Event& event);
  bool edit_code(const Event& event);
  bool branch(const Event& event);
  bool hinder(const Event& event);
  std::set<std::string> clients() const;  // that have rows at the head

  // ---- what is asked for (world_asks.cc) ----
  bool look();
  bool look_again();  // at the same commits, as a new process does after a run was left open
  bool preview(uint32_t pick, bool once);
  bool ask(const Event& event);
  bool send(Trigger trigger, const std::map<std::string, std::string>& commits);
  bool command(const std::function<void(Engine&)>& act);

  // ---- messages, effects, the process (world_moves.cc) ----
  bool move(const Event& event);
  bool deliver(uint32_t pick, bool twice, bool turn);
  bool effect(uint32_t pick, uint32_t outcome);
  bool end_attempt(uint32_t pick, uint32_t how);
  void redeliver();
  void turn();
  void restart();
  bool collect_bytes();
  void act_on(std::vector<Intent> intents);

  // ---- parts ----
  uint64_t shape;
  Wrong wrong;
  FakeTables tables;
  FakeCode code;
  FakeWorkflows workflows;
  FakeSliceCache slice_cache;
  Surveyor surveyor;
  Database db{":memory:"};
  SqliteStore sqlite{db};
  Ledger ledger{db};
  Faults faults{db};
  FaultyStore store{sqlite, db, faults, wrong};
  FaultyLog log{ledger, faults, wrong};
  SimClock clock;
  EngineOptions options;
  std::set<Digest> present;  // bytes that are there
  // What the gates were last told of a model's version.
  std::map<std::pair<std::string, int64_t>, std::string> words;
  std::set<std::string> measured;  // what gates were asked and took their time to answer
  std::set<Digest> damaged;        // lost by accident, not by collection
  std::set<Digest> healed;         // that were, and came back behind a plan's back
  Contents contents{tables, code};
  FakeRunner runner{contents};
  std::unique_ptr<Engine> engine;

  std::deque<Flying> flying;
  std::vector<Pending> attempts, releases;       // lanes of effects
  std::set<std::string> not_started;             // attempts whose start failed for good
  std::map<std::string, Digest> images;          // tag → image
  std::map<std::string, std::string> published;  // channel → tag
  std::map<std::string, std::string> branches;   // name → commit
  std::vector<std::string> heads;                // commits that were the head of the tables
  std::string good_code;                         // newest commit whose workflows load
  int64_t next_row = 100;
  bool watching = false;   // a survey of the watcher's is on its way
  bool left_open = false;  // an earlier process left something to be planned
  // The survey that the turn under way takes, and what was asked for with it.
  struct Asked {
    std::shared_ptr<const Survey> survey;
    Trigger trigger;  // as it was asked for
  };
  std::deque<Asked> asked;                      // on their way, in order
  std::vector<Asked> taken;                     // by the turn under way
  std::map<std::string, Digest> first_digests;  // kStaleSurvey
  Checks checks;

 private:
  void act_starts(Pending& pending, EffectDone& done);
  bool act_release(Pending& pending, EffectDone& done);
  bool attempt_effect(uint32_t pick, uint32_t outcome);
  bool release_effect(uint32_t outcome);
  void confirm(EffectDone done);
  bool bytes_of(const std::string& tag);
  void heal_all();
  bool drain();
  std::string head_of_code() const { return code.history.head; }
};

}  // namespace lockstep::sim
