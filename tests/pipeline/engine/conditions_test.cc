// `if:`: what counts adds up since the last accepted result; below that a step is deferred, and
// whoever reads it goes on with what it gave last.
#include <random>

#include "tests/pipeline/engine/bench.h"

using namespace lockstep;

namespace {

// "train" (three rows of `utterances`, or any file of train/) ← "report" by output, "tune" by
// model.
struct Deferring : Bench {
  Deferring() {
    StepTemplate train =
        step_of("train", "intent", {rows_of("utterances"), code_of({"train/", "notes/"})});
    train.condition = Conditions{};
    train.condition->min_changed_rows = 3;
    train.condition->paths = {{"code", "train/**"}};
    StepTemplate report = step_of("report", "", {output_of("train", "model")});
    StepTemplate tune = step_of("tune", "tuned", {model_of("intent"), rows_of("corpus")});
    workflows.always = {workflow_of({train, report, tune})};
    workflows.always[0].channels = {{"production", {"*"}, "image"}};
    std::vector<std::pair<int64_t, std::string>> all;
    for (int64_t id = 1; id <= 9; ++id) all.emplace_back(id, "a");
    tables.commit({{"utterances", utterances(all)}, {"corpus", utterances({{1, "x"}})}});
    look();
    finish_all("1");
  }
  Conditions& condition() { return *workflows.always[0].steps[0].condition; }
  // The state and the words of a step in a plan that would be made now.
  std::pair<std::string, std::string> planned(const std::string& step) {
    std::shared_ptr<Survey> seen = surveyor.survey({});
    surveyor.answer(*seen, engine->questions(*seen));
    DryWorld dry(*engine, seen);
    auto plan = engine->preview(seen, {"data", "", {}, false, false, {}}, dry);
    const PlannedStep& one = plan->at(seen->graph->by_name.at(step));
    return {std::string(word(one.state)), one.note};
  }
  std::string deferred(const std::string& step) {
    Json all = engine->deferred();
    return all.contains(step) ? all.at(step).at("why").get<std::string>() : "";
  }
  std::map<std::string, std::string> fingerprints() {
    std::map<std::string, std::string> all;
    std::shared_ptr<Survey> seen = surveyor.survey({});
    surveyor.answer(*seen, engine->questions(*seen));
    DryWorld dry(*engine, seen);
    auto plan = engine->preview(seen, {"data", "", {}, false, false, {}}, dry);
    for (const char* step : {"report", "tune"}) {
      const auto& recipe = plan->at(seen->graph->by_name.at(step)).recipe;
      all[step] = recipe ? recipe->fingerprint.hex() : "waits";
    }
    return all;
  }
};

}  // namespace

TEST_CASE("small commits add up to one run, also when the daemon begins again between them") {
  Deferring b;
  size_t runs = b.runs();
  auto before = b.fingerprints();
  b.edit(1, "x");
  CHECK(b.look().empty());  // nothing to run: no run
  CHECK(b.deferred("train") == "1 of 3 changed rows");
  CHECK(b.engine->cursors()["tables"] == b.tables.history.head);
  b.restart();
  b.edit(2, "x");
  CHECK(b.look().empty());
  CHECK(b.planned("train") ==
        std::pair<std::string, std::string>{"deferred", "2 of 3 changed rows"});
  CHECK(b.planned("report").first == "current");
  CHECK(b.planned("tune").first == "current");
  CHECK(b.fingerprints() == before);
  CHECK(b.runs() == runs);
  b.edit(1, "y");  // a row that was changed before counts once
  CHECK(b.look().empty());
  b.edit(1, "text 1");  // and not at all once it is what it was
  b.look();
  CHECK(b.deferred("train") == "1 of 3 changed rows");
  b.edit(3, "x");
  b.look();
  b.edit(4, "x");
  std::string run = b.look();
  CHECK(b.live() == Names{"train"});
  CHECK(b.deferred("train").empty());
  b.finish_all("2");
  CHECK(b.result(run) == "done");
  CHECK(b.champion("intent") == 2);
  CHECK(b.started.size() == 6);  // three steps, each twice
  b.edit(5, "x");
  b.look();
  CHECK(b.deferred("train") == "1 of 3 changed rows");
  CHECK(b.manifest() == Json{{"intent", "2"}, {"tuned", "2"}});
}

TEST_CASE("code outside the paths does not count; definitions, models and people do") {
  Deferring b;
  b.code.commit({{"train/fit.py", {"fit"}}, {"notes/todo", {"more"}}});
  CHECK(b.look({"code", "", {}, false, false, {}}).empty());
  CHECK(b.deferred("train") == "0 of 3 changed rows, and changes that do not count");
  SECTION("a file that counts") {
    b.code.commit({{"train/fit.py", {"fit 2"}}, {"notes/todo", {"more"}}});
    b.look({"code", "", {}, false, false, {}});
    CHECK(b.live() == Names{"train"});
  }
  SECTION("a parameter") {
    b.workflows.always[0].steps[0].with = {{"size", 2}};
    b.look();
    CHECK(b.live() == Names{"train"});
  }
  SECTION("named by hand") {
    b.edit(1, "x");
    b.by_hand({"train"});
    CHECK(b.live() == Names{"train"});
    b.edit(2, "x");  // the next plan leaves what somebody asked for as it is
    b.look();
    CHECK(b.live() == Names{"train"});
    b.finish_all("2");
    CHECK(b.champion("intent") == 2);
    CHECK(b.deferred("train") == "1 of 3 changed rows");
  }
  SECTION("forced") {
    b.by_hand({}, true);
    CHECK(b.live().count("train") == 1);
  }
  SECTION("all by hand is no name") {
    b.edit(1, "x");
    std::string run = b.by_hand();
    CHECK(b.live().empty());
    CHECK(b.result(run) == "done");
    CHECK(b.document(run).at("deferred") == 1);
  }
  SECTION("its last result's bytes are gone") {
    b.present.erase(b.bytes("intent"));
    b.look();
    CHECK(b.live().count("train") == 1);
  }
}

