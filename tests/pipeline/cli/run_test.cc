// `plan`, `run` and what follows a run: exact transcripts, progress, exit codes.
#include "tests/catch.h"
#include "tests/pipeline/cli/shell.h"

using namespace lockstep;

namespace {

const std::string kTag1 = "51796c70071bb3bf51e5a9cee12382cd";
const std::string kTag2 = "1da281f01541e3eac0f2a91187cadb86";
const std::string kData = "1f3c9ab0000000000000000000000000000000aa";
const std::string kCode = "88d01e20000000000000000000000000000000bb";

std::string client(int i) {
  return "client-" + std::to_string(i);
}

Json step(const std::string& name, const std::string& state, const std::string& model) {
  return {{"step", name}, {"state", state}, {"model", model}};
}

Json first_run(const std::string& state) {
  Json run = {
      {"run", "1"},
      {"result", state == "done" ? "done" : "running"},
      {"revision", 1},
      {"first", true},
      {"seconds", 2.1},
      {"planned", {{"counts", {{"run", 1}, {"waiting", 8}}}, {"waits_for", {"trunk"}}}},
      {"data",
       {{{"source", "tables"},
         {"table", "utterances"},
         {"rows", 1920},
         {"by", {{"column", "client"}, {"values", 8}}},
         {"commit", kData}}}},
      {"code", {{{"source", "app"}, {"paths", {"train/**"}}, {"files", 3}, {"commit", kCode}}}},
      {"steps", {step("trunk", state == "waiting" ? "running" : "done", "trunk")}}};
  for (int i = 1; i <= 8; ++i) {
    run["steps"].push_back(step("train[client=" + client(i) + "]", state, "intent-" + client(i)));
  }
  if (state != "done") return run;
  run.update({{"executed", 9},
              {"failed", 0},
              {"release", kTag1},
              {"gates", {{"passed", 8}, {"failed", Json::array()}}},
              {"releases",
               {{{"channel", "production"},
                 {"tag", kTag1},
                 {"known", false},
                 {"moved", true},
                 {"models", 8},
                 {"folder", "out/releases"}}}}});
  return run;
}

Json second_run() {
  Json run = {
      {"run", "2"},
      {"result", "done"},
      {"seconds", 1.4},
      {"planned", {{"counts", {{"run", 1}, {"current", 8}}}}},
      {"changes",
       {{{"table", "utterances"}, {"slice", "utterances[client=client-3]"}, {"changed", 12}}}},
      {"steps",
       {step("train[client=client-3]", "done", "intent-client-3"),
        step("trunk", "current", "trunk")}},
      {"gates", {{"passed", 1}}},
      {"moves", {{{"model", "intent-client-3"}, {"from", 1}, {"to", 2}}}},
      {"releases", {{{"channel", "production"}, {"tag", kTag2}, {"moved", true}, {"models", 8}}}}};
  return run;
}

}  // namespace

TEST_CASE("the first run reads like the transcript of the house") {
  Shell shell;
  shell.backend.answers["start_run"] = {{{"run", "1"}, {"note", ""}}};
  shell.backend.answers["run"] = {first_run("waiting"), first_run("done")};
  auto printed = shell.run({"run"});
  CHECK(printed.code == 0);
  CHECK(printed.err == "");
  CHECK(printed.out ==
        "data   utterances   1,920 rows, 8 clients      commit 1f3c9ab\n"
        "code   train/       3 files                    commit 88d01e2\n"
        "plan   9 steps: 1 to run, 8 waiting for trunk  (first run)\n"
        "train  trunk, intent-client-1 … 8              ████████████ 9/9   2.1 s\n"
        "gate   8 passed\n"
        "release 51796c70071bb3bf51e5a9cee12382cd       8 models → out/releases, "
        "lockstep release show 51796c\n");
}

TEST_CASE("a later run says what changed and what moved") {
  Shell shell;
  shell.backend.answers["start_run"] = {{{"run", "2"}}};
  shell.backend.answers["run"] = {second_run()};
  CHECK(shell.run({"run"}).out ==
        "plan   9 steps: 1 to run, 8 current            utterances[client=client-3]: "
        "12 rows changed\n"
        "train  intent-client-3                         ████████████ 1/1   1.4 s\n"
        "gate   1 passed\n"
        "release 1da281f01541e3eac0f2a91187cadb86       intent-client-3 1 → 2\n");
}

