#include "connectors/git/repository.h"

#include <unistd.h>

#include "tests/catch.h"
#include "tests/connectors/git/git_fixture.h"

using namespace lockstep;

TEST_CASE("git: a commit and its names", "[git]") {
  GitFixture fixture;
  fixture.write("a.txt", "one");
  const std::string first = fixture.commit("first");
  fixture.git({"tag", "v1"});
  fixture.git({"tag", "-a", "v1-annotated", "-m", "x"});
  fixture.git({"branch", "feature/login"});
  fixture.set_date("2026-03-04T15:00:00Z");
  fixture.write("a.txt", "two");
  const std::string second = fixture.commit("second\n\nbody");
  GitRepository repository(fixture.folder());

  CHECK(repository.branch("main") == second);
  CHECK(repository.branch("feature/login") == first);
  for (const std::string& name :
       {first, first.substr(0, 8), std::string("v1"), std::string("v1-annotated"),
        std::string("feature/login"), std::string("refs/tags/v1")}) {
    INFO(name);
    CHECK(repository.resolve(name) == first);
  }
  const GitCommit commit = repository.commit(second);
  CHECK(commit.author == "Ann");
  CHECK(commit.email == "ann@example.org");
  CHECK(commit.message == "second\n\nbody\n");
  CHECK(commit.time_ms == 1772636400000);
  CHECK(commit.tree == fixture.git({"rev-parse", "HEAD^{tree}"}));

  REQUIRE(repository.log(first, second, 10).size() == 1);
  CHECK(repository.log(first, second, 10)[0].id == second);
  CHECK(repository.log("", second, 10).size() == 2);
  CHECK(repository.log("", second, 1).size() == 1);
  CHECK(repository.log(std::string(40, '1'), second, 10).size() == 2);
  CHECK(repository.descends(second, first));
  CHECK(repository.descends(first, first));
  CHECK_FALSE(repository.descends(first, second));
  CHECK_FALSE(repository.descends(first, std::string(40, '1')));
  CHECK(repository.refs().size() == 4);
}

TEST_CASE("git: refs are found after they were packed", "[git]") {
  GitFixture fixture;
  const std::string first = fixture.commit("first");
  GitRepository repository(fixture.folder());
  CHECK(repository.branch("main") == first);
  fixture.git({"pack-refs", "--all"});
  CHECK(repository.branch("main") == first);
  const std::string second = fixture.commit("second");
  fixture.git({"gc", "-q"});
  CHECK(repository.branch("main") == second);
  CHECK(repository.commit(second).message == "second\n");
}

TEST_CASE("git: what is missing is named, with a way out", "[git]") {
  GitFixture fixture;
  GitRepository repository(fixture.folder());
  CHECK(error_of([&] { repository.branch("main"); }).hint == "it has no branches yet");
  const std::string id = fixture.commit();
  fixture.git({"branch", "production"});
  const Error branch = error_of([&] { repository.branch("prodution"); });
  CHECK(branch.code == ErrorCode::kNotFound);
  CHECK(branch.message.find("no branch \"prodution\"") != std::string::npos);
  CHECK(branch.hint == "did you mean production?");
  CHECK(error_of([&] { repository.branch("zzzzz"); }).hint ==
        "it has 2 branches, among them main, production");
  for (const char* name : {"../../HEAD", "main..dev", "HEAD~1", "-x", "", "a b", "main^{tree}",
                           "@{-1}", "refs/heads/../../x"}) {
    INFO(name);
    CHECK(error_of([&] { repository.resolve(name); }).code == ErrorCode::kNotFound);
  }
  const Error commit = error_of([&] { repository.resolve(std::string(40, 'a')); });
  CHECK(commit.code == ErrorCode::kNotFound);
  CHECK(commit.message.find(std::string(40, 'a')) != std::string::npos);
  CHECK(error_of([&] { repository.commit("xyz"); }).code == ErrorCode::kInvalid);
  const std::string tree = fixture.git({"rev-parse", "HEAD^{tree}"});
  CHECK_THROWS_AS(repository.commit(tree), Error);
  CHECK_THROWS_AS(repository.blob(id, 100), Error);
}

