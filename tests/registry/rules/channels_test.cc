// Several channels: promotion by hand and by itself, policies that hold a cut, single-upstream.
#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

// staging promotes by itself, production by hand.
struct Two : Book {
  Two() { channels = {"staging", "production"}; }

  static ChannelSpec spec(const std::string& name) {
    ChannelSpec channel;
    channel.name = name;
    channel.models = {"*"};
    channel.image = "team/models";
    channel.promote_by_hand = name == "production";
    return channel;
  }
  CutRequest by_hand(const std::string& same_as = "") const {
    CutRequest request = this->request("production");
    request.channel = spec("production");
    request.by_hand = true;
    request.same_as = same_as;
    return request;
  }
  ReleasePromoteRequest wanted(const std::string& from) const {
    ReleasePromoteRequest request;
    request.from = from;
    request.to = spec("production");
    request.channels = {spec("staging"), spec("production")};
    request.produced = produced;
    request.who = "ann";
    request.reason = "a quiet week";
    return request;
  }
  Cut release(const std::string& from, std::vector<std::string>* held = nullptr) {
    ReleasePromotion promotion = promote_release(registry, wanted(from), has_all);
    add(promotion.facts);
    if (held) *held = promotion.held_back;
    return cut(by_hand(promotion.tag));
  }
  void consumer(const std::string& name, const std::string& input, int64_t trunk) {
    produced.insert(name);
    Version version = made(name, input, name + input);
    version.upstreams = Json::array({{{"input", "trunk"}, {"model", "trunk"}, {"version", trunk}}});
    add(decide(registry, {version, {}, "lockstep", 0}).facts);
  }
};

const std::vector<Bound> kGate = {{"accuracy", 0.8, std::nullopt}};

}  // namespace

TEST_CASE("channels: one promoted by hand waits, and gets the very release of the other") {
  Two book;
  book.train("a", "one");
  book.train("b", "one");
  std::string staged = book.cut("staging").tag;
  CutRequest itself = book.request("production");
  itself.channel = Two::spec("production");
  CHECK(book.cut(itself).facts.empty());
  CHECK(unpromoted(book.registry, itself) == std::vector<std::string>{"a", "b"});
  Cut promoted = book.release("staging");
  CHECK(promoted.tag == staged);
  CHECK_FALSE(promoted.built_new);
  CHECK(book.registry.live("production") == staged);
  CHECK(unpromoted(book.registry, itself).empty());
  // What staging does next is no business of production.
  book.train("a", "two");
  book.cut("staging");
  CHECK(book.cut(itself).facts.empty());
  CHECK(book.registry.live("production") == staged);
  CHECK(book.release(staged).facts.empty());
}

TEST_CASE("channels: a promotion passes over pins and marks, and names them") {
  Two book;
  book.train("a", "one");
  book.train("b", "one");
  book.cut("staging");
  book.release("staging");
  book.add(pin(book.registry, {"a", "production", 1, PinKind::kHand, "eve", "the fair"}));
  book.train("a", "two");
  book.train("b", "two");
  book.cut("staging");
  std::vector<std::string> held;
  book.release("staging", &held);
  CHECK(held == std::vector<std::string>{"a: pinned at version 1 by eve: the fair"});
  CHECK(book.live_manifest() == R"({"a":"1","b":"2"})");
}

TEST_CASE("channels: what the source has lost leaves the target, what it never names stays") {
  Two book;
  book.train("a", "one");
  book.train("b", "one");
  book.cut("staging");
  book.release("staging");
  book.produced.erase("b");
  book.cut("staging");
  ReleasePromotion gone = promote_release(book.registry, book.wanted("staging"), has_all);
  CHECK(count<AliasMove>(gone.facts) == 1);
  CHECK(std::get<AliasMove>(gone.facts[0]).to == 0);
  ReleasePromoteRequest other = book.wanted("staging");
  other.channels[0].models = {"a"};
  CHECK(promote_release(book.registry, other, has_all).facts.empty());
}

TEST_CASE("channels: promotions that are refused say why") {
  Two book;
  book.train("a", "one");
  ReleasePromoteRequest request = book.wanted("staging");
  auto refused = [&](const HasBytes& has = has_all) {
    return message_of([&] { promote_release(book.registry, request, has); });
  };
  CHECK_THAT(refused(), Catch::Contains("staging has no release to promote"));
  book.cut("staging");
  CHECK_THAT(refused([](const Digest&) { return false; }),
             Catch::Contains("the bytes of a version 1 are missing"));
  request.from = "nowhere";
  CHECK_THAT(refused(), Catch::StartsWith("not_found"));
  request.from = "production";
  CHECK_THAT(refused(), Catch::Contains("not promoted to itself"));
  request.from = "staging";
  request.reason = "";
  CHECK_THAT(refused(), Catch::Contains("needs a reason"));
  request = book.wanted("staging");
  request.to.promote_by_hand = false;
  CHECK_THAT(refused(), Catch::Contains("promotes by itself"));
  request = book.wanted("staging");
  request.distrust = [](const Registry&, const ReleaseState&) { return "its signature is wrong"; };
  CHECK_THAT(refused(), Catch::Contains("is not pointed to: its signature is wrong"));
}

