// What the commands about models, releases and the workspace print, word for word.
#include "tests/catch.h"
#include "tests/pipeline/cli/documents.h"
#include "tests/pipeline/cli/shell.h"

using namespace lockstep;
using namespace lockstep::documents;

namespace {

// The one answer of a method, and what a command makes of it.
std::string printed(const std::string& method, const Json& answer,
                    const std::vector<std::string>& words, int code = 0) {
  Shell shell;
  shell.backend.answers[method] = {answer};
  auto result = shell.run(words);
  CHECK(result.code == code);
  CHECK(result.err == "");
  return result.out;
}

}  // namespace

TEST_CASE("status") {
  CHECK(printed("status", status(), {"status"}) ==
        "at     /srv/intents                            serving, pid 4711\n"
        "models 7/8 in step\n"
        "slots  gpu0-1    0     1.0 GiB   train[client=client-3]   run 12, since 2026-03-03 "
        "14:00:07\n"
        "       local-1   cpu             idle\n"
        "queue  train[client=client-5]   data   waits for a slot\n"
        "source app      git_repo     main   88d01e2\n"
        "       tables   git_tables   main   1f3c9ab   not there since 13:00\n"
        "live   production   51796c70071bb3bf51e5a9cee12382cd\n"
        "       staging      no release yet\n");
}

TEST_CASE("lag names those behind, and why") {
  Json lag = {{{"model", "intent-client-1"}, {"in_step", true}},
              {{"model", "intent-client-3"},
               {"version", 1},
               {"in_step", false},
               {"rows", 12},
               {"commits", 1},
               {"hours", 2.5},
               {"why", "pinned by ann, \"wrong labels\""}}};
  CHECK(printed("lag", lag, {"lag"}) ==
        "1/2 in step\n"
        "intent-client-3   version 1   12 rows, 1 commit, 2 h 30 min behind   pinned by ann, "
        "\"wrong labels\"\n");
  Json many = Json::array();
  for (int i = 0; i < 30; ++i) many.push_back({{"model", "m"}, {"rows", 1}, {"in_step", false}});
  std::string text = printed("lag", many, {"lag"});
  CHECK(text.find("… and 10 more (--all)\n") != std::string::npos);
  CHECK(printed("lag", many, {"lag", "--all"}).find("more") == std::string::npos);
}

TEST_CASE("models and one model") {
  CHECK(printed("models", models(), {"models"}) ==
        "MODEL             VERSION   SHA256         METRICS                     CHANNELS\n"
        "intent-client-3         2   abcdef012345   accuracy 0.934, loss 0.21   production 1   "
        "pinned\n"
        "trunk                   1   abcdef012345                                              "
        "retired\n");
  CHECK(printed("models", Json::array(), {"models"}) == "no models yet: lockstep run\n");
  std::string zeros(52, '0');
  CHECK(printed("model", model(), {"model", "show", "intent-client-3@2"}) ==
        "model        intent-client-3@2                 champion, production\n"
        "sha256       sha256:abcdef012345" +
            zeros +
            "\n"
            "step         train[client=client-3]            a-17\n"
            "metrics      accuracy 0.934, loss 0.21\n"
            "gate         passed\n"
            "data         utterances[client=client-3]   240 rows  commit 2ab77e1\n"
            "from         trunk@1                           abcdef012345\n"
            "commits      app 88d01e2, tables 2ab77e1\n"
            "rows by      Ann, Bob\n"
            "fingerprint  sha256:" +
            std::string(64, 'f') +
            "\n"
            "trigger      data\n"
            "pin          pinned at version 2 (champion) by ann, \"audit\"\n"
            "\n"
            "VERSION   CREATED               SHA256         METRICS\n"
            "      1   2026-03-03 13:00:00   abcdef012345   accuracy 0.91\n"
            "      2   2026-03-03 14:00:00   abcdef012345   accuracy 0.934\n"
            "\n"
            "MOVED                 ALIAS      VERSION   WHO        WHY\n"
            "2026-03-03 13:00:00   champion   1         lockstep   gate passed\n"
            "2026-03-03 14:00:00   champion   1 → 2     lockstep   gate passed\n");
}

