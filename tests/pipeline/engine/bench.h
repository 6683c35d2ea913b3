// An engine on a real store and ledger, over fake sources, with a runner that the test plays: what
// was started waits until the test says how it ended. Knows nothing of threads or processes.
#pragma once

#include "pipeline/engine/world.h"
#include "pipeline/store/sqlite_store.h"
#include "pipeline/survey/surveyor.h"
#include "registry/ledger/ledger.h"
#include "tests/catch.h"
#include "tests/fake/code.h"
#include "tests/fake/slice_cache.h"
#include "tests/fake/tables.h"
#include "tests/fake/workflows.h"
#include "tests/pipeline/engine/described.h"

namespace lockstep {

class FakeClock : public Clock {
 public:
  int64_t now = 1'000'000;
  int64_t now_ms() override { return now; }
};

using Names = std::set<std::string>;

struct Bench {
  Bench() {
    options.slots = {{{"cpu", "local", "cpu", 0}, 8}};
    tables.commit({{"utterances", utterances({{1, "a"}, {2, "b"}, {3, "c"}})}});
    code.commit({{"train/fit.py", {"fit"}}});
    workflows.always = {workflow_of({train_by_client()})};
    workflows.always[0].channels = {{"production", {"*"}, "image"}};
    restart();
  }

  // A new process that finds what the last one left.
  void restart() {
    engine.reset();
    engine = std::make_unique<Engine>(
        store, ledger, ledger.load(), clock,
        [this](const Digest& d) { return present.count(d) > 0; }, options);
    act();
  }

  // ---- what happens ----
  std::string edit(int64_t id, const std::string& text) {
    FakeCommit now = tables.now();
    for (Row& row : now.at("utterances").rows) {
      if (row[0] == int_cell(id)) row[2] = text_cell(text);
    }
    return tables.commit(std::move(now));
  }
  void rows(const std::vector<std::pair<int64_t, std::string>>& rows) {
    FakeCommit now = tables.now();
    now["utterances"] = utterances(rows);
    tables.commit(std::move(now));
  }
  // Looks at the sources and plans; gives the run's id, "" when there was nothing to do.
  std::string look(Trigger trigger = {"data", "", {}, false, false, {}}) {
    SurveyOptions wanted;
    wanted.cursors = engine->cursors();
    const Variant& variant = trigger.variant;
    if (trigger.kind == "preview" && variant.kind == VariantKind::kBranch) {
      wanted.commits["tables"] = branches.at(variant.name);
    }
    if (variant.kind == VariantKind::kTag)
      wanted.commits["code"] = code.tags_there.at(variant.name);
    if (variant.kind == VariantKind::kInputs) wanted.inputs[variant.source] = trigger.inputs;
    wanted.asked = engine->live_commits();
    std::optional<std::string> run;
    error.clear();
    std::shared_ptr<Survey> seen = surveyor.survey(wanted);
    surveyor.answer(*seen, engine->questions(*seen));
    SurveyDone done{seen, trigger, [&](const std::string& id, const Error* wrong) {
                      run = id;
                      if (wrong) error = wrong->what();
                    }};
    engine->inbox().push(std::move(done));
    turn();
    REQUIRE(run.has_value());
    return *run;
  }
  std::string by_hand(std::vector<std::string> steps = {}, bool force = false) {
    return look({"manual", "ann", std::move(steps), force, true, {}});
  }
  // What `act` commits goes to a branch, on top of the head, which stays.
  template <class F>
  std::string on_branch(const std::string& name, F act) {
    std::string head = tables.history.head;
    act();
    branches[name] = std::exchange(tables.history.head, head);
    return branches[name];
  }
  void merge(const std::string& name) { tables.history.head = branches.at(name); }
  std::string preview(const std::string& name, bool once = false) {
    return look({"preview", "", {}, false, once, {"tables", name}});
  }
  void turn() {
    engine->turn(0);
    act();
    while (!confirmed_.empty()) {  // what the runner and the builder confirm
      for (EffectDone& one : std::exchange(confirmed_, {})) engine->inbox().push(std::move(one));
      engine->turn(0);
      act();
    }
  }
  void end(const std::string& id, AttemptEnd how, const std::string& bytes = "",
           Json metrics = Json::object()) {
    AttemptResult result;
    result.id = id;
    result.end = how;
    result.metrics = std::move(metrics);
    if (how == AttemptEnd::kSucceeded) {
      result.outputs["model"] = sha256(bytes);
      present.insert(sha256(bytes));
    } else {
      result.error = "exited with 1";
    }
    engine->inbox().push(std::move(result));
    turn();
  }
  void succeed(const std::string& step, const std::string& bytes, Json metrics = Json::object()) {
    end(attempt(step), AttemptEnd::kSucceeded, bytes, std::move(metrics));
  }
  void fail(const std::string& step) { end(attempt(step), AttemptEnd::kFailed); }
  // Ends all attempts well, until none is left.
  void finish_all(const std::string& bytes) {
    while (!live().empty()) {
      std::string step = *live().begin();
      succeed(step, step + " " + bytes);
    }
  }

