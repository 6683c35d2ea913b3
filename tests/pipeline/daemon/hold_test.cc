#include "pipeline/daemon/hold.h"

#include "tests/catch.h"
#include "tests/fake/tables.h"

using namespace lockstep;

namespace {

struct Bench {
  FakeTables near{"near"}, far{"far"};
  std::vector<std::string> warnings;
  CommitHolder holder{"me", [this](const std::string& text) { warnings.push_back(text); }};
  CommitHolder::Stores stores{{"near", &near}, {"far", &far}};

  std::optional<Error> hold(const std::set<SourceCommit>& commits) {
    return holder.hold(stores, commits);
  }
};

}  // namespace

TEST_CASE("hold: a source that is away is tried again, after all others were seen to") {
  Bench bench;
  const std::string one = bench.far.commit(FakeCommit()), two = bench.near.commit(FakeCommit());
  const std::set<SourceCommit> both{{"far", one}, {"near", two}, {"elsewhere", one}};
  bench.far.error = Error(ErrorCode::kUnavailable, "no answer");
  const std::optional<Error> away = bench.hold(both);
  REQUIRE(away);
  CHECK(away->code == ErrorCode::kUnavailable);
  CHECK_THAT(away->message, Catch::Contains("of far can't be held: no answer"));
  CHECK(bench.near.kept("me") == std::vector<std::string>{two});
  CHECK(bench.warnings.empty());
  bench.far.error.reset();
  CHECK_FALSE(bench.hold(both));
  CHECK(bench.far.kept("me") == std::vector<std::string>{one});
}

TEST_CASE("hold: what will never be held is warned about once, and waited for by nobody") {
  Bench bench;
  const std::string one = bench.far.commit(FakeCommit()), two = bench.far.commit(FakeCommit());
  bench.far.error = Error(ErrorCode::kDenied, "read only");
  CHECK_FALSE(bench.hold({{"far", one}}));
  CHECK_FALSE(bench.hold({{"far", one}, {"far", two}}));
  REQUIRE(bench.warnings.size() == 1);  // the rights are the source's
  CHECK_THAT(bench.warnings[0], Catch::Contains("of far can't be held: read only"));
  bench.far.error = Error(ErrorCode::kNotFound, "collected");
  CHECK_FALSE(bench.hold({{"far", two}}));
  CHECK_FALSE(bench.hold({{"far", one}, {"far", two}}));
  CHECK(bench.warnings.size() == 3);  // each commit that is gone
  bench.far.error.reset();
  CHECK_FALSE(bench.hold({{"far", one}}));
  CHECK(bench.far.kept("me") == std::vector<std::string>{one});
}
