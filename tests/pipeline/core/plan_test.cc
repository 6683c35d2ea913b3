#include "pipeline/core/plan.h"

#include "tests/catch.h"
#include "tests/fake/survey.h"
#include "tests/fake/world.h"

using namespace lockstep;

namespace {

// A plan over a fake survey and a fake past, driven by the names of steps.
struct Bench {
  FakeSurvey f;
  FakeWorld world;
  std::shared_ptr<Survey> seen;
  std::unique_ptr<Plan> plan;

  void begin(const std::set<std::string>& selected = {}, const std::set<std::string>& forced = {}) {
    seen = f.look();
    world.graph = seen->graph.get();
    std::set<StepId> chosen, again;
    for (const std::string& name : selected) chosen.insert(step_id(*seen, name));
    for (const std::string& name : forced) again.insert(step_id(*seen, name));
    plan = std::make_unique<Plan>(seen, world, chosen, again);
  }
  StepId id(const std::string& name) const { return step_id(*seen, name); }
  const PlannedStep& at(const std::string& name) const { return plan->at(id(name)); }
  std::string state(const std::string& name) const { return std::string(word(at(name).state)); }
  Digest fingerprint(const std::string& name) const { return at(name).recipe->fingerprint; }
  std::set<std::string> ready() const {
    std::set<std::string> names;
    for (StepId id : plan->ready()) names.insert(seen->graph->step(id).name);
    return names;
  }
  void start(const std::string& name) {
    world.live_ones.insert(fingerprint(name));
    plan->started(id(name));
  }
  ResultRecord result(const Digest& fingerprint, const std::string& bytes) {
    ResultRecord record;
    record.fingerprint = fingerprint;
    record.outputs["model"] = sha256(bytes);
    world.live_ones.erase(fingerprint);
    return world.results[fingerprint] = record;
  }
  void succeed(const std::string& name, const std::string& bytes) {
    Digest print = fingerprint(name);
    plan->succeeded(print, result(print, bytes));
  }
  void run(const std::string& name, const std::string& bytes) {
    REQUIRE(state(name) == "run");
    start(name);
    succeed(name, bytes);
  }
  void fail(const std::string& name, bool final) {
    Digest print = fingerprint(name);
    world.live_ones.erase(print);
    if (final) world.used_up_ones.insert(print);
    plan->failed(print, "exited with 1", final);
  }
  size_t accepted(const std::string& name) const {
    return static_cast<size_t>(std::count_if(world.accepted.begin(), world.accepted.end(),
                                             [&](const auto& a) { return a.step == name; }));
  }
};

using Names = std::set<std::string>;

// trunk ← head-a, head-b, each with rows of its own.
struct Trunk : Bench {
  Trunk() {
    StepTemplate head = step_of("head", "head-${{ matrix.client }}",
                                {rows_of("utterances", "client"), model_of("trunk")});
    head.matrix = {list_axis("client", {"a", "b"})};
    f.workflows = {workflow_of({step_of("trunk", "trunk", {rows_of("corpus")}), head})};
  }
  const std::string a = "head[client=a]", b = "head[client=b]";
  void first_run() {
    begin();
    run("trunk", "trunk 1");
    run(a, "a 1");
    run(b, "b 1");
    REQUIRE(plan->finished());
  }
};

}  // namespace

TEST_CASE("the first plan: inputs first, then those that read them") {
  Trunk t;
  t.begin();
  CHECK(t.state("trunk") == "run");
  CHECK(t.state(t.a) == "waiting");
  CHECK(t.at(t.a).waits_for == std::vector<StepId>{t.id("trunk")});
  CHECK(t.ready() == Names{"trunk"});
  t.start("trunk");
  CHECK(t.state("trunk") == "running");
  CHECK(t.ready().empty());
  t.succeed("trunk", "trunk 1");
  CHECK(t.state("trunk") == "done");
  CHECK(t.ready() == Names{t.a, t.b});
  CHECK(t.at(t.a).used.at(0).ref == ModelRef{1, sha256("trunk 1")});
  t.run(t.a, "a 1");
  CHECK_FALSE(t.plan->finished());
  t.run(t.b, "b 1");
  CHECK(t.plan->finished());
  CHECK(t.plan->count(StepState::kDone) == 3);
}

