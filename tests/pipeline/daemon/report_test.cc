#include "pipeline/daemon/report.h"

#include "tests/catch.h"

using namespace lockstep;

namespace {

Json step(const std::string& client, const std::string& state,
          const Json& reasons = Json::array()) {
  return {{"step", "train[client=" + client + "]"},
          {"state", state},
          {"model", "intent-" + client},
          {"error", state == "failed" ? Json("ended with 7") : Json()},
          {"reasons", reasons}};
}

Json run_of(const std::string& result, const Json& steps) {
  return {{"run", "r5"},
          {"result", result},
          {"superseded_by", nullptr},
          {"steps", steps},
          {"preview", nullptr},
          {"gates", {{"passed", 0}, {"failed", Json::array()}}},
          {"notes", Json::array()},
          {"planned", {{"counts", {{"run", 2}, {"waiting", 1}, {"current", 5}}}}}};
}

const Json kReason = {{"input", "rows"},
                      {"kind", "rows"},
                      {"change", "rows changed"},
                      {"changed", 12},
                      {"slice", "utterances[client=c-3]"}};

}  // namespace

TEST_CASE("one line says what became of a run") {
  CHECK(verdict_of(nullptr).line == "nothing to retrain");
  CHECK(verdict_of(nullptr).state == StatusState::kSuccess);
  Json run = run_of(
      "done", Json::array({step("c-1", "done"), step("c-2", "current"), step("c-3", "done")}));
  CHECK(verdict_of(run).line == "2 of 3 models retrained");
  run["gates"]["failed"] =
      Json::array({{{"model", "intent-c-3"}, {"version", 2}, {"verdict", "x"}}});
  CHECK(verdict_of(run).line == "2 of 3 models retrained, 1 rejected by its gate (intent-c-3)");
  CHECK(verdict_of(run).state == StatusState::kSuccess);
  CHECK(verdict_of(run_of("done", Json::array({step("c-1", "current")}))).line ==
        "1 model current");
  Json many = Json::array();
  for (int i = 1; i < 8; ++i) many.push_back(step("c-" + std::to_string(i), "failed"));
  CHECK(verdict_of(run_of("failed", many)).line ==
        "0 of 7 models retrained, 7 failed (train[client=c-1], train[client=c-2], "
        "train[client=c-3] and 4 more)");
  CHECK(verdict_of(run_of("failed", many)).state == StatusState::kFailure);
  CHECK(verdict_of(run_of("running", many)).line == "3 of 8 steps to run");
  CHECK(verdict_of(run_of("running", many)).state == StatusState::kPending);
  CHECK(verdict_of(run_of("held", Json::array())).state == StatusState::kPending);
  Json old = run_of("superseded", many);
  CHECK(verdict_of(old).line == "superseded by a newer commit");
  old["superseded_by"] = "r6";
  CHECK(verdict_of(old).line == "superseded by run r6");
  CHECK(verdict_of(old).state == StatusState::kCancelled);
  CHECK(verdict_of(run_of("cancelled", many)).state == StatusState::kCancelled);
}

TEST_CASE("a run that lists only what it had to do counts its models") {
  Json run = run_of("done", Json::array({step("c-1", "done")}));
  run.update({{"models", 40}, {"current", 39}});
  CHECK(verdict_of(run).line == "1 of 40 models retrained");
  run["steps"] = Json::array();
  CHECK(verdict_of(run).line == "40 models current");
  run.update({{"result", "failed"}, {"notes", {"a table is away"}}});
  CHECK(verdict_of(run).line == "40 models current");
  run["current"] = 0;  // nothing was planned
  CHECK(verdict_of(run).line == "a table is away");
}

TEST_CASE("a preview whose models a gate rejects is no good to merge") {
  Json run = run_of("done", Json::array({step("c-3", "done", Json::array({kReason}))}));
  run["preview"] = {{"models",
                     {{{"model", "intent-c-3"},
                       {"version", 4},
                       {"passed", false},
                       {"verdict", "accuracy 0.4 is below 0.5"},
                       {"metrics", {{"accuracy", 0.4}}},
                       {"champion", 3},
                       {"champion_metrics", {{"accuracy", 0.9}}}}}}};
  CHECK(verdict_of(run).state == StatusState::kFailure);
  const std::string text = comment_of(run, "https://l.example.org/v1/runs/r5");
  CHECK_THAT(text, Catch::StartsWith("**Lockstep: not good.**") &&
                       Catch::Contains("[Run r5](https://l.example.org/v1/runs/r5)") &&
                       Catch::Contains("12 rows changed") && Catch::Contains("accuracy 0.9"));
}

TEST_CASE("names and texts of others are no markup in a comment") {
  Json reason = kReason;
  reason["slice"] = "t[client=@ann <img src=x> | [a](http://evil.example.org)\n# x]";
  const std::string text =
      comment_of(run_of("done", Json::array({step("`c`", "done", Json::array({reason}))})), "");
  CHECK(text.find("<img") == std::string::npos);
  CHECK(text.find("[a](") == std::string::npos);
  CHECK(text.find("@ann") == std::string::npos);
  CHECK(text.find("http://") == std::string::npos);
  CHECK(text.find("\n# x") == std::string::npos);
}

TEST_CASE("documents of another shape are read as far as they go") {
  for (const char* odd : {"{}", R"({"steps": 5, "gates": {}, "preview": []})",
                          R"({"result": 7, "steps": [{}], "planned": {}})",
                          R"({"result": "running", "planned": {"counts": {"run": "x"}}})"}) {
    INFO(odd);
    CHECK_NOTHROW(verdict_of(Json::parse(odd)));
    CHECK_NOTHROW(comment_of(Json::parse(odd), ""));
  }
}
