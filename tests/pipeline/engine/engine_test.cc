#include "tests/pipeline/engine/bench.h"

using namespace lockstep;

namespace {

const std::string kA = "train[client=a]", kB = "train[client=b]", kC = "train[client=c]";

// Three models, each at version 1, released.
struct Ready : Bench {
  Ready() {
    look();
    finish_all("1");
    REQUIRE(manifest() == Json{{"intent-a", "1"}, {"intent-b", "1"}, {"intent-c", "1"}});
  }
};

}  // namespace

TEST_CASE("the first plan trains everything and cuts the first release") {
  Bench b;
  std::string run = b.look();
  CHECK(run == "r1");
  CHECK(b.live() == Names{kA, kB, kC});
  CHECK(b.result(run) == "running");
  b.finish_all("1");
  CHECK(b.result(run) == "done");
  CHECK(b.champion("intent-a") == 1);
  CHECK(b.manifest() == Json{{"intent-a", "1"}, {"intent-b", "1"}, {"intent-c", "1"}});
  CHECK(b.engine->registry().release(b.engine->registry().live("production"))->image.has_value());
  CHECK(b.published == std::vector<std::string>{"production"});
  CHECK(b.collected.size() == 3);
  CHECK(b.store.intents().empty());
  Json document = b.document(run);
  CHECK(document.at("executed") == 3);
  CHECK(document.at("trigger") == "first");
  CHECK(document.at("moves").size() == 3);
  CHECK(document.at("steps").at(0).at("state") == "done");
}

TEST_CASE("a commit trains exactly what it changed") {
  Ready b;
  b.started.clear();
  b.edit(2, "turn it off");
  std::string run = b.look();
  CHECK(b.live() == Names{kB});
  CHECK(b.started.size() == 1);
  b.succeed(kB, "b 2");
  CHECK(b.result(run) == "done");
  CHECK(b.champion("intent-b") == 2);
  CHECK(b.manifest() == Json{{"intent-a", "1"}, {"intent-b", "2"}, {"intent-c", "1"}});
  const Version& version = *b.engine->registry().model("intent-b")->version(2);
  CHECK(version.trigger == "data");
  CHECK(version.commits.at("tables") == b.tables.history.head);
  CHECK(version.slices.json().at(0).at("slice") == "utterances[client=b]");
  CHECK(version.committers.json().at(0).at("author") == "ann");
  Json document = b.document(run);
  CHECK(document.at("executed") == 1);
  CHECK(document.at("current") == 2);
  CHECK(document.at("data").at(0).at("rows") == 3);
  CHECK(document.at("models") == 3);
  REQUIRE(document.at("steps").size() == 1);  // the others are counted
  CHECK(document.at("steps").at(0).at("step") == kB);
}

TEST_CASE("nothing changed: no run, unless a person waits for one") {
  Ready b;
  CHECK(b.look().empty());
  FakeCommit now = b.tables.now();
  now["utterances"].salt = "x";
  b.tables.commit(now);
  CHECK(b.look().empty());
  CHECK(b.runs() == 1);
  CHECK(b.engine->cursors().at("tables") == b.tables.history.head);
  std::string run = b.by_hand();
  CHECK(b.result(run) == "done");
  CHECK(b.document(run).at("executed") == 0);
  CHECK(b.document(run).at("current") == 3);
}

TEST_CASE("a commit that is taken back finds the result it had") {
  Ready b;
  b.edit(1, "changed");
  b.look();
  b.finish_all("2");
  CHECK(b.champion("intent-a") == 2);
  b.started.clear();
  b.edit(1, "text 1");
  std::string run = b.look();
  CHECK(b.live().empty());
  CHECK(b.started.empty());
  CHECK(b.champion("intent-a") == 1);
  CHECK(b.why("intent-a") == "known fingerprint");
  CHECK(b.result(run) == "done");
  CHECK(b.manifest().at("intent-a") == "1");
  CHECK(b.engine->registry().releases.size() == 2);  // re-pointed, not built again
}

TEST_CASE("a known result whose bytes are gone is made again") {
  Ready b;
  b.edit(1, "changed");
  b.look();
  b.finish_all("2");
  b.present.erase(sha256(kA + " 1"));
  b.edit(1, "text 1");
  b.look();
  CHECK(b.live() == Names{kA});
}