TEST_CASE("nothing changed: all is current, and accepted once") {
  Trunk t;
  t.first_run();
  t.world.accepted.clear();
  t.begin();
  CHECK(t.plan->finished());
  CHECK(t.plan->count(StepState::kCurrent) == 3);
  CHECK(t.ready().empty());
  CHECK(t.world.accepted.size() == 3);
}

TEST_CASE("a result that is known is taken again, not trained again") {
  Trunk t;
  t.first_run();
  t.f.rows["utterances[client=a]"] = "edited";
  t.begin();
  CHECK(t.ready() == Names{t.a});
  t.run(t.a, "a 2");
  CHECK(t.world.champions.at("head-a").digest == sha256("a 2"));
  t.f.rows.clear();
  t.begin();
  CHECK(t.state(t.a) == "current");
  CHECK(t.world.champions.at("head-a").digest == sha256("a 1"));
}

TEST_CASE("consumers wait for a trunk that is to be trained") {
  Trunk t;
  t.first_run();
  t.f.rows["corpus"] = "more";
  t.begin();
  CHECK(t.ready() == Names{"trunk"});
  CHECK(t.state(t.a) == "waiting");
  t.start("trunk");
  CHECK(t.state(t.a) == "waiting");
  SECTION("its alias moves: they train on the new version") {
    t.succeed("trunk", "trunk 2");
    CHECK(t.ready() == Names{t.a, t.b});
    CHECK(t.at(t.a).used.at(0).ref == ModelRef{2, sha256("trunk 2")});
    CHECK_FALSE(t.at(t.a).early);
  }
  SECTION("its alias stays: they are current with the champion they have") {
    t.world.gate = [](const Step& step) { return step.registers != "trunk"; };
    t.succeed("trunk", "worse");
    CHECK(t.state(t.a) == "current");
    CHECK(t.plan->finished());
  }
  SECTION("another version with the same bytes changes nothing") {
    t.succeed("trunk", "trunk 1");
    CHECK(t.state(t.a) == "current");
    CHECK(t.plan->finished());
  }
  SECTION("its attempts are used up: the champion it has counts") {
    t.fail("trunk", true);
    CHECK(t.state("trunk") == "failed");
    CHECK(t.state(t.a) == "current");
    CHECK(t.plan->finished());
  }
}

TEST_CASE("without a champion the consumers of a failed trunk are blocked, naming it") {
  Trunk t;
  t.begin();
  SECTION("failed") {
    t.start("trunk");
    t.fail("trunk", true);
    CHECK(t.state(t.a) == "blocked");
    CHECK_THAT(t.at(t.a).note,
               Catch::Contains("model trunk has no champion") && Catch::Contains("exited with 1"));
  }
  SECTION("its gate failed") {
    t.world.gate = [](const Step&) { return false; };
    t.run("trunk", "bad");
    CHECK(t.state(t.a) == "blocked");
    CHECK_THAT(t.at(t.a).note, Catch::Contains("model trunk has no champion"));
  }
  CHECK(t.plan->finished());
}

TEST_CASE("a consumer whose own rows changed goes ahead, and is looked at again") {
  Trunk t;
  t.first_run();
  t.f.rows["corpus"] = "more";
  t.f.rows["utterances[client=a]"] = "edited";
  t.begin();
  CHECK(t.ready() == Names{"trunk", t.a});
  CHECK(t.at(t.a).early);
  CHECK(t.state(t.b) == "waiting");
  Digest early = t.fingerprint(t.a);
  SECTION("it is done before the trunk") {
    t.run(t.a, "a early");
    t.run("trunk", "trunk 2");
    CHECK(t.ready() == Names{t.a, t.b});
    CHECK(t.fingerprint(t.a) != early);
    CHECK_FALSE(t.at(t.a).early);
    t.run(t.a, "a late");
    t.run(t.b, "b 2");
    CHECK(t.plan->finished());
    CHECK(t.world.champions.at("head-a") == ModelRef{3, sha256("a late")});
  }
  SECTION("it is under way when the trunk moves") {
    t.start(t.a);
    t.run("trunk", "trunk 2");
    CHECK(t.state(t.a) == "run");
    CHECK(t.plan->wanting(early).empty());  // its attempt is the engine's to finish
  }
  SECTION("the trunk stays: what it made is what is wanted") {
    t.start(t.a);
    t.world.gate = [](const Step& step) { return step.registers != "trunk"; };
    t.run("trunk", "worse");
    CHECK(t.state(t.a) == "running");
    CHECK(t.fingerprint(t.a) == early);
    t.succeed(t.a, "a early");
    CHECK(t.plan->finished());
    CHECK(t.accepted(t.a) == 2);
  }
}