TEST_CASE("git: what is no repository is said to be none", "[git]") {
  GitFixture fixture;
  const Error missing = error_of([&] { GitRepository(fixture.temp() / "nowhere"); });
  CHECK(missing.code == ErrorCode::kNotFound);
  const Error plain = error_of([&] { GitRepository{fixture.temp()}; });
  CHECK(plain.code == ErrorCode::kInvalid);
  CHECK(plain.message.find("is not a git repository") != std::string::npos);
  // A folder inside a repository is not one: parents are not searched.
  fixture.write("sub/a", "x");
  CHECK(error_of([&] { GitRepository(fixture.folder() / "sub"); }).code == ErrorCode::kInvalid);

  GitFixture sha256({"init", "-q", "--object-format=sha256"});
  const Error other = error_of([&] { GitRepository{sha256.folder()}; });
  CHECK(other.code == ErrorCode::kInvalid);
  CHECK(other.message.find("SHA-256") != std::string::npos);
}

TEST_CASE("git: a repository of another owner opens", "[git]") {
  if (geteuid() != 0) return;  // only root can give files away
  GitFixture fixture;
  const std::string id = fixture.commit();
  REQUIRE(chown(fixture.folder().c_str(), 4711, 4711) == 0);
  REQUIRE(chown((fixture.folder() / ".git").c_str(), 4711, 4711) == 0);
  CHECK(GitRepository(fixture.folder()).branch("main") == id);
}

TEST_CASE("git: bare, .git and linked worktrees are one repository", "[git]") {
  GitFixture fixture;
  const std::string id = fixture.commit();
  const fs::path tree = fixture.temp() / "linked";
  fixture.git({"worktree", "add", "-q", "-b", "side", tree.string()});
  CHECK(GitRepository(fixture.folder() / ".git").branch("main") == id);
  GitRepository linked(tree);
  CHECK(linked.branch("main") == id);
  CHECK(fs::equivalent(linked.common_folder(), fixture.folder() / ".git"));
  const fs::path bare = fixture.temp() / "bare.git";
  fixture.git({"clone", "-q", "--bare", fixture.folder().string(), bare.string()});
  CHECK(GitRepository(bare).branch("main") == id);
}

TEST_CASE("git: blobs are bounded and checked", "[git]") {
  GitFixture fixture;
  const std::string id = fixture.blob(std::string(1000, 'x'));
  GitRepository repository(fixture.folder());
  CHECK(repository.blob(id, 1000) == std::string(1000, 'x'));
  CHECK(repository.blob_size(id) == 1000);
  const Error large = error_of([&] { repository.blob(id, 999); });
  CHECK(large.code == ErrorCode::kInvalid);
  CHECK(large.message.find("1000 bytes") != std::string::npos);

  const auto file_of = [&](const std::string& object) {
    return fixture.folder() / ".git/objects" / object.substr(0, 2) / object.substr(2);
  };
  fs::permissions(file_of(id), fs::perms::owner_all);
  fs::copy_file(file_of(fixture.blob("other")), file_of(id), fs::copy_options::overwrite_existing);
  GitRepository again(fixture.folder());
  CHECK(error_of([&] { again.blob(id, 1000); }).code == ErrorCode::kCorrupt);
}

TEST_CASE("git: kept commits survive garbage collection", "[git]") {
  GitFixture fixture;
  fixture.commit("first");
  const std::string lost = fixture.commit("second");
  {
    GitRepository repository(fixture.folder());
    repository.keep("here", lost);
    repository.keep("here", lost);
    repository.keep("there", lost);
    CHECK(repository.kept("here") == std::vector<std::string>{lost});
    repository.release("here", lost);
    repository.release("here", lost);
    CHECK(repository.kept("here").empty());
  }
  fixture.git({"reset", "-q", "--hard", "HEAD^"});
  const auto collect = [&] {
    fixture.git({"reflog", "expire", "--expire=now", "--all"});
    fixture.git({"gc", "-q", "--prune=now"});
  };
  collect();
  GitRepository repository(fixture.folder());
  CHECK(repository.has_commit(lost));
  repository.release("there", lost);
  fs::remove(fixture.folder() / ".git/ORIG_HEAD");
  collect();
  CHECK_FALSE(GitRepository(fixture.folder()).has_commit(lost));
}

TEST_CASE("git: authors and messages in other encodings become UTF-8", "[git]") {
  GitFixture fixture;
  std::ofstream(fixture.temp() / "message") << "gr\xfc\xdf\n\nbody\n";
  fixture.git({"-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--allow-empty", "--author",
               "J\xfcrgen <j@x>", "-F", (fixture.temp() / "message").string()});
  GitRepository repository(fixture.folder());
  const GitCommit commit = repository.commit(repository.branch("main"));
  CHECK(commit.message == "gr??\n\nbody\n");
  CHECK(commit.author == "J?rgen");
}