TEST_CASE("why") {
  CHECK(printed("why", why(), {"why", "intent-client-3"}) ==
        "why    intent-client-3@2                       champion, current, gate passed\n"
        "       trained on 2026-03-03\n"
        "       utterances[client=client-3]: 12 rows changed\n"
        "       pinned at version 2 (champion) by ann, \"wrong labels\"\n"
        "data   utterances[client=client-3]   1f3c9ab → 2ab77e1   12 rows changed, 3 added   "
        "by Ann <ann@x>\n"
        "code   train/                        88d01e2\n"
        "from   trunk                         1\n");
}

TEST_CASE("predict and replay") {
  Json answers = {
      {"model", "x"},
      {"version", 2},
      {"answers", {{{"text", "turn it off"}, {"label", "lights_off"}, {"score", 0.93412}}}}};
  CHECK(printed("predict", answers, {"predict", "x", "--text", "turn it off"}) ==
        "lights_off   0.934   turn it off\n");
  Json replay = {{"model", "x"},           {"version", 2},
                 {"identical", false},     {"recorded", "sha256:0"},
                 {"replayed", "sha256:1"}, {"differences", {"libtorch 1.13.1 → 2.0"}},
                 {"seconds", 1.5}};
  CHECK(printed("replay", replay, {"replay", "x@2"}, 1) ==
        "replay x@2                                     other bytes, 1.5 s\n"
        "was    sha256:0\n"
        "is     sha256:1\n"
        "differs libtorch 1.13.1 → 2.0\n");
  replay["identical"] = true;
  CHECK(printed("replay", replay, {"replay", "x@2"}).find("same bytes") != std::string::npos);
}

TEST_CASE("rolling a model back, pins") {
  Json rollback = {
      {"model", "intent-client-3"},
      {"from", 2},
      {"to", 1},
      {"releases", {{{"channel", "production"}, {"from", kTag2}, {"to", kTag1}, {"known", true}}}}};
  CHECK(printed("rollback", rollback,
                {"rollback", "intent-client-3", "--reason", "wrong labels", "--dry-run"}) ==
        "model  intent-client-3 2 → 1                   version 2 is withdrawn\n"
        "release 51796c70071bb3bf51e5a9cee12382cd       known content: re-pointed, nothing built; "
        "pinned at version 1\n"
        "dry run: nothing was moved\n");
  Json pinned = {
      {"model", "x"},
      {"pins", {{{"alias", "champion"}, {"version", 1}, {"who", "ann"}, {"reason", "audit"}}}}};
  CHECK(printed("pin", pinned, {"pin", "x@1"}) ==
        "pin    x                                       pinned at version 1 (champion) by ann, "
        "\"audit\"\n");
}

TEST_CASE("unpinning now follows the run that it starts") {
  Shell shell;
  shell.backend.answers["unpin"] = {
      {{"unpinned", {{{"model", "x"}, {"alias", "champion"}}}}, {"run", "9"}}};
  shell.backend.answers["run"] = {{{"run", "9"}, {"result", "failed"}, {"steps", Json::array()}}};
  auto result = shell.run({"unpin", "--channel", "production", "--all", "--now"});
  CHECK(result.code == 1);
  CHECK(result.out ==
        "unpin  x                                       champion\n"
        "plan   0 steps\n");
  Json document = Json::parse(shell.run({"unpin", "x", "--now", "--json"}).out);
  CHECK(document["followed"]["result"] == "failed");
  for (const std::vector<std::string>& bad :
       {std::vector<std::string>{"unpin"}, {"unpin", "x", "--all"}, {"unpin", "--all"}}) {
    CHECK(shell.run(bad).code == 2);
  }
}

