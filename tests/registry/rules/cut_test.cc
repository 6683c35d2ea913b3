#include <ctime>

#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

TEST_CASE("cut: the manifest comes from the channel's aliases, promoted from champion") {
  Book book;
  book.train("client-3", "one");
  book.train("client-37", "one");
  book.train("client-4", "one");
  Cut first = book.cut();
  CHECK(first.tag == "ea29012ff0370c2fdebe54237b5e7755");
  CHECK(first.built_new);
  CHECK(first.moved);
  CHECK(count<AliasMove>(first.facts) == 3);
  CHECK(book.registry.live("production") == first.tag);
  book.train("client-37", "two");
  CHECK(book.cut().tag == "6e020b95f456c1d75e918e7d85aaeafe");
  CHECK(book.registry.alias("client-37", "production") == 2);
}

TEST_CASE("cut: a channel whose live release already equals gets nothing") {
  Book book;
  book.train("m", "one");
  std::string tag = book.cut().tag;
  Cut again = book.cut();
  CHECK(again.facts.empty());
  CHECK(again.tag == tag);
  CHECK_FALSE(again.built_new);
  CHECK_FALSE(again.moved);
}

TEST_CASE("cut: known content is re-pointed, nothing built") {
  Book book;
  book.train("m", "one");
  std::string first = book.cut().tag;
  book.train("m", "two");
  book.cut();
  book.train("m", "one");
  Cut back = book.cut();
  CHECK(back.tag == first);
  CHECK_FALSE(back.built_new);
  CHECK(back.moved);
  CHECK(count<Release>(back.facts) == 0);
  CHECK(count<ChannelMove>(back.facts) == 1);
}

TEST_CASE("cut: an empty manifest is no release") {
  Book book;
  CHECK(book.cut().tag.empty());
  book.produced.insert("m");
  CHECK(book.cut().facts.empty());
  book.train("m", "one");
  book.cut();
  book.produced.clear();
  Cut none = book.cut();
  CHECK(none.tag.empty());
  CHECK(none.facts.empty());
}

TEST_CASE("cut: patterns choose, and models no longer produced leave the next manifest") {
  Book book;
  book.train("intent-a", "one");
  book.train("intent-b", "one");
  book.train("trunk", "one");
  CutRequest request = book.request();
  request.channel.models = {"intent-*"};
  book.cut(request);
  CHECK(book.live_manifest() == R"({"intent-a":"1","intent-b":"1"})");
  request.produced.erase("intent-b");
  book.cut(request);
  CHECK(book.live_manifest() == R"({"intent-a":"1"})");
  // Retiring deletes nothing; coming back is known content.
  CHECK(book.registry.alias("intent-b", "production") == 1);
  request.produced.insert("intent-b");
  CHECK_FALSE(book.cut(request).built_new);
}

TEST_CASE("cut: what had nothing to give is listed with the reason") {
  Book book;
  book.train("a", "one");
  book.train("b", "one", 0.1, {{"accuracy", 0.8, {}}});
  book.produced.insert("c");
  Cut cut = book.cut();
  CHECK(book.live_manifest() == R"({"a":"1"})");
  CHECK(book.registry.release(cut.tag)->release.missing.json() ==
        Json::parse(R"([{"model":"b","why":"no champion yet: version 1: accuracy 0.1 is below 0.8"},
                        {"model":"c","why":"no version yet"}])"));
}

TEST_CASE("cut: promotion passes over pins and lists what it held back") {
  Book book;
  book.train("a", "one");
  book.train("b", "one");
  book.cut();
  book.add(pin(book.registry, {"a", "production", 1, PinKind::kHand, "ann", "fair"}));
  book.train("a", "two");
  book.train("b", "two");
  Cut cut = book.cut();
  CHECK(book.live_manifest() == R"({"a":"1","b":"2"})");
  CHECK(cut.held_back == std::vector<std::string>{"a: pinned at version 1 by ann: fair"});
  CHECK(book.champion("a") == 2);
}

TEST_CASE("cut: a pin as absent keeps a model out") {
  Book book;
  book.train("a", "one");
  book.train("b", "one");
  book.add(pin(book.registry, {"a", "production", 0, PinKind::kHand, "ann", ""}));
  Cut cut = book.cut();
  CHECK(book.live_manifest() == R"({"b":"1"})");
  CHECK(cut.held_back == std::vector<std::string>{"a: pinned as absent by ann"});
}

TEST_CASE("cut: a version withdrawn for the channel is not promoted into it, but elsewhere") {
  Book book;
  book.channels = {"production", "staging"};
  book.train("a", "one");
  book.cut();
  book.train("a", "two");
  book.add(Withdrawal{"a", 2, "production", "ann", "slow", false});
  Cut cut = book.cut();
  CHECK(book.live_manifest() == R"({"a":"1"})");
  CHECK(cut.held_back ==
        std::vector<std::string>{"a: version 2 is withdrawn in production by ann: slow"});
  book.cut("staging");
  CHECK(book.live_manifest("staging") == R"({"a":"2"})");
}

