// Gates that look at the champion and at expectations: what is evaluated, when, and what moves.
#include "tests/pipeline/engine/bench.h"

using namespace lockstep;

namespace {

StepTemplate judged_by_client(bool champion = true, bool expect = false) {
  StepTemplate step = train_by_client();
  step.inputs[0].holdout = Holdout{0.5, {"id"}, "v1"};
  step.evaluate = EvaluateSpec{"", 0, "python3 answer.py", Json::object(), "rows", {}};
  if (champion) step.judged.champion = Json::object();
  if (expect) {
    step.judged.expect = rows_of("utterances");
    step.judged.expect->name = "rows";
  }
  return step;
}

const std::string kTrain = "train[client=a]";

// With a judge that says what it is told to say, and keeps what it was asked.
struct Gated : Bench {
  std::vector<GateCase> asked;
  std::string action = "move";
  std::optional<double> p;

  explicit Gated(StepTemplate step = judged_by_client()) {
    workflows.always = {workflow_of({std::move(step)})};
    workflows.always[0].channels = {{"production", {"*"}, "image"}};
    begin();
  }
  void begin() {
    restart();
    engine->judge_with([this](const GateCase& one) {
      asked.push_back(one);
      return GateWord{action, "the judge says " + action, "", "", p};
    });
  }
  void predict(const std::string& step, AttemptEnd how = AttemptEnd::kSucceeded) {
    AttemptResult result;
    result.id = attempt(step);
    result.end = how;
    if (how == AttemptEnd::kSucceeded) {
      result.outputs["predictions"] = sha256("predictions of " + result.id);
      present.insert(result.outputs["predictions"]);
    } else {
      result.error = "exited with 1";
    }
    engine->inbox().push(std::move(result));
    turn();
  }
  const ModelState& model(const std::string& name = "intent-a") const {
    return *engine->registry().model(name);
  }
  int64_t champion(const std::string& name = "intent-a") const {
    return model(name).alias(kChampion);
  }
  // All are trained once, then one row changes and its model is trained again.
  void second_version() {
    look();
    finish_all("1");
    edit(1, "other");
    look();
    succeed(kTrain, "2");
  }
  void answer_both() {
    predict(kTrain + "/evaluate");
    predict(kTrain + "/evaluate-champion");
  }
};

}  // namespace

TEST_CASE("a first version has nobody to be compared with") {
  Gated b;
  b.look();
  b.finish_all("1");
  CHECK(b.champion() == 1);
  CHECK(b.asked.empty());
}

TEST_CASE("champion and challenger are evaluated before the alias moves") {
  Gated b;
  b.second_version();
  CHECK(b.live() == Names{kTrain + "/evaluate", kTrain + "/evaluate-champion"});
  CHECK(b.model().versions.size() == 2);
  CHECK(b.champion() == 1);
  CHECK(b.engine->active() != nullptr);
  b.predict(kTrain + "/evaluate");
  CHECK(b.asked.empty());
  b.predict(kTrain + "/evaluate-champion");
  REQUIRE(b.asked.size() == 1);
  CHECK(b.asked[0].champion == 1);
  CHECK(b.asked[0].challenger == 2);
  CHECK(b.asked[0].of_champion != b.asked[0].of_challenger);
  CHECK(b.champion() == 2);
  CHECK(b.engine->active() == nullptr);
  CHECK(b.engine->last()->record.result == "done");
  const GateReport& report = b.model().gates.at(2);
  CHECK(report.passed);
  CHECK(report.champion == 1);
  CHECK(!report.basis.empty());
}

TEST_CASE("what a gate holds stays, and is not evaluated again") {
  Gated b;
  b.action = "hold";
  b.second_version();
  b.answer_both();
  CHECK(b.champion() == 1);
  CHECK(b.engine->last()->record.result == "done");
  CHECK(b.engine->last()->gates_failed.size() == 1);
  b.by_hand();
  CHECK(b.live().empty());
  b.begin();
  b.by_hand();
  CHECK(b.live().empty());
  CHECK(b.asked.size() == 1);
  CHECK(b.champion() == 1);
  SECTION("another question is asked of the same predictions") {
    b.action = "move";
    StepTemplate other = judged_by_client();
    other.judged.champion["alpha"] = 0.01;
    b.workflows.always[0].steps = {other};
    b.by_hand();
    CHECK(b.live().empty());
    CHECK(b.asked.size() == 2);
    CHECK(b.champion() == 2);
  }
}