TEST_CASE("a run that was superseded is followed to the one that took its place") {
  Shell shell;
  Json old = first_run("waiting");
  old.update({{"result", "superseded"}, {"superseded_by", "2"}});
  old["steps"] = {step("train[client=client-3]", "running", "intent-client-3"),
                  step("trunk", "current", "trunk")};
  shell.backend.answers["start_run"] = {{{"run", "1"}, {"note", ""}}};
  Json newer = second_run();
  SECTION("and its end is reported") {
    shell.backend.answers["run"] = {old, newer};
    auto printed = shell.run({"run"});
    CHECK(printed.code == 0);
    CHECK(printed.err == "run 1 is superseded by run 2\n");
    CHECK_THAT(printed.out, Catch::Contains("release " + kTag2));
    CHECK(shell.backend.last().arguments["run"] == "2");
  }
  SECTION("failed there is failed here") {
    newer["result"] = "failed";
    shell.backend.answers["run"] = {old, newer};
    CHECK(shell.run({"run"}).code == 1);
  }
  SECTION("in JSON it is one document, the newer one") {
    shell.backend.answers["run"] = {old, newer};
    auto printed = shell.run({"run", "--json"});
    CHECK(Json::parse(printed.out).at("run") == "2");
  }
  SECTION("unless that run does not do what was asked for") {
    old["left_out"] = {"train[client=client-3]"};
    shell.backend.answers["run"] = {old, newer};
    auto printed = shell.run({"run"});
    CHECK(printed.code == 1);
    CHECK_THAT(printed.err, Catch::Contains("run 2 left out train[client=client-3]"));
  }
  SECTION("and so on, from run to run") {
    Json between = old;
    between.update({{"run", "2"}, {"superseded_by", "3"}});
    newer["run"] = "3";
    shell.backend.answers["run"] = {old, between, newer};
    CHECK(shell.run({"run"}).code == 0);
    CHECK(shell.backend.last().arguments["run"] == "3");
  }
}

TEST_CASE("failures name the step, its reason and the way to its log") {
  Shell shell;
  Json run = second_run();
  run["result"] = "failed";
  run["failed"] = 1;
  run["steps"][0]["state"] = "failed";
  run["steps"][0]["error"] = "exited with 1";
  run["steps"].push_back(step("export", "blocked", ""));
  run["gates"] = {{"passed", 0},
                  {"failed",
                   {{{"model", "intent-client-4"},
                     {"version", 2},
                     {"verdict", "accuracy 0.71 is below 0.80"}}}}};
  run["releases"][0].update({{"moved", false}, {"held_back", {"intent-client-3: pinned by ann"}}});
  run["notes"] = {"a note"};
  shell.backend.answers["start_run"] = {{{"run", "2"}}};
  shell.backend.answers["run"] = {run};
  auto printed = shell.run({"run"});
  CHECK(printed.code == 1);
  CHECK(printed.out ==
        "plan   9 steps: 1 to run, 8 current            utterances[client=client-3]: "
        "12 rows changed\n"
        "train  intent-client-3                         ░░░░░░░░░░░░ 0/1   1.4 s\n"
        "failed train[client=client-3]                  exited with 1\n"
        "       lockstep logs '2/train[client=client-3]'\n"
        "blocked export\n"
        "gate   0 passed, 1 rejected\n"
        "       intent-client-4@2                       accuracy 0.71 is below 0.80\n"
        "release 1da281f01541e3eac0f2a91187cadb86       unchanged\n"
        "       held back: intent-client-3: pinned by ann\n"
        "note   a note\n");
}

TEST_CASE("the result of a run is the exit code") {
  const std::pair<const char*, int> kExpected[] = {
      {"done", 0}, {"failed", 1}, {"superseded", 1}, {"cancelled", 1}, {"held", 4}};
  for (auto [result, code] : kExpected) {
    Shell shell;
    Json run = second_run();
    run["result"] = result;
    shell.backend.answers["start_run"] = {{{"run", "2"}}};
    shell.backend.answers["run"] = {run};
    CHECK(shell.run({"run"}).code == code);
    CHECK(shell.run({"run", "show", "2"}).code == 0);
  }
}

TEST_CASE("nothing to do is said in one line, and scripts get the same fields") {
  Shell shell;
  shell.backend.answers["start_run"] = {
      {{"run", nullptr}, {"note", "9 steps: all current"}, {"current", 9}}};
  auto printed = shell.run({"run"});
  CHECK(printed.code == 0);
  CHECK(printed.out == "plan   9 steps: all current\n");
  Json document = Json::parse(shell.run({"run", "--json"}).out);
  CHECK(document["result"] == "done");
  CHECK(document["executed"] == 0);
  CHECK(document["current"] == 9);
  CHECK(document["steps"] == Json::array());
}

TEST_CASE("a held change is refused work, with the way out") {
  Shell shell;
  shell.backend.answers["start_run"] = {{{"run", nullptr},
                                         {"result", "held"},
                                         {"note", "9 steps: 9 current"},
                                         {"held", {{"why", "3 of 8 models would be retired"}}}}};
  auto printed = shell.run({"run"});
  CHECK(printed.code == 4);
  CHECK(printed.out ==
        "plan   9 steps: 9 current\n"
        "held   3 of 8 models would be retired          lockstep approve-change\n");
}

