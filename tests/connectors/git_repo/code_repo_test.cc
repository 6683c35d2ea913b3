#include "connectors/git_repo/code_repo.h"

#include <sys/stat.h>

#include "connectors/git_repo/export.h"
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

std::string text_of(const fs::path& path) {
  return real_files().read(path);
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

TEST_CASE("code repo: export writes exactly the listed paths", "[git_repo]") {
  GitFixture fixture;
  fixture.write("train/b.py", "b");
  fixture.write("train/data/x", std::string("\0\r\n", 3));
  fixture.write("other", "o");
  fs::permissions(fixture.folder() / "train/b.py", fs::perms::owner_all);
  fs::create_symlink("../b.py", fixture.folder() / "train/data/link");
  fs::create_symlink("data", fixture.folder() / "train/also");
  const std::string id = fixture.commit();
  GitCodeRepo repo = repo_of(fixture);
  const fs::path out = fixture.temp() / "out";
  export_code(repo, repo.list(id, {"train"}), out);
  CHECK(text_of(out / "train/b.py") == "b");
  CHECK(text_of(out / "train/data/x") == std::string("\0\r\n", 3));
  CHECK(text_of(out / "train/data/link") == "b");
  CHECK(fs::read_symlink(out / "train/also") == "data");
  CHECK_FALSE(fs::exists(out / "other"));
  struct stat info {};
  REQUIRE(stat((out / "train/b.py").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0755);
  REQUIRE(stat((out / "train/data/x").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0644);
  CHECK(error_of([&] { export_code(repo, {}, out); }).code == ErrorCode::kConflict);

  ExportLimits small;
  small.max_total_bytes = 3;
  CHECK(error_of([&] {
          export_code(repo, repo.list(id, {"train"}), fixture.temp() / "small", small);
        }).code == ErrorCode::kInvalid);
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

TEST_CASE("code repo: export trusts no list", "[git_repo]") {
  GitFixture fixture;
  const std::string blob = fixture.blob("x");
  const std::string link = fixture.blob("deep/folder");
  fixture.commit();
  GitCodeRepo repo = repo_of(fixture);
  const auto refused = [&](const std::vector<CodePath>& paths) {
    TempFolder folder;
    INFO(paths.back().path);
    CHECK(error_of([&] { export_code(repo, paths, folder.path() / "out"); }).code ==
          ErrorCode::kInvalid);
    CHECK_FALSE(fs::exists(folder.path() / "x"));
  };
  refused({{"../x", "100644", blob}});
  refused({{"a/../../x", "100644", blob}});
  refused({{".git/config", "100644", blob}});
  refused({{"a", "040000", blob}});
  refused({{"a", "100644", blob}, {"a", "100644", blob}});
  refused({{"a", "100644", blob}, {"a/b", "100644", blob}});
  refused({{"deep/folder/f", "100644", blob}, {"l", "120000", link}, {"l/m", "120000", link}});
}
