// Arguments, errors, exit codes, JSON, help and completion.
#include "tests/catch.h"
#include "tests/pipeline/cli/shell.h"

using namespace lockstep;

namespace {

// Every command with the least it needs, and the method it must reach.
const std::vector<std::pair<std::vector<std::string>, std::string>> kCommands = {
    {{"check"}, "check"},
    {{"plan"}, "plan"},
    {{"run"}, "start_run"},
    {{"run", "show", "1"}, "run"},
    {{"trigger", "w"}, "trigger"},
    {{"gate", "m"}, "gate"},
    {{"approve", "m"}, "approve"},
    {{"status"}, "status"},
    {{"lag"}, "lag"},
    {{"runs"}, "runs"},
    {{"logs", "s"}, "log"},
    {{"cancel", "1"}, "cancel"},
    {{"retry", "s"}, "retry"},
    {{"why", "m"}, "why"},
    {{"tables"}, "tables"},
    {{"diff", "t", "a", "b"}, "diff"},
    {{"import", "sheet"}, "import_sheet"},
    {{"models"}, "models"},
    {{"model", "show", "m"}, "model"},
    {{"model", "search"}, "search"},
    {{"model", "diff", "m@1", "m@2"}, "version_diff"},
    {{"model", "note", "m@1", "text"}, "note"},
    {{"model", "tag", "m", "k=v"}, "tag"},
    {{"adopt", "m", "--from", "f"}, "adopt"},
    {{"predict", "m", "--text", "t"}, "predict"},
    {{"rollback", "m", "--reason", "r"}, "rollback"},
    {{"pin", "m"}, "pin"},
    {{"unpin", "m"}, "unpin"},
    {{"approve-change"}, "approve_change"},
    {{"release", "list"}, "releases"},
    {{"release", "show"}, "release"},
    {{"release", "diff", "a", "b"}, "release_diff"},
    {{"release", "rollback"}, "release_rollback"},
    {{"release", "changelog"}, "release_changelog"},
    {{"release", "promote", "a", "b", "--reason", "r"}, "release_promote"},
    {{"release", "provenance"}, "release_provenance"},
    {{"release", "sign"}, "release_sign"},
    {{"promote", "m", "--channel", "c", "--reason", "r"}, "promote"},
    {{"release", "rebuild", "--reason", "r"}, "release_rebuild"},
    {{"release", "push"}, "release_push"},
    {{"release", "verify"}, "release_verify"},
    {{"release", "note", "t", "text"}, "note"},
    {{"release", "tag", "t", "k"}, "tag"},
    {{"release", "keep", "t"}, "release_keep"},
    {{"release", "import", "f"}, "import_ledger"},
    {{"replay", "m@2"}, "replay"},
    {{"gc"}, "gc"},
    {{"doctor"}, "doctor"},
    {{"reload"}, "reload"},
};

}  // namespace

TEST_CASE("every command reaches its method, and fails by the code of the error") {
  const std::pair<ErrorCode, int> kCodes[] = {
      {ErrorCode::kInvalid, 2},     {ErrorCode::kNotFound, 2}, {ErrorCode::kConflict, 4},
      {ErrorCode::kUnavailable, 3}, {ErrorCode::kCorrupt, 1},  {ErrorCode::kDenied, 4}};
  for (const auto& [words, method] : kCommands) {
    for (auto [code, exit] : kCodes) {
      INFO(words[0] << " " << word(code));
      Shell shell;
      shell.backend.errors.insert_or_assign(method, Error(code, "it broke", "mend it", "a:1:2"));
      auto printed = shell.run(words);
      CHECK(printed.code == exit);
      CHECK(printed.out == "");
      CHECK(printed.err.rfind("error: it broke\n  at a:1:2\n  hint: ", 0) == 0);
    }
  }
}