TEST_CASE("who is asked for by hand does not wait either") {
  Trunk t;
  t.first_run();
  t.f.rows["corpus"] = "more";
  t.f.files["x"] = "y";
  t.begin({t.a}, {t.a});
  CHECK(t.ready() == Names{"trunk", t.a});
  CHECK(t.at(t.a).early);
  t.begin({t.a, "trunk"}, {});
  CHECK(t.ready() == Names{"trunk"});  // both were asked for: in their order
}

TEST_CASE("selected steps pull in what they need and nothing else") {
  Trunk t;
  t.begin({t.b});
  CHECK(t.plan->selected(t.id("trunk")));
  CHECK_FALSE(t.plan->selected(t.id(t.a)));
  t.run("trunk", "trunk 1");
  CHECK(t.state(t.a) == "run");
  CHECK(t.ready() == Names{t.b});
  t.run(t.b, "b 1");
  CHECK(t.plan->finished());
  CHECK(t.plan->count(StepState::kRun) == 0);  // the other one is not this plan's
}

TEST_CASE("two steps with one fingerprint run once") {
  Bench b;
  b.f.workflows = {
      workflow_of({step_of("one", "one", {rows_of("t")}), step_of("two", "two", {rows_of("t")}),
                   step_of("after", "", {output_of("two", "model")})})};
  b.begin();
  REQUIRE(b.fingerprint("one") == b.fingerprint("two"));
  CHECK(b.plan->wanting(b.fingerprint("one")).size() == 2);
  b.start("one");
  CHECK(b.state("two") == "running");
  CHECK(b.ready().empty());
  b.succeed("one", "bytes");
  CHECK(b.state("one") == "done");
  CHECK(b.state("two") == "done");
  CHECK(b.world.champions.size() == 2);
  CHECK(b.ready() == Names{"after"});
}

TEST_CASE("an attempt that is live already is waited for, not started") {
  Bench b;
  b.f.workflows = {workflow_of({step_of("one", "one", {rows_of("t")})})};
  b.begin();
  b.world.live_ones.insert(b.fingerprint("one"));
  b.begin();
  CHECK(b.state("one") == "running");
  CHECK(b.ready().empty());
  CHECK_FALSE(b.plan->finished());
  b.succeed("one", "bytes");
  CHECK(b.state("one") == "done");
}

TEST_CASE("a failed step is tried again, then failed; those that read it are blocked") {
  Bench b;
  StepTemplate report = step_of("report", "", {rows_of("r")});
  report.needs = {"train"};
  b.f.workflows = {workflow_of({step_of("train", "m", {rows_of("t")}), report,
                                step_of("other", "other", {rows_of("o")}),
                                step_of("test", "", {output_of("train", "model")}),
                                step_of("late", "", {output_of("test", "model")})})};
  b.begin();
  b.start("train");
  b.fail("train", false);
  CHECK(b.state("train") == "run");
  CHECK(b.at("train").note == "exited with 1");
  b.start("train");
  SECTION("for good") {
    b.fail("train", true);
    CHECK(b.state("train") == "failed");
    CHECK_THAT(b.at("test").note, Catch::Contains("reads train.model, which is failed"));
    CHECK_THAT(b.at("report").note, Catch::Contains("needs train, which is failed"));
    CHECK(b.state("late") == "blocked");
    CHECK(b.ready() == Names{"other"});
    b.run("other", "o");
    CHECK(b.plan->finished());
    b.begin();
    CHECK(b.state("train") == "failed");
    CHECK(b.state("test") == "blocked");
    CHECK(b.plan->finished());
  }
  SECTION("or it works") {
    b.succeed("train", "bytes");
    CHECK(b.at("train").note.empty());
    CHECK(b.ready() == Names{"other", "report", "test"});
  }
}

TEST_CASE("used up attempts: the past is told whether the step was asked for") {
  Trunk t;
  t.begin();
  t.world.used_up_ones = {t.fingerprint("trunk")};
  t.world.asked_used_up.clear();
  t.f.workflows[0].steps.push_back(step_of("other", "other"));
  t.begin({"other"});
  REQUIRE(t.world.asked_used_up.size() >= 2);
  for (const auto& [print, asked] : t.world.asked_used_up) {
    CHECK(asked == (print == t.fingerprint("other")));
  }
}

