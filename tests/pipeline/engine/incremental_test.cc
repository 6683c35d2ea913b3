// What is kept from one plan to the next must never show: after every one of many changes taken by
// chance, the plan of an engine and a surveyor that have seen them all is the plan of new ones.
#include "tests/pipeline/engine/bench.h"
#include "tests/sim/random.h"

using namespace lockstep;

namespace {

constexpr int kSeeds = 30, kMoves = 40;

// A trunk, models on it, reports on those, one step by condition, one that reads all columns.
std::vector<StepTemplate> steps() {
  StepTemplate trunk = step_of("trunk", "trunk", {code_of({"train/"})});
  StepTemplate train = train_by_client();
  train.inputs.push_back(model_of("trunk"));
  train.environment.files = {"lock.txt"};
  StepTemplate report = step_of("report", "", {output_of("train", "model")});
  report.matrix = train.matrix;
  StepTemplate tune = step_of("tune", "tuned", {rows_of("utterances")});
  tune.condition = Conditions{};
  tune.condition->min_changed_rows = 2;
  StepTemplate listed = step_of("listed", "", {rows_of("utterances", "client", "${{ matrix.x }}")});
  listed.matrix = {list_axis("x", {"a", "b"})};
  return {trunk, train, report, tune, listed};
}

// A plan as text: of every step what was decided, by which recipe, and all that it was made of.
std::string told(Surveyor& surveyor, Engine& engine) {
  std::shared_ptr<Survey> seen;
  try {
    seen = surveyor.survey({});
  } catch (const Error& error) {
    return error.what();
  }
  surveyor.answer(*seen, engine.questions(*seen));
  DryWorld dry(engine, seen);
  auto plan = engine.preview(seen, {"data", "", {}, false, false, {}}, dry);
  Json all = plan_document(*plan, engine.past());
  all["produced"] = Json::array();
  for (const auto& [model, step] : seen->graph->producer) {
    all["produced"].push_back({model, step.value});
  }
  for (uint32_t i = 0; i < seen->graph->steps.size(); ++i) {
    const PlannedStep& planned = plan->at(StepId{i});
    const Step& step = seen->graph->steps[i];
    Json one = {{"name", step.name},
                {"env", step.env},
                {"with", canonical_json(step.with)},
                {"recipe", planned.recipe ? planned.recipe->document : "none"},
                {"early", planned.early}};
    for (const UsedModel& used : planned.used)
      one["used"].push_back({used.model, used.ref.version});
    all["made of"].push_back(one);
  }
  for (const SliceReading& slice : seen->slices) {
    all["slices"].push_back({slice.digest.hex(), slice.rows, slice.commit, slice.error});
  }
  for (const CodeReading& code : seen->code) {
    all["code"].push_back({code.digest.hex(), code.files, code.commit, code.error});
  }
  return all.dump(1);
}

struct Changing : Bench {
  explicit Changing(uint64_t seed) : by(seed) {
    code.commit({{"train/fit.py", {"fit"}}, {"lock.txt", {"1"}}});
    workflows.always = {workflow_of(steps())};
    workflows.always[0].channels = {{"production", {"*"}, "image"}};
  }

  std::string kept() { return told(surveyor, *engine); }
  std::string from_scratch() {
    FakeSliceCache nothing;
    Surveyor fresh({{{"tables", &tables}}, {{"code", &code}}}, workflows, nothing);
    Engine beside(
        store, ledger, ledger.load(), clock,
        [this](const Digest& d) { return present.count(d) > 0; }, options);
    return told(fresh, beside);
  }

  std::string word() { return std::to_string(by.below(1000)); }

  void change_rows() {
    FakeCommit now = tables.now();
    FakeTable& table = now["utterances"];
    if (table.schema.columns.empty()) table = utterances({{1, "a"}, {2, "b"}});
    uint32_t what = by.below(8);
    bool wide = table.schema.columns.size() > 4;
    if (what == 0) {  // a client comes
      Row row = {int_cell(100 + by.below(100000)), text_cell("c" + word()), text_cell("new"),
                 text_cell("play")};
      if (wide) row.push_back(text_cell("wide"));
      table.rows.push_back(row);
    } else if (what == 1 && table.rows.size() > 2) {  // rows go, perhaps with their client
      table.rows.erase(table.rows.begin() + by.below(uint32_t(table.rows.size())));
    } else if (what == 2) {  // a row has no client
      table.rows[by.below(uint32_t(table.rows.size()))][1] = null_value();
    } else if (what == 3 && !wide) {  // another column
      table.schema.columns.push_back({"wide", ValueTag::kText});
      for (Row& row : table.rows) row.push_back(text_cell("wide"));
    } else if (what == 4 && by.below(3) == 0) {
      now.erase("utterances");
    } else {
      Row& row = table.rows[by.below(uint32_t(table.rows.size()))];
      row[by.below(4) == 0 ? 3 : 2] = text_cell("text " + word());
    }
    tables.commit(std::move(now));
  }