TEST_CASE("progress is redrawn on a terminal and taken away at the end") {
  Shell shell;
  shell.terminal.err = true;
  shell.terminal.columns = 70;
  shell.backend.answers["start_run"] = {{{"run", "1"}}};
  Json going = first_run("waiting");
  going["steps"][0]["metrics"] = {{"epoch", 12}, {"loss", 0.3125}};
  shell.backend.answers["run"] = {going, first_run("done")};
  auto printed = shell.run({"run"});
  CHECK(printed.err ==
        "\rtrain  trunk, intent-client-1 … 8              ░░░░░░░░░░░░ 0/9   2.…\x1b[K"
        "\r\x1b[K");
  CHECK(shell.backend.last().arguments["wait_ms"] == 500);
  CHECK(shell.backend.last().arguments["seen"] == 1);
}

TEST_CASE("elsewhere what finished is told, at most once in a second") {
  Shell shell;
  shell.clock.step = 600;
  shell.backend.answers["start_run"] = {{{"run", "1"}}};
  Json some = first_run("waiting");
  for (int i = 0; i < 4; ++i) some["steps"][i]["state"] = "done";
  shell.backend.answers["run"] = {first_run("waiting"), some, first_run("waiting"),
                                  first_run("done")};
  auto printed = shell.run({"run"});
  CHECK(printed.err == "4/9   trunk, train[client=client-1 … 3]\n");
}

TEST_CASE("a daemon that goes away leaves a way back to its run") {
  Shell shell;
  shell.backend.answers["start_run"] = {{{"run", "5"}}};
  shell.backend.errors.insert_or_assign("run", Error(ErrorCode::kUnavailable, "it went away"));
  auto printed = shell.run({"run"});
  CHECK(printed.code == 3);
  CHECK(printed.err ==
        "error: it went away\n"
        "  hint: the run goes on with the daemon; look at it with `lockstep run show 5`\n");
}

TEST_CASE("run passes its steps on, retry and trigger follow what they start") {
  Shell shell;
  shell.backend.answers["start_run"] = shell.backend.answers["retry"] =
      shell.backend.answers["trigger"] = {{{"run", "2"}}};
  shell.backend.answers["run"] = {second_run()};
  shell.run({"run", "train[client=client-3]", "trunk", "--force"});
  CHECK(shell.backend.asked()[0].arguments == Json({{"steps", {"train[client=client-3]", "trunk"}},
                                                    {"force", true},
                                                    {"trigger", "manual"},
                                                    {"branch", ""},
                                                    {"tag", ""}}));
  CHECK(shell.run({"retry", "intent-client-3"}).out.find("release 1da281") != std::string::npos);
  CHECK(shell.run({"trigger", "nightly", "--input", "day=2026-03-03", "--input", "a=b=c"}).code ==
        0);
  auto asked = shell.backend.asked();
  CHECK(asked[asked.size() - 2].arguments ==
        Json({{"workflow", "nightly"}, {"inputs", {{"day", "2026-03-03"}, {"a", "b=c"}}}}));
  CHECK(shell.run({"trigger", "nightly", "--input", "day"}).code == 2);
}

TEST_CASE("run show gives the whole transcript") {
  Shell shell;
  Json run = first_run("done");
  run.update({{"trigger", "manual"},
              {"branch", ""},
              {"started", "2026-03-03T14:00:00Z"},
              {"first", false}});
  shell.backend.answers["run"] = {run};
  auto printed = shell.run({"run", "show", "1"});
  CHECK(printed.out.rfind("run    1   done (manual)                       2026-03-03 14:00:00\n"
                          "data   utterances   1,920 rows, 8 clients      commit 1f3c9ab\n",
                          0) == 0);
  CHECK(Json::parse(shell.run({"--json", "run", "show", "1"}).out) == run);
}

TEST_CASE("runs are listed") {
  Shell shell;
  shell.backend.answers["runs"] = {{{{"run", "2"},
                                     {"result", "failed"},
                                     {"trigger", "data"},
                                     {"started", "2026-03-03T14:00:00Z"},
                                     {"executed", 1},
                                     {"failed", 1},
                                     {"release", nullptr}},
                                    {{"run", "1"},
                                     {"result", "done"},
                                     {"trigger", "manual"},
                                     {"branch", ""},
                                     {"started", "2026-03-03T13:00:00Z"},
                                     {"executed", 9},
                                     {"failed", 0},
                                     {"release", kTag1}}}};
  CHECK(shell.run({"runs", "--limit", "2"}).out ==
        "RUN   RESULT   TRIGGER   STARTED               EXECUTED   FAILED   RELEASE\n"
        "2     failed   data      2026-03-03 14:00:00          1        1\n"
        "1     done     manual    2026-03-03 13:00:00          9        0   51796c\n");
  CHECK(shell.backend.last().arguments["limit"] == 2);
}

