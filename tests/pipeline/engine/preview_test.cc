// Branches that are not the watched one: their models are made and judged, and nothing moves.
#include "tests/pipeline/engine/bench.h"

using namespace lockstep;

namespace {

const std::string kA = "train[client=a]", kB = "train[client=b]";

struct Reviewed : Bench {
  Reviewed() {
    workflows.always[0].branches = {"feature/*"};
    look();
    finish_all("1");
    before = described(engine->registry());
    tag = engine->registry().live("production");
  }
  void relabel(const std::string& text = "relabelled") {
    on_branch("feature/x", [&] { edit(1, text); });
  }
  std::string before, tag;
};

}  // namespace

TEST_CASE("a branch makes preview versions, and after the merge nothing runs again") {
  Reviewed b;
  b.relabel();
  std::string run = b.preview("feature/x");
  CHECK(b.live() == Names{kA});
  b.succeed(kA, "a on the branch", {{"accuracy", 0.9}});
  CHECK(b.result(run) == "done");
  CHECK(b.champion("intent-a") == 1);
  CHECK(b.engine->registry().live("production") == b.tag);
  const ModelState& model = *b.engine->registry().model("intent-a");
  REQUIRE(model.versions.size() == 2);
  CHECK(model.versions[1].preview == "tables@feature/x");
  Json preview = b.document(run).at("preview");
  CHECK(preview.at("branch") == "feature/x");
  REQUIRE(preview.at("models").size() == 1);
  CHECK(preview.at("models")[0].at("version") == 2);
  CHECK(preview.at("models")[0].at("passed") == true);
  CHECK(preview.at("models")[0].at("champion") == 1);

  SECTION("asked again there is nothing to do") {
    CHECK(b.preview("feature/x").empty());
    CHECK(b.engine->previews().at("tables@feature/x").at("run") == run);
  }
  SECTION("the merge moves the alias without training") {
    b.merge("feature/x");
    b.look();
    CHECK(b.live().empty());
    CHECK(b.champion("intent-a") == 2);
    CHECK(b.manifest().at("intent-a") == "2");
    CHECK(b.why("intent-a") == "no gate");
  }
  SECTION("a new process goes on from there") {
    b.restart();
    CHECK(b.engine->followed().at("tables") == std::set<std::string>{"feature/*"});
    CHECK(b.preview("feature/x").empty());
    b.merge("feature/x");
    b.look();
    CHECK(b.live().empty());
    CHECK(b.champion("intent-a") == 2);
  }
}

TEST_CASE("a branch whose rows are those of the watched one makes nothing") {
  Reviewed b;
  b.branches["feature/x"] = b.tables.history.head;
  CHECK(b.preview("feature/x").empty());
  CHECK(described(b.engine->registry()) == b.before);
  CHECK(b.runs() == 1);
}

TEST_CASE("only steps that follow the branch are planned") {
  Reviewed b;
  b.on_branch("other", [&] { b.edit(1, "relabelled"); });
  CHECK(b.preview("other").empty());
  CHECK(b.live().empty());
  // Asked for by hand, any branch will do.
  CHECK_FALSE(b.preview("other", true).empty());
  CHECK(b.live() == Names{kA});
}

TEST_CASE("a commit on the watched branch goes before, and the preview begins again") {
  Reviewed b;
  b.relabel();
  std::string first = b.preview("feature/x");
  b.edit(2, "changed");
  std::string run = b.look();
  CHECK(b.result(first) == "superseded");
  CHECK(b.live() == Names{kA, kB});
  // Not while the watched branch is at work.
  CHECK(b.preview("feature/x").empty());
  CHECK(b.error.empty());
  b.preview("feature/x", true);
  CHECK(b.error.find("is under way") != std::string::npos);
  // Its result moves nothing, although no plan waits for it.
  b.succeed(kA, "a on the branch");
  CHECK(b.champion("intent-a") == 1);
  b.succeed(kB, "b 2");
  CHECK(b.result(run) == "done");
  CHECK(b.manifest() == Json{{"intent-a", "1"}, {"intent-b", "2"}, {"intent-c", "1"}});
  // The first look after it knows the result.
  CHECK(b.preview("feature/x").empty());
  CHECK(b.live().empty());
  CHECK(b.engine->registry().model("intent-a")->versions.back().preview == "tables@feature/x");
}