TEST_CASE("a gate that asks waits for a person") {
  StepTemplate step = judged_by_client();
  step.judged.approve_by_other = true;
  Gated b(step);
  b.action = "ask";
  b.second_version();
  b.answer_both();
  CHECK(b.champion() == 1);
  HasBytes all = [](const Digest&) { return true; };
  auto approved = [&](const std::string& who) {
    return approve(b.engine->registry(), {"intent-a", 0, nullptr, who, "fine"}, all);
  };
  const std::string author = b.model().version(2)->committers.json()[0].at("author");
  CHECK_THROWS_WITH(approved(author), Catch::Contains("committed rows"));
  std::vector<Fact> facts = approved("bea");
  REQUIRE(facts.size() == 2);
  CHECK(std::get<Approval>(facts[0]).basis == b.model().gates.at(2).basis);
  SECTION("and moves then") {
    b.engine->inbox().push(Command{[&](Engine& engine) { engine.append(facts); }, nullptr});
    b.turn();
    CHECK(b.champion() == 2);
    CHECK(b.model().approved(2) != nullptr);
    CHECK_THROWS_WITH(approved("bea"), Catch::Contains("waits for approval"));
  }
  SECTION("another champion voids what it was asked for") {
    Fact move = AliasMove{"intent-a", kChampion, 1, 0, "ann", "gone"};
    b.engine->inbox().push(Command{[&](Engine& engine) { engine.append({move}); }, nullptr});
    b.turn();
    CHECK_THROWS_WITH(approved("bea"), Catch::Contains("was compared with version 1"));
  }
  SECTION("other rows void it, too") {
    Digest other = sha256("other");
    CHECK_THROWS_WITH(approve(b.engine->registry(), {"intent-a", 2, &other, "bea", ""}, all),
                      Catch::Contains("not what the newest plan made"));
  }
}

TEST_CASE("a new process goes on with evaluations where they were") {
  Gated b;
  b.second_version();
  b.predict(kTrain + "/evaluate");
  b.begin();
  b.look();
  CHECK(b.live() == Names{kTrain + "/evaluate-champion"});
  CHECK(b.champion() == 1);
  b.predict(kTrain + "/evaluate-champion");
  CHECK(b.champion() == 2);
  CHECK(b.asked.size() == 1);
}

TEST_CASE("an evaluation that fails for good holds, and says which") {
  Gated b;
  b.second_version();
  b.predict(kTrain + "/evaluate", AttemptEnd::kFailed);
  b.predict(kTrain + "/evaluate-champion");
  CHECK(b.asked.empty());
  CHECK(b.champion() == 1);
  CHECK(b.engine->active() == nullptr);
  CHECK(b.model().gates.at(2).verdict.find("version 2 could not be evaluated") == 0);
  b.by_hand();
  CHECK(b.live() == Names{kTrain + "/evaluate"});
  b.predict(kTrain + "/evaluate");
  CHECK(b.champion() == 2);
}

TEST_CASE("an evaluation that is lost is begun again") {
  Gated b;
  b.second_version();
  b.predict(kTrain + "/evaluate", AttemptEnd::kLost);
  CHECK(b.live().count(kTrain + "/evaluate") == 1);
  b.answer_both();
  CHECK(b.champion() == 2);
}

TEST_CASE("trained under another holdout they are not compared") {
  Gated b;
  b.look();
  b.finish_all("1");
  b.workflows.always[0].steps[0].inputs[0].holdout->fraction = 0.25;
  b.code.commit({{"train/fit.py", {"fit again"}}});
  b.look({"code", "", {}, false, false, {}});
  b.succeed(kTrain, "2");
  CHECK(b.live().count(kTrain + "/evaluate") == 0);
  REQUIRE(b.asked.size() == 1);
  CHECK(b.asked[0].void_because == "version 1 was trained under another holdout");
  CHECK(!b.asked[0].of_champion);
  CHECK(b.champion() == 2);
}

TEST_CASE("the models of a run are corrected for together") {
  Gated b;
  b.look();
  b.finish_all("1");
  b.edit(1, "other");
  b.edit(2, "other");
  b.look();
  b.p = 0.25;
  for (const char* client : {"a", "b"}) {
    b.succeed(std::string("train[client=") + client + "]", std::string("2 ") + client);
  }
  for (const char* client : {"a", "b"}) {
    const std::string step = std::string("train[client=") + client + "]";
    b.predict(step + "/evaluate");
    b.predict(step + "/evaluate-champion");
  }
  REQUIRE(b.asked.size() == 2);
  CHECK(b.asked[0].yet_to_come == 1);
  CHECK(b.asked[0].other_p.empty());
  CHECK(b.asked[1].yet_to_come == 0);
  CHECK(b.asked[1].other_p == std::vector<double>{0.25});
}

TEST_CASE("expectations are asked of a first version and of a known one") {
  Gated b(judged_by_client(false, true));
  b.look();
  b.succeed(kTrain, "1");
  CHECK(b.champion() == 0);
  CHECK(b.live().count(kTrain + "/expectations") == 1);
  b.predict(kTrain + "/expectations");
  CHECK(b.champion() == 1);
  REQUIRE(b.asked.size() == 1);
  CHECK(b.asked[0].of_expectations);
  CHECK(!b.asked[0].of_champion);
}

TEST_CASE("without somebody who judges nothing moves") {
  Gated b;
  b.second_version();
  b.engine->judge_with({});
  b.answer_both();
  CHECK(b.champion() == 1);
  CHECK(b.model().gates.at(2).verdict == "nobody is here to judge it");
}

