// What starts a plan, and that no trigger loses what another one asked for.
#include "tests/pipeline/engine/bench.h"

using namespace lockstep;

namespace {

const std::string kA = "train[client=a]", kB = "train[client=b]", kC = "train[client=c]";

struct Ready : Bench {
  Ready() {
    look();
    finish_all("1");
  }
  void edit_all(const std::string& text) {
    for (int64_t id : {1, 2, 3}) edit(id, text);
  }
  std::string tick(const std::string& workflow, int64_t tick_ms) {
    Trigger trigger;
    trigger.kind = "schedule";
    trigger.workflow = workflow;
    trigger.tick_ms = tick_ms;
    return look(trigger);
  }
  std::string cursor() { return engine->cursors()["tables"]; }
};

}  // namespace

TEST_CASE("a run of some steps by hand leaves the rest of a commit to be planned") {
  Ready b;
  std::string before = b.cursor();
  b.edit_all("changed");
  b.by_hand({kA});
  CHECK(b.live() == Names{kA});
  CHECK(b.cursor() == before);  // so that whoever serves sees that it has moved
  std::string run = b.look();
  CHECK(b.live() == Names{kA, kB, kC});
  CHECK(b.cursor() == b.tables.history.head);
  b.finish_all("2");
  CHECK(b.result(run) == "done");
  CHECK(b.started.size() == 6);
}

TEST_CASE("a run of one step by hand takes over what the run under way had yet to do") {
  Ready b;
  b.options.slots[0].capacity = 1;
  b.restart();
  b.edit_all("changed");
  std::string first = b.look();
  CHECK(b.live().size() == 1);
  std::string run = b.by_hand({kC}, true);
  CHECK(b.result(first) == "superseded");
  b.finish_all("2");
  CHECK(b.result(run) == "done");
  for (const char* model : {"intent-a", "intent-b", "intent-c"}) {
    CAPTURE(model);
    CHECK(b.champion(model) == 2);
  }
}

TEST_CASE("code and rows that move together start those who listen to either") {
  Ready b;
  b.workflows.always[0].on_code = false;
  Workflow other = workflow_of({train_by_client()});
  other.name = "by-code";
  other.on_data = false;
  other.steps[0].name = "lint";
  other.steps[0].run = "lint";
  other.steps[0].registers.reset();
  b.workflows.always.push_back(other);
  b.by_hand();
  b.finish_all("lint");
  b.edit(1, "changed");
  b.code.commit({{"train/fit.py", {"fit better"}}});
  Trigger both{"data", "", {}, false, false, {}};
  SECTION("both") {
    both.code_too = true;
    b.look(both);
    CHECK(b.live().count(kA));
    CHECK(b.live().count("lint[client=b]"));
    CHECK(b.engine->cursors()["code"] == b.code.history.head);
  }
  SECTION("rows alone: the code commit is still news") {
    b.look(both);
    CHECK(b.live().count(kA));
    CHECK_FALSE(b.live().count("lint[client=b]"));
    CHECK(b.engine->cursors()["code"] != b.code.history.head);
  }
}

TEST_CASE(
    "an approval of a version starts what commits start, that of a change all that was held") {
  Ready b;
  Workflow manual = workflow_of({train_by_client()});
  manual.name = "by-hand";
  manual.on_data = manual.on_code = false;
  manual.steps[0].name = "report";
  manual.steps[0].run = "report";
  manual.steps[0].registers.reset();
  b.workflows.always.push_back(manual);
  b.edit(1, "changed");
  b.look({"approval", "ann", {}, false, false, {}});
  CHECK(b.live() == Names{kA});
  b.look({"approval", "ann", {}, false, true, {}});
  CHECK(b.live().count("report[client=a]"));
}

TEST_CASE("a tick plans its own workflow, once, and takes no commit from others") {
  Ready b;
  Workflow nightly = workflow_of({train_by_client()});
  nightly.name = "nightly";
  nightly.on_data = nightly.on_code = false;
  nightly.schedules = {{"0 3 * * *", "Europe/Berlin"}};
  nightly.steps[0].name = "report";
  nightly.steps[0].run = "report";
  nightly.steps[0].registers.reset();
  b.workflows.always.push_back(nightly);
  b.look();
  CHECK(b.live().empty());
  CHECK(b.engine->schedules().at("nightly") == nightly.schedules);
  CHECK(b.engine->last_tick("nightly") == 0);
  std::string before = b.cursor();
  b.edit(1, "changed");
  std::string run = b.tick("nightly", 5000);
  CHECK(b.live() == Names{"report[client=a]", "report[client=b]", "report[client=c]"});
  CHECK(b.engine->last_tick("nightly") == 5000);
  CHECK(b.cursor() == before);
  b.finish_all("report");
  CHECK(b.result(run) == "done");
  CHECK(b.champion("intent-a") == 1);
  // Nothing has changed since: a tick, and no run.
  CHECK(b.tick("nightly", 6000).empty());
  CHECK(b.engine->last_tick("nightly") == 6000);
  b.restart();
  CHECK(b.engine->last_tick("nightly") == 6000);
  CHECK(b.engine->schedules().size() == 1);
  b.look();
  CHECK(b.live() == Names{kA});
  // A workflow that is gone has no steps; its tick is over all the same.
  b.workflows.always.pop_back();
  CHECK(b.tick("nightly", 7000).empty());
  CHECK(b.engine->last_tick("nightly") == 7000);
}