  // ---- what there is ----
  Names live() const {
    Names steps;
    for (const auto& [id, attempt] : engine->past().live()) steps.insert(attempt.step);
    return steps;
  }
  std::string attempt(const std::string& step) const {
    for (const auto& [id, attempt] : engine->past().live()) {
      if (attempt.step == step) return id;
    }
    FAIL("no attempt of " << step << " is live");
    return "";
  }
  int64_t champion(const std::string& model) const {
    return engine->registry().alias(model, kChampion);
  }
  Digest bytes(const std::string& model) const {
    return engine->registry().model(model)->version(champion(model))->digest;
  }
  // Why the champion is what it is.
  std::string why(const std::string& model) const {
    std::string last;
    for (const Moved& moved : engine->registry().model(model)->moves) {
      if (moved.move.alias == kChampion) last = moved.move.why;
    }
    return last;
  }
  // The live release's manifest.
  Json manifest() const {
    const ReleaseState* live = engine->registry().release(engine->registry().live("production"));
    return live ? Json::parse(manifest_of(live->release)) : Json();
  }
  std::string result(const std::string& run) { return store.run(run)->result; }
  Json document(const std::string& run) { return store.run(run)->document; }
  size_t runs() { return store.runs(1000).size(); }
  bool said(const std::string& words) const {
    const Run* run = engine->newest();
    if (!run) return false;
    return std::any_of(run->notes.begin(), run->notes.end(), [&](const std::string& note) {
      return note.find(words) != std::string::npos;
    });
  }

  FakeTables tables;
  FakeCode code;
  FakeWorkflows workflows;
  FakeSliceCache slice_cache;
  Surveyor surveyor{{{{"tables", &tables}}, {{"code", &code}}}, workflows, slice_cache};
  Database db{":memory:"};
  SqliteStore store{db};
  Ledger ledger{db};
  FakeClock clock;
  std::set<Digest> present;  // bytes that are in the artifact store
  EngineOptions options;
  std::unique_ptr<Engine> engine;
  std::string error;                      // of the last look
  std::map<std::string, size_t> started;  // attempt → how often it was handed over
  std::vector<std::string> cancelled, published, collected;
  std::map<std::string, std::string> branches;  // name → commit
  bool confirm = true;  // false: the process dies before any effect is confirmed

 private:
  // Does what the turn decided.
  void act() {
    for (const Intent& intent : engine->take_intents()) {
      EffectDone one{intent.id, intent.kind, intent.target, true, "", Json::object()};
      if (intent.kind == "start") ++started[intent.target];
      if (intent.kind == "cancel") cancelled.push_back(intent.target);
      if (intent.kind == "collect") collected.push_back(intent.target);
      if (intent.kind == "publish") published.push_back(intent.target);
      if (intent.kind == "build") one.data = {{"image", sha256("image " + intent.target).str()}};
      if (confirm) confirmed_.push_back(std::move(one));
    }
  }
  std::vector<EffectDone> confirmed_;
};

}  // namespace lockstep