TEST_CASE("cut: channels have their own alias sets and pins, and share releases") {
  Book book;
  book.train("a", "one");
  Cut production = book.cut("production");
  Cut staging = book.cut("staging");
  CHECK(production.tag == staging.tag);
  CHECK_FALSE(staging.built_new);
  CHECK(staging.moved);
  book.add(pin(book.registry, {"a", "production", 1, PinKind::kHand, "ann", ""}));
  book.train("a", "two");
  CHECK_FALSE(book.cut("production").moved);
  CHECK(book.cut("staging").moved);
}

TEST_CASE("cut: a known MD5 with other content is refused, both sides shown") {
  Book book;
  book.train("a", "one");
  std::string tag = book.cut().tag;
  CutRequest request = book.request();
  request.base = "sha256:feed";
  std::string message = message_of([&] { cut_release(book.registry, request); });
  CAPTURE(message);
  CHECK(message.starts_with("conflict: "));
  const Release& kept = book.registry.release(tag)->release;
  for (std::string part :
       {tag, kept.content.str(), std::string("base none"), std::string("base sha256:feed"),
        std::string("lockstep release rebuild --reason")}) {
    CHECK(message.find(part) != std::string::npos);
  }
}

TEST_CASE("rebuild: tags the content, the bare MD5 stays with the first, later cuts find it") {
  Book book;
  book.train("a", "one");
  std::string tag = book.cut().tag;
  CutRequest request = book.request();
  request.base = "sha256:feed";
  CHECK_THROWS_AS(rebuild_release(book.registry, request, ""), Error);
  Cut rebuilt = rebuild_release(book.registry, request, "new base");
  book.add(rebuilt.facts);
  CHECK(rebuilt.built_new);
  CHECK(rebuilt.tag.starts_with(tag + "-"));
  CHECK(rebuilt.tag == rebuilt_tag(book.registry.release(rebuilt.tag)->release));
  CHECK(book.registry.live("production") == rebuilt.tag);
  CHECK(book.registry.release(tag)->release.base.empty());
  CHECK(book.cut(request).facts.empty());
  CHECK(rebuild_release(book.registry, request, "again").facts.empty());
  // The first content is still known.
  CHECK(book.cut().tag == tag);
}

TEST_CASE("rebuild: of an unknown manifest is a plain cut, of nothing a conflict") {
  Book book;
  CHECK_THROWS_AS(rebuild_release(book.registry, book.request(), "x"), Error);
  book.train("a", "one");
  Cut cut = rebuild_release(book.registry, book.request(), "x");
  CHECK(cut.tag.size() == 32);
  CHECK(cut.built_new);
}

TEST_CASE("cut: a thousand models take a few milliseconds") {
  Book book;
  for (int i = 0; i < 1000; ++i) book.train("client-" + std::to_string(i), "one");
  book.cut();
  book.train("client-7", "two");
  std::clock_t start = std::clock();  // CPU time: neighbours do not count
  Cut cut = cut_release(book.registry, book.request());
  auto ms = static_cast<double>(std::clock() - start) * 1'000 / CLOCKS_PER_SEC;
  CHECK(count<AliasMove>(cut.facts) == 1);
  CAPTURE(ms);
  CHECK(ms < 50);  // about 2; sanitizers get room
}

TEST_CASE("a release of which no image can be made is held, or by command refused") {
  Book book;
  book.train("a", "1");
  CHECK(book.cut().moved);
  const std::string first = book.registry.live("production");
  book.train("a", "2");
  CutRequest request = book.request();
  bool lacking = true;
  request.unbuildable = [&](const Registry&, const Release& release) {
    return lacking && release.models.at("a").version == 2 ? "the bytes of a are not here" : "";
  };
  Cut held = cut_release(book.registry, request);
  CHECK(held.facts.empty());
  CHECK(held.held == "the bytes of a are not here");
  CHECK(held.tag == first);
  CHECK(message_of([&] {
          rebuild_release(book.registry, request, "all the same");
        }).find("no image can be made: the bytes of a") != std::string::npos);
  // By hand the alias has moved already.
  Book moved = book;
  moved.add(AliasMove{"a", "production", 1, 2, "ann", "promoted"});
  request.by_hand = true;
  CHECK(message_of([&] {
          cut_release(moved.registry, request);
        }).find("conflict: channel production is not moved") == 0);
  request.by_hand = false;
  lacking = false;
  CHECK(book.cut(request).built_new);
  // What is live, or has its image, is not asked about again.
  lacking = true;
  CHECK(cut_release(book.registry, request).held.empty());
  book.add(ReleaseBuilt{book.registry.live("production"), sha256("image")});
  RollbackRequest back = book.back("a");
  book.roll_back(back);
  back.to = 2;
  Rollback forward = roll_back_model(book.registry, back, has_all);
  Registry then = book.registry;
  for (const Fact& fact : forward.facts) then.apply({then.last_seq + 1, then.last_time_ms, fact});
  request.as_built = true;
  CHECK(cut_release(then, request).moved);
}
