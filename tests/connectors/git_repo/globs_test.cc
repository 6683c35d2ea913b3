#include "connectors/git_repo/globs.h"

#include <algorithm>

#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

const std::vector<std::string> kPaths = {
    "a.py",          "README",       "train",          "lib/a.py",        "lib/sub/b.py",
    "lib/sub/c.txt", "docs/train/x", "data/train/x/y", "trainer/main.py", "öä.py"};

std::vector<std::string> selected(const std::vector<std::string>& patterns) {
  const PathGlobs globs(patterns);
  std::vector<std::string> out;
  for (const std::string& path : kPaths) {
    const bool hit = globs.matches(path);
    if (hit) out.push_back(path);
    // What matches must be reachable.
    for (size_t end = path.find('/'); hit && end != path.npos; end = path.find('/', end + 1)) {
      INFO(path << " in " << path.substr(0, end));
      CHECK(globs.may_enter(path.substr(0, end)));
    }
  }
  return out;
}

using Paths = std::vector<std::string>;

}  // namespace

TEST_CASE("globs: segments, folders, any depth", "[globs]") {
  CHECK(selected({"a.py"}) == Paths{"a.py"});
  CHECK(selected({"*.py"}) == Paths{"a.py", "öä.py"});
  CHECK(selected({"**/*.py"}) ==
        Paths{"a.py", "lib/a.py", "lib/sub/b.py", "trainer/main.py", "öä.py"});
  CHECK(selected({"lib/**"}) == Paths{"lib/a.py", "lib/sub/b.py", "lib/sub/c.txt"});
  CHECK(selected({"lib"}) == selected({"lib/**"}));
  CHECK(selected({"lib/"}) == selected({"lib/**"}));
  CHECK(selected({"./lib/"}) == selected({"/lib"}));
  CHECK(selected({"lib/*"}) == Paths{"lib/a.py"});
  CHECK(selected({"lib/*/*.py"}) == Paths{"lib/sub/b.py"});
  CHECK(selected({"train"}) == Paths{"train"});
  CHECK(selected({"train/"}).empty());
  CHECK(selected({"train*"}) == Paths{"train"});
  CHECK(selected({"**/train"}) == Paths{"train", "docs/train/x", "data/train/x/y"});
  CHECK(selected({"**/train/"}) == Paths{"docs/train/x", "data/train/x/y"});
  CHECK(selected({"**/train/**/y"}) == Paths{"data/train/x/y"});
  CHECK(selected({"??.py"}) == Paths{"öä.py"});
  CHECK(selected({"**"}) == kPaths);
  CHECK(selected({"l*/**/*b*y"}) == Paths{"lib/sub/b.py"});
  CHECK(selected({}).empty());
}

TEST_CASE("globs: the last pattern that matches decides", "[globs]") {
  CHECK(selected({"lib", "!lib/sub"}) == Paths{"lib/a.py"});
  CHECK(selected({"lib", "!**/*.py", "lib/sub/b.py"}) == Paths{"lib/sub/b.py", "lib/sub/c.txt"});
  CHECK(selected({"a.py", "README"}) == Paths{"a.py", "README"});
}

TEST_CASE("globs: folders that can hold nothing are not read", "[globs]") {
  const PathGlobs globs({"lib/*/*.py", "docs"});
  CHECK(globs.may_enter("lib"));
  CHECK(globs.may_enter("lib/sub"));
  CHECK_FALSE(globs.may_enter("lib/sub/deep"));
  CHECK_FALSE(globs.may_enter("data"));
  CHECK(globs.may_enter("docs/a/b/c"));
  CHECK_FALSE(PathGlobs({"*.py"}).may_enter("lib"));
}

TEST_CASE("globs: what would mean something else elsewhere is refused", "[globs]") {
  for (const char* pattern : {"", "/", "!", "!x", "a//b", "../a", "a/../b", "a/.", "a**", "**.py",
                              "[ab]", "{a,b}", "a\\b"}) {
    INFO(pattern);
    CHECK_THROWS_AS(PathGlobs({pattern}), Error);
  }
  CHECK_THROWS_AS(PathGlobs({std::string(2000, 'a')}), Error);
}

TEST_CASE("globs: hostile patterns cost little", "[globs]") {
  std::string stars, deep;
  for (int i = 0; i < 200; ++i) stars += "**/";
  for (int i = 0; i < 200; ++i) deep += "a/";
  CHECK_FALSE(PathGlobs({stars + "b"}).matches(deep + "c"));
  CHECK_FALSE(PathGlobs({std::string("*a*a*a*a*a*a*a*a*b")}).matches(std::string(5000, 'a')));
}
