// Tags of code and other inputs: their models are made and judged, and nothing moves.
#include "tests/pipeline/engine/bench.h"

using namespace lockstep;

namespace {

const std::string kA = "train[client=a]", kB = "train[client=b]", kC = "train[client=c]";

WorkflowInput epochs() {
  WorkflowInput input;
  input.name = "epochs";
  input.type = ValueType::kInteger;
  input.standard = 3;
  return input;
}

struct Tried : Bench {
  Tried() {
    Workflow& workflow = workflows.always[0];
    workflow.inputs = {epochs()};
    workflow.steps[0].env["EPOCHS"] = parse_template("${{ inputs.epochs }}");
    workflow.tags = {"exp/*"};
    look();
    finish_all("1");
    before = described(engine->registry());
    tag = engine->registry().live("production");
  }
  Trigger with(int64_t value, bool once = true) {
    Trigger trigger{"preview", "ann", {}, false, once, {}};
    trigger.inputs = {{"epochs", value}};
    trigger.variant = Variant::inputs("w", trigger.inputs);
    return trigger;
  }
  std::string tagged(const std::string& name, bool once = false) {
    Trigger trigger{"preview", "", {}, false, once, {"code", name, VariantKind::kTag}};
    return look(trigger);
  }
  // What a look at the tags finds to be done.
  Names see() {
    Names names;
    engine->inbox().push(Command{[&](Engine& e) {
                                   for (TagNews& one : e.see_tags("code", code.tags_there)) {
                                     names.insert(one.name + "@" + one.commit);
                                   }
                                 },
                                 nullptr});
    turn();
    return names;
  }
  std::string other_code(const std::string& text) {
    std::string head = code.history.head;
    code.commit({{"train/fit.py", {text}}});
    return std::exchange(code.history.head, head);
  }
  Json kept(const Variant& variant) {
    auto all = engine->previews();
    auto one = all.find(variant.mark());
    return one == all.end() ? Json() : one->second;
  }
  std::string before, tag;
};

}  // namespace

TEST_CASE("marks name what they are of, and are read back") {
  for (const Variant& one :
       {Variant{"tables", "feature/x"}, Variant{"code", "v1@2:3", VariantKind::kTag},
        Variant::inputs("w", {{"a", 1}}), Variant{"tables", "tag:code@v1"}}) {
    CAPTURE(one.mark());
    CHECK(Variant::parse(one.mark()) == one);
  }
  CHECK(Variant{"tables", "feature/x"}.mark() == "tables@feature/x");  // as older stores have it
}

TEST_CASE("other inputs make versions that are judged, and nothing moves") {
  Tried b;
  b.workflows.always[0].steps[0].gate = {{"accuracy", 0.8, std::nullopt}};
  std::string run = b.look(b.with(10));
  CHECK(b.live() == Names{kA, kB, kC});
  b.succeed(kA, "a 10", {{"accuracy", 0.9}});
  b.succeed(kB, "b 10", {{"accuracy", 0.5}});
  b.succeed(kC, "c 10", {{"accuracy", 0.9}});
  CHECK(b.result(run) == "done");
  CHECK(b.store.run(run)->trigger == "inputs");
  for (const char* model : {"intent-a", "intent-b", "intent-c"}) CHECK(b.champion(model) == 1);
  CHECK(b.engine->registry().live("production") == b.tag);
  const Version& made = b.engine->registry().model("intent-a")->versions[1];
  CHECK(made.preview == b.with(10).variant.mark());
  CHECK(made.inputs == R"({"epochs":10})");
  CHECK(std::get<Version>(fact_from_json(fact_json(made))).inputs == made.inputs);
  Json preview = b.document(run).at("preview");
  CHECK(preview.at("workflow") == "w");
  CHECK(preview.at("inputs") == Json{{"epochs", 10}});
  REQUIRE(preview.at("models").size() == 3);
  CHECK(preview.at("models")[1].at("verdict") == "accuracy 0.5 is below 0.8");
  // No plan trains anything because of it, and asked again it is known.
  b.by_hand();
  CHECK(b.live().empty());
  CHECK(b.look(b.with(10, false)).empty());
  CHECK(b.live().empty());
  CHECK(b.engine->registry().model("intent-a")->versions.size() == 2);
}

TEST_CASE("an experiment that a commit or a kill came between is still to be done") {
  Tried b;
  Variant variant = b.with(10).variant;
  std::string first = b.look(b.with(10));
  CHECK(b.kept(variant).at("commit") == "");
  CHECK(b.kept(variant).at("inputs") == Json{{"epochs", 10}});
  SECTION("a commit") {
    b.edit(2, "changed");
    b.look();
    CHECK(b.result(first) == "superseded");
    b.finish_all("2");
    CHECK(b.champion("intent-b") == 3);  // 2 is the experiment's
    CHECK(b.champion("intent-a") == 1);
  }
  SECTION("a kill") {
    b.restart();
  }
  CHECK(b.kept(variant).at("commit") == "");
  size_t started = b.started.size();
  b.look(b.with(10, false));
  b.finish_all("10");
  CHECK(b.kept(variant).at("commit") == b.code.history.head);
  for (const auto& [id, times] : b.started) CHECK(times == 1);
  CHECK(b.started.size() <= started + 1);  // b's rows have changed; what was trained is known
  CHECK(b.champion("intent-a") == 1);
}

