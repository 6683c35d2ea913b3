// Models from elsewhere become champions as they are.
#include "registry/rules/adopt.h"

#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

Version elsewhere(const std::string& model, const std::string& bytes = "theirs") {
  Version version = Book::made(model, "today", bytes);
  version.trigger = "adopted";
  return version;
}

}  // namespace

TEST_CASE("an adopted model is version 1 and champion, and the plan's candidate") {
  Book book;
  Adoption done = adopt(book.registry, elsewhere("a"), "ann", "");
  book.add(done.facts);
  CHECK(done.version == 1);
  CHECK(book.champion("a") == 1);
  CHECK(book.registry.model("a")->moves.back().move.why == "adopted");
  CHECK(book.registry.model("a")->moves.back().move.who == "ann");
  // The plan finds the fingerprint and these bytes: nothing is registered, nothing moves.
  Decision decision = decide(book.registry, {elsewhere("a"), {}, "lockstep", 0});
  CHECK(decision.facts.empty());
  CHECK(decision.why == "already champion");
  CHECK(book.registry.model("a")->held(1, kChampion));
}

TEST_CASE("a reason is kept; no gate is asked") {
  Book book;
  Version bad = elsewhere("a");
  bad.metrics = Json::object({{"accuracy", 0.1}});
  book.add(adopt(book.registry, bad, "ann", "as in production").facts);
  CHECK(book.registry.model("a")->moves.back().move.why == "adopted: as in production");
  CHECK(book.registry.model("a")->gates.empty());
}

TEST_CASE("a champion that was made here, and a pin, are left alone") {
  Book book;
  book.train("a", "rows");
  CHECK(not_adoptable(book.registry, "a") == "it has a champion, version 1");
  CHECK(message_of([&] { adopt(book.registry, elsewhere("a"), "ann", ""); }) ==
        "conflict: a can't be adopted: it has a champion, version 1");
  book.add(pin(book.registry, {"a", kChampion, 1, PinKind::kHand, "bob", "fair"}));
  CHECK(not_adoptable(book.registry, "a") == "it is pinned at version 1 by bob: fair");
}

TEST_CASE("over an imported champion, and beside versions of previews") {
  Book book;
  Version imported = Book::made("a", "imported", "old");
  imported.number = 7;
  imported.imported = "digest";
  book.add({imported, AliasMove{"a", kChampion, 0, 7, "ann", "imported"}});
  Adoption over = adopt(book.registry, elsewhere("a"), "ann", "");
  book.add(over.facts);
  CHECK(over.version == 8);
  CHECK(book.champion("a") == 8);

  Version preview = elsewhere("b");
  preview.number = 1;
  preview.preview = "tables@branch";
  book.add(preview);
  Adoption known = adopt(book.registry, elsewhere("b"), "ann", "");
  CHECK(known.version == 1);
  CHECK(count<Version>(known.facts) == 0);
  book.add(known.facts);
  CHECK(book.champion("b") == 1);
}

TEST_CASE("a retired model comes back; a withdrawn version is good again") {
  Book book;
  Version preview = elsewhere("a");
  preview.number = 1;
  preview.preview = "tables@branch";
  book.add({preview, Retired{"a", true, "gone"}, Withdrawal{"a", 1, "", "bob", "bad", false}});
  book.add(adopt(book.registry, elsewhere("a"), "ann", "").facts);
  CHECK_FALSE(book.registry.model("a")->retired);
  CHECK(book.registry.model("a")->withdrawals.empty());
  CHECK(book.champion("a") == 1);
}
