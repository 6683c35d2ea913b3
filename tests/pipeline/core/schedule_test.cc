#include "pipeline/core/schedule.h"

#include "tests/catch.h"
#include "tests/fake/survey.h"

using namespace lockstep;

namespace {

constexpr int64_t kMinute_ms = 60'000;

Slot cpu(uint32_t capacity, uint64_t memory_bytes = 0, const std::string& pool = "local") {
  return {{"cpu-" + pool, pool, "cpu", memory_bytes}, capacity};
}

Slot card(const std::string& device, uint64_t memory_bytes, uint32_t capacity = 4) {
  return {{"gpu" + device, "gpu", device, memory_bytes}, capacity};
}

ReadyStep step(uint32_t id, Priority priority = Priority::kData, double chain = 1) {
  ReadyStep ready;
  ready.id = StepId{id};
  ready.priority = priority;
  ready.chain = chain;
  ready.lock = std::to_string(id);
  ready.tmpl = id;
  return ready;
}

std::vector<uint32_t> started(std::vector<Slot> slots, std::vector<ReadyStep> ready,
                              std::map<uint32_t, uint32_t> running = {},
                              std::set<std::string> busy = {}, std::set<std::string> taken = {}) {
  std::vector<uint32_t> ids;
  for (const Start& one : schedule(std::move(slots), std::move(ready), running, busy, taken)) {
    ids.push_back(one.id.value);
  }
  return ids;
}

using Ids = std::vector<uint32_t>;

}  // namespace

TEST_CASE("by hand goes before data, data before code; then the longer chain") {
  std::vector<ReadyStep> ready = {step(0, Priority::kCode), step(1, Priority::kData, 1),
                                  step(2, Priority::kManual), step(3, Priority::kData, 5)};
  CHECK(started({cpu(4)}, ready) == Ids{2, 3, 1, 0});
  CHECK(started({cpu(2)}, ready) == Ids{2, 3});
  CHECK(started({cpu(0)}, ready).empty());
  CHECK(started({}, ready).empty());
}

TEST_CASE("who waits moves up one class every ten minutes, and no further than the first") {
  ReadyStep code = step(0, Priority::kCode, 9), data = step(1, Priority::kData, 1);
  CHECK(started({cpu(1)}, {code, data}) == Ids{1});
  code.waiting_ms = 10 * kMinute_ms - 1;
  CHECK(started({cpu(1)}, {code, data}) == Ids{1});
  code.waiting_ms = 10 * kMinute_ms;
  CHECK(started({cpu(1)}, {code, data}) == Ids{0});  // same class now: its chain is longer
  ReadyStep manual = step(2, Priority::kManual, 10);
  code.waiting_ms = 24 * 60 * kMinute_ms;
  CHECK(started({cpu(1)}, {code, manual}) == Ids{2});
}

TEST_CASE("attempts fit into the memory that a slot has left") {
  std::vector<ReadyStep> ready = {step(0, Priority::kData, 3), step(1, Priority::kData, 2),
                                  step(2, Priority::kData, 1)};
  ready[0].need.memory_bytes = 6;
  ready[1].need.memory_bytes = 5;
  ready[2].need.memory_bytes = 4;
  CHECK(started({cpu(8, 10)}, ready) == Ids{0, 2});  // the second does not fit beside the first
  CHECK(started({cpu(8, 0)}, ready) == Ids{0, 1, 2});
  Slot used = cpu(8, 10);
  used.used_bytes = 5;
  used.running = 1;
  CHECK(started({used}, ready) == Ids{1});
  // What declares nothing weighs nothing.
  CHECK(started({cpu(8, 1)}, {step(7)}) == Ids{7});
}

TEST_CASE("steps with a card run on cards, the others never") {
  ReadyStep trunk = step(0), head = step(1);
  trunk.need.gpu_memory_bytes = 8;
  trunk.need.memory_bytes = 1000;  // of the host: no weight on a card
  CHECK(started({cpu(1)}, {trunk, head}) == Ids{1});
  CHECK(started({card("0", 8)}, {trunk, head}) == Ids{0});
  std::set<std::string> taken;
  auto both = schedule({cpu(1), card("0", 8), card("1", 16)}, {trunk, head}, {}, {}, taken);
  REQUIRE(both.size() == 2);
  CHECK(both[0].slot == 1);
  CHECK(both[1].slot == 0);
}