TEST_CASE("with --json every command prints one document, errors too") {
  for (auto [words, method] : kCommands) {
    INFO(words[0]);
    Shell shell;
    shell.backend.answers[method] = {{{"mark", 7}, {"end", true}}};
    words.push_back("--json");
    auto printed = shell.run(words);
    Json document = Json::parse(printed.out);
    if (method != "log") CHECK(document["mark"] == 7);
    CHECK(printed.err == "");

    shell.backend.errors.insert_or_assign(method, Error(ErrorCode::kDenied, "no", "", "there"));
    printed = shell.run(words);
    CHECK(printed.code == 4);
    CHECK(printed.err == "");
    CHECK(Json::parse(printed.out)["error"]["code"] == "denied");
  }
}

TEST_CASE("wrong usage is said with the way to the right one") {
  const std::pair<std::vector<std::string>, std::string> kWrong[] = {
      {{"stauts"}, "error: no command `stauts`\n  hint: did you mean `status`?\n"},
      {{"frobnicate"}, "error: no command `frobnicate`\n  hint: lockstep --help\n"},
      {{"release", "lst"}, "error: no command `lst`\n  hint: did you mean `list`?\n"},
      {{"release"},
       "error: which command? `lockstep release` needs one\n"
       "  hint: lockstep release --help\n"},
      {{"plan", "x\x1b[2J"},
       "error: `lockstep plan` takes no `x\\u001b[2J`\n"
       "  hint: lockstep plan --help\n"},
      {{"plan", "--foo"},
       "error: `lockstep plan` takes no `--foo`\n"
       "  hint: lockstep plan --help\n"},
      {{"why"}, "error: MODEL[@V]|STEP is required\n  hint: lockstep why --help\n"},
      {{"rollback", "m"}, "error: --reason is required\n  hint: lockstep rollback --help\n"},
      {{"replay", "m@x"},
       "error: `m@x` names no version\n"
       "  hint: write NAME@VERSION, as in intent-client-3@2\n"},
      {{"completion", "ksh"},
       "error: no completion for `ksh`\n"
       "  hint: there is one for bash, zsh and fish\n"},
      {{"approve", "m@x"},
       "error: `m@x` names no version\n"
       "  hint: write NAME@VERSION, as in intent-client-3@2\n"},
  };
  for (const auto& [words, expected] : kWrong) {
    Shell shell;
    auto printed = shell.run(words);
    CHECK(printed.err == expected);
    CHECK(printed.code == 2);
    CHECK(printed.out == "");
    CHECK(shell.backend.asked().empty());
    std::vector<std::string> with_json = {"--json"};
    with_json.insert(with_json.end(), words.begin(), words.end());
    auto json = shell.run(with_json);
    CHECK(json.err == "");
    CHECK(Json::parse(json.out)["error"]["code"] == "invalid");
  }
  Shell shell;
  CHECK(shell.run({}).code == 2);
  for (const char* name : {"approve", "backup", "restore"}) CHECK(shell.run({name}).code == 2);
  CHECK(shell.run({"restore", "f", "--verify", "--into", "d"}).code == 2);
  CHECK(shell.run({"restore", "f"}).err.find("--into DIR") != std::string::npos);
  CHECK(shell.run({"release", "show", "5179", "--at", "2026-03-03"}).code == 2);
  CHECK(shell.run({"predict", "m"}).code == 2);
  CHECK(shell.run({"runs", "--limit", "0"}).code == 2);
}

TEST_CASE("several errors are printed one after the other") {
  Shell shell;
  shell.backend.before = [](const std::string&) {
    throw Errors({Error(ErrorCode::kInvalid, "one", "", "a:1:1"),
                  Error(ErrorCode::kInvalid, "two", "fix", "a:2:1")});
  };
  CHECK(shell.run({"plan"}).err == "error: one\n  at a:1:1\nerror: two\n  at a:2:1\n  hint: fix\n");
  Json document = Json::parse(shell.run({"plan", "--json"}).out);
  CHECK(document["error"]["where"] == "a:1:1");
  CHECK(document["error"]["all"].size() == 2);
}

