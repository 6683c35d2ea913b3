#include "registry/rules/registry.h"

#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

Version full_version() {
  Version version = Book::made("m", "one", "bytes");
  version.number = 3;
  version.step = "train[client=client-3]";
  version.attempt = "a-1";
  version.commits = {{"data", "abc"}, {"code", "def"}};
  version.recipe = R"({"uses":"torch/text-adapter@3"})";
  version.slices = Json::array({{{"input", "rows"}, {"rows", 240}}});
  version.upstreams = Json::array({{{"input", "trunk"}, {"version", 1}}});
  version.metrics = Json::object({{"accuracy", 0.95}, {"rows", 240}});
  version.environment = Json::object({{"device", "cpu"}});
  version.committers = Json::array({{{"author", "Jürgen"}}});
  version.trigger = "data";
  version.code_tree = "0123";
  version.nondeterministic = true;
  return version;
}

Release full_release() {
  Release release;
  release.channel = "production";
  release.manifest = R"({"m":"3"})";
  release.tag = manifest_tag(release.manifest);
  release.manifest_sha256 = sha256(release.manifest);
  release.models = {{"m", {3, sha256("bytes")}}};
  release.base = "sha256:1";
  release.code = "abcd";
  release.content = release_content(release);
  release.missing = Json::array({{{"model", "n"}, {"why", "no version yet"}}});
  return release;
}

// One fact of every kind, each field with a value that is not the default.
std::vector<Fact> every_kind() {
  std::string tag = full_release().tag;
  return {full_version(),
          AliasMove{"m", "champion", 1, 3, "ann", "gate passed"},
          Pin{"m", "production", 3, PinKind::kReleaseRollback, "ann", "fair"},
          Unpin{"m", "production", "ann", "over"},
          Withdrawal{"m", 3, "production", "ann", "wrong", true},
          GateReport{"m", 3, false, "accuracy 0.7 is below 0.8",
                     Json::array({{{"metric", "accuracy"}}}), 1, "ask", sha256("basis").str(), true,
                     sha256("report").str()},
          Retired{"m", false, "produced again"},
          Renamed{"m", "n"},
          full_release(),
          ReleaseBuilt{tag, sha256("image")},
          ChannelMove{"production", "x", tag, "ann", "rollback: bad", true},
          ReleaseWithdrawn{tag, "production", "ann", "bad", true},
          Restored{1'000'000, "2026-03-03T14:00:00Z"},
          ReleaseSigned{tag, "ed25519:key", "signature"},
          Approval{"m", 3, sha256("basis").str(), "bea", "fair"},
          Note{"m", 3, tag, "ann", "ticket 812"},
          Tagged{"m", 3, tag, "ann", "audited", "yes", true},
          ReleaseKept{tag, "ann", "audit", false}};
}

Book with_one_release() {
  Book book;
  book.train("m", "one");
  book.cut();
  return book;
}

// Refused as corrupt, and nothing has changed.
bool refused(const Book& book, const Fact& fact) {
  Book copy = book;
  std::string message = message_of([&] { copy.add(fact); });
  CAPTURE(fact_kind(fact), message);
  CHECK(copy.registry.last_seq == book.registry.last_seq);
  CHECK(copy.registry.models.size() == book.registry.models.size());
  CHECK(copy.registry.releases.size() == book.registry.releases.size());
  CHECK(copy.registry.channels.size() == book.registry.channels.size());
  return message.starts_with("corrupt: ledger entry");
}

}  // namespace

