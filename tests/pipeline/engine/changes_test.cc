// Models that come, go and change their names; accidents are held.
#include "tests/pipeline/engine/bench.h"

using namespace lockstep;

namespace {

std::vector<std::pair<int64_t, std::string>> clients(int from, int to,
                                                     const std::string& prefix = "c") {
  std::vector<std::pair<int64_t, std::string>> rows;
  for (int i = from; i < to; ++i) rows.emplace_back(i, fmt::format("{}{:02}", prefix, i));
  return rows;
}

struct Ready : Bench {
  explicit Ready(int models = 20) {
    options.slots[0].capacity = 100;
    restart();
    rows(clients(0, models));
    look();
    finish_all("1");
    REQUIRE(manifest().size() == static_cast<size_t>(models));
  }
};

}  // namespace

TEST_CASE("a new value adds a model, a value that is gone retires it and deletes nothing") {
  Ready b;
  auto rows = clients(1, 20);
  rows.emplace_back(99, "new");
  b.rows(rows);
  std::string run = b.look();
  CHECK(b.live() == Names{"train[client=new]"});
  b.finish_all("1");
  CHECK(b.document(run).at("added") == Json{"intent-new"});
  CHECK(b.document(run).at("retired") == Json{"intent-c00"});
  CHECK(b.manifest().count("intent-c00") == 0);
  CHECK(b.manifest().count("intent-new") == 1);
  CHECK(b.engine->registry().model("intent-c00")->retired);
  CHECK(b.champion("intent-c00") == 1);
  SECTION("and it comes back as it was") {
    b.rows(clients(0, 20));
    b.look();
    CHECK(b.live().empty());
    CHECK_FALSE(b.engine->registry().model("intent-c00")->retired);
    CHECK(b.manifest().at("intent-c00") == "1");
  }
}

TEST_CASE("a table that can't be read retires nothing and leaves the release whole") {
  Ready b;
  FakeCommit tables = b.tables.now();
  tables["words"] = utterances({{1, "w"}});
  b.tables.commit(tables);
  b.workflows.always[0].steps.push_back(step_of("words", "words", {rows_of("words")}));
  b.look();
  b.finish_all("1");
  CHECK(b.manifest().size() == 21);
  tables.erase("utterances");
  tables["words"] = utterances({{1, "edited"}});
  b.tables.commit(tables);
  std::string run = b.look();
  CHECK(b.live() == Names{"words"});
  b.finish_all("2");
  CHECK(b.document(run).at("retired").empty());
  CHECK(b.said("no table utterances"));
  CHECK(b.manifest().size() == 21);
  CHECK(b.manifest().at("words") == "2");
  CHECK(b.manifest().at("intent-c03") == "1");
  SECTION("nor does a process that begins meanwhile") {
    b.restart();
    tables["words"] = utterances({{1, "edited again"}});
    b.tables.commit(tables);
    b.look();
    b.finish_all("3");
    CHECK(b.manifest().size() == 21);
  }
}

TEST_CASE("a commit that would retire many models waits for approval") {
  Ready b;
  std::string cursor = b.engine->cursors().at("tables");
  b.rows(clients(3, 20));  // 3 of 20
  std::string run = b.look();
  CHECK(b.result(run) == "held");
  CHECK(b.engine->held().at("retired").size() == 3);
  CHECK(b.engine->cursors().at("tables") == cursor);
  CHECK(b.manifest().size() == 20);
  size_t runs = b.runs();
  b.look();  // the same again is not said again, but answered
  CHECK(b.runs() == runs);
  SECTION("approved: exactly that") {
    b.engine->inbox().push(Command{[](Engine& engine) { engine.approve(); }});
    b.turn();
    SECTION("it goes on") {
      b.look({"approval", "ann", {}, false, true});
      CHECK(b.manifest().size() == 17);
      CHECK(b.engine->held().is_null());
    }
    SECTION("another list is held again") {
      b.rows(clients(4, 20));
      CHECK(b.result(b.look()) == "held");
      CHECK(b.manifest().size() == 20);
    }
  }
  SECTION("taken back: nothing is held any more") {
    b.rows(clients(0, 20));
    CHECK(b.look().empty());
    CHECK(b.engine->held().is_null());
    CHECK_THROWS_WITH(b.engine->approve(), Catch::Contains("no change is held"));
  }
}

TEST_CASE("one model, or a tenth of them, goes without asking") {
  Ready b;
  b.rows(clients(2, 20));  // 2 of 20: not more than 10 %
  CHECK(b.result(b.look()) == "done");
  CHECK(b.manifest().size() == 18);
  Ready few(2);
  few.rows(clients(1, 2));  // half of them, but one
  CHECK(few.result(few.look()) == "done");
}