TEST_CASE("failed attempts are tried again as often as the step allows") {
  Ready b;
  b.workflows.always[0].steps[0].attempts = 2;
  b.edit(1, "changed");
  std::string run = b.look();
  std::string first = b.attempt(kA);
  b.fail(kA);
  CHECK(b.live() == Names{kA});
  CHECK(b.attempt(kA) != first);
  SECTION("until it works") {
    b.succeed(kA, "a 2");
    CHECK(b.result(run) == "done");
    CHECK(b.champion("intent-a") == 2);
  }
  SECTION("until they are used up: not with the next commit, but by hand") {
    b.fail(kA);
    CHECK(b.live().empty());
    CHECK(b.result(run) == "failed");
    CHECK(b.document(run).at("steps").at(0).at("error") == "exited with 1");
    b.edit(2, "other");
    b.look();
    CHECK(b.live() == Names{kB});
    b.finish_all("2");
    CHECK(b.champion("intent-a") == 1);
    SECTION("of another step: that one stays failed") {
      b.by_hand({"intent-c"});
      CHECK(b.live().empty());
      b.edit(3, "and another");
      b.look();
      CHECK(b.live() == Names{kC});
    }
    SECTION("of this step") {
      b.by_hand({"intent-a"});
      CHECK(b.live() == Names{kA});
      b.fail(kA);
      b.fail(kA);
      CHECK(b.live().empty());  // counted from zero, and once
    }
    SECTION("of everything") {
      b.by_hand();
      CHECK(b.live() == Names{kA});
    }
  }
}

TEST_CASE("what the machine lost is not counted") {
  Ready b;
  b.edit(1, "changed");
  b.look();
  for (int i = 0; i < 5; ++i) b.end(b.attempt(kA), AttemptEnd::kLost);
  CHECK(b.live() == Names{kA});
  b.succeed(kA, "a 2");
  CHECK(b.champion("intent-a") == 2);
}

TEST_CASE("an attempt that can't be handed over fails with the reason") {
  Ready b;
  b.edit(1, "changed");
  b.confirm = false;
  std::string run = b.look();
  b.confirm = true;
  Intent start = b.store.intents().back();
  REQUIRE(start.kind == "start");
  b.engine->inbox().push(
      EffectDone{start.id, "start", start.target, false, "no secret TOKEN", Json::object()});
  b.turn();
  CHECK(b.live().empty());
  CHECK(b.result(run) == "failed");
  CHECK(b.document(run).at("steps").at(0).at("error") == "no secret TOKEN");
}

TEST_CASE("a second result for one attempt is ignored") {
  Ready b;
  b.edit(1, "changed");
  b.look();
  std::string id = b.attempt(kA);
  b.end(id, AttemptEnd::kSucceeded, "a 2");
  b.end(id, AttemptEnd::kSucceeded, "a 3");
  b.end(id, AttemptEnd::kFailed);
  b.end("a999999-nobody", AttemptEnd::kSucceeded, "x");
  CHECK(b.engine->registry().model("intent-a")->versions.size() == 2);
  CHECK(b.bytes("intent-a") == sha256("a 2"));
  CHECK(b.collected.back() == "a999999-nobody");  // the runner may free it all the same
}

TEST_CASE("results that are none fail the attempt") {
  Ready b;
  b.edit(1, "changed");
  std::string run = b.look();
  AttemptResult result;
  result.id = b.attempt(kA);
  result.end = AttemptEnd::kSucceeded;
  std::string expected;
  SECTION("without a declared output") {
    expected = "output `model` is missing";
  }
  SECTION("with metrics that are not numbers") {
    result.outputs["model"] = sha256("m");
    result.metrics = {{"accuracy", "good"}};
    expected = "metric accuracy in metrics.json is not a finite number";
  }
  SECTION("with metrics that are no map") {
    result.outputs["model"] = sha256("m");
    result.metrics = Json::array({1});
    expected = "metrics.json is not a map of names to numbers";
  }
  SECTION("with an error that is not text") {
    result.end = AttemptEnd::kFailed;
    result.error = "bad \xff byte";
    expected = "bad \xEF\xBF\xBD byte";
  }
  b.engine->inbox().push(result);
  b.turn();
  CHECK(b.result(run) == "failed");
  CHECK(b.document(run).at("steps").at(0).at("error") == expected);
  CHECK(b.champion("intent-a") == 1);
}

