// What is left after a process died: nothing is lost, nothing runs twice.
#include "tests/pipeline/engine/bench.h"

using namespace lockstep;

namespace {

// How a story is told: in one process, or with a new one after every turn.
struct Teller {
  Bench b;
  bool dies = false;          // after every turn
  bool looks_at_once = true;  // a new process looks before the next thing happens
  bool dies_unconfirmed = false;

  void after() {
    if (!dies) return;
    b.confirm = true;
    b.restart();
    b.turn();
    if (looks_at_once) b.look();
    b.confirm = !dies_unconfirmed;
  }
  void look() {
    b.look();
    after();
  }
  // In the order of the steps' names, which all tellers have.
  void end_one(AttemptEnd how, const std::string& bytes) {
    REQUIRE_FALSE(b.live().empty());
    std::string step = *b.live().begin();
    b.end(b.attempt(step), how, step + " " + bytes);
    after();
  }
};

// A release, a retrained model, a failure that is tried again, one that is not.
void story(Teller& t) {
  t.b.workflows.always[0].steps[0].attempts = 2;
  t.look();
  t.end_one(AttemptEnd::kSucceeded, "1");
  t.end_one(AttemptEnd::kFailed, "");
  t.end_one(AttemptEnd::kSucceeded, "1");
  t.b.confirm = true;
  t.look();
  t.end_one(AttemptEnd::kSucceeded, "1");
  t.b.edit(2, "changed");
  t.look();
  t.end_one(AttemptEnd::kLost, "");
  t.b.confirm = true;
  t.look();
  t.end_one(AttemptEnd::kSucceeded, "2");
  t.b.edit(3, "broken");
  t.look();
  t.end_one(AttemptEnd::kFailed, "");
  t.b.confirm = true;
  t.look();
  t.end_one(AttemptEnd::kFailed, "");
  t.b.edit(2, "text 2");
  t.b.confirm = true;
  t.look();
}

struct Outcome {
  std::map<std::string, int64_t> champions;
  Json manifest;
  std::map<std::string, std::vector<std::string>> versions;  // model → digests
  std::map<std::string, size_t> attempts;                    // fingerprint → how many
  std::vector<std::string> runs_left_open;
  bool operator==(const Outcome&) const = default;
};

Outcome outcome(Teller& t) {
  Outcome out;
  out.manifest = t.b.manifest();
  for (const auto& [name, model] : t.b.engine->registry().models) {
    out.champions[name] = model.alias(kChampion);
    for (const Version& version : model.versions) {
      out.versions[name].push_back(version.digest.hex());
      out.attempts[version.fingerprint.hex()] = t.b.store.attempts_of(version.fingerprint).size();
    }
  }
  for (const RunRecord& run : t.b.store.runs(1000)) {
    if (run.result == "running") out.runs_left_open.push_back(run.id);
  }
  return out;
}

}  // namespace

TEST_CASE("a process that dies after every turn comes to the same end") {
  Teller calm, shaky, late, torn;
  story(calm);
  CHECK(calm.b.manifest() == Json{{"intent-a", "1"}, {"intent-b", "1"}, {"intent-c", "1"}});
  CHECK(calm.b.engine->registry().model("intent-b")->versions.size() == 2);
  Outcome expected = outcome(calm);
  CHECK(expected.runs_left_open.empty());
  size_t handed_over = calm.b.started.size();

  shaky.dies = true;
  story(shaky);
  CHECK(outcome(shaky) == expected);
  CHECK(shaky.b.started.size() == handed_over);

  late.dies = true;
  late.looks_at_once = false;
  story(late);
  CHECK(outcome(late) == expected);
  CHECK(late.b.started.size() == handed_over);

  torn.dies = true;
  torn.dies_unconfirmed = true;
  story(torn);
  CHECK(outcome(torn) == expected);
  CHECK(torn.b.started.size() == handed_over);
  bool again = std::any_of(torn.b.started.begin(), torn.b.started.end(),
                           [](const auto& one) { return one.second > 1; });
  CHECK(again);  // effects happen at least once; the id makes it harmless
}

TEST_CASE("a process that begins acts on the intents that are left") {
  Bench b;
  b.confirm = false;
  b.look();
  CHECK(b.started.size() == 3);
  CHECK(b.store.intents().size() == 3);
  b.confirm = true;
  b.restart();
  b.turn();
  CHECK(b.store.intents().empty());
  for (const auto& [attempt, times] : b.started) CHECK(times == 2);
  CHECK(b.live().size() == 3);
}

TEST_CASE("a run that was left open ends superseded, and its attempts go on") {
  Bench b;
  std::string run = b.look();
  Names live = b.live();
  b.restart();
  CHECK(b.live() == live);
  std::string second = b.look();
  CHECK(b.result(run) == "superseded");
  CHECK(b.document(run).at("result") == "superseded");
  CHECK(b.started.size() == 3);
  b.finish_all("1");
  CHECK(b.result(second) == "done");
}

