#include "connectors/git_repo/code_repo.h"

#include "tests/catch.h"
#include "tests/connectors/git/git_fixture.h"

using namespace lockstep;

namespace {

GitCodeRepo repo_of(const GitFixture& fixture) {
  GitOriginConfig config;
  config.name = "code";
  config.place = fixture.folder().string();
  return GitCodeRepo(std::move(config));
}

}  // namespace

TEST_CASE("code repo: history through the port", "[git_repo]") {
  GitFixture fixture;
  const std::string first = fixture.commit("first");
  const std::string second = fixture.commit("second");
  GitCodeRepo repo = repo_of(fixture);
  CHECK(repo.head() == second);
  CHECK(repo.resolve(first.substr(0, 10)) == first);
  CHECK(repo.commit(first).author == "Ann");
  CHECK(repo.log(first, second, 5).size() == 1);
  CHECK(repo.descends(second, first));
  const Error missing = error_of([&] { repo.commit(std::string(40, 'f')); });
  CHECK(missing.code == ErrorCode::kNotFound);
  CHECK(missing.message.rfind("source code: ", 0) == 0);
}

TEST_CASE("code repo: declared paths, sorted by bytes, at the commit", "[git_repo]") {
  GitFixture fixture;
  fixture.write("train/b.py", "b");
  fixture.write("train/a/x.py", "x");
  fixture.write("train.py", "t");
  fixture.write("other", "o");
  fs::permissions(fixture.folder() / "train/b.py", fs::perms::owner_all);
  const std::string first = fixture.commit();
  fixture.write("train/b.py", "changed");
  fixture.write("train/uncommitted.py", "u");
  GitCodeRepo repo = repo_of(fixture);
  const std::vector<CodePath> paths = repo.list(first, {"train/**", "*.py"});
  REQUIRE(paths.size() == 3);
  CHECK(paths[0] ==
        CodePath{"train.py", "100644", fixture.git({"rev-parse", first + ":train.py"})});
  CHECK(paths[1].path == "train/a/x.py");
  CHECK(paths[2].path == "train/b.py");
  CHECK(paths[2].mode == "100755");
  CHECK(repo.blob(paths[2].blob, 100) == "b");
  CHECK(repo.list(first, {"train/**", "*.py"}) == paths);
  CHECK(repo.list(first, {"nothing"}).empty());
  // Equal trees list equally, whatever the commit.
  fixture.git({"checkout", "-q", "-f", "main"});
  fs::remove(fixture.folder() / "train/uncommitted.py");
  CHECK(repo.list(fixture.commit("empty"), {"train/**", "*.py"}) == paths);
}

TEST_CASE("code repo: hostile trees are refused where they are selected", "[git_repo]") {
  GitFixture fixture;
  const std::string blob = fixture.blob("x");
  const std::string bad = fixture.raw_tree({{"100644", "config", blob}});
  const std::string up = fixture.blob("../../outside");
  const std::string through = fixture.blob("here/../../x");
  const std::string self = fixture.blob(".");
  const auto refused = [&](std::vector<GitFixture::RawEntry> entries, ErrorCode code) {
    const std::string id = fixture.raw_commit(fixture.raw_tree(entries));
    GitCodeRepo repo = repo_of(fixture);
    INFO(entries.back().name);
    const Error error = error_of([&] { repo.list(id, {"**"}); });
    CHECK(error.code == code);
    CHECK(error.where.rfind("code@", 0) == 0);
    CHECK_NOTHROW(repo.list(id, {"unrelated"}));
  };
  for (const char* name : {".git", ".GIT", "git~1", "..", ".", ".g\u200cit", "a\nb", "a\\b"}) {
    refused({{"40000", name, bad}}, ErrorCode::kInvalid);
  }
  refused({{"100644", ".git", blob}}, ErrorCode::kInvalid);
  refused({{"120000", "l", up}}, ErrorCode::kDenied);
  refused({{"120000", "l", fixture.blob("/etc/passwd")}}, ErrorCode::kDenied);
  refused({{"120000", "here", self}, {"120000", "l", through}}, ErrorCode::kDenied);
  refused({{"160000", "sub", std::string(40, '1')}}, ErrorCode::kInvalid);
}