TEST_CASE("gates: a version that fails stays, the alias too") {
  Ready b;
  b.workflows.always[0].steps[0].gate = {{"accuracy", 0.8, std::nullopt}};
  b.edit(1, "changed");
  std::string run = b.look();
  b.succeed(kA, "a 2", {{"accuracy", 0.71}});
  CHECK(b.result(run) == "done");  // a gate that fails is a result, not an error
  CHECK(b.champion("intent-a") == 1);
  CHECK(b.engine->registry().model("intent-a")->versions.size() == 2);
  CHECK(b.document(run).at("gates").at("failed").at(0).at("model") == "intent-a");
  CHECK(b.manifest().at("intent-a") == "1");
  CHECK(b.look().empty());  // it is decided: nothing more to do
  b.edit(1, "changed again");
  run = b.look();
  b.succeed(kA, "a 3", {{"accuracy", 0.9}});
  CHECK(b.champion("intent-a") == 3);
  CHECK(b.why("intent-a") == "gate passed");
  CHECK(b.document(run).at("gates").at("passed") == 1);
}

TEST_CASE("one attempt per model, and never more than there are slots") {
  Bench b;
  b.options.slots[0].capacity = 2;
  b.restart();
  b.look();
  CHECK(b.live().size() == 2);
  b.succeed(kA, "a");
  CHECK(b.live().size() == 2);
  b.edit(2, "changed");
  b.look();
  CHECK(b.live() == Names{kB, kC});  // the new text of b waits behind the attempt of b
  CHECK(b.started.size() == 3);
  b.succeed(kC, "c");
  CHECK(b.live() == Names{kB});
  b.succeed(kB, "b old");
  CHECK(b.live() == Names{kB});
  CHECK(b.started.size() == 4);
  b.succeed(kB, "b new");
  CHECK(b.bytes("intent-b") == sha256("b new"));
}

TEST_CASE("hundreds that may not start yet keep nobody else from starting") {
  Bench b;
  std::vector<std::pair<int64_t, std::string>> clients;
  for (int64_t i = 1; i <= 300; ++i) clients.push_back({i, fmt::format("c{:03}", i)});
  b.rows(clients);
  StepTemplate last = step_of("zz", "zz", {code_of({"train/"})});
  b.workflows.always = {workflow_of({train_by_client(), last})};
  b.workflows.always[0].steps[0].max_parallel = 2;
  b.look();
  CHECK(b.live() == Names{"train[client=c001]", "train[client=c002]", "zz"});
  b.succeed("zz", "zz");
  b.succeed("train[client=c002]", "2");
  CHECK(b.live() == Names{"train[client=c001]", "train[client=c003]"});
  b.finish_all("1");
  CHECK(b.started.size() == 301);
  CHECK(std::all_of(b.started.begin(), b.started.end(), [](auto& one) { return one.second == 1; }));
}

TEST_CASE("a step that no slot can hold fails, and those below it go on") {
  Ready b;
  StepTemplate head = step_of("head", "head", {model_of("intent-a")});
  b.workflows.always[0].steps.push_back(head);
  b.workflows.always[0].steps[0].resources.gpu_memory_bytes = 1;
  std::string run = b.look({"code", "", {}, false, false});
  CHECK(b.live() == Names{"head"});  // on the champion that there is
  b.finish_all("1");
  CHECK(b.result(run) == "failed");
  CHECK_THAT(b.document(run).at("steps").at(0).at("error").get<std::string>(),
             Catch::Contains("a card with enough memory"));
  CHECK(b.champion("head") == 1);
}

TEST_CASE("forced: equal bytes are no new version, others are one, marked") {
  Ready b;
  b.by_hand({"intent-a"}, true);
  CHECK(b.live() == Names{kA});
  b.succeed(kA, kA + " 1");
  CHECK(b.engine->registry().model("intent-a")->versions.size() == 1);
  b.by_hand({"intent-a"}, true);
  b.succeed(kA, "odd");
  const ModelState& model = *b.engine->registry().model("intent-a");
  REQUIRE(model.versions.size() == 2);
  CHECK(model.versions[1].nondeterministic);
  CHECK(b.champion("intent-a") == 1);
}

