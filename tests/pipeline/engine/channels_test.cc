// Several channels in one engine: each waits for its own time, one goes by command alone.
#include "tests/pipeline/engine/bench.h"

using namespace lockstep;

namespace {

const std::string kA = "train[client=a]", kB = "train[client=b]", kC = "train[client=c]";

// fast and slow promote by themselves, production by hand; all that is there is trained.
struct Three : Bench {
  Three() {
    ChannelSpec fast{"fast", {"*"}, "image"}, slow{"slow", {"*"}, "image"};
    ChannelSpec production{"production", {"*"}, "image"};
    fast.max_wait_ms = 1'000;
    slow.max_wait_ms = 5'000;
    production.promote_by_hand = true;
    workflows.always[0].channels = {fast, slow, production};
    look();
    finish_all("1");
  }
  Json manifest_of_channel(const std::string& channel) const {
    const Registry& registry = engine->registry();
    const ReleaseState* live = registry.release(registry.live(channel));
    return live ? Json::parse(manifest_of(live->release)) : Json();
  }
  int64_t version_in(const std::string& channel) const {
    return std::stoll(manifest_of_channel(channel).at("intent-a").get<std::string>());
  }
  template <class F>
  void command(F act) {
    engine->inbox().push(Command{[act](Engine& e) { act(e); }, nullptr});
    turn();
  }
};

}  // namespace

TEST_CASE("channels: a run's end cuts those that go by themselves") {
  Three b;
  CHECK(b.version_in("fast") == 1);
  CHECK(b.version_in("slow") == 1);
  CHECK(b.manifest_of_channel("production").is_null());
  CHECK(b.engine->registry().releases.size() == 1);
  CHECK(b.look().empty());  // nothing stands open
}

TEST_CASE("channels: each is cut after its own max-wait") {
  Three b;
  b.edit(1, "changed");
  b.edit(2, "changed");
  b.look();
  b.succeed(kA, "a 2");
  b.clock.now += 1'000;
  b.turn();
  CHECK(b.version_in("fast") == 2);
  CHECK(b.version_in("slow") == 1);
  b.clock.now += 3'999;
  b.turn();
  CHECK(b.version_in("slow") == 1);
  b.clock.now += 1;
  b.turn();
  CHECK(b.version_in("slow") == 2);
  CHECK(b.store.get("unreleased").empty());
}

TEST_CASE("channels: a dry run says what is then done, and does nothing") {
  Three b;
  auto cuts = [](Engine& e) { return std::vector<CutRequest>{e.cut_by_hand("production")}; };
  ReleasePromoteRequest request;
  request.from = kChampion;
  request.who = "ann";
  request.reason = "all of it";
  Json would, did;
  b.command([&](Engine& e) {
    request.to = e.channel("production");
    request.produced = e.produced();
    auto moves = promote_release(e.registry(), request, [](const Digest&) { return true; }).facts;
    would = e.move_and_cut(moves, cuts(e), "ann", "promoted", true);
  });
  CHECK(b.manifest_of_channel("production").is_null());
  b.command([&](Engine& e) {
    auto moves = promote_release(e.registry(), request, [](const Digest&) { return true; }).facts;
    did = e.move_and_cut(moves, cuts(e), "ann", "promoted");
  });
  CHECK(would == did);
  CHECK(did[0].at("known") == true);
  CHECK(b.version_in("production") == 1);
  CHECK(b.engine->registry().live("production") == b.engine->registry().live("fast"));
}

TEST_CASE("channels: a cut that is refused leaves no moves behind") {
  Three b;
  int64_t before = b.engine->registry().last_seq;
  std::string refused;
  b.command([&](Engine& e) {
    CutRequest wrong = e.cut_by_hand("production");
    wrong.same_as = e.registry().live("fast");
    wrong.distrust = [](const Registry&, const ReleaseState&) { return "its signature is wrong"; };
    std::vector<Fact> moves;
    for (const char* model : {"intent-a", "intent-b", "intent-c"}) {
      moves.push_back(AliasMove{model, "production", 0, 1, "ann", "promoted"});
    }
    try {
      e.move_and_cut(moves, {wrong}, "ann", "promoted");
    } catch (const Error& error) {
      refused = error.what();
    }
  });
  CHECK_THAT(refused, Catch::Contains("its signature is wrong"));
  CHECK(b.engine->registry().last_seq == before);
}

TEST_CASE("channels: policy all waits for every training, and names what failed") {
  Bench b;
  b.workflows.always[0].channels[0].policy = CutPolicy::kAll;
  b.look();
  b.succeed(kA, "a");
  b.succeed(kB, "b");
  b.fail(kC);
  CHECK(b.manifest().is_null());
  CHECK(
      b.said("release of production held: policy all: 2 of 3 passed; intent-c: "
             "its training failed"));
}