TEST_CASE("the workspace is found from any folder inside it") {
  Shell shell;
  fs::path inside = shell.folder.path() / "a" / "b";
  fs::create_directories(inside);
  shell.here = inside;
  CHECK(shell.run({"models"}).code == 0);
  CHECK(shell.workspace == fs::canonical(shell.folder.path()));
  shell.here = "/";
  auto lost = shell.run({"models"});
  CHECK(lost.code == 2);
  CHECK(lost.err ==
        "error: no lockstep.yaml here or in any folder above\n  at /\n"
        "  hint: make a workspace with `lockstep init`, or name one with -C DIR\n");
  CHECK(shell.run({"-C", inside.string(), "models"}).code == 0);
  CHECK(shell.run({"models", "-C", inside.string()}).code == 0);
  CHECK(shell.run({"-C", "/nowhere/at/all", "models"}).code == 2);
  shell.unavailable = true;
  shell.here = inside;
  CHECK(shell.run({"models"}).code == 3);
}

TEST_CASE("options reach the routes as they were given") {
  Shell shell;
  shell.run({"rollback", "m", "--to", "3", "--channel", "production", "--reason", "wrong labels",
             "--dry-run", "--override-pins"});
  auto asked = shell.backend.last();
  CHECK(asked.arguments["body"] == Json({{"to", 3},
                                         {"channel", "production"},
                                         {"override_pins", true},
                                         {"accept_expectations", false},
                                         {"with_dependents", false}}));
  CHECK(asked.caller.reason == "wrong labels");
  CHECK(asked.caller.dry_run);
  shell.run(
      {"predict", "m@2", "--table", "t", "--column", "text", "--where", "a=b=c", "--limit", "5"});
  CHECK(shell.backend.last().arguments ==
        Json({{"model", "m"},
              {"version", 2},
              {"body",
               {{"table", "t"}, {"column", "text"}, {"where", {{"a", "b=c"}}}, {"limit", 5}}}}));
  shell.run({"predict", "m", "--text", "[a,b]", "--text", "-x"});
  CHECK(shell.backend.last().arguments["body"]["texts"] == Json({"[a,b]", "-x"}));
  shell.run({"release", "show", "--at", "2026-03-03 14:00", "--channel", "c"});
  CHECK(shell.backend.last().arguments ==
        Json({{"which", ""}, {"at", "2026-03-03 14:00"}, {"channel", "c"}}));
  shell.run({"diff", "s/t", "HEAD~1", "main", "--slice", "client=a/b", "--limit", "0"});
  CHECK(shell.backend.last().arguments == Json({{"table", "s/t"},
                                                {"from", "HEAD~1"},
                                                {"to", "main"},
                                                {"slice", "client=a/b"},
                                                {"where", Json::object()},
                                                {"skip", 0},
                                                {"limit", 0}}));
  shell.run({"import", "sheet", "--from", "a/../b.csv", "--accept-change", "--dry-run"});
  CHECK(shell.backend.last().arguments ==
        Json({{"name", "sheet"},
              {"options",
               {{"from", (fs::canonical(shell.folder.path()) / "b.csv").string()},
                {"accept_change", true}}}}));
  CHECK(shell.backend.last().caller.dry_run);
  shell.run({"why", "train[client=a/b ö]"});
  CHECK(shell.backend.last().arguments["name"] == "train[client=a/b ö]");
  CHECK(shell.run({"why", "\xff"}).code == 2);
}

TEST_CASE("serve and init are handed on") {
  Shell shell;
  CHECK(shell.run({"serve"}).code == 0);
  CHECK(shell.run({"serve", "--verbose"}).code == 7);
  CHECK(shell.workspace == fs::canonical(shell.folder.path()));
  auto made = shell.run({"init", "intents", "--from", "../app.git"});
  CHECK(made.out == "made   intents\n       lockstep.yaml\nnext   lockstep check\n");
  CHECK(Json::parse(shell.run({"init", "--from", "r", "--json"}).out)["from"] == "r");
}