TEST_CASE("channels: the champions can be promoted, and one version alone") {
  Two book;
  book.train("a", "one");
  book.train("b", "one");
  CHECK(book.release("champion").built_new);
  CHECK(book.live_manifest() == R"({"a":"1","b":"1"})");
  book.train("a", "two");
  PromoteRequest one;
  one.model = "a";
  one.version = 2;
  one.channel = "production";
  one.pinned = false;
  one.who = "ann";
  one.reason = "wanted";
  book.add(promote(book.registry, one, has_all).facts);
  book.cut(book.by_hand());
  CHECK(book.live_manifest() == R"({"a":"2","b":"1"})");
  CHECK(book.registry.model("a")->pins.empty());
}

TEST_CASE("channels: each has its own rollback and its own pins") {
  Two book;
  book.train("a", "one");
  book.cut("staging");
  book.release("staging");
  book.train("a", "two");
  book.cut("staging");
  book.release("staging");
  book.roll_back(book.back_release());
  CHECK(book.live_manifest("production") == R"({"a":"1"})");
  CHECK(book.live_manifest("staging") == R"({"a":"2"})");
  book.train("a", "three");
  book.cut("staging");
  std::vector<std::string> held;
  book.release("staging", &held);
  CHECK(held.size() == 1);
  CHECK(book.live_manifest("production") == R"({"a":"1"})");
}

TEST_CASE("policy all: a candidate that failed holds the cut, a rollback it does not hold") {
  Book book;
  book.train("a", "one");
  book.train("b", "one");
  CutRequest all = book.request();
  all.channel.policy = CutPolicy::kAll;
  book.cut(all);
  book.train("a", "two");
  book.train("b", "two", 0.5, kGate);
  Cut held = cut_release(book.registry, all);
  CHECK(held.facts.empty());
  CHECK(held.tag == book.registry.live("production"));
  CHECK_THAT(held.held, Catch::StartsWith("policy all: 1 of 2 passed; b: version 2: accuracy"));
  all.as_built = true;
  CHECK(cut_release(book.registry, all).held.empty());
  all.as_built = false;
  // The plan has gone back to what the champion is: nothing is missing any more.
  all.candidates = {{"b", 1}};
  CHECK(cut_release(book.registry, all).moved);
  all.without = {{"b", "its training failed"}};
  CHECK_THAT(cut_release(book.registry, all).held, Catch::Contains("b: its training failed"));
}

TEST_CASE("policy quorum: a number, or a share that is rounded up") {
  Book book;
  for (const char* name : {"a", "b", "c"}) book.train(name, "one");
  book.cut();
  book.train("a", "two");
  book.train("b", "two", 0.5, kGate);
  CutRequest some = book.request();
  some.channel.policy = CutPolicy::kQuorum;
  for (auto [number, percent, held] : {std::tuple(2u, false, false), std::tuple(3u, false, true),
                                       std::tuple(66u, true, false), std::tuple(67u, true, true)}) {
    some.channel.quorum = number;
    some.channel.quorum_percent = percent;
    INFO(number);
    CHECK(cut_release(book.registry, some).held.empty() == !held);
  }
  CHECK_THAT(cut_release(book.registry, some).held,
             Catch::StartsWith("policy quorum: 2 of 3 passed, 3 needed; b: version 2"));
}

TEST_CASE("single-upstream: a cut waits until all were trained on one version") {
  Two book;
  book.train("trunk", "one");
  book.consumer("a", "one", 1);
  book.consumer("b", "one", 1);
  CutRequest one = book.request();
  one.channel.single_upstream = true;
  CHECK(book.cut(one).moved);
  book.train("trunk", "two");
  book.consumer("a", "two", 2);
  Cut held = cut_release(book.registry, one);
  CHECK(held.held == "single-upstream: waits for b (trunk version 1, others 2)");
  CHECK(held.facts.empty());
  CutRequest hand = one;
  hand.by_hand = true;
  hand.channel.promote_by_hand = true;
  CHECK_FALSE(cut_release(book.registry, hand).moved);  // nothing was promoted: all agree
  book.consumer("b", "two", 2);
  CHECK(book.cut(one).moved);
}