TEST_CASE("what somebody named waits through a newer plan until it has run") {
  Deferring b;
  b.options.slots[0].capacity = 0;
  b.restart();
  b.edit(1, "x");
  b.by_hand({"train"});
  CHECK(b.live().empty());
  b.edit(2, "x");
  b.look();
  CHECK(b.engine->active()->plan->ready().size() == 1);
}

TEST_CASE("which rows count: by table and by input; any of them where no number is given") {
  Deferring b;
  StepTemplate& train = b.workflows.always[0].steps[0];
  train.inputs.push_back(rows_of("corpus"));
  train.inputs.back().name = "words";
  b.look();
  b.finish_all("2");
  auto corpus = [&](const std::string& text) {
    FakeCommit now = b.tables.now();
    now.at("corpus").rows[0][2] = text_cell(text);
    b.tables.commit(std::move(now));
    b.look();
  };
  SECTION("both are summed") {
    corpus("new");
    b.edit(1, "x");
    b.look();
    CHECK(b.deferred("train") == "2 of 3 changed rows");
  }
  SECTION("only one table") {
    b.condition().tables = {{"tables", "utterances"}};
    corpus("new");
    CHECK(b.deferred("train") == "0 of 3 changed rows, and changes that do not count");
  }
  SECTION("only one input, any row of it") {
    b.condition().slices = {"words"};
    b.condition().min_changed_rows = 1;
    b.edit(1, "x");
    b.look();
    CHECK(b.deferred("train") == "nothing that counts has changed");
    corpus("new");
    CHECK(b.live().count("train") == 1);
  }
}

TEST_CASE("what can't be counted counts") {
  Deferring b;
  std::string old = b.tables.history.head;
  b.edit(1, "x");
  std::shared_ptr<Survey> seen = b.surveyor.survey({});
  DryWorld dry(*b.engine, seen);  // nothing was asked: there are no answers
  auto plan = b.engine->preview(seen, {"data", "", {}, false, false, {}}, dry);
  const PlannedStep& train = plan->at(seen->graph->by_name.at("train"));
  CHECK(word(train.state) == "run");
  CHECK(train.note ==
        "which rows of utterances changed since its last result can't be told, so it runs");
}

TEST_CASE("an earlier attempt that is still under way is waited for, and counts") {
  Deferring b;
  for (int64_t id : {1, 2, 3}) b.edit(id, "x");
  b.look();
  std::string attempt = b.attempt("train");
  SECTION("what it did not see is below the number") {
    b.edit(4, "x");
    std::string run = b.look();
    CHECK(b.live() == Names{"train"});
    CHECK(b.planned("train").first == "run");  // four since the last result
    b.end(attempt, AttemptEnd::kSucceeded, "intent 2");
    CHECK(b.deferred("train").empty());
    CHECK(b.live() == Names{"report", "tune"});  // they read what has come
    b.finish_all("2");
    CHECK(b.deferred("train") == "1 of 3 changed rows");
    CHECK(b.result(run) == "done");
    CHECK(b.champion("intent") == 2);
    CHECK(b.started.size() == 6);
  }
  SECTION("what is left of the change is below it, too") {
    b.edit(1, "text 1");
    std::string run = b.look();
    CHECK(b.planned("train").first == "waiting");
    b.end(attempt, AttemptEnd::kSucceeded, "intent 2");
    CHECK(b.champion("intent") == 2);
    b.finish_all("2");
    CHECK(b.result(run) == "done");
    CHECK(b.deferred("train") == "1 of 3 changed rows");
  }
  SECTION("it fails: what counts is what the last result saw") {
    b.edit(1, "text 1");
    b.look();
    b.fail("train");
    CHECK(b.live().empty());
    CHECK(b.deferred("train") == "2 of 3 changed rows");
    CHECK(b.planned("tune").first == "current");
  }
}

TEST_CASE("random commits: a step runs when its rows add up, its readers never before") {
  std::mt19937 random(20261122);
  for (int world = 0; world < 10; ++world) {
    Deferring b;
    std::map<int64_t, std::string> trained, now;
    size_t trainings = 1;
    for (int i = 0; i < 40; ++i) {
      int64_t id = 1 + static_cast<int64_t>(random() % 9);
      std::string text = fmt::format("t{}", random() % 3);
      b.edit(id, text);
      now[id] = text;
      if (random() % 5 == 0) b.restart();
      auto before = b.fingerprints();
      size_t differ = 0;
      for (const auto& [row, value] : now) differ += trained[row] != value ? 1 : 0;
      b.look();
      bool due = differ >= 3;
      REQUIRE(b.live() == (due ? Names{"train"} : Names{}));
      if (!due) REQUIRE(b.fingerprints() == before);
      if (!due) continue;
      b.finish_all(std::to_string(++trainings));
      trained = now;
      REQUIRE(b.champion("intent") == static_cast<int64_t>(trainings));
    }
    CHECK(b.started.size() == 3 * trainings);
  }
}
