// Newer plans, cancelled runs, and results that come when nobody waits for them.
#include "tests/pipeline/engine/bench.h"

using namespace lockstep;

namespace {

const std::string kA = "train[client=a]", kB = "train[client=b]";

struct Ready : Bench {
  Ready() {
    look();
    finish_all("1");
  }
};

}  // namespace

TEST_CASE("a newer plan adopts the attempts that it still wants") {
  Ready b;
  b.edit(1, "changed");
  std::string first = b.look();
  std::string attempt = b.attempt(kA);
  b.edit(2, "changed");
  std::string second = b.look();
  CHECK(b.result(first) == "superseded");
  CHECK(b.attempt(kA) == attempt);
  CHECK(b.live() == Names{kA, kB});
  b.end(attempt, AttemptEnd::kSucceeded, "a 2");
  b.succeed(kB, "b 2");
  CHECK(b.result(second) == "done");
  CHECK(b.result(first) == "superseded");
  CHECK(b.manifest() == Json{{"intent-a", "2"}, {"intent-b", "2"}, {"intent-c", "1"}});
}

TEST_CASE("a model whose rows all went while it was trained does not come to be") {
  Bench b;
  b.rows({{1, "a"}});
  b.look();
  std::string attempt = b.attempt(kA);
  b.rows({});
  b.look();
  b.end(attempt, AttemptEnd::kSucceeded, "a 1");
  CHECK(b.engine->registry().model("intent-a") == nullptr);
  // Its rows are back: the result is known.
  b.rows({{1, "a"}});
  b.by_hand();
  CHECK(b.live().empty());
  CHECK(b.champion("intent-a") == 1);
  CHECK(b.manifest() == Json{{"intent-a", "1"}});
}

TEST_CASE("what no plan wants any more is finished, and the newest plan waits behind it") {
  Ready b;
  b.edit(1, "changed");
  b.look();
  std::string old = b.attempt(kA);
  b.edit(1, "changed again");
  std::string second = b.look();
  CHECK(b.live() == Names{kA});
  CHECK(b.attempt(kA) == old);
  b.end(old, AttemptEnd::kSucceeded, "a 2");
  CHECK(b.champion("intent-a") == 2);  // gated like any candidate
  CHECK(b.live() == Names{kA});
  b.succeed(kA, "a 3");
  CHECK(b.champion("intent-a") == 3);
  CHECK(b.result(second) == "done");
  CHECK(b.manifest().at("intent-a") == "3");
}

TEST_CASE("an old result does not take the alias from what the newest plan decided") {
  Ready b;
  b.edit(1, "changed");
  b.look();
  std::string old = b.attempt(kA);
  b.edit(1, "text 1");  // taken back: version 1 is what is wanted
  b.look();
  CHECK(b.champion("intent-a") == 1);
  b.clock.now += 5000;
  b.end(old, AttemptEnd::kSucceeded, "a 2");
  CHECK(b.champion("intent-a") == 1);
  CHECK(b.engine->registry().model("intent-a")->versions.size() == 2);  // kept, for the next time
  CHECK(b.manifest().at("intent-a") == "1");
  b.edit(1, "changed");
  b.look();
  CHECK(b.live().empty());
  CHECK(b.champion("intent-a") == 2);
}

TEST_CASE("an old result does not take the alias from a version that took it since") {
  Ready b;
  b.edit(1, "changed");
  b.look();
  std::string old = b.attempt(kA);
  // By hand, within the same millisecond.
  b.engine->inbox().push(Command{[](Engine& engine) {
    Candidate made;
    made.version = engine.registry().model("intent-a")->versions[0];
    made.version.number = 0;
    made.version.digest = sha256("by hand");
    made.version.fingerprint = sha256("by hand");
    made.who = "ann";
    engine.append(decide(engine.registry(), made).facts);
  }});
  b.turn();
  REQUIRE(b.bytes("intent-a") == sha256("by hand"));
  b.edit(1, "changed again");
  b.look();
  b.end(old, AttemptEnd::kSucceeded, "a old");
  CHECK(b.bytes("intent-a") == sha256("by hand"));
  b.succeed(kA, "a new");
  CHECK(b.bytes("intent-a") == sha256("a new"));
}

TEST_CASE("aliases that moved in a superseded run are released") {
  Ready b;
  b.edit(1, "changed");
  b.edit(2, "changed");
  b.look();
  b.succeed(kA, "a 2");
  CHECK(b.manifest().at("intent-a") == "1");
  SECTION("by the run after it, even if that has nothing else to do") {
    b.edit(2, "text 2");
    std::string run = b.look();
    CHECK(b.result(run) == "done");
    CHECK(b.manifest().at("intent-a") == "2");
  }
  SECTION("at the latest after max-wait") {
    b.clock.now += 599'999;
    b.turn();
    CHECK(b.manifest().at("intent-a") == "1");
    b.clock.now += 1;
    b.turn();
    CHECK(b.manifest().at("intent-a") == "2");
    CHECK(b.manifest().at("intent-b") == "1");
    CHECK(b.live() == Names{kB});
  }
}

TEST_CASE("a result that comes when no run is under way is released too") {
  Ready b;
  b.edit(1, "changed");
  b.look();
  std::string attempt = b.attempt(kA);
  b.restart();  // the run of the old process is not taken up yet
  b.end(attempt, AttemptEnd::kSucceeded, "a 2");
  CHECK(b.champion("intent-a") == 2);
  SECTION("with the next look") {
    b.look();
    CHECK(b.manifest().at("intent-a") == "2");
  }
  SECTION("even by the process after that") {
    b.restart();
    b.look();
    CHECK(b.manifest().at("intent-a") == "2");
  }
  CHECK(b.look().empty());
}

