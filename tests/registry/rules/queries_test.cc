#include "registry/rules/queries.h"

#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

// Released at 1,000, 2,000 and 3,000 ms; the last two facts of a time count.
Book timed() {
  Book book;
  for (int i = 1; i <= 3; ++i) {
    book.now_ms = i * 1'000;
    book.train("m", "rows " + std::to_string(i));
    book.cut();
  }
  return book;
}

}  // namespace

TEST_CASE("what was live at a time: alias and release") {
  Book book = timed();
  CHECK(alias_at(book.registry, "m", kChampion, 999) == 0);
  CHECK(alias_at(book.registry, "m", kChampion, 1'000) == 1);
  CHECK(alias_at(book.registry, "m", "production", 2'999) == 2);
  CHECK(alias_at(book.registry, "m", kChampion, 1'000'000) == 3);
  CHECK(alias_at(book.registry, "n", kChampion, 1'000'000) == 0);
  CHECK(live_release_at(book.registry, "production", 999) == nullptr);
  CHECK(manifest_of(live_release_at(book.registry, "production", 2'500)->release) ==
        R"({"m":"2"})");
  CHECK(manifest_of(live_release_at(book.registry, "production", 3'000)->release) ==
        R"({"m":"3"})");
  CHECK(live_release_at(book.registry, "staging", 3'000) == nullptr);
}

TEST_CASE("a release is found by tag, prefix and channel") {
  Book book = timed();
  std::string tag = book.registry.live("production");
  CHECK(find_release(book.registry, tag).release.tag == tag);
  CHECK(find_release(book.registry, tag.substr(0, 6)).release.tag == tag);
  CHECK(find_release(book.registry, "production").release.tag == tag);
  CutRequest request = book.request();
  request.base = "sha256:feed";
  book.add(rebuild_release(book.registry, request, "base").facts);
  std::string rebuilt = book.registry.live("production");
  CHECK(find_release(book.registry, tag).release.tag == tag);
  CHECK(find_release(book.registry, rebuilt.substr(0, 36)).release.tag == rebuilt);
  std::string message = message_of([&] { find_release(book.registry, tag.substr(0, 6)); });
  CHECK(message.starts_with("conflict: "));
  CHECK(message.find(rebuilt) != std::string::npos);
  for (std::string none :
       {std::string(), tag.substr(0, 3), std::string("zzzz"), tag + "-00000000"}) {
    CAPTURE(none);
    CHECK(message_of([&] { find_release(book.registry, none); }).starts_with("not_found: "));
  }
}

TEST_CASE("the difference of two releases") {
  Release from, to;
  from.models = {{"a", {1, {}}}, {"b", {1, {}}}, {"c", {1, {}}}};
  to.models = {{"b", {2, {}}}, {"c", {1, {}}}, {"d", {1, {}}}};
  ReleaseDifference difference = release_difference(from, to);
  CHECK(difference.added == std::vector<std::string>{"d"});
  CHECK(difference.removed == std::vector<std::string>{"a"});
  REQUIRE(difference.moved.size() == 1);
  CHECK(difference.moved[0].model == "b");
  CHECK(difference.moved[0].from == 1);
  CHECK(difference.moved[0].to == 2);
}

TEST_CASE("which releases name a version, oldest first") {
  Book book = timed();
  book.train("n", "one");
  book.cut();
  std::vector<std::string> tags = releases_naming(book.registry, "m", 3);
  REQUIRE(tags.size() == 2);
  CHECK(manifest_of(book.registry.release(tags[0])->release) == R"({"m":"3"})");
  CHECK(tags[1] == book.registry.live("production"));
  CHECK(releases_naming(book.registry, "m", 9).empty());
  CHECK(releases_naming(book.registry, "o", 1).empty());
}

TEST_CASE("consumers are found through renames, and hostile upstreams do no harm") {
  Book book;
  book.train("trunk", "one");
  for (const Json& upstreams :
       {Json(), Json("x"), Json::array({1, "x", {{"model", 7}}, Json::object()})}) {
    Version version = Book::made("adapter", upstreams.dump(), upstreams.dump());
    version.upstreams = upstreams;
    book.add(decide(book.registry, {version, {}, "lockstep", 0}).facts);
    CHECK(consumers_of(book.registry, "trunk").empty());
    CHECK_FALSE(kept_digests(book.registry, 10).empty());
  }
  Version version = Book::made("adapter", "real", "real");
  version.upstreams = Json::array({{{"model", "trunk"}, {"version", 1}}});
  book.add(decide(book.registry, {version, {}, "lockstep", 0}).facts);
  CHECK(consumers_of(book.registry, "trunk") == std::set<std::string>{"adapter"});
  book.add(rename(book.registry, "trunk", "stem"));
  CHECK(consumers_of(book.registry, "stem") == std::set<std::string>{"adapter"});
}
