#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

Book released(int versions) {
  Book book;
  for (int i = 1; i <= versions; ++i) {
    book.train("m", "rows " + std::to_string(i));
    book.cut();
  }
  return book;
}

std::string tag_of(int version) {
  return manifest_tag(R"({"m":")" + std::to_string(version) + R"("})");
}

Digest bytes_of(const Book& book, int64_t version) {
  return book.registry.model("m")->version(version)->digest;
}

}  // namespace

TEST_CASE("kept: a channel's last releases, the live one always") {
  Book book = released(5);
  CHECK(kept_releases(book.registry, 2) == std::set<std::string>{tag_of(4), tag_of(5)});
  CHECK(kept_releases(book.registry, 0) == std::set<std::string>{tag_of(5)});
  CHECK(kept_releases(book.registry, 10).size() == 5);
  CHECK(kept_releases(Registry(), 10).empty());
}

TEST_CASE("kept: releases that name a pinned version, under today's name or an old one") {
  Book book = released(5);
  book.roll_back([&] {
    RollbackRequest request = book.back("m");
    request.to = 2;
    return request;
  }());
  book.add(unpin(book.registry, "m", "production", "ann", ""));
  CHECK(kept_releases(book.registry, 0) == std::set<std::string>{tag_of(2)});
  book.produced.insert("n");
  book.train("n", "one");
  book.cut();
  CHECK(kept_releases(book.registry, 1).count(tag_of(2)) == 1);
  book.add(rename(book.registry, "m", "k"));
  CHECK(kept_releases(book.registry, 1).count(tag_of(2)) == 1);
  book.add(unpin(book.registry, "k", "", "ann", ""));
  CHECK(kept_releases(book.registry, 1).count(tag_of(2)) == 0);
}

TEST_CASE("kept: bytes of all that a rollback could go back to, and of upstreams") {
  Book book = released(2);
  book.train("m", "failed", 0.1, {{"accuracy", 0.8, {}}});
  book.roll_back(book.back("m"));
  std::set<Digest> kept = kept_digests(book.registry, 1);
  CHECK(kept.count(bytes_of(book, 1)) == 1);
  // Never champion; withdrawn and in no kept release: may go.
  CHECK(kept.count(bytes_of(book, 3)) == 0);
  CHECK(kept.count(bytes_of(book, 2)) == 0);
  // Among the last two releases: stays, though withdrawn.
  CHECK(kept_digests(book.registry, 2).count(bytes_of(book, 2)) == 1);
  Version version = Book::made("adapter", "one", "adapter");
  version.upstreams = Json::array({{{"model", "gone"}, {"digest", sha256("trunk bytes").str()}}});
  book.add(decide(book.registry, {version, {}, "lockstep", 0}).facts);
  CHECK(kept_digests(book.registry, 1).count(sha256("trunk bytes")) == 1);
}