TEST_CASE("facts: every kind comes back from its JSON as it was") {
  std::vector<Fact> facts = every_kind();
  REQUIRE(facts.size() == std::variant_size_v<Fact>);
  for (size_t i = 0; i < facts.size(); ++i) {
    CAPTURE(i);
    CHECK(facts[i].index() == i);
    std::string text = canonical_json(fact_json(facts[i]));
    Fact back = fact_from_json(parse_json(text, "fact"));
    CHECK(back.index() == i);
    CHECK(canonical_json(fact_json(back)) == text);
    // The example differs from a default fact in every field, so that none can be lost unseen.
    Json example = fact_json(facts[i]);
    Json blank =
        std::visit([](const auto& f) { return fact_json(std::decay_t<decltype(f)>{}); }, facts[i]);
    for (const auto& item : example.items()) {
      CAPTURE(item.key());
      CHECK((item.key() == "kind" || item.value() != blank.value(item.key(), Json())));
    }
  }
  CHECK(fact_json(facts[4]) == Json::parse(R"({"kind":"withdrawal","model":"m","version":3,
      "channel":"production","who":"ann","reason":"wrong","lifted":true})"));
  CHECK(fact_json(facts[2]).at("pin") == "release-rollback");
}

TEST_CASE("facts: a field that is missing or of another type is corrupt, never a default") {
  for (const Fact& fact : every_kind()) {
    Json json = fact_json(fact);
    for (const auto& item : json.items()) {
      CAPTURE(json.at("kind").get<std::string>(), item.key());
      Json without = json;
      without.erase(item.key());
      // Those that entries of before may lack have a value that says so.
      static const std::set<std::string> kOptional = {"champion", "action", "basis", "by_other",
                                                      "report"};
      bool optional = json.at("kind") == "gate" && kOptional.count(item.key()) > 0;
      const std::string said = message_of([&] { fact_from_json(without); });
      CHECK(said.starts_with("corrupt: ledger fact") != optional);
      if (!item.value().is_primitive() && !item.value().is_object()) continue;
      if (item.key() == "metrics" || item.key() == "environment") continue;  // any JSON
      Json other = json;
      other[item.key()] = Json::array({1.5});
      CHECK(message_of([&] { fact_from_json(other); }).starts_with("corrupt: ledger fact"));
    }
  }
}

TEST_CASE("facts: an unknown kind, and what is no fact at all, are corrupt") {
  for (const char* text :
       {R"({"kind":"surprise"})", R"({})", "[]", "null", "1", R"({"kind":1})",
        R"({"kind":"pin","model":"m","alias":"a","version":1,"pin":"x","who":"","reason":""})",
        R"({"kind":"release-built","tag":"x","image":"sha256:00"})"}) {
    CAPTURE(text);
    CHECK(message_of([&] { fact_from_json(Json::parse(text)); }).starts_with("corrupt: "));
  }
}

TEST_CASE("facts: kind and model are told for every one") {
  std::set<std::string> kinds;
  for (const Fact& fact : every_kind()) {
    kinds.insert(fact_kind(fact));
    const std::string kind = fact_kind(fact);
    bool of_model = fact.index() < 8 || kind == "approval" || kind == "note" || kind == "tagged";
    CHECK(fact_model(fact) == (of_model ? fact_kind(fact) == "renamed" ? "n" : "m" : ""));
  }
  CHECK(kinds.size() == std::variant_size_v<Fact>);
}