TEST_CASE("a missing table blocks only the steps that read it") {
  Bench b;
  b.f.workflows = {
      workflow_of({step_of("a", "a", {rows_of("t")}), step_of("b", "b", {rows_of("words")}),
                   step_of("c", "c", {model_of("b")})})};
  b.f.missing["words"] = "no table words at commit 1234567";
  b.begin();
  CHECK(b.state("a") == "run");
  CHECK(b.state("b") == "blocked");
  CHECK(b.at("b").note == "no table words at commit 1234567");
  CHECK(b.state("c") == "blocked");
  CHECK_THAT(b.at("c").note,
             Catch::Contains("model b has no champion") && Catch::Contains("no table words"));
  b.world.champions["b"] = {4, sha256("b")};
  b.begin();
  CHECK(b.state("c") == "run");  // the champion it has
}

TEST_CASE("a model that nobody here produces is its champion") {
  Bench b;
  b.f.workflows = {workflow_of({step_of("c", "c", {model_of("imported")})})};
  b.begin();
  CHECK(b.state("c") == "blocked");
  b.world.champions["imported"] = {1, sha256("i")};
  b.begin();
  CHECK(b.state("c") == "run");
}

TEST_CASE("forced steps run although their result is known, once") {
  Trunk t;
  t.first_run();
  t.begin({}, {"trunk"});
  CHECK(t.ready() == Names{"trunk"});
  CHECK(t.state(t.a) == "waiting");
  t.run("trunk", "trunk 1");
  CHECK(t.state("trunk") == "done");
  CHECK(t.state(t.a) == "current");
  CHECK(t.plan->finished());
  t.begin({}, {t.a});
  t.start(t.a);
  t.fail(t.a, true);
  CHECK(t.state(t.a) == "failed");
  CHECK(t.plan->finished());
}

TEST_CASE("a forced step that failed does not start again when something above it is decided") {
  Trunk t;
  t.first_run();
  t.f.rows["corpus"] = "more";
  t.begin({t.a}, {t.a});
  t.start(t.a);
  t.fail(t.a, true);
  t.start("trunk");
  t.fail("trunk", true);  // its alias stays: the same fingerprint as before
  CHECK(t.state(t.a) != "run");
  CHECK(t.plan->finished());
}

TEST_CASE("what a step can't do here is not said of another one with its fingerprint") {
  Bench b;
  b.f.workflows = {
      workflow_of({step_of("one", "one", {rows_of("t")}), step_of("two", "two", {rows_of("t")}),
                   step_of("after", "", {output_of("one", "model")})})};
  b.begin();
  REQUIRE(b.fingerprint("one") == b.fingerprint("two"));
  b.plan->impossible(b.id("one"), "no slot is large enough");
  CHECK(b.state("one") == "failed");
  CHECK(b.at("one").note == "no slot is large enough");
  CHECK(b.state("after") == "blocked");
  CHECK(b.ready() == Names{"two"});
  b.run("two", "bytes");
  CHECK(b.state("one") == "done");  // its result is known now
  CHECK(b.at("one").note.empty());
  CHECK(b.ready() == Names{"after"});
  CHECK(b.world.champions.at("one").digest == sha256("bytes"));
}

TEST_CASE("a plan for chosen steps takes no known result of others") {
  Trunk t;
  t.first_run();
  t.f.rows["utterances[client=a]"] = "edited";
  t.begin();
  t.run(t.a, "a 2");
  t.f.rows.clear();  // taken back: the first results are what both heads would have
  t.f.rows["utterances[client=b]"] = "edited too";
  t.world.accepted.clear();
  t.begin({t.b});
  CHECK(t.accepted(t.a) == 0);
  CHECK(t.world.champions.at("head-a").digest == sha256("a 2"));
  t.run(t.b, "b 2");
  CHECK(t.plan->finished());
  CHECK(t.accepted(t.b) == 1);
  SECTION("nor one that comes for a chosen step of the same fingerprint") {
    Bench b;
    b.f.workflows = {workflow_of(
        {step_of("one", "one", {rows_of("t")}), step_of("two", "two", {rows_of("t")})})};
    b.begin({"one"});
    b.run("one", "bytes");
    CHECK(b.accepted("one") == 1);
    CHECK(b.accepted("two") == 0);
  }
}