  void change_workflow() {
    std::vector<StepTemplate>& all = workflows.always[0].steps;
    uint32_t what = by.below(9);
    StepTemplate& step = all[by.below(uint32_t(all.size()))];
    if (what == 0) step.with["rate"] = 1;
    if (what == 1) step.with["rate"] = 1.0;
    if (what == 2) step.env["AT"] = parse_template("${{ commit.tables }}");
    if (what == 3) step.env.clear();
    if (what == 4) step.run = "echo " + word();
    if (what == 5)
      step.with["name"] = "${{ commit." + std::string(by.below(2) ? "code" : "no") + " }}";
    if (what == 6) step.with = Json::object();
    if (what == 7) all.back().matrix[0].values = {"a", "c" + word()};
    if (what == 8) all[1].matrix[0].null_as = by.below(2) ? std::optional("none") : std::nullopt;
  }

  void change_code() {
    code.commit({{"train/fit.py", {by.below(2) ? "fit" : word()}},
                 {"lock.txt", {by.below(4) ? "1" : word()}},
                 {"other.txt", {word()}}});
  }

  void lose_bytes() {
    if (present.empty()) return;
    present.erase(std::next(present.begin(), by.below(uint32_t(present.size()))));
  }

  // What is under way ends, one way or the other.
  void end_some() {
    for (int i = 0; i < 3 && !live().empty(); ++i) {
      std::string step = *std::next(live().begin(), by.below(uint32_t(live().size())));
      by.below(5) == 0 ? fail(step) : succeed(step, step + word());
    }
  }

  void force_one() {
    try {
      by_hand({by.below(2) ? "train" : "tune"}, true);
    } catch (const Error&) {
      error.clear();  // its rows can't be read, or nothing is called so
    }
  }

  void plan() {
    try {
      look();
    } catch (const Error&) {
      error.clear();
    }
    if (by.below(2)) finish_all(word());
  }

  void preview_branch() {
    if (!live().empty()) return;
    on_branch("branch", [&] { change_rows(); });
    try {
      preview("branch", true);
    } catch (const Error&) {
      error.clear();
    }
    if (by.below(2)) finish_all(word());
  }

  void move() {
    switch (by.below(11)) {
      case 0:
        return change_workflow();
      case 1:
        return change_code();
      case 2:
        return lose_bytes();
      case 3:
        return end_some();
      case 4:
        return force_one();
      case 5:
        return preview_branch();
      case 6:
        return by.below(4) == 0 ? restart() : plan();
      case 7:
      case 8:
        return plan();
      default:
        return change_rows();
    }
  }

  sim::Random by;
};

}  // namespace

TEST_CASE("a plan made of what was kept is the plan made from scratch, whatever changes") {
  std::set<std::string> plans;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Changing b(seed);
    for (int i = 0; i < kMoves; ++i) {
      b.move();
      INFO("seed " << seed << ", move " << i);
      std::string kept = b.kept();
      REQUIRE(kept == b.from_scratch());
      plans.insert(kept);
    }
  }
  CHECK(plans.size() > kSeeds * kMoves / 3);  // it was not the same plan again and again
}

TEST_CASE("a data commit leaves the graph and the other steps' recipes as they are") {
  Changing b(1);
  b.look();
  b.finish_all("1");
  auto before = b.surveyor.survey({});
  DryWorld first(*b.engine, before);
  auto was = b.engine->preview(before, {}, first);
  b.edit(1, "changed");
  auto after = b.surveyor.survey({});
  CHECK(after->graph == before->graph);
  DryWorld second(*b.engine, after);
  auto now = b.engine->preview(after, {}, second);
  auto recipe = [](const Plan& plan, const char* step) {
    return plan.at(plan.graph().by_name.at(step)).recipe;
  };
  CHECK(recipe(*was, "train[client=b]") == recipe(*now, "train[client=b]"));
  CHECK(recipe(*was, "train[client=a]")->document != recipe(*now, "train[client=a]")->document);
}