TEST_CASE("apply: order is the number, and time never goes back") {
  Book book = with_one_release();
  Registry& registry = book.registry;
  Fact fact = Retired{"m", true, ""};
  int64_t seq = registry.last_seq;
  CHECK_THROWS_AS(registry.apply({seq, 2'000, fact}), Error);
  CHECK_THROWS_AS(registry.apply({seq + 1, 999, fact}), Error);
  CHECK_FALSE(registry.model("m")->retired);
  registry.apply({seq + 5, 1'000, fact});
  CHECK(registry.last_seq == seq + 5);
}

TEST_CASE("apply: behind a restore every number is above what it says") {
  Book book = with_one_release();
  book.add(Restored{1'000'000, "2026-03-03T14:00:00Z"});
  CHECK(book.registry.highest("m") == 1'000'000);
  CHECK(book.registry.highest("never seen") == 1'000'000);
  Version version = Book::made("m", "two", "two");
  version.number = 2;
  CHECK(refused(book, version));
  version.number = 1'000'001;
  book.add(version);
  CHECK(book.registry.highest("m") == 1'000'001);
  CHECK(refused(book, Restored{999'999, ""}));
}

TEST_CASE("apply: impossible versions, moves, pins and marks are corrupt") {
  Book book = with_one_release();
  Version version = Book::made("m", "two", "two");
  version.number = 1;
  CHECK(refused(book, version));
  version.number = 0;
  CHECK(refused(book, version));
  version = Book::made("m", "one", "m/one");
  version.number = 2;
  CHECK(refused(book, version));
  version = Book::made("", "one", "x");
  version.number = 1;
  CHECK(refused(book, version));
  CHECK(refused(book, AliasMove{"m", kChampion, 0, 1, "", ""}));
  CHECK(refused(book, AliasMove{"m", kChampion, 1, 2, "", ""}));
  CHECK(refused(book, AliasMove{"m", "", 0, 1, "", ""}));
  CHECK(refused(book, AliasMove{"n", kChampion, 0, 1, "", ""}));
  CHECK(refused(book, Pin{"m", kChampion, 2, PinKind::kHand, "", ""}));
  CHECK(refused(book, Pin{"m", "", 1, PinKind::kHand, "", ""}));
  CHECK(refused(book, Unpin{"m", kChampion, "", ""}));
  CHECK(refused(book, Withdrawal{"m", 2, "", "", "", false}));
  CHECK(refused(book, Withdrawal{"m", 0, "", "", "", false}));
  CHECK(refused(book, Withdrawal{"m", 1, "", "", "", true}));
  CHECK(refused(book, GateReport{"m", 2, true, "", PackedJson::list()}));
  CHECK(refused(book, Retired{"n", true, ""}));
  CHECK(refused(book, Renamed{"n", "o"}));
  CHECK(refused(book, Renamed{"m", "m"}));
}

TEST_CASE("apply: impossible releases and channel moves are corrupt") {
  Book book = with_one_release();
  std::string tag = book.registry.live("production");
  Release release = book.registry.release(tag)->release;
  CHECK(refused(book, release));
  release.manifest = "{}";
  CHECK(refused(book, release));
  release = full_release();
  release.manifest_sha256 = sha256("else");
  CHECK(refused(book, release));
  CHECK(refused(book, ReleaseBuilt{"x", sha256("i")}));
  CHECK(refused(book, ChannelMove{"production", "", tag, "", "", false}));
  CHECK(refused(book, ChannelMove{"production", tag, "x", "", "", false}));
  CHECK(refused(book, ChannelMove{"", "", tag, "", "", false}));
  CHECK(refused(book, ReleaseWithdrawn{"x", "production", "", "", false}));
  CHECK(refused(book, ReleaseWithdrawn{tag, "production", "", "", true}));
  book.add(ReleaseBuilt{tag, sha256("i")});
  book.add(ReleaseBuilt{tag, sha256("i")});
  CHECK(refused(book, ReleaseBuilt{tag, sha256("other")}));
  CHECK(*book.registry.release(tag)->image == sha256("i"));
}

TEST_CASE("apply: marks are kept per channel, replaced and lifted") {
  Book book = with_one_release();
  book.add(Withdrawal{"m", 1, "production", "ann", "one", false});
  book.add(Withdrawal{"m", 1, "production", "bob", "two", false});
  book.add(Withdrawal{"m", 1, "", "eve", "three", false});
  CHECK(book.registry.model("m")->withdrawals.size() == 2);
  CHECK(book.registry.model("m")->withdrawn(1, "staging")->who == "eve");
  book.add(Withdrawal{"m", 1, "", "eve", "sorry", true});
  CHECK(book.registry.model("m")->withdrawn(1, "staging") == nullptr);
  CHECK(book.registry.model("m")->withdrawn(1, kChampion) == nullptr);
  CHECK(book.registry.model("m")->withdrawn(1, "production")->who == "bob");
}
