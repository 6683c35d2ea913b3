#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

TEST_CASE("rename: versions, aliases, pins and marks go over") {
  Book book;
  book.train("old", "one");
  book.train("old", "two");
  book.cut();
  book.roll_back(book.back("old"));
  book.add(rename(book.registry, "old", "new"));
  CHECK(book.registry.model("old") == nullptr);
  const ModelState& model = *book.registry.model("new");
  CHECK(model.version(2)->model == "new");
  CHECK(model.alias(kChampion) == 1);
  CHECK(model.alias("production") == 1);
  CHECK(model.pin(kChampion)->model == "new");
  CHECK(model.withdrawn(2, kChampion) != nullptr);
  CHECK(model.moves.back().move.model == "new");
}

TEST_CASE("rename: done once, and again says nothing") {
  Book book;
  CHECK(rename(book.registry, "old", "new").empty());
  book.train("old", "one");
  book.add(rename(book.registry, "old", "new"));
  CHECK(rename(book.registry, "old", "new").empty());
  // The old name may be used again; the workflow still says renamed-from.
  book.train("old", "else");
  CHECK(rename(book.registry, "old", "new").empty());
  CHECK_THROWS_AS(rename(book.registry, "new", "old"), Error);
}

TEST_CASE("rename: no number is used twice under one name") {
  Book book;
  book.train("a", "one");
  book.train("a", "two");
  book.add(rename(book.registry, "a", "b"));
  CHECK(book.train("a", "three").version == 3);
  CHECK(book.train("b", "three").version == 3);
}

TEST_CASE("rename: a release of before is understood under the old name") {
  Book book;
  book.train("a", "one");
  std::string first = book.cut().tag;
  book.train("a", "two");
  book.cut();
  book.add(rename(book.registry, "a", "b"));
  book.produced = {"b"};
  std::string renamed = book.cut().tag;
  CHECK(book.live_manifest() == R"({"b":"2"})");
  book.roll_back(book.back_release(first));
  CHECK(book.registry.alias("b", "production") == 1);
  CHECK(book.registry.live("production") == first);
  book.cut();
  CHECK(book.live_manifest() == R"({"b":"1"})");
  CHECK(releases_naming(book.registry, "b", 1).size() == 2);
  CHECK(releases_naming(book.registry, "b", 2).size() == 2);
}

TEST_CASE("rename: back and forth is no circle") {
  Book book;
  book.train("a", "one");
  std::string tag = book.cut().tag;
  book.add(rename(book.registry, "a", "b"));
  book.add(rename(book.registry, "b", "a"));
  CHECK(book.registry.name_today("b") == "a");
  CHECK(book.registry.name_today("a") == "a");
  const Release& release = book.registry.release(tag)->release;
  CHECK(book.registry.holder("a", release.models.at("a")) == book.registry.model("a"));
}