TEST_CASE("policy cancel: what is superseded is stopped, but no model twice in a row") {
  Ready b;
  b.options.cancel_superseded = true;
  b.restart();
  b.edit(1, "one");
  b.look();
  std::string first = b.attempt(kA);
  b.edit(1, "two");
  b.look();
  CHECK(b.cancelled == std::vector<std::string>{first});
  b.end(first, AttemptEnd::kCancelled);
  std::string second = b.attempt(kA);
  b.edit(1, "three");
  b.look();
  CHECK(b.cancelled.size() == 1);
  b.end(second, AttemptEnd::kSucceeded, "a 2");
  std::string third = b.attempt(kA);
  b.edit(1, "four");
  b.look();
  CHECK(b.cancelled == std::vector<std::string>{first, third});
}

TEST_CASE("the default policy cancels nothing") {
  Ready b;
  b.edit(1, "one");
  b.look();
  b.edit(1, "two");
  b.look();
  CHECK(b.cancelled.empty());
}

TEST_CASE("a cancelled run stops its attempts and starts no more") {
  Ready b;
  b.options.slots[0].capacity = 1;
  b.restart();
  b.look();
  b.edit(1, "one");
  b.edit(2, "two");
  std::string run = b.look();
  std::string attempt = b.attempt(kA);
  b.engine->inbox().push(Command{[&](Engine& engine) { engine.cancel(run); }});
  b.turn();
  CHECK(b.cancelled == std::vector<std::string>{attempt});
  CHECK(b.result(run) == "running");
  b.end(attempt, AttemptEnd::kCancelled);
  CHECK(b.result(run) == "cancelled");
  CHECK(b.live().empty());
  CHECK_THROWS_WITH(b.engine->cancel(run), Catch::Contains("is not running"));
  b.edit(3, "three");
  b.look();
  CHECK(b.live() == Names{kA});  // a new commit asks again
  SECTION("a cancelled run that is superseded was cancelled") {
    std::string again = b.engine->active()->record.id;
    b.engine->inbox().push(Command{[&](Engine& engine) { engine.cancel(again); }});
    b.turn();
    b.edit(3, "four");
    std::string last = b.look();
    CHECK(b.result(again) == "cancelled");
    b.end(b.attempt(kA), AttemptEnd::kCancelled);
    CHECK(b.live() == Names{kA});  // the newer run wants it
    b.finish_all("2");
    CHECK(b.result(last) == "done");
  }
}

TEST_CASE("an old result of a commit that is no longer on its branch moves nothing") {
  Ready b;
  std::string base = b.tables.history.head;
  b.edit(1, "pushed by mistake");
  b.look();
  std::string old = b.attempt(kA);
  b.tables.history.head = base;
  b.rows({{1, "a"}, {2, "b"}, {3, "c"}, {4, "a"}});
  b.look();
  CHECK(b.attempt(kA) == old);
  b.end(old, AttemptEnd::kSucceeded, "a by mistake");
  CHECK(b.champion("intent-a") == 1);
  CHECK(b.said("is no longer on the branch of tables"));
  CHECK(b.engine->registry().model("intent-a")->versions.size() == 2);  // kept all the same
  b.succeed(kA, "a 3");
  CHECK(b.bytes("intent-a") == sha256("a 3"));
}

TEST_CASE("a superseded run names the one that took its place") {
  Ready b;
  b.edit(1, "changed");
  std::string first = b.by_hand({"intent-a"});
  std::string second = b.by_hand();
  CHECK(b.document(first).at("superseded_by") == second);
  CHECK(b.document(second).at("superseded_by").is_null());
  CHECK(b.document(first).at("left_out").empty());
  SECTION("also after a new process has taken it up") {
    b.restart();
    std::string third = b.by_hand();
    CHECK(b.document(second).at("superseded_by") == third);
  }
  b.finish_all("2");
}

TEST_CASE("a superseded run names the steps that the one in its place does not have") {
  Ready b;
  b.edit(1, "changed");
  std::string first = b.by_hand({"intent-a"});
  b.rows({{2, "b"}, {3, "c"}});
  std::string second = b.by_hand();
  CHECK(b.document(first).at("superseded_by") == second);
  CHECK(b.document(first).at("left_out") == Json{kA});
  CHECK(b.document(second).at("left_out").empty());
  b.finish_all("2");
}

TEST_CASE("what was forced and is lost is not begun again by a plan that forces nothing") {
  Ready b;
  b.edit(1, "broken");
  b.look();
  b.fail(kA);
  b.by_hand({kA}, true);
  REQUIRE(b.live() == Names{kA});
  SECTION("by its own plan it is") {
    b.end(b.attempt(kA), AttemptEnd::kLost);
    CHECK(b.live() == Names{kA});
  }
  SECTION("by the next one it is not") {
    b.edit(2, "changed");
    std::string run = b.look();
    REQUIRE(b.live() == Names{kA, kB});
    b.end(b.attempt(kA), AttemptEnd::kLost);
    CHECK(b.live() == Names{kB});
    b.succeed(kB, "b 2");
    CHECK(b.result(run) == "failed");
  }
}
