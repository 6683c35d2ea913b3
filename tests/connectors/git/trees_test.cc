#include "connectors/git/trees.h"

#include "connectors/git/repository.h"
#include "tests/catch.h"
#include "tests/connectors/git/git_fixture.h"

using namespace lockstep;

namespace {

// "- path" removed, "+ path" added, "~ path" changed.
std::vector<std::string> changes(const GitTrees& trees, const std::string& a, const std::string& b,
                                 const GitTrees::Enter& enter = nullptr) {
  std::vector<std::string> out;
  for (const GitChange& change : trees.diff(a, b, enter)) {
    if (!change.after) out.push_back("- " + change.before->path);
    if (!change.before) out.push_back("+ " + change.after->path);
    if (change.before && change.after) out.push_back("~ " + change.after->path);
  }
  return out;
}

}  // namespace

TEST_CASE("git trees: found, walked, and told apart", "[git]") {
  GitFixture fixture;
  fixture.write("a/b/c.txt", "1");
  fixture.write("a.txt", "2");
  fixture.write("run", "#!");
  fs::permissions(fixture.folder() / "run", fs::perms::owner_all);
  fs::create_symlink("a.txt", fixture.folder() / "link");
  fixture.commit();
  GitRepository repository(fixture.folder());
  const std::string tree = repository.commit(repository.branch("main")).tree;
  GitTrees trees(repository);

  std::vector<std::string> seen;
  trees.walk(tree, [&](const GitEntry& entry) {
    seen.push_back(std::string(entry.mode()) + " " + entry.path);
    return true;
  });
  CHECK(seen == std::vector<std::string>{"100644 a.txt", "040000 a", "040000 a/b",
                                         "100644 a/b/c.txt", "120000 link", "100755 run"});
  REQUIRE(trees.find(tree, "a/b/c.txt"));
  CHECK(repository.blob(trees.find(tree, "a/b/c.txt")->id, 10) == "1");
  CHECK(trees.find(tree, "a/b")->kind == GitKind::kTree);
  CHECK(trees.find(tree, "")->id == tree);
  CHECK_FALSE(trees.find(tree, "a/x"));
  CHECK_FALSE(trees.find(tree, "a.txt/x"));
}

TEST_CASE("git trees: the difference of two", "[git]") {
  GitFixture fixture;
  fixture.write("same/x", "1");
  fixture.write("dir/gone", "1");
  fixture.write("dir/kept", "1");
  fixture.write("swap", "1");
  fixture.write("swap2/x", "1");
  fixture.write("run", "1");
  GitRepository repository(fixture.folder());
  const std::string a = repository.commit(fixture.commit()).tree;
  fs::remove(fixture.folder() / "dir/gone");
  fs::remove(fixture.folder() / "swap");
  fs::remove_all(fixture.folder() / "swap2");
  fixture.write("dir/kept", "2");
  fixture.write("dir/new", "1");
  fixture.write("swap/x", "1");
  fixture.write("swap2", "1");
  fs::permissions(fixture.folder() / "run", fs::perms::owner_all);
  const std::string b = repository.commit(fixture.commit()).tree;

  GitTrees trees(repository);
  CHECK(changes(trees, a, a).empty());
  CHECK(changes(trees, a, b) == std::vector<std::string>{"- dir/gone", "~ dir/kept", "+ dir/new",
                                                         "~ run", "- swap", "+ swap/x", "+ swap2",
                                                         "- swap2/x"});
  CHECK(changes(trees, "", a).size() == 6);
  CHECK(changes(trees, a, "").size() == 6);
  CHECK(changes(trees, a, b, [](const std::string& folder) { return folder != "dir"; }).size() ==
        5);
}

TEST_CASE("git trees: bombs, disorder and doubles are refused", "[git]") {
  GitFixture fixture;
  std::string tree = fixture.raw_tree({{"100644", "f", fixture.blob("x")}});
  for (int level = 0; level < 12; ++level) {
    std::vector<GitFixture::RawEntry> many;
    for (char name = 'a'; name < 'k'; ++name) many.push_back({"40000", std::string(1, name), tree});
    tree = fixture.raw_tree(many);
  }
  GitRepository repository(fixture.folder());
  const auto walk = [&](const std::string& id, GitWalkLimits limits) {
    return error_of(
        [&] { GitTrees(repository, limits).walk(id, [](const GitEntry&) { return true; }); });
  };
  CHECK(walk(tree, {1000, 256}).message.find("more than 1000 paths") != std::string::npos);
  CHECK(walk(tree, {1000, 5}).message.find("more than 5 deep") != std::string::npos);
  CHECK(error_of([&] {
          GitTrees(repository, {1000, 256}).diff("", tree);
        }).code == ErrorCode::kInvalid);

  const std::string blob = fixture.blob("y");
  for (const auto& entries : std::vector<std::vector<GitFixture::RawEntry>>{
           {{"100644", "b", blob}, {"100644", "a", blob}},
           {{"100644", "a", blob}, {"100644", "a", blob}}}) {
    const std::string odd = fixture.raw_tree(entries);
    CHECK(error_of([&] { GitTrees(repository).entries(odd); }).code == ErrorCode::kCorrupt);
  }
}
