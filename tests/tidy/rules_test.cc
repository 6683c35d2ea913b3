// The house rules hold what they promise: each finds its planted violation, and nothing else.
#include "tests/tidy/rules.h"

#include "tests/catch.h"
#include "tests/tidy/functions.h"

using namespace lockstep::tidy;

namespace {

std::string repeated(const std::string& line, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += line;
  return out;
}

const std::string kHeader = "// What it is.\n#pragma once\n";

}  // namespace

TEST_CASE("rules: includes follow the table of rooms") {
  Tree tree = {{"pipeline/base/error.h", kHeader},
               {"pipeline/store/store.h", kHeader},
               {"pipeline/api/wire.h", kHeader},
               {"pipeline/api/routes.h", kHeader}};
  tree["pipeline/store/a.cc"] = "#include \"pipeline/base/error.h\"\n#include <sqlite3.h>\n";
  tree["pipeline/cli/a.cc"] = "#include \"pipeline/api/wire.h\"\n#include <CLI/CLI.hpp>\n";
  tree["pipeline/daemon/a.cc"] = "#include \"pipeline/store/store.h\"\n#include <sqlite3.h>\n";
  CHECK(show(check_includes(tree)).empty());

  tree = {{"pipeline/base/error.h", kHeader}, {"pipeline/store/store.h", kHeader}};
  tree["pipeline/core/a.cc"] =
      "#include \"pipeline/store/store.h\"\n"  // a room it may not know
      "#include <sqlite3.h>\n"                 // a library it may not know
      "#include \"error.h\"\n"                 // not from the root
      "#include <Python.h>\n"                  // a library nobody knows
      "#include <vector>\n#include <sys/stat.h>\n#include <nlohmann/json.hpp>\n";
  const Violations found = check_includes(tree);
  REQUIRE(found.size() == 4);
  for (int i = 0; i < 4; ++i) CHECK(found[i].line == i + 1);
}

TEST_CASE("rules: one header may be shared without its room") {
  Tree tree = {{"pipeline/api/routes.h", kHeader}};
  tree["pipeline/cli/a.cc"] = "#include \"pipeline/api/routes.h\"\n";
  CHECK(check_includes(tree).size() == 1);
}

TEST_CASE("rules: absences are looked for in code, not in comments") {
  Tree tree = {{"pipeline/engine/turn.cc", "// never steady_clock\nint a;\n"}};
  CHECK(show(check_absences(tree)).empty());
  tree["pipeline/engine/turn.cc"] += "auto t = std::chrono::steady_clock::now();\n";
  CHECK(check_absences(tree).size() == 1);
}

TEST_CASE("functions: what is a function, and how long") {
  const std::string text =
      "namespace a {\n"
      "const int kTable[] = {\n  1,\n};\n"
      "class B : public C {\n public:\n  B() : x_{1}, y_(2) {\n    go();\n  }\n"
      "  bool operator==(const B&) const noexcept {\n    return x_ == '{';\n  }\n};\n"
      "template <class T>\nauto f(std::vector<int> v = {}) -> int {\n"
      "  if (v.empty()) {\n    return 10'000;  // }\n  }\n"
      "  return \"}\"[0];\n}\n"
      "#define OPEN {\n"
      "TEST_CASE(\"x {\") {\n  CHECK(R\"({)\" != nullptr);\n}\n"
      "}  // namespace a\n";
  const std::vector<FunctionSpan> found = cpp_functions(text);
  REQUIRE(found.size() == 4);
  CHECK(found[0].head == "B() : x_{1}, y_(2) {");
  CHECK(found[0].first_line == 7);
  CHECK(found[0].lines == 3);
  CHECK(found[1].lines == 3);
  CHECK(found[2].first_line == 14);
  CHECK(found[2].lines == 7);
  CHECK(found[3].first_line == 22);
  CHECK(found[3].lines == 3);
}

TEST_CASE("functions: bash and python are measured too") {
  const auto bash = bash_functions("a() { true; }\nb() {\n  true\n}\necho\n");
  REQUIRE(bash.size() == 2);
  CHECK(bash[0].lines == 1);
  CHECK(bash[1].lines == 3);
  const auto python = python_functions("def a():\n  def b():\n    pass\n\n  return 1\nx = 1\n");
  REQUIRE(python.size() == 2);
  CHECK(python[0].lines == 2);
  CHECK(python[1].lines == 5);
}