TEST_CASE("nobody waits for more once one evaluation has failed for good") {
  Gated b;
  b.look();
  b.finish_all("1");
  b.options.slots[0].capacity = 1;
  b.begin();
  b.edit(1, "other");
  b.look();
  b.succeed(kTrain, "2");
  REQUIRE(b.live().size() == 1);
  b.predict(*b.live().begin(), AttemptEnd::kFailed);
  CHECK(b.live().empty());
  CHECK(b.engine->active() == nullptr);
  CHECK(b.champion() == 1);
}

TEST_CASE("a disk that is full just then is no word on a model") {
  Gated b;
  auto word = [&](bool full) {
    b.engine->judge_with([full](const GateCase&) -> std::optional<GateWord> {
      if (full) throw Error(ErrorCode::kUnavailable, "the report can't be kept");
      return GateWord{"move", "the judge says move", "", "", {}};
    });
  };
  word(true);
  b.second_version();
  CHECK_THROWS_WITH(b.answer_both(), Catch::Contains("can't be kept"));
  b.restart();
  word(false);
  b.look();
  while (!b.live().empty()) b.predict(*b.live().begin());
  CHECK(b.champion() == 2);
  CHECK(b.engine->last()->record.result == "done");
}

TEST_CASE("what takes long is measured elsewhere, and the engine goes on meanwhile") {
  Gated b;
  std::set<std::string> ready;
  auto with_patience = [&] {
    b.engine->judge_with([&](const GateCase& one) -> std::optional<GateWord> {
      b.asked.push_back(one);
      if (!ready.count(one.basis)) return std::nullopt;
      return GateWord{"move", "the judge says move", "", "", {}};
    });
  };
  with_patience();
  b.second_version();
  b.answer_both();
  REQUIRE(b.asked.size() == 1);
  const std::string basis = b.asked[0].basis;
  CHECK(!basis.empty());
  CHECK(b.champion() == 1);
  REQUIRE(b.engine->active() != nullptr);
  auto tell = [&] {
    b.engine->inbox().push(Command{[&](Engine& e) { e.measured(basis); }, nullptr});
    b.turn();
  };
  b.turn();
  CHECK(b.asked.size() == 1);  // nobody asks again before it is told
  SECTION("its end is told, and the alias moves") {
    ready.insert(basis);
    tell();
    CHECK(b.asked.size() == 2);
    CHECK(b.champion() == 2);
    CHECK(b.engine->last()->record.result == "done");
    CHECK(b.model().gates.at(2).basis == basis);
    tell();  // nobody waits any more
    CHECK(b.asked.size() == 2);
  }
  SECTION("a new process begins it again: nothing was evaluated twice") {
    const size_t attempts = b.started.size();
    b.restart();
    with_patience();
    b.look();
    REQUIRE(b.asked.size() == 2);
    CHECK(b.asked[1].basis == basis);
    ready.insert(basis);
    tell();
    CHECK(b.champion() == 2);
    CHECK(b.started.size() == attempts);
  }
  SECTION("the run that takes its place asks again") {
    b.edit(2, "other");
    b.look();
    CHECK(b.asked.size() == 2);
    ready.insert(basis);
    tell();
    CHECK(b.champion() == 2);
  }
}

TEST_CASE("of models that their gates hold nothing is worked out anew") {
  Gated b;
  std::vector<std::pair<int64_t, std::string>> rows;
  for (int64_t n = 0; n < 60; ++n) rows.emplace_back(n, n == 0 ? "a" : fmt::format("c{}", n));
  b.rows(rows);
  b.by_hand();
  b.finish_all("1");
  b.action = "hold";
  FakeCommit now = b.tables.now();
  for (Row& row : now.at("utterances").rows) row[2] = text_cell("other");
  b.tables.commit(std::move(now));
  b.look();
  while (!b.live().empty()) {
    const std::string step = *b.live().begin();
    if (step.find("/evaluate") == std::string::npos) {
      b.succeed(step, step + " 2");
    } else {
      b.predict(step);
    }
  }
  REQUIRE(b.engine->active() == nullptr);
  const size_t held = b.engine->last()->gates_failed.size(), asked = b.asked.size();
  REQUIRE(held == rows.size());
  b.by_hand();
  const uint64_t once = b.engine->gate_bases().worked_out();
  b.by_hand();
  b.by_hand();
  CHECK(b.engine->gate_bases().worked_out() == once);
  CHECK(b.asked.size() == asked);
  SECTION("but of one whose champion's bytes are gone") {
    b.present.erase(b.model().version(1)->digest);
    b.by_hand();
    CHECK(b.engine->gate_bases().worked_out() == once + 2);  // by the plan, and when it is judged
  }
  SECTION("and of all where the question is another") {
    StepTemplate other = judged_by_client();
    other.judged.champion["alpha"] = 0.01;
    b.workflows.always[0].steps = {other};
    b.by_hand();
    CHECK(b.engine->gate_bases().worked_out() >= once + held);
  }
}