namespace {

// Two workflows: "train", and "after" which starts when it has run.
struct Following : Bench {
  Following() {
    StepTemplate report = step_of("report", "", {code_of({"train/"}), rows_of("utterances")});
    workflows.always.push_back(workflow_of({report}, "after"));
    workflows.always[0].name = "train";
    Workflow& after = workflows.always[1];
    after.on_data = after.on_code = false;
    after.after.names = {"train"};
    look({"manual", "ann", {}, false, true, {}});
    finish_all("1");
    REQUIRE(follow() == "");
  }
  // As serve() does: asks for who was asked for.
  std::string follow() {
    std::string run;
    const Json asked = engine->asked();
    for (const auto& [workflow, why] : asked.items()) {
      Trigger trigger;
      trigger.kind = "workflow";
      trigger.workflow = workflow;
      run = look(trigger);
    }
    return run;
  }
};

}  // namespace

TEST_CASE("a workflow starts when another one has run, once, and after a crash too") {
  Following b;
  CHECK(b.follow().empty());
  b.edit(1, "changed");
  b.look();
  CHECK(b.live() == Names{kA});
  CHECK_FALSE(b.engine->anybody_asked());
  b.finish_all("2");
  REQUIRE(b.engine->anybody_asked());
  b.restart();
  REQUIRE(b.engine->anybody_asked());
  CHECK(b.engine->asked().at("after").at("after") == "train");
  b.follow();
  CHECK(b.live() == Names{"report"});
  CHECK_FALSE(b.engine->anybody_asked());
  b.restart();
  CHECK_FALSE(b.engine->anybody_asked());
  b.finish_all("2");
  CHECK(b.follow().empty());
}

TEST_CASE("a workflow that failed starts nobody, unless any result will do") {
  Following b;
  b.workflows.always[1].after.any = GENERATE(false, true);
  bool any = b.workflows.always[1].after.any;
  b.edit(1, "changed");
  b.edit(2, "changed");
  b.look();
  b.fail(kA);
  b.succeed(kB, "2");
  CHECK(b.engine->anybody_asked() == any);
  b.follow();
  b.finish_all("2");
  // What failed is mended: the rest of it is done already.
  b.by_hand({kA});
  b.finish_all("3");
  CHECK(b.engine->anybody_asked());
}

TEST_CASE("what ran under a plan that was superseded counts for the one that ends") {
  Following b;
  b.edit(1, "changed");
  b.edit(2, "changed");
  b.look();
  b.succeed(kA, "2");
  b.edit(2, "text 2");  // nothing is left to do
  b.look();
  CHECK(b.engine->anybody_asked());
}

TEST_CASE("attempts of one group go one at a time, in whichever workflow, also of older plans") {
  Ready b;
  b.workflows.always[0].steps[0].concurrency = {{parse_template("one"), std::nullopt}};
  b.edit_all("changed");
  b.look();
  CHECK(b.live() == Names{kA});
  b.restart();
  b.edit_all("again");
  b.look();
  CHECK(b.live() == Names{kA});
  b.finish_all("2");
  CHECK(b.champion("intent-c") == 2);
}

TEST_CASE("cancel-in-progress cancels what no newer plan wants, whatever the workspace's policy") {
  Ready b;
  b.options.cancel_superseded = GENERATE(false, true);
  std::optional<bool> cancel =
      GENERATE(std::optional<bool>(), std::optional(false), std::optional(true));
  bool expected = cancel.value_or(b.options.cancel_superseded);
  b.workflows.always[0].steps[0].concurrency = {{parse_template("${{ matrix.client }}"), cancel}};
  b.restart();
  b.edit_all("changed");
  b.look();
  CHECK(b.live() == Names{kA, kB, kC});
  std::string attempt = b.attempt(kA);
  b.edit(1, "again");
  b.look();
  CHECK((b.cancelled == std::vector<std::string>{attempt}) == expected);
  CHECK(b.cancelled.empty() == !expected);
}
