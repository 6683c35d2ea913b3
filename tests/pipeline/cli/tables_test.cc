// Tables and differences: pages, slices, and the pager that stands before a terminal.
#include <csignal>

#include "tests/catch.h"
#include "tests/pipeline/cli/shell.h"

using namespace lockstep;

namespace {

Json tables(int from, int to) {
  Json all = Json::array();
  for (int i = from; i < to; ++i) {
    all.push_back({{"source", "s"}, {"table", "t" + std::to_string(i)}, {"rows", i}});
  }
  return all;
}

Json changed(int id, bool more) {
  Json row = {{"change", "changed"},
              {"before", {{"id", id}, {"v", nullptr}}},
              {"after", {{"id", id}, {"v", "b"}}}};
  return {{"source", "s"}, {"table", "t"},  {"from", "abc"}, {"to", "def"},
          {"changed", 2},  {"rows", {row}}, {"more", more}};
}

std::vector<Json> arguments(const FakeBackend& backend) {
  std::vector<Json> out;
  for (const auto& asked : backend.asked()) out.push_back(asked.arguments);
  return out;
}

}  // namespace

TEST_CASE("tables are asked for in pages, and are one answer") {
  Shell shell;
  shell.backend.answers["tables"] = {tables(0, 50), tables(50, 52)};
  auto printed = shell.run({"tables"});
  CHECK(printed.code == 0);
  CHECK(std::count(printed.out.begin(), printed.out.end(), '\n') == 53);
  CHECK(printed.out.find("TABLE") == 0);
  CHECK(printed.out.find("TABLE", 1) == std::string::npos);
  CHECK(arguments(shell.backend) ==
        std::vector<Json>{{{"after", ""}, {"limit", 50}, {"count", false}},
                          {{"after", "s/t49"}, {"limit", 500}, {"count", false}}});

  Shell json;
  json.backend.answers["tables"] = {tables(0, 50), tables(50, 52)};
  CHECK(Json::parse(json.run({"tables", "--json", "--limit", "52"}).out) == tables(0, 52));
  CHECK(arguments(json.backend)[1]["limit"] == 2);

  Shell few;
  few.backend.answers["tables"] = {tables(0, 2)};
  few.run({"tables", "--count", "--limit", "2"});
  CHECK(arguments(few.backend) ==
        std::vector<Json>{{{"after", ""}, {"limit", 2}, {"count", true}}});
}

TEST_CASE("a difference is asked for in pages that grow, by the ids of the first") {
  Shell shell;
  shell.backend.answers["diff"] = {changed(1, true), changed(2, false)};
  auto printed = shell.run({"diff", "t", "HEAD~1", "HEAD"});
  CHECK(printed.out ==
        "diff   s/t   abc → def                         2 rows changed\n"
        "~ id=1  v: NULL → b\n~ id=2  v: NULL → b\n");
  const auto asked = arguments(shell.backend);
  REQUIRE(asked.size() == 2);
  CHECK(asked[0]["skip"] == 0);
  CHECK(asked[0]["limit"] == 1000);
  CHECK(asked[1]["skip"] == 1);
  CHECK(asked[1]["limit"] == 10'000);
  CHECK(asked[1]["from"] == "abc");
  CHECK(asked[1]["to"] == "def");

  Shell limited;
  limited.backend.answers["diff"] = {changed(1, true)};
  CHECK(limited.run({"diff", "t", "a", "b", "--limit", "1"}).out.find("… and more (--limit)\n") !=
        std::string::npos);
  CHECK(limited.backend.asked().size() == 1);
  limited.run({"diff", "t", "a", "b", "--json"});
  CHECK(limited.backend.last().arguments["limit"] == 100);
}

TEST_CASE("a slice is one text, several are conditions of their own") {
  Shell shell;
  shell.run({"diff", "t", "a", "b", "--slice", "client=a,lang=b"});
  CHECK(shell.backend.last().arguments["slice"] == "client=a,lang=b");
  CHECK(shell.backend.last().arguments["where"] == Json::object());
  shell.run({"diff", "t", "a", "b", "--slice", "client=a,lang=b", "--slice", "k=x=\"y\""});
  CHECK(shell.backend.last().arguments["slice"] == "");
  CHECK(shell.backend.last().arguments["where"] ==
        Json({{"client", "a,lang=b"}, {"k", "x=\"y\""}}));
  CHECK(shell.run({"diff", "t", "a", "b", "--slice", "k=v", "--slice", "=v"}).code == 2);
}

TEST_CASE("a pager stands before a terminal, and only there") {
  std::signal(SIGPIPE, SIG_IGN);  // as main() does
  Shell shell;
  const fs::path seen = shell.folder.path() / "seen";
  shell.backend.answers["diff"] = {changed(1, false)};
  shell.terminal.pager = "cat >'" + seen.string() + "'";
  CHECK(shell.run({"diff", "t", "a", "b"}).out.find("~ id=1") != std::string::npos);
  CHECK_FALSE(fs::exists(seen));  // no terminal
  shell.terminal.out = true;
  auto printed = shell.run({"diff", "t", "a", "b"});
  CHECK(printed.out.empty());
  CHECK(printed.code == 0);
  CHECK(real_files().read(seen).find("v: \x1b[31mNULL\x1b[0m → \x1b[32mb\x1b[0m") !=
        std::string::npos);
  fs::remove(seen);
  CHECK(shell.run({"--no-pager", "diff", "t", "a", "b"}).out.find("id=1") != std::string::npos);
  CHECK(shell.run({"diff", "t", "a", "b", "--json"}).out.find("\"id\"") != std::string::npos);
  CHECK(shell.run({"status"}).out.find("x") == std::string::npos);
  CHECK_FALSE(fs::exists(seen));
  // What is wrong is said without it.
  shell.backend.errors.insert_or_assign("diff", Error(ErrorCode::kNotFound, "no table t"));
  CHECK(shell.run({"diff", "t", "a", "b"}).err.find("no table t") != std::string::npos);
  CHECK_FALSE(fs::exists(seen));
}

TEST_CASE("who leaves the pager has seen enough") {
  std::signal(SIGPIPE, SIG_IGN);
  Shell shell;
  shell.backend.answers["diff"] = {changed(1, true)};  // without end
  shell.terminal.out = true;
  shell.terminal.pager = "head -n 3 >/dev/null";
  auto printed = shell.run({"diff", "t", "a", "b"});
  CHECK(printed.code == 0);
  CHECK(printed.err.empty());
}