TEST_CASE("the registry as loaded is the registry as it was in memory") {
  Teller t;
  story(t);
  t.b.edit(1, "more");
  t.b.workflows.always[0].steps[0].gate = {{"accuracy", 0.5, std::nullopt}};
  t.look();
  t.b.finish_all("3");
  t.b.rows({{1, "a"}, {2, "b"}});
  t.look();
  t.b.finish_all("4");
  t.b.engine->inbox().push(Command{[](Engine& engine) {
    engine.append({Pin{"intent-a", kChampion, 1, PinKind::kHand, "ann", "hold"}});
  }});
  t.b.turn();
  CHECK(described(t.b.ledger.load()) == described(t.b.engine->registry()));
}

TEST_CASE("a turn that throws leaves the store as it was") {
  Bench b;
  b.look();
  b.finish_all("1");
  int64_t seq = b.engine->registry().last_seq;
  b.edit(1, "changed");
  b.engine->inbox().push(Command{[](Engine& engine) {
    engine.store().set("cursor/tables", "nowhere");
    throw Error(ErrorCode::kCorrupt, "what must not happen");
  }});
  CHECK_THROWS_WITH(b.engine->turn(0), Catch::Contains("must not happen"));
  CHECK_FALSE(b.db.in_transaction());
  b.restart();
  CHECK(b.engine->cursors().at("tables") != "nowhere");
  CHECK(b.engine->registry().last_seq == seq);
  b.look();
  CHECK(b.live() == Names{"train[client=a]"});
}

TEST_CASE("recorded time never goes back, whatever the clock does") {
  Bench b;
  b.look();
  b.clock.now -= 500'000;
  b.finish_all("1");
  b.clock.now -= 100'000;
  b.edit(1, "changed");
  b.look();
  b.finish_all("2");
  CHECK(b.champion("intent-a") == 2);
  CHECK(described(b.ledger.load()) == described(b.engine->registry()));
}

TEST_CASE("a survey that changes nothing leaves a run that is under way alone") {
  Bench b;
  b.look();
  b.finish_all("1");
  b.edit(1, "changed");
  b.look();
  std::string attempt = b.attempt("train[client=a]");
  FakeCommit now = b.tables.now();
  now["elsewhere"] = utterances({});
  b.tables.commit(now);
  std::string run = b.look();
  CHECK(b.attempt("train[client=a]") == attempt);
  b.succeed("train[client=a]", "a 2");
  CHECK(b.result(run) == "done");
  CHECK(b.manifest().at("intent-a") == "2");
}

TEST_CASE("a run that was left open ends although the change after it is held") {
  Bench b;
  b.look();
  b.finish_all("1");
  b.edit(1, "changed");
  std::string run = b.look();
  b.restart();
  b.rows({{1, "a"}});
  std::string held = b.look();
  REQUIRE(b.result(held) == "held");
  CHECK(b.result(run) == "superseded");
  b.finish_all("2");
  CHECK(b.store.runs(1)[0].id == held);
}

TEST_CASE("what is asked for while somebody is at it is done once more") {
  Bench b;
  b.look();
  b.finish_all("1");
  auto publish = [&] {
    b.engine->inbox().push(Command{[](Engine& engine) { engine.publish("production"); }, nullptr});
    b.engine->turn(0);
    return b.engine->take_intents();
  };
  auto confirm = [&](int64_t intent) {
    b.engine->inbox().push(EffectDone{intent, "publish", "production", true, "", Json::object()});
    b.engine->turn(0);
    return b.engine->take_intents();
  };
  std::vector<Intent> first = publish();
  REQUIRE(first.size() == 1);
  CHECK(publish().empty());  // it may have looked already at what is live
  std::vector<Intent> again = confirm(first[0].id);
  REQUIRE(again.size() == 1);
  CHECK(again[0].target == "production");
  CHECK(b.store.intents().size() == 1);
  CHECK(confirm(again[0].id).empty());
  CHECK(b.store.intents().empty());
}

TEST_CASE("a run that was left open is found behind newer ones that are over") {
  Bench b;
  b.look();
  b.finish_all("1");
  CHECK_FALSE(b.engine->left_open());
  RunRecord open, held;
  open.id = "r50";
  open.result = "running";
  held.id = "r51";
  held.result = "held";
  open.started_ms = 2'000'000;
  held.started_ms = 2'000'001;
  b.store.put(open);
  b.store.put(held);
  b.restart();
  CHECK(b.engine->left_open());
  b.edit(1, "other");
  b.look();
  CHECK(b.result("r50") == "superseded");
  b.finish_all("2");
  CHECK_FALSE(b.engine->left_open());
}

TEST_CASE("what somebody who moved a champion left to be planned is planned by who serves next") {
  Bench b;
  b.look();
  b.finish_all("1");
  auto owe = [&] {
    b.engine->inbox().push(Command{[](Engine& engine) { engine.owe_plan(); }, nullptr});
    b.turn();
    b.restart();
    CHECK(b.engine->left_open());
  };
  owe();
  b.look({"data", "", {}, false, false, {}});  // of rows alone: steps that wait for code stay out
  CHECK(b.engine->left_open());
  Trigger all{"data", "", {}, false, false, {}};
  all.code_too = true;
  b.look(all);
  CHECK_FALSE(b.engine->left_open());
  owe();
  b.look({"approval", "", {}, false, false, {}});
  CHECK_FALSE(b.engine->left_open());
  b.restart();
  CHECK_FALSE(b.engine->left_open());
}
