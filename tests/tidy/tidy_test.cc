// Holds the house rules against this very tree; every failure lists all places at once.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "tests/catch.h"
#include "tests/tidy/rules.h"

using namespace lockstep::tidy;

namespace {

const Tree& tree() {
  static const Tree kTree = load_tree(LOCKSTEP_ROOT);
  return kTree;
}

void require_none(const Violations& violations) {
  std::cerr << show(violations);  // whole lines: Catch would wrap them
  CHECK(violations.size() == 0);
}

std::string output_of(const std::string& command) {
  std::string out;
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer;
  while (size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
  pclose(pipe);
  return out;
}

}  // namespace

TEST_CASE("tidy: the tree was found") {
  CHECK(tree().count("tests/tidy/tidy_test.cc") == 1);
}
TEST_CASE("tidy: the top level holds the seven folders") {
  require_none(check_top_level(tree()));
}
TEST_CASE("tidy: rooms include what the table allows") {
  require_none(check_includes(tree()));
}
TEST_CASE("tidy: what is to be absent is absent") {
  require_none(check_absences(tree()));
}
TEST_CASE("tidy: functions are short") {
  require_none(check_functions(tree()));
}
TEST_CASE("tidy: files are short and plain") {
  require_none(check_files(tree()));
}
TEST_CASE("tidy: headers open with a sentence") {
  require_none(check_headers(tree()));
}
TEST_CASE("tidy: every source file is built") {
  require_none(check_built(tree()));
}
TEST_CASE("tidy: every place to be killed at is in the list of the torture") {
  require_none(check_points(tree()));
}
TEST_CASE("tidy: every page is linked, every link leads somewhere") {
  require_none(check_documents(tree()));
}
TEST_CASE("tidy: the project speaks of itself alone") {
  require_none(check_own_words(tree()));
}

TEST_CASE("tidy: sources are formatted as .clang-format says") {
  const std::string command = "cd '" LOCKSTEP_ROOT "' && clang-format-14 --dry-run ";
  if (std::system("command -v clang-format-14 >/dev/null") != 0) {
    WARN("clang-format-14 is not here: formatting is not looked at");
    return;
  }
  std::string files;
  for (const auto& [path, text] : tree()) {
    if (is_cpp(path)) files += " '" + path + "'";
  }
  const std::string found =
      output_of(command + files + " 2>&1 | grep ' warning:' | sort -t: -uk1,1");
  std::cerr << found;
  CHECK(found.size() == 0);
}