TEST_CASE("rules: lengths have limits") {
  Tree tree = {{"a.cc", "void f() {\n" + repeated("  g();\n", 68) + "}\n"}};
  CHECK(show(check_functions(tree)).empty());
  tree["a.cc"] = "void f() {\n" + repeated("  g();\n", 69) + "}\n";
  CHECK(check_functions(tree).size() == 1);

  tree = {{"a.cc", repeated("\n", 500)}, {"b.md", repeated("\n", 900)}};
  CHECK(show(check_files(tree)).empty());
  tree["a.cc"] += "\n";
  tree["c"] = "#!/usr/bin/env bash\n" + repeated("\n", 500);
  CHECK(check_files(tree).size() == 2);
}

TEST_CASE("rules: lines are plain") {
  const std::string wide = "// " + repeated("ü", 97) + "\n";
  CHECK(show(check_files({{"a.cc", wide}})).empty());
  CHECK(check_files({{"a.cc", "/" + wide}}).size() == 1);
  CHECK(check_files({{"a", "#!/usr/bin/env bash\n//" + wide}}).size() == 1);
  CHECK(check_files({{"a/CMakeLists.txt", "//" + wide}}).size() == 1);
  CHECK(check_files({{"a.yaml", "a:\tb\n"}}).size() == 1);
  CHECK(check_files({{"a.yaml", "a: b \nc: d\r\n"}}).size() == 2);
  CHECK(check_files({{"a.yaml", "a: b"}}).size() == 1);
  CHECK(show(check_files({{"tests/x/corpus/bad/tab.yaml", "a:\tb"}})).empty());
}

TEST_CASE("rules: a header opens with a sentence and is read once") {
  CHECK(show(check_headers({{"a.h", kHeader}})).empty());
  CHECK(check_headers({{"a.h", "#pragma once\n"}}).size() == 2);
}

TEST_CASE("rules: nothing is left unbuilt, and no room is without a place") {
  Tree tree = {{"pipeline/core/CMakeLists.txt", "lockstep_room(core\n  SOURCES graph.cc)\n"},
               {"pipeline/core/graph.cc", ""},
               {"tests/pipeline/core/graph_test.cc", ""}};
  CHECK(show(check_built(tree)).empty());
  tree["pipeline/core/raph.cc"] = "";
  tree["tests/pipeline/cores/a_test.cc"] = "";
  tree["pipeline/attic/CMakeLists.txt"] = "lockstep_room(attic)\n";
  CHECK(check_built(tree).size() == 3);
}

TEST_CASE("rules: every page is reached and every link leads somewhere") {
  Tree tree = {{"README.md", "[a](docs/A.md) [x](https://example.org/y)\n"},
               {"docs/A.md", "[b](B.md#part) [tests](../tests)\n"},
               {"docs/B.md", "the end\n"},
               {"tests/run", ""}};
  CHECK(show(check_documents(tree)).empty());
  tree["docs/C.md"] = "[b](B.md) [d](D.md)\n";
  CHECK(check_documents(tree).size() == 2);
}

TEST_CASE("rules: paths of a machine, open ends and borrowed type names are found") {
  CHECK(show(check_own_words({{"a.cc", "auto p = folder + \"/x/work/y\"; struct JobList {};\n"}}))
            .empty());
  CHECK(check_own_words({{"a.cc", std::string("// see /wo") + "rk/a\n"}}).size() == 1);
  CHECK(check_own_words({{"a.cc", std::string("// TO") + "DO: later\n"}}).size() == 1);
  CHECK(check_own_words({{"a.cc", std::string("struct Jo") + "b {};\n"}}).size() == 1);
}

TEST_CASE("rules: each place to be killed at has a label of its own, and is in the list") {
  const std::string list = "tests/torture/kills/labels";
  Tree tree = {{"pipeline/a/b.cc", "  point(\"a.first\");\n  point(\"a.second\");\n"},
               {list, "# words\na.first daemon\na.second shim\n"}};
  CHECK(show(check_points(tree)).empty());
  tree["registry/c.cc"] = "point(\"a.first\"); point(\"c.new\");\n";  // twice; not in the list
  tree[list] += "a.gone daemon\nc.odd\n";                             // nowhere; without a process
  CHECK(check_points(tree).size() == 4);
}

TEST_CASE("rules: the top level takes nothing new") {
  CHECK(show(check_top_level({{"README.md", ""}, {"docs/A.md", ""}})).empty());
  CHECK(check_top_level({{"NOTES.md", ""}, {"lib/a.cc", ""}}).size() == 2);
}