TEST_CASE("10 % is of each channel") {
  Ready b(30);
  b.workflows.always[0].channels = {{"production", {"*"}, "image"},
                                    {"small", {"intent-c0*"}, "small"}};
  b.by_hand();
  b.rows(clients(2, 30));  // 2 of 30 in all, 2 of 10 in the small channel
  CHECK(b.result(b.look()) == "held");
}

TEST_CASE("a commit that adds more than max-new models waits; the first plan does not") {
  Ready b;
  b.options.max_new = 3;
  b.restart();
  b.rows(clients(0, 24));
  CHECK(b.result(b.look()) == "held");
  CHECK(b.engine->held().at("added").size() == 4);
  CHECK(b.live().empty());
  b.rows(clients(0, 23));
  b.look();
  CHECK(b.live().size() == 3);
}

TEST_CASE("models whose attempts failed are no longer new") {
  Bench b;
  b.options.max_new = 2;
  b.restart();
  b.look();  // the first plan: three models
  for (const std::string& step : b.live()) b.fail(step);
  CHECK(b.look().empty());  // nothing to do is no run
  b.code.commit({{"train/fit.py", {"fixed"}}});
  b.look({"code", "", {}, false, false});
  CHECK(b.live().size() == 3);
}

TEST_CASE("a renamed model keeps its versions, and is neither new nor gone") {
  Ready b;
  StepTemplate& step = b.workflows.always[0].steps[0];
  step.registers = parse_template("nlu-${{ matrix.client }}");
  step.renamed_from = parse_template("intent-${{ matrix.client }}");
  std::string run = b.look({"code", "", {}, false, false});
  CHECK(b.live().empty());
  CHECK(b.engine->registry().model("intent-c03") == nullptr);
  CHECK(b.champion("nlu-c03") == 1);
  CHECK(b.engine->held().is_null());
  b.edit(3, "changed");
  b.look();
  b.finish_all("2");
  CHECK(b.champion("nlu-c03") == 2);
  CHECK(b.manifest().at("nlu-c03") == "2");
  CHECK(b.manifest().at("nlu-c04") == "1");
  CHECK(b.manifest().size() == 20);
}

TEST_CASE("what changes a release and no model is released") {
  Ready b(3);
  Workflow& workflow = b.workflows.always[0];
  SECTION("other names") {
    workflow.steps[0].registers = parse_template("nlu-${{ matrix.client }}");
    workflow.steps[0].renamed_from = parse_template("intent-${{ matrix.client }}");
    CHECK_FALSE(b.look({"code", "", {}, false, false, {}}).empty());
    CHECK(b.manifest() == Json{{"nlu-c00", "1"}, {"nlu-c01", "1"}, {"nlu-c02", "1"}});
  }
  SECTION("other models of a channel") {
    workflow.channels[0].models = {"*-c00"};
    CHECK_FALSE(b.look({"code", "", {}, false, false, {}}).empty());
    CHECK(b.manifest() == Json{{"intent-c00", "1"}});
  }
  SECTION("another channel") {
    workflow.channels.push_back({"staging", {"*-c01"}, "staging"});
    CHECK_FALSE(b.look({"code", "", {}, false, false, {}}).empty());
    CHECK_FALSE(b.engine->registry().live("staging").empty());
  }
  CHECK(b.live().empty());
  CHECK(b.look({"code", "", {}, false, false, {}}).empty());  // said once
}

TEST_CASE("a rename that can't be followed is said, and stops nothing") {
  Ready b(3);
  StepTemplate other = step_of("other", "other", {rows_of("utterances")});
  b.workflows.always[0].steps.push_back(other);
  b.look();
  b.finish_all("1");
  // c00's model is to become `other`, which has versions of its own.
  b.workflows.always[0].steps[1].renamed_from = parse_template("intent-c00");
  b.rows(clients(1, 3));
  std::string run = b.look();
  CHECK(b.said("other can't take over intent-c00"));
  b.finish_all("2");
  CHECK(b.result(run) == "done");
}

TEST_CASE("values that are not text, and odd ones, do not stop the engine") {
  Ready b(2);
  auto rows = clients(0, 2);
  rows.emplace_back(70, "");
  rows.emplace_back(71, "a/../b");
  rows.emplace_back(72, "\xff\xfe");
  rows.emplace_back(73, std::string(3000, 'z'));
  b.rows(rows);
  std::string run = b.look();
  CHECK(b.live().size() == 2);
  CHECK(b.said("not text"));
  CHECK(b.said("have no client"));
  b.finish_all("1");
  CHECK(b.result(run) == "done");
  CHECK(b.manifest().size() == 4);
  CHECK(b.manifest().count("intent-a~2f..~2fb") == 1);
}
