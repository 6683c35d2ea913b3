// Worlds from 200 seeds in which no rule may be broken, and wrong engines that must be found.
#include "tests/catch.h"
#include "tests/sim/simulate.h"

using namespace lockstep;
using namespace lockstep::sim;

namespace {

constexpr size_t kEvents = 120;

}  // namespace

TEST_CASE("in 200 worlds no rule is broken") {
  size_t happened = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Story story = story_of(seed, kEvents);
    Outcome outcome = run(story);
    happened += outcome.happened;
    if (!outcome.broken) continue;
    Story shorter = shrink(story);
    FAIL("seed " << seed << ": " << outcome.broken->violation.what << "\n"
                 << report(shorter, run(shorter)));
  }
  CHECK(happened > 200 * kEvents / 2);
}

TEST_CASE("every wrong engine is found within its number of seeds") {
  for (const WrongEngine& engine : wrong_engines()) {
    size_t seed = 1;
    while (seed <= engine.seeds && !run(story_of(seed, kEvents), engine.wrong).broken) ++seed;
    INFO(engine.name << ": " << engine.what);
    CHECK(seed <= engine.seeds);
  }
}

TEST_CASE("the same story gives the same world, from its seed or from its text") {
  Story story = story_of(7, kEvents);
  CHECK(story == story_of(7, kEvents));
  CHECK_FALSE(story == story_of(8, kEvents));
  CHECK(parse_story(text(story)) == story);
  Outcome first = run(story), second = run(parse_story(text(story)));
  CHECK(first.digest == second.digest);
  CHECK(first.happened == second.happened);
  CHECK_FALSE(first.digest == run(story_of(8, kEvents)).digest);
}

TEST_CASE("a story that can't be read is refused with its line") {
  CHECK_THROWS_WITH(parse_story("shape 1\nedit 1 2\nfly 1 2\n"), Catch::Contains("line 3"));
  CHECK_THROWS_WITH(parse_story("shape x\n"), Catch::Contains("line 1"));
  CHECK_THROWS_WITH(parse_story("edit 1\n"), Catch::Contains("edit"));
}

TEST_CASE("a story that breaks a rule is made short, and breaks it again") {
  const Wrong wrong = wrong_engine("loses-intent").wrong;
  uint64_t seed = 1;
  while (!run(story_of(seed, kEvents), wrong).broken) ++seed;
  Story story = story_of(seed, kEvents);
  Outcome outcome = run(story, wrong);
  Story shorter = shrink(story, wrong);
  CHECK(shorter.events.size() <= 12);
  Outcome again = run(parse_story(text(shorter)), wrong);
  REQUIRE(again.broken.has_value());
  CHECK(again.broken->violation.rule == outcome.broken->violation.rule);
  CHECK(report(shorter, again).find(again.broken->violation.what) != std::string::npos);
}