TEST_CASE("a plan groups its steps and says why") {
  Shell shell;
  Json reason = {{"input", "rows"},
                 {"kind", "rows"},
                 {"change", "12 rows changed"},
                 {"changed", 12},
                 {"slice", "utterances[client=client-3]"}};
  Json plan = {
      {"commits", {{"app", kCode}, {"tables", kData}}},
      {"steps", {{{"step", "train[client=client-3]"}, {"state", "run"}, {"reasons", {reason}}}}}};
  for (int i : {1, 2, 4, 5, 6}) {
    plan["steps"].push_back({{"step", "train[client=" + client(i) + "]"}, {"state", "current"}});
  }
  plan["steps"].push_back(
      {{"step", "export"}, {"state", "waiting"}, {"waits_for", {"train[client=client-3]"}}});
  plan["steps"].push_back(
      {{"step", "report"}, {"state", "deferred"}, {"note", "3 of 50 changed rows"}});
  plan["added"] = {"intent-client-9"};
  plan["held"] = {{"why", "51 new instances"}};
  plan["problems"] = {
      {{"message", "table corpus is gone"}, {"where", "tables"}, {"hint", "restore it"}}};
  shell.backend.answers["plan"] = {plan};
  CHECK(shell.run({"plan"}).out ==
        "plan   8 steps: 1 to run, 1 waiting for train[client=client-3], 1 deferred, 5 current  "
        "utterances[client=client-3]: 12 rows changed\n"
        "at     app 88d01e2, tables 1f3c9ab\n"
        "new    intent-client-9\n"
        "held   51 new instances                        lockstep approve-change\n"
        "\n"
        "run        train[client=client-3]             utterances[client=client-3]: 12 rows "
        "changed\n"
        "waiting    export                             waits for train[client=client-3]\n"
        "deferred   report                             3 of 50 changed rows\n"
        "current    train[client=client-1, 2, 4 … 6]\n"
        "\n"
        "error: table corpus is gone\n"
        "  at tables\n"
        "  hint: restore it\n");
}

TEST_CASE("a plan of one mind is short, and a long one is cut") {
  Shell shell;
  Json plan = {{"first", true}, {"steps", Json::array()}};
  for (int i = 1; i <= 100; ++i) {
    plan["steps"].push_back({{"step", "train[client=" + client(i) + "]"},
                             {"state", "waiting"},
                             {"waits_for", {"trunk"}}});
  }
  shell.backend.answers["plan"] = {plan};
  CHECK(shell.run({"plan"}).out ==
        "plan   100 steps: 100 waiting for trunk        (first run)\n"
        "\n"
        "waiting   train[client=client-1 … 100]   waits for trunk\n");
  for (int i = 0; i < 100; ++i) {
    plan["steps"][i].update({{"state", "run"}, {"reasons", {std::to_string(i) + " rows"}}});
    plan["steps"][i].erase("waits_for");
  }
  shell.backend.answers["plan"] = {plan};
  std::string cut_text = shell.run({"plan"}).out;
  CHECK(std::count(cut_text.begin(), cut_text.end(), '\n') == 23);
  CHECK(cut_text.find("      … and 80 more (--all)\n") != std::string::npos);
  std::string all = shell.run({"plan", "--all"}).out;
  CHECK(std::count(all.begin(), all.end(), '\n') == 102);
  shell.backend.answers["plan"] = {{{"steps", {{{"step", "a"}, {"state", "current"}}}}}};
  CHECK(shell.run({"plan"}).out == "plan   1 step: all current\n");
}

TEST_CASE("logs are read on to their end") {
  Shell shell;
  shell.backend.answers["log"] = {{{"log", "one\n"}, {"offset", 4}, {"end", false}, {"run", "7"}},
                                  {{"log", "two\n"}, {"offset", 8}, {"end", true}}};
  CHECK(shell.run({"logs", "train[path=a/b]"}).out == "one\ntwo\n");
  CHECK(shell.backend.asked()[0].arguments ==
        Json({{"run", ""}, {"step", "train[path=a/b]"}, {"offset", 0}, {"wait_ms", 0}}));
  CHECK(shell.backend.asked()[1].arguments["run"] == "7");

  shell.backend.answers["log"] = {{{"log", "half"}, {"offset", 4}, {"end", false}}};
  auto printed = shell.run({"logs", "7/trunk", "--json"});  // not over: what is there so far
  CHECK(Json::parse(printed.out) ==
        Json({{"run", "7"}, {"step", "trunk"}, {"log", "halfhalf"}, {"end", false}}));
}
