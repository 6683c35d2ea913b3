#include "connectors/git/ref_watch.h"

#include "tests/catch.h"
#include "tests/connectors/git/git_fixture.h"

using namespace lockstep;

namespace {

// Takes all that has come; true when there was a signal. Quiet afterwards.
bool signalled(RefWatch& watch) {
  const bool first = watch.wait(2000);
  while (watch.wait(20)) {
  }
  return first;
}

}  // namespace

TEST_CASE("ref watch: commits, new folders of refs, packed refs", "[git]") {
  GitFixture fixture;
  fixture.commit();
  RefWatch watch(fixture.folder());
  CHECK_FALSE(watch.wait(20));
  fixture.commit();
  CHECK(signalled(watch));
  fixture.git({"branch", "feature/deep/x"});
  CHECK(signalled(watch));
  fixture.git({"update-ref", "refs/heads/feature/deep/x", fixture.git({"rev-parse", "HEAD^"})});
  CHECK(signalled(watch));
  fixture.git({"pack-refs", "--all"});
  CHECK(signalled(watch));
  fixture.commit("after packing");
  CHECK(signalled(watch));
  fixture.git({"branch", "feature/deep/y"});
  CHECK(signalled(watch));
}

TEST_CASE("ref watch: objects and the index are no refs", "[git]") {
  GitFixture fixture;
  fixture.commit();
  RefWatch watch(fixture.folder());
  fixture.write("a", "1");
  fixture.git({"add", "-A"});
  fixture.blob("x");
  CHECK_FALSE(watch.wait(50));
}

TEST_CASE("ref watch: a linked worktree leads to the shared refs", "[git]") {
  GitFixture fixture;
  fixture.commit();
  const fs::path tree = fixture.temp() / "linked";
  fixture.git({"worktree", "add", "-q", "-b", "side", tree.string()});
  RefWatch watch(tree);
  fixture.commit();
  CHECK(signalled(watch));
  CHECK_THROWS_AS(RefWatch(fixture.temp() / "nowhere"), Error);
}
