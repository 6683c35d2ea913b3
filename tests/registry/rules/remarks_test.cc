// Notes, tags and marks as facts, and versions found by what is recorded of them.
#include <chrono>
#include <cmath>
#include <iostream>

#include "registry/rules/search.h"
#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

std::string found(const Registry& registry, const VersionQuery& wanted) {
  std::string out;
  for (const FoundVersion& one : search_versions(registry, wanted)) {
    out += one.version->model + "@" + std::to_string(one.version->number) + " ";
  }
  return out;
}

VersionQuery by(const std::function<void(VersionQuery&)>& set) {
  VersionQuery query;
  set(query);
  return query;
}

}  // namespace

TEST_CASE("notes and tags keep their history; a tag that is not there can't be taken off") {
  Book book;
  book.train("a", "rows");
  book.now_ms = 2'000;
  book.add({Note{"a", 1, "", "ann", "ticket 812"}, Tagged{"a", 1, "", "ann", "audited", "no"}});
  book.now_ms = 3'000;
  book.add({Tagged{"a", 1, "", "bob", "audited", "yes"}, Tagged{"a", 1, "", "bob", "x", ""},
            Tagged{"a", 1, "", "ann", "x", "", true}});
  const Remarks& all = book.registry.model("a")->remarks.at(1);
  REQUIRE(all.notes.size() == 1);
  CHECK(all.notes[0].text == "ticket 812");
  CHECK(all.notes[0].time_ms == 2'000);
  CHECK(all.tags == std::map<std::string, std::string>{{"audited", "yes"}});
  REQUIRE(all.tag_moves.size() == 4);
  CHECK(all.tag_moves[0].value == "no");
  CHECK(all.tag_moves[1].who == "bob");
  CHECK(all.tag_moves[3].removed);
  for (const Fact& wrong : std::vector<Fact>{
           Tagged{"a", 1, "", "ann", "x", "", true}, Tagged{"a", 1, "", "ann", "", "y"},
           Note{"a", 2, "", "ann", "x"}, Note{"a", 0, "", "ann", "x"}, Note{"b", 1, "", "ann", "x"},
           Note{"", 0, "0123456789abcdef0123456789abcdef", "ann", "x"}}) {
    CHECK(message_of([&] { book.add(wrong); }).rfind("corrupt: ", 0) == 0);
  }
}

TEST_CASE("remarks follow a model through a rename, and releases have their own") {
  Book book;
  book.train("a", "rows");
  book.cut();
  const std::string tag = book.registry.live("production");
  book.add({Note{"a", 1, "", "ann", "old name"}, Note{"", 0, tag, "ann", "fair"}});
  book.add(rename(book.registry, "a", "b"));
  CHECK(book.registry.model("b")->remarks.at(1).notes[0].text == "old name");
  CHECK(book.registry.release(tag)->remarks.notes[0].text == "fair");
}

TEST_CASE("a release that is marked by hand is kept, with its bytes, until the mark is taken off") {
  Book book;
  book.train("a", "1");
  book.cut();
  const std::string first = book.registry.live("production");
  for (const char* input : {"2", "3", "4"}) {
    book.train("a", input);
    book.cut();
  }
  CHECK(kept_releases(book.registry, 1).count(first) == 0);
  book.add(ReleaseKept{first, "ann", "audit", true});
  CHECK(kept_releases(book.registry, 1).count(first) == 1);
  CHECK(kept_digests(book.registry, 1).count(sha256("a/1")) == 1);
  book.add(ReleaseKept{first, "ann", "over", false});
  CHECK(kept_releases(book.registry, 1).count(first) == 0);
  CHECK(message_of([&] {
          book.add(ReleaseKept{first, "ann", "", false});
        }) != "nothing was thrown");
}

TEST_CASE("bounds of metrics are read as written") {
  CHECK(MetricBound::parse("accuracy>=0.9").holds(0.9));
  CHECK_FALSE(MetricBound::parse("accuracy>0.9").holds(0.9));
  CHECK(MetricBound::parse("loss<=1e-3").holds(0.001));
  CHECK(MetricBound::parse("loss < 2").metric == "loss ");
  CHECK(MetricBound::parse("n=3").holds(3));
  CHECK(MetricBound::parse("n==3").holds(3));
  CHECK_FALSE(MetricBound::parse("n!=3").holds(3));
  CHECK_FALSE(MetricBound::parse("n!=3").holds(std::nan("")));
  for (const char* wrong : {"", "accuracy", ">=0.9", "accuracy>=", "accuracy>=high", "a>=1e999",
                            "a>=nan", "a>=true", "a!3"}) {
    INFO(wrong);
    CHECK(message_of([&] { MetricBound::parse(wrong); }).rfind("invalid: ", 0) == 0);
  }
}

TEST_CASE("versions are found by each condition, and by all together, newest first") {
  Book book;
  book.train("intent-1", "x", 0.95);
  book.now_ms = 5'000;
  book.train("intent-2", "y", 0.85);
  Version third = Book::made("trunk", "z", "trunk bytes", 0.99);
  third.number = 1;
  third.commits = {{"tables", "abc123"}, {"code", "fff000"}};
  third.committers = Json::array(
      {{{"source", "tables"}, {"commit", "abc123"}, {"author", "Ann"}, {"email", "ann@x.org"}}});
  third.code_tree = "beef";
  book.now_ms = 9'000;
  book.add(third);
  book.add(Tagged{"trunk", 1, "", "bob", "audited", "yes"});
  const Registry& all = book.registry;
  CHECK(found(all, {}) == "trunk@1 intent-2@1 intent-1@1 ");
  CHECK(found(all, by([](auto& q) { q.name = "intent-*"; })) == "intent-2@1 intent-1@1 ");
  CHECK(found(all, by([](auto& q) { q.metrics = {MetricBound::parse("accuracy>=0.95")}; })) ==
        "trunk@1 intent-1@1 ");
  CHECK(found(all, by([](auto& q) { q.metrics = {MetricBound::parse("f1>=0")}; })) == "");
  CHECK(found(all, by([](auto& q) { q.hash = sha256("trunk bytes").hex().substr(0, 8); })) ==
        "trunk@1 ");
  CHECK(found(all, by([](auto& q) { q.hash = "beef"; })) == "trunk@1 ");
  CHECK(found(all, by([](auto& q) { q.commit = "fff"; })) == "trunk@1 ");
  CHECK(found(all, by([](auto& q) { q.committer = "x.org"; })) == "trunk@1 ");
  CHECK(found(all, by([](auto& q) { q.committer = "zoe"; })) == "");
  CHECK(found(all, by([](auto& q) { q.since_ms = 5'000; })) == "trunk@1 intent-2@1 ");
  CHECK(found(all, by([](auto& q) { q.until_ms = 5'000; })) == "intent-2@1 intent-1@1 ");
  CHECK(found(all, by([](auto& q) { q.tags = {{"audited", "yes"}}; })) == "trunk@1 ");
  CHECK(found(all, by([](auto& q) { q.tags = {{"audited", {}}}; })) == "trunk@1 ");
  CHECK(found(all, by([](auto& q) { q.tags = {{"audited", "no"}}; })) == "");
  CHECK(found(all, by([](auto& q) { q.limit = 1; })) == "trunk@1 ");
  CHECK(found(all, by([](auto& q) { q.name = "intent-*", q.since_ms = 5'000; })) == "intent-2@1 ");
}

// Of a registry as large as they come: `build/tests/rules_test '[.measure]'` prints how long.
TEST_CASE("a search goes over a hundred thousand versions", "[.measure]") {
  Registry registry;
  for (int m = 0; m < 1'000; ++m) {
    for (int v = 1; v <= 100; ++v) {
      Version version = Book::made("intent-" + std::to_string(m), std::to_string(v),
                                   std::to_string(m * 1'000 + v), v / 100.0);
      version.number = v;
      version.commits = {{"tables", sha256(std::to_string(v)).hex()}};
      version.committers = Json::array({{{"author", "Ann"}, {"email", "ann@example.org"}}});
      registry.apply({registry.last_seq + 1, registry.last_seq + 1, version});
    }
  }
  const std::pair<const char*, VersionQuery> kAsked[] = {
      {"metric", by([](auto& q) { q.metrics = {MetricBound::parse("accuracy>=0.999")}; })},
      {"hash", by([](auto& q) { q.hash = sha256("77077").hex().substr(0, 12); })},
      {"committer", by([](auto& q) { q.committer = "zoe"; })},
      {"all of them", {}}};
  for (const auto& [name, query] : kAsked) {
    const auto from = std::chrono::steady_clock::now();
    const size_t count = search_versions(registry, query).size();
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - from);
    std::cout << name << ": " << count << " in " << took.count() << " ms\n";
    CHECK(took.count() < 1'000);
  }
}