TEST_CASE("an experiment of a workflow that is gone is forgotten") {
  Tried b;
  b.look(b.with(10));
  b.restart();
  b.workflows.always[0].name = "another";
  CHECK(b.look(b.with(10, false)).empty());
  CHECK(b.kept(b.with(10).variant).is_null());
  b.look(b.with(10));
  CHECK(b.error.find("no step is for w") != std::string::npos);
}

TEST_CASE("a step without a value for its input waits for a start by hand") {
  Tried b;
  b.workflows.always[0].inputs[0].standard = nullptr;
  b.workflows.always[0].on_data = b.workflows.always[0].on_code = false;
  b.edit(1, "changed");
  CHECK(b.by_hand().empty());
  CHECK(b.live().empty());
  std::string run = b.by_hand({kA});
  CHECK(b.result(run) == "failed");
  CHECK(b.document(run).at("steps")[0].at("error").get<std::string>().find(
            "`lockstep trigger w --input epochs=VALUE`") != std::string::npos);
  CHECK(b.champion("intent-a") == 1);
  b.look(b.with(10));
  CHECK(b.live() == Names{kA, kB, kC});
}

TEST_CASE(
    "tags that were there before anybody looked are no news; later ones, and moved ones, are") {
  Tried b;
  std::string other = b.other_code("fit better");
  b.code.tags_there = {{"exp/0", other}, {"v1", other}};
  CHECK(b.see().empty());
  b.code.tags_there["exp/1"] = other;
  b.code.tags_there["v2"] = other;
  CHECK(b.see() == Names{"exp/1@" + other});
  CHECK(b.see() == Names{"exp/1@" + other});  // until it is done
  b.restart();
  CHECK(b.see() == Names{"exp/1@" + other});
  std::string run = b.tagged("exp/1");
  CHECK(b.live() == Names{kA, kB, kC});
  b.restart();  // killed in the middle
  CHECK(b.see() == Names{"exp/1@" + other});
  run = b.tagged("exp/1");
  b.finish_all("tagged");
  CHECK(b.result(run) == "done");
  CHECK(b.started.size() == 6);
  CHECK(b.see().empty());
  CHECK(b.store.run(run)->trigger == "tag");
  CHECK(b.document(run).at("preview").at("tag") == "exp/1");
  CHECK(b.document(run).at("commits").at("code") == other);
  CHECK(b.engine->registry().model("intent-a")->versions.back().preview == "tag:code@exp/1");
  CHECK(b.champion("intent-a") == 1);
  CHECK(b.engine->registry().live("production") == b.tag);
  CHECK(b.engine->cursors().at("code") == b.code.history.head);
  b.look();
  CHECK(b.live().empty());

  SECTION("by hand again there is nothing to train") {
    std::string again = b.tagged("exp/1", true);
    CHECK(b.result(again) == "done");
    CHECK(b.started.size() == 6);
  }
  SECTION("it is moved, and back") {
    std::string better = b.other_code("fit best");
    b.code.tags_there["exp/1"] = better;
    CHECK(b.see() == Names{"exp/1@" + better});
    run = b.tagged("exp/1");
    CHECK(b.document(run).at("notes").dump().find("was moved") != std::string::npos);
    b.finish_all("best");
    b.code.tags_there["exp/1"] = other;
    CHECK(b.see() == Names{"exp/1@" + other});
    b.tagged("exp/1");
    CHECK(b.live().empty());  // known
    CHECK(b.see().empty());
  }
  SECTION("one that was there before is moved") {
    b.code.tags_there["exp/0"] = b.code.history.head;
    CHECK(b.see() == Names{"exp/0@" + b.code.history.head});
  }
  SECTION("it is deleted") {
    b.code.tags_there.erase("exp/1");
    CHECK(b.see().empty());
    CHECK(b.kept({"code", "exp/1", VariantKind::kTag}).is_null());
  }
  SECTION("a new pattern is new from then on") {
    b.workflows.always[0].tags.push_back("v*");
    b.by_hand();
    CHECK(b.see().empty());
    b.code.tags_there["v3"] = other;
    CHECK(b.see() == Names{"v3@" + other});
  }
}

TEST_CASE("a tag starts the workflows that ask for it, by hand any") {
  Tried b;
  Workflow report = workflow_of({step_of("report", "")}, "report");
  b.workflows.always.push_back(report);
  b.by_hand();
  b.finish_all("report");
  b.workflows.always[1].steps[0].run = "false";
  std::string other = b.other_code("fit better");
  b.code.tags_there = {{"exp/1", other}, {"x", other}};
  b.tagged("exp/1");
  CHECK(b.live() == Names{kA, kB, kC});
  b.finish_all("tagged");
  CHECK(b.tagged("x").empty());
  b.tagged("x", true);
  CHECK(b.live() == Names{"report"});  // the rest is known
}