TEST_CASE("colours only on a terminal, and never against NO_COLOR") {
  Shell shell;
  shell.backend.answers["doctor"] = {{{"ok", true}, {"checks", {{{"name", "git"}, {"ok", true}}}}}};
  CHECK(shell.run({"doctor"}).out == "ok   git\n");
  shell.terminal.out = true;
  CHECK(shell.run({"doctor"}).out == "\x1b[32mok\x1b[0m   git\n");
  shell.terminal.colour = false;
  CHECK(shell.run({"doctor"}).out == "ok   git\n");
  setenv("NO_COLOR", "1", 1);
  CHECK_FALSE(Terminal::real().colour);
  unsetenv("NO_COLOR");
}

TEST_CASE("a program's log can't steer the terminal, a file gets it as it is") {
  Shell shell;
  shell.backend.answers["log"] = {{{"log", "a\x1b[2Jb\n"}, {"offset", 6}, {"end", true}}};
  CHECK(shell.run({"logs", "trunk"}).out == "a\x1b[2Jb\n");
  shell.terminal.out = true;
  CHECK(shell.run({"logs", "trunk"}).out == "a\\u001b[2Jb\n");
}

TEST_CASE("help names every command and gives examples") {
  Shell shell;
  std::string help = shell.run({"--help"}).out;
  for (const auto& [words, method] : kCommands) {
    CHECK(help.find("\n  " + words[0] + " ") != std::string::npos);
    auto one = shell.run({words[0], "--help"});
    CHECK(one.code == 0);
    CHECK(one.out.rfind("Usage: lockstep " + words[0] + " ", 0) == 0);
    CHECK(one.out.find("\nExamples:\n  lockstep " + words[0]) != std::string::npos);
  }
  CHECK(shell.run({"--version"}).out == "lockstep " LOCKSTEP_VERSION "\n");
  CHECK(shell.run({"runs", "-h"}).out.find("--limit N      How many (20)") != std::string::npos);
}

TEST_CASE("docs/CLI.md names every command") {
  std::ifstream file(LOCKSTEP_SOURCE_DIR "/docs/CLI.md");
  std::stringstream text;
  text << file.rdbuf();
  for (const auto& [words, method] : kCommands) {
    std::string name = words[0];
    if (name == "release" || name == "model" || (words.size() > 1 && words[1] == "show")) {
      name += " " + words[1];
    }
    INFO(name);
    CHECK(text.str().find("`" + name) != std::string::npos);
  }
}

TEST_CASE("completion knows every command and option, in three shells") {
  Shell shell;
  for (const char* name : {"bash", "zsh", "fish"}) {
    std::string script = shell.run({"completion", name}).out;
    for (const auto& [words, method] : kCommands) CHECK(script.find(words[0]) != std::string::npos);
    for (const char* word : {"rebuild", "verify", "override-pins", "dry-run", "completion"}) {
      CHECK(script.find(word) != std::string::npos);
    }
  }
}

TEST_CASE("the bash script completes what was begun") {
  Shell shell;
  fs::path script = shell.folder.path() / "completion.bash";
  std::ofstream(script) << shell.run({"completion", "bash"}).out
                        << "try() { COMP_WORDS=(lockstep \"$@\"); COMP_CWORD=$#; _lockstep; "
                           "echo \"${COMPREPLY[*]}\"; }\n"
                           "try appr; try release re; try --json release rollback --o; "
                           "try run --f; try completion f\n";
  FILE* bash = popen(("bash '" + script.string() + "' 2>&1").c_str(), "r");
  REQUIRE(bash);
  std::string out(4096, '\0');
  out.resize(fread(out.data(), 1, out.size(), bash));
  CHECK(pclose(bash) == 0);
  CHECK(out == "approve-change approve\nrebuild\n--override-pins\n--force\nfish\n");
}