TEST_CASE("a merge while the preview trains adopts its attempt") {
  Reviewed b;
  b.relabel();
  b.preview("feature/x");
  std::string attempt = b.attempt(kA);
  b.merge("feature/x");
  std::string run = b.look();
  CHECK(b.attempt(kA) == attempt);
  b.end(attempt, AttemptEnd::kSucceeded, "a 2");
  CHECK(b.result(run) == "done");
  CHECK(b.champion("intent-a") == 2);
  CHECK(b.started.size() == 4);
}

TEST_CASE("what the watched branch asked for is taken by it, though a preview wants it too") {
  Reviewed b;
  std::string head = b.tables.history.head;
  b.edit(1, "changed");
  b.on_branch("feature/x", [] {});
  b.branches["feature/x"] = b.tables.history.head;
  b.look();
  std::string attempt = b.attempt(kA);
  b.edit(1, "text 1");  // taken back
  b.look();
  CHECK(b.preview("feature/x").size() > 0);
  b.end(attempt, AttemptEnd::kSucceeded, "a 2");
  CHECK(b.champion("intent-a") == 1);  // a newer plan has decided
  CHECK(b.engine->registry().model("intent-a")->versions.size() == 2);
}

TEST_CASE("a failed gate is reported, and consumers read the champion") {
  Reviewed b;
  b.workflows.always[0].steps[0].gate = {{"accuracy", 0.8, std::nullopt}};
  b.by_hand();
  b.relabel();
  std::string run = b.preview("feature/x");
  b.succeed(kA, "worse", {{"accuracy", 0.5}});
  Json model = b.document(run).at("preview").at("models")[0];
  CHECK(b.result(run) == "done");
  CHECK(model.at("passed") == false);
  CHECK(model.at("verdict") == "accuracy 0.5 is below 0.8");
  b.merge("feature/x");
  b.look();
  CHECK(b.live().empty());
  CHECK(b.champion("intent-a") == 1);
}

TEST_CASE("a client that is on the branch alone has a model that is never live") {
  Reviewed b;
  b.on_branch("feature/x", [&] { b.rows({{1, "a"}, {2, "b"}, {3, "c"}, {4, "d"}}); });
  b.preview("feature/x");
  CHECK(b.live() == Names{"train[client=d]"});
  b.succeed("train[client=d]", "d");
  b.edit(2, "changed");
  std::string run = b.look();
  b.finish_all("2");
  CHECK(b.document(run).at("retired").empty());
  CHECK_FALSE(b.manifest().contains("intent-d"));
  CHECK_FALSE(b.engine->registry().model("intent-d")->retired);
  b.merge("feature/x");
  run = b.look();
  CHECK(b.document(run).at("added") == Json::array({"intent-d"}));
  CHECK(b.live().empty());
  CHECK(b.manifest().at("intent-d") == "1");
  // The branch began before the rows of b were changed, so they are as they were.
  CHECK(b.champion("intent-b") == 1);
  CHECK(b.why("intent-b") == "known fingerprint");
}

TEST_CASE("a branch that would add too many models trains none of them") {
  Reviewed b;
  b.options.max_new = 2;
  b.restart();
  b.on_branch("feature/x", [&] {
    b.rows({{1, "a"}, {2, "b"}, {3, "c"}, {4, "d"}, {5, "e"}, {6, "f"}});
  });
  std::string run = b.preview("feature/x");
  CHECK(b.result(run) == "failed");
  CHECK(b.live().empty());
  CHECK(b.document(run).at("notes").dump().find("would add 3 models") != std::string::npos);
  // Said once: the cursor has moved.
  CHECK(b.engine->previews().at("tables@feature/x").at("commit") == b.branches["feature/x"]);
}

TEST_CASE("what a preview made is named for those who collect bytes") {
  Reviewed b;
  b.relabel();
  b.preview("feature/x");
  Digest fingerprint = b.engine->past().live().begin()->second.fingerprint;
  b.succeed(kA, "a on the branch");
  CHECK(b.engine->previews().at("tables@feature/x").at("fingerprints") ==
        Json::array({fingerprint.hex()}));
  b.engine->inbox().push(Command{[](Engine& engine) {
                                   engine.forget_preview({"tables", "feature/x"});
                                 },
                                 nullptr});
  b.turn();
  CHECK(b.engine->previews().empty());
}