TEST_CASE("cards and pools fill evenly, and a pool that is named is kept to") {
  std::vector<ReadyStep> ready;
  for (uint32_t i = 0; i < 4; ++i) {
    ready.push_back(step(i));
    ready.back().need.gpu_memory_bytes = 1;
  }
  std::map<size_t, int> on;
  std::set<std::string> taken;
  for (const Start& one : schedule({card("0", 8), card("1", 8)}, ready, {}, {}, taken))
    ++on[one.slot];
  CHECK(on == std::map<size_t, int>{{0, 2}, {1, 2}});
  ReadyStep picky = step(9);
  picky.need.pool = "night";
  CHECK(started({cpu(4)}, {picky}).empty());
  CHECK(started({cpu(4), cpu(1, 0, "night")}, {picky}) == Ids{9});
}

TEST_CASE("one attempt for each lock, and as many of a step as it allows") {
  ReadyStep a = step(0), b = step(1);
  a.lock = b.lock = "intent-3";
  CHECK(started({cpu(4)}, {a, b}) == Ids{0});
  CHECK(started({cpu(4)}, {a, b}, {}, {"intent-3"}).empty());
  std::vector<ReadyStep> many;
  for (uint32_t i = 0; i < 5; ++i) {
    many.push_back(step(i));
    many.back().tmpl = 3;
    many.back().max_parallel = 3;
  }
  CHECK(started({cpu(8)}, many).size() == 3);
  CHECK(started({cpu(8)}, many, {{3, 2}}).size() == 1);
  CHECK(started({cpu(8)}, many, {{3, 3}}).empty());
}

TEST_CASE("what can never start is told apart from what waits") {
  Resources small, large, odd;
  large.memory_bytes = 100;
  odd.gpu_memory_bytes = 1;
  Slot full = cpu(1, 10);
  full.running = 1;
  full.used_bytes = 10;
  small.memory_bytes = 10;
  CHECK(unschedulable({full}, small).empty());
  CHECK_THAT(unschedulable({full}, large), Catch::Contains("enough memory"));
  CHECK_THAT(unschedulable({full}, odd), Catch::Contains("card"));
  small.pool = "night";
  CHECK_THAT(unschedulable({full}, small), Catch::Contains("pool night"));
}

TEST_CASE("the critical path is the longest way to the end") {
  FakeSurvey f;
  f.workflows = {workflow_of({step_of("trunk", "trunk"), step_of("a", "a", {model_of("trunk")}),
                              step_of("b", "b", {model_of("a")}), step_of("c", "c")})};
  auto survey = f.look();
  std::map<std::string, double> seconds = {{"trunk", 5}, {"a", 1}, {"b", 2}, {"c", 4}};
  auto chain = critical_path(*survey->graph,
                             [&](StepId id) { return seconds.at(survey->graph->step(id).name); });
  CHECK(chain[step_id(*survey, "trunk").value] == 8);
  CHECK(chain[step_id(*survey, "a").value] == 3);
  CHECK(chain[step_id(*survey, "b").value] == 2);
  CHECK(chain[step_id(*survey, "c").value] == 4);
}

TEST_CASE("attempts of one group go one at a time; who waits for one keeps its others") {
  ReadyStep a = step(0), b = step(1), c = step(2), free = step(3);
  a.groups = b.groups = {"west"};
  c.groups = {"east"};
  CHECK(started({cpu(4)}, {a, b, c, free}) == Ids{0, 2, 3});
  CHECK(started({cpu(4)}, {a, b, c, free}, {}, {}, {"west"}) == Ids{2, 3});
  // `b` needs both: once it is first in line, nobody behind it takes the one that is free.
  b.groups = {"west", "east"};
  b.priority = Priority::kManual;
  CHECK(started({cpu(4)}, {a, b, c, free}, {}, {}, {"west"}) == Ids{3});
  CHECK(started({cpu(4)}, {a, b, c, free}) == Ids{1, 3});
  // No place for it: its groups stay free.
  b.need.memory_bytes = 99;
  CHECK(started({cpu(4, 50)}, {a, b, c}) == Ids{0, 2});
}