TEST_CASE("a run of named steps leaves the others, and unknown names are refused") {
  Ready b;
  b.edit(1, "changed");
  b.edit(2, "changed");
  std::string run = b.by_hand({"intent-a"});
  CHECK(b.live() == Names{kA});
  b.succeed(kA, "a 2");
  CHECK(b.result(run) == "done");
  CHECK(b.document(run).at("steps").size() == 1);
  CHECK(b.by_hand({"intent-nobody"}).empty());
  CHECK_THAT(b.error, Catch::Contains("no step or model is called intent-nobody"));
  b.look();
  CHECK(b.live() == Names{kB});
}

TEST_CASE("a trunk that moves takes its heads along in the same run") {
  Bench b;
  StepTemplate head = step_of("head", "head-${{ matrix.client }}",
                              {rows_of("utterances", "client"), model_of("trunk")});
  head.matrix = {column_axis("client", "utterances")};
  b.workflows.always[0].steps = {step_of("trunk", "trunk", {code_of({"train/"})}), head};
  b.look();
  CHECK(b.live() == Names{"trunk"});
  b.succeed("trunk", "t 1");
  CHECK(b.live().size() == 3);
  b.finish_all("1");
  b.code.commit({{"train/fit.py", {"better"}}});
  std::string run = b.look({"code", "", {}, false, false});
  CHECK(b.live() == Names{"trunk"});
  b.succeed("trunk", "t 2");
  CHECK(b.live().size() == 3);
  b.finish_all("2");
  CHECK(b.result(run) == "done");
  CHECK(b.champion("head-a") == 2);
  const Version& version = *b.engine->registry().model("head-a")->version(2);
  CHECK(version.trigger == "upstream");
  CHECK(version.upstreams.json().at(0).at("version") == 2);
}

TEST_CASE("a run by hand forgives what failed before it, not what fails in it") {
  Bench b;
  b.workflows.always[0].steps = {
      step_of("trunk", "trunk", {code_of({"train/"})}),
      step_of("head", "head", {rows_of("utterances"), model_of("trunk")})};
  b.look();
  b.succeed("trunk", "t");
  b.succeed("head", "h 1");
  b.code.commit({{"train/fit.py", {"tidied"}}});
  b.edit(1, "changed");
  std::string run = b.by_hand({"head"});
  CHECK(b.live() == Names{"head", "trunk"});
  b.fail("head");
  b.succeed("trunk", "t");  // the same bytes: the head is looked at again, and is what it was
  CHECK(b.live().empty());
  CHECK(b.result(run) == "failed");
}

TEST_CASE("what is used up: a plan calls it failed, a preview of a run by hand would start it") {
  Ready b;
  b.edit(1, "changed");
  b.look();
  b.fail(kA);
  REQUIRE(b.live().empty());
  std::shared_ptr<Survey> seen = b.surveyor.survey({});
  auto state = [&](bool by_hand) {
    DryWorld dry(*b.engine, seen, by_hand);
    Trigger trigger{"manual", "ann", {}, false, true};
    std::unique_ptr<Plan> plan = b.engine->preview(seen, trigger, dry);
    return std::string(word(plan->at(seen->graph->by_name.at(kA)).state));
  };
  CHECK(state(false) == "failed");
  CHECK(state(true) == "run");
  CHECK(b.live().empty());  // neither has forgiven anything
  CHECK(state(false) == "failed");
}

TEST_CASE("a step too large for every slot does not fail its smaller twin") {
  Bench b;
  StepTemplate large = step_of("large", "large", {rows_of("utterances")});
  StepTemplate small = step_of("small", "small", {rows_of("utterances")});
  large.resources.cpus = small.resources.cpus = 1;
  large.resources.pool = "nowhere";
  b.workflows.always[0].steps = {large, small};
  std::string run = b.look();
  CHECK(b.live() == Names{"small"});
  b.succeed("small", "bytes");
  CHECK(b.result(run) == "done");
  CHECK(b.champion("large") == 1);
}
