// A version that no plan asked for becomes champion by hand, and stays.
#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

// client-3 with a champion, and an experiment beside it.
struct Tried : Book {
  explicit Tried(double accuracy = 0.9) {
    train("client-3", "rows");
    cut();
    Version version = made("client-3", "ten", "client-3/ten", accuracy);
    version.preview = "inputs:w@0123456789abcdef";
    add(consider(registry, {version, {{"accuracy", 0.8, std::nullopt}}, "lockstep", 0}).facts);
  }
  PromoteRequest request(int64_t version, const std::string& reason = "ten are better") {
    PromoteRequest request;
    request.model = "client-3";
    request.version = version;
    request.who = "ann";
    request.reason = reason;
    return request;
  }
  ErrorCode refused(const PromoteRequest& request, const HasBytes& has = has_all) {
    try {
      promote(registry, request, has);
    } catch (const Error& error) {
      return error.code;
    }
    FAIL("it was promoted");
    return ErrorCode::kCorrupt;
  }
};

}  // namespace

TEST_CASE("promote: champion moves, is pinned, and the next cut carries it") {
  Tried book;
  CHECK(book.champion("client-3") == 1);
  Promotion done = promote(book.registry, book.request(2), has_all);
  CHECK(done.from == 1);
  book.add(done.facts);
  CHECK(book.champion("client-3") == 2);
  const ModelState& model = *book.registry.model("client-3");
  CHECK(model.pin(kChampion)->version == 2);
  CHECK(model.moves.back().move.why == "promoted: ten are better");
  CHECK(book.cut().moved);
  CHECK(book.live_manifest() == R"({"client-3":"2"})");
  // The plan that knows the first one's rows leaves it.
  CHECK(book.train("client-3", "rows").why == "pinned at version 2 by ann: ten are better");
  CHECK(book.champion("client-3") == 2);
  CHECK(book.refused(book.request(2)) == ErrorCode::kConflict);
  // It is the person's own pin that the next promotion must override.
  CHECK(book.refused(book.request(1)) == ErrorCode::kDenied);
  PromoteRequest back = book.request(1);
  back.override_pins = true;
  book.add(promote(book.registry, back, has_all).facts);
  CHECK(book.champion("client-3") == 1);
}

TEST_CASE("promote: what is not there, failed its gate, or was withdrawn is refused") {
  Tried book(0.5);
  CHECK(book.refused(book.request(2)) == ErrorCode::kDenied);
  CHECK(book.refused(book.request(9)) == ErrorCode::kNotFound);
  PromoteRequest other = book.request(1);
  other.model = "client-9";
  CHECK(book.refused(other) == ErrorCode::kNotFound);
  Tried good;
  CHECK(good.refused(good.request(2, "")) == ErrorCode::kInvalid);
  CHECK(good.refused(good.request(2), [](const Digest&) { return false; }) == ErrorCode::kConflict);
  good.add(Withdrawal{"client-3", 2, "", "bob", "leaks", false});
  CHECK(good.refused(good.request(2)) == ErrorCode::kDenied);
  CHECK(good.champion("client-3") == 1);
}

TEST_CASE("promote: what somebody approved has passed, though its gate asked") {
  Book book;
  book.train("m", "one");
  book.add(consider(book.registry, {Book::made("m", "two", "m/two"), {}, "lockstep", 0}).facts);
  GateReport asks;
  asks.model = "m";
  asks.version = 2;
  asks.passed = false;
  asks.verdict = "worse within noise";
  asks.champion = 1;
  asks.action = "ask";
  asks.basis = "these very things";
  book.add(asks);
  PromoteRequest request;
  request.model = "m";
  request.version = 2;
  request.channel = "production";
  request.pinned = false;
  request.who = "ann";
  request.reason = "approved yesterday";
  CHECK_THAT(message_of([&] { promote(book.registry, request, has_all); }),
             Catch::Contains("failed its gate"));
  CutRequest all = book.request();
  all.channel.policy = CutPolicy::kAll;
  CHECK_THAT(cut_release(book.registry, all).held, Catch::Contains("m: version 2: worse"));
  book.add(approve(book.registry, {"m", 2, nullptr, "ann", "looked at"}, has_all));
  CHECK(book.champion("m") == 2);
  CHECK(promote(book.registry, request, has_all).facts.size() == 1);
  CHECK(cut_release(book.registry, all).held.empty());
  // Given for other things it is void.
  asks.basis = "others";
  book.add(asks);
  CHECK_THAT(message_of([&] { promote(book.registry, request, has_all); }),
             Catch::Contains("failed its gate"));
}
