// A model that others were trained on goes back, and they with it.
#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

struct Trunk : Book {
  void consumer(const std::string& name, const std::string& input, int64_t trunk) {
    produced.insert(name);
    Version version = made(name, input, name + input);
    version.upstreams = Json::array({{{"input", "trunk"}, {"model", "trunk"}, {"version", trunk}}});
    add(decide(registry, {version, {}, "lockstep", 0}).facts);
  }
  RollbackRequest with(const std::string& model = "trunk") {
    RollbackRequest request = back(model);
    request.consumers = consumers_of(registry, model);
    request.with_dependents = true;
    return request;
  }
  std::string refused(const RollbackRequest& request) {
    return message_of([&] { roll_back_model(registry, request, has_all); });
  }
};

// Two trunks; a and b were trained on both, c on the second alone.
struct Trained : Trunk {
  Trained() {
    train("trunk", "one");
    consumer("a", "one", 1);
    consumer("b", "one", 1);
    cut();
    train("trunk", "two");
    consumer("a", "two", 2);
    consumer("a", "more rows", 2);
    consumer("b", "two", 2);
    consumer("c", "two", 2);
    cut();
  }
};

}  // namespace

TEST_CASE("dependents: refused without the word, naming them") {
  Trained book;
  RollbackRequest request = book.with();
  request.with_dependents = false;
  CHECK_THAT(book.refused(request), Catch::Contains("others were trained on: a, b, c"));
  CHECK_THAT(book.refused(request), Catch::StartsWith("denied"));
}

TEST_CASE("dependents: each goes to its newest good version on the target") {
  Trained book;
  Rollback done = book.roll_back(book.with());
  CHECK(done.to == 1);
  CHECK(book.champion("trunk") == 1);
  CHECK(book.champion("a") == 1);
  CHECK(book.champion("b") == 1);
  CHECK(book.champion("c") == 1);  // there is none on the target: it stays, to be trained
  CHECK(done.to_train == std::set<std::string>{"c"});
  CHECK(book.live_manifest() == R"({"a":"1","b":"1","c":"1","trunk":"1"})");
  // The trunk is pinned; who was trained on it follows its rows again.
  CHECK(book.registry.model("trunk")->pin(kChampion) != nullptr);
  CHECK(book.registry.model("a")->pins.empty());
  CHECK(book.registry.model("a")->withdrawn(3, kChampion)->reason ==
        "trained on trunk version 2: wrong labels");
  CHECK(book.registry.model("a")->withdrawn(2, kChampion) == nullptr);
}

TEST_CASE("dependents: forward again takes them along, marks of others stay") {
  Trained book;
  book.roll_back(book.with());
  RollbackRequest forward = book.with();
  forward.to = 2;
  book.add(Withdrawal{"b", 2, "", "eve", "other reasons", false});
  Rollback done = book.roll_back(forward);
  CHECK(book.champion("trunk") == 2);
  CHECK(book.champion("a") == 3);
  CHECK(book.registry.model("a")->withdrawn(3, kChampion) == nullptr);
  CHECK(book.champion("b") == 1);
  CHECK(done.to_train == std::set<std::string>{"b"});
}

TEST_CASE("dependents: consumers of consumers follow, and no alias moves twice") {
  Trunk book;
  book.train("trunk", "one");
  book.consumer("mid", "one", 1);
  auto leaf = [&](const std::string& input, int64_t mid, int64_t trunk) {
    Version version = Book::made("leaf", input, "leaf" + input);
    book.produced.insert("leaf");
    version.upstreams = Json::array({{{"input", "m"}, {"model", "mid"}, {"version", mid}},
                                     {{"input", "t"}, {"model", "trunk"}, {"version", trunk}}});
    book.add(decide(book.registry, {version, {}, "lockstep", 0}).facts);
  };
  leaf("one", 1, 1);
  book.cut();
  book.train("trunk", "two");
  book.consumer("mid", "two", 2);
  leaf("two", 2, 2);
  book.cut();
  Rollback done = book.roll_back(book.with());
  CHECK(book.live_manifest() == R"({"leaf":"1","mid":"1","trunk":"1"})");
  CHECK(done.dependents.size() == 4);  // each of two in champion and in the channel
}

TEST_CASE("dependents: a pin by hand refuses, one channel alone can't train") {
  Trained book;
  book.add(pin(book.registry, {"a", kChampion, 3, PinKind::kHand, "eve", "the fair"}));
  CHECK_THAT(book.refused(book.with()), Catch::Contains("champion of a, which would follow, is"));
  RollbackRequest one = book.with();
  one.override_pins = true;
  one.channel = "production";
  CHECK_THAT(book.refused(one), Catch::Contains("no version of c was trained on trunk version 1"));
  one.channel = "";
  book.roll_back(one);
  CHECK(book.champion("a") == 1);
  CHECK(book.registry.model("a")->pins.empty());
}

TEST_CASE("dependents: versions whose bytes are gone are not gone back to") {
  Trained book;
  Digest lost = book.registry.model("a")->version(1)->digest;
  HasBytes has = [&](const Digest& digest) { return digest != lost; };
  Rollback done = roll_back_model(book.registry, book.with(), has);
  CHECK(done.to_train == std::set<std::string>{"a", "c"});
}