TEST_CASE("releases") {
  Json list = {{{"name", "production"},
                {"tag", kTag1},
                {"created", "2026-03-03T14:00:00Z"},
                {"image", kSha},
                {"live", true}}};
  CHECK(printed("releases", list, {"release", "list"}) ==
        "CHANNEL      TAG                                CREATED               IMAGE\n"
        "production   51796c70071bb3bf51e5a9cee12382cd   2026-03-03 14:00:00   abcdef012345   "
        "live\n");
  CHECK(printed("release", release(), {"release", "show"}) ==
        "release   51796c70071bb3bf51e5a9cee12382cd     production, live\n"
        "created   2026-03-03 14:00:00\n"
        "sha256    " +
            kSha +
            "\n"
            "image     " +
            kSha +
            "\n"
            "folder    out/releases/51796c\n"
            "\n"
            "MODEL             VERSION   SHA256         CODE      DATA                             "
            "     "
            "METRICS\n"
            "intent-client-3         1   abcdef012345   88d01e2   utterances[client=client-3] "
            "1f3c9ab   "
            "accuracy 0.91\n");
  Json diff = {{"from", kTag1},
               {"to", kTag2},
               {"models",
                {{{"model", "x"},
                  {"from", 1},
                  {"to", 2},
                  {"rows", {{"changed", 12}}},
                  {"metrics", {{"accuracy", {0.91, 0.934}}}}}}},
               {"added", {{{"model", "y"}, {"version", 1}}}}};
  CHECK(printed("release_diff", diff, {"release", "diff", "5179", "1da2"}) ==
        "diff   51796c70071b → 1da281f01541\n"
        "moved   x   1 → 2   12 rows changed   accuracy 0.91 → 0.934\n"
        "added   y   1\n");
}

TEST_CASE("a changelog, as text and as Markdown") {
  Json log = {
      {"channel", "production"},
      {"from", kTag1},
      {"to", kTag2},
      {"created", "2026-03-03T14:00:00Z"},
      {"models", 8},
      {"entries",
       {{{"model", "c-3"},
         {"kind", "moved"},
         {"from", 1},
         {"to", 2},
         {"why", {{{"kind", "rows"}, {"text", "12 changed rows of t[client=_3] (Ann)"}}}},
         {"metrics", {{"loss", {0.5, 0.4}}, {"epochs", {9, 9}}, {"accuracy", {0.91, 0.91}}}}},
        {{"model", "c-9"}, {"kind", "added"}, {"to", 1}, {"metrics", {{"loss", {nullptr, 0.2}}}}},
        {{"model", "c-2"}, {"kind", "removed"}, {"from", 4}}}}};
  CHECK(printed("release_changelog", log, {"release", "changelog"}) ==
        "release 1da281f01541e3eac0f2a91187cadb86       production, 2026-03-03 14:00:00\n"
        "since  51796c70071bb3bf51e5a9cee12382cd\n"
        "       1 model changed, 1 new, 1 gone, 6 as before\n"
        "\n"
        "c-3  1 → 2\n"
        "  12 changed rows of t[client=_3] (Ann)\n"
        "  accuracy 0.91 as before, loss 0.5 → 0.4\n"
        "\n"
        "c-9  new, version 1\n"
        "  loss 0.2\n"
        "\n"
        "c-2  gone, was version 4\n");
  CHECK(printed("release_changelog", log, {"release", "changelog", "--markdown"}) ==
        "## Release 1da281f01541e3eac0f2a91187cadb86\n"
        "\n"
        "production, 2026-03-03 14:00:00 UTC, since 51796c70071bb3bf51e5a9cee12382cd: 1 model "
        "changed, 1 new, 1 gone, 6 as before.\n"
        "\n"
        "- **c-3** 1 → 2: 12 changed rows of t\\[client=\\_3\\] (Ann). accuracy 0.91 as "
        "before, loss 0.5 → 0.4.\n"
        "- **c-9** new, version 1. loss 0.2.\n"
        "- **c-2** gone, was version 4.\n");
}

TEST_CASE("one channel's release given to another") {
  Json promotion = {{"channel", "production"},
                    {"from", kTag1},
                    {"to", kTag2},
                    {"known", true},
                    {"moved", true},
                    {"moves", {{{"model", "c-3"}, {"from", 1}, {"to", 2}}}},
                    {"held_back", {"c-4: pinned at version 1 by ann: the fair"}}};
  CHECK(printed("release_promote", promotion,
                {"release", "promote", "staging", "production", "--reason", "a quiet week"}) ==
        "release 1da281f01541e3eac0f2a91187cadb86       production: re-pointed, nothing built\n"
        "from   51796c70071bb3bf51e5a9cee12382cd\n"
        "moved  c-3 1 → 2\n"
        "held back c-4: pinned at version 1 by ann: the fair\n");
}

TEST_CASE("moving, rebuilding, pushing and verifying releases") {
  Json back = {
      {"channel", "production"}, {"from", kTag2}, {"to", kTag1}, {"pinned", {"c-1", "c-2", "c-3"}}};
  CHECK(printed("release_rollback", back, {"release", "rollback", "--to", "5179"}) ==
        "release 51796c70071bb3bf51e5a9cee12382cd       production: re-pointed, nothing built\n"
        "from   1da281f01541e3eac0f2a91187cadb86\n"
        "pinned c-1 … 3\n");
  Json rebuilt = {{"tag", kTag1 + "-01234567"}, {"models", 8}, {"folder", "out/releases"}};
  CHECK(printed("release_rebuild", rebuilt, {"release", "rebuild", "--reason", "base"}) ==
        "release 51796c70071bb3bf51e5a9cee12382cd-01234567  8 models → out/releases\n");
  Json pushed = {{"pushed", {{{"tag", kTag1}, {"digest", kSha}, {"refs", {"r/i:production"}}}}}};
  CHECK(printed("release_push", pushed, {"release", "push"}) ==
        "pushed 51796c70071bb3bf51e5a9cee12382cd        abcdef012345\n"
        "       r/i:production\n");
  Json verify = {{"tag", kTag1},
                 {"ok", false},
                 {"problems", {"x: bytes differ"}},
                 {"checked", {{"models", 8}, {"blobs", 10}}}};
  CHECK(printed("release_verify", verify, {"release", "verify", "5179"}, 1) ==
        "verify 51796c70071bb3bf51e5a9cee12382cd        not as recorded: 8 models, 10 blobs read\n"
        "       x: bytes differ\n");
}

TEST_CASE("check prints every problem with its place and its way out") {
  Json good = {{"ok", true},
               {"errors", Json::array()},
               {"warnings", {{{"message", "seed is not set"}, {"where", "w.yaml:3:1"}}}},
               {"workflows", {{{"name", "intents"}, {"file", "w.yaml"}, {"steps", 2}}}},
               {"instances", 9},
               {"models", 9}};
  CHECK(printed("check", good, {"check"}) ==
        "warning: seed is not set\n"
        "  at w.yaml:3:1\n"
        "check  ok: 1 workflow, 9 step instances, 9 models\n"
        "       intents   w.yaml   2 steps\n");
  Json bad = {{"ok", false},
              {"errors",
               {{{"code", "invalid"},
                 {"message", "no step `trunc`"},
                 {"hint", "did you mean `trunk`?"},
                 {"where", "w.yaml:12:7"}},
                {{"code", "invalid"}, {"message", "no table `corpus`"}}}}};
  CHECK(printed("check", bad, {"check"}, 1) ==
        "error: no step `trunc`\n"
        "  at w.yaml:12:7\n"
        "  hint: did you mean `trunk`?\n"
        "error: no table `corpus`\n"
        "check  2 errors\n");
}

TEST_CASE("tables, their differences, gc and doctor") {
  Json tables = {
      {{"source", "tables"},
       {"table", "utterances"},
       {"rows", 1920},
       {"columns", {{{"name", "id"}, {"type", "int"}}, {{"name", "text"}, {"type", "text"}}}},
       {"key", {"id"}},
       {"partition", "client"},
       {"commit", kData1}}};
  tables.push_back({{"source", "tables"}, {"table", "gone"}, {"error", "the file is gone"}});
  CHECK(printed("tables", tables, {"tables"}) ==
        "TABLE                ROWS   KEY   PARTITION   COLUMNS             COMMIT\n"
        "tables/utterances   1,920   id    client      id int, text text   1f3c9ab\n"
        "tables/gone                                                                 "
        "the file is gone\n");
  Json before = {{"id", 7}, {"text", "on\x1b[2J"}}, after = {{"id", 7}, {"text", "off"}};
  Json diff = {{"source", "tables"},
               {"table", "utterances"},
               {"from", kData1},
               {"to", kData2},
               {"added", 1},
               {"removed", 1},
               {"changed", 1},
               {"rows",
                {{{"change", "added"}, {"after", {{"id", 5}, {"note", nullptr}}}},
                 {{"change", "removed"}, {"before", {{"id", 6}}}},
                 {{"change", "changed"}, {"before", before}, {"after", after}}}},
               {"more", true}};
  CHECK(printed("diff", diff, {"diff", "utterances", "a", "b", "--limit", "3"}) ==
        "diff   tables/utterances   1f3c9ab → 2ab77e1   1 row changed, 1 added, 1 removed\n"
        "+ id=5  note=NULL\n"
        "- id=6\n"
        "~ id=7  text: on\\u001b[2J → off\n"
        "… and more (--limit)\n");
  Json import = diff;
  import.update({{"place", "sheets.example.org/d/1"}, {"kept", 2}, { "branch", "main" }});
  import["commit"] = kData2;
  CHECK(printed("import_sheet", import, {"import", "sheet"}) ==
        "import tables/utterances                       "
        "1 row changed, 1 added, 1 removed   from sheets.example.org/d/1\n"
        "+ id=5  note=NULL\n"
        "- id=6\n"
        "~ id=7  text: on\\u001b[2J → off\n"
        "… and more\n"
        "kept   2 rows                                  not in the sheet; delete: false\n"
        "commit 2ab77e1 on main\n");
  Json same = {{"source", "tables"}, {"table", "t"}, {"place", "b.csv"}, {"unchanged", 3}};
  CHECK(printed("import_sheet", same, {"import", "sheet"}) ==
        "import tables/t                                nothing differs   from b.csv\n");
  Json gc = {{"freed", {{{"bytes", 2048}}}}, {"bytes", 2048}, {"held", 17}, {"dry_run", true}};
  CHECK(printed("gc", gc, {"gc", "--dry-run"}) ==
        "gc     would free 1 artifact, 2.0 KiB          kept 17 artifacts\n");
  Json doctor = {{"ok", false},
                 {"checks",
                  {{{"name", "git"}, {"ok", true}, {"message", "1.5.1"}},
                   {{"name", "blas"},
                    {"ok", false},
                    {"message", "not there"},
                    {"fix", "apt install libopenblas0-pthread"}}}}};
  CHECK(printed("doctor", doctor, {"doctor"}, 1) ==
        "ok        git    1.5.1\n"
        "missing   blas   not there\n"
        "                 hint: apt install libopenblas0-pthread\n");
}

TEST_CASE("documents without any of their fields still print") {
  const std::vector<std::vector<std::string>> kAll = {{"status"},
                                                      {"plan"},
                                                      {"lag"},
                                                      {"runs"},
                                                      {"run", "show", "1"},
                                                      {"tables"},
                                                      {"models"},
                                                      {"model", "show", "x"},
                                                      {"why", "x"},
                                                      {"diff", "t", "a", "b"},
                                                      {"import", "x"},
                                                      {"gc"},
                                                      {"release", "list"},
                                                      {"release", "show"},
                                                      {"release", "diff", "a", "b"},
                                                      {"release", "rollback"},
                                                      {"release", "push"},
                                                      {"pin", "x"},
                                                      {"rollback", "x", "--reason", "y"},
                                                      {"predict", "x", "--text", "y"},
                                                      {"cancel", "1"},
                                                      {"approve-change"}};
  for (const auto& words : kAll) {
    INFO(words[0]);
    Shell shell;
    CHECK(shell.run(words).code == 0);
    CHECK(shell.run(words).err == "");
  }
}
