#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

// client-3 with `versions` versions, each released; the last is champion.
Book released(int versions) {
  Book book;
  for (int i = 1; i <= versions; ++i) {
    book.train("client-3", "rows " + std::to_string(i));
    book.cut();
  }
  return book;
}

HasBytes without(const Registry& registry, std::set<int64_t> numbers) {
  std::set<Digest> gone;
  for (int64_t n : numbers) gone.insert(registry.model("client-3")->version(n)->digest);
  return [gone](const Digest& digest) { return gone.count(digest) == 0; };
}

}  // namespace

TEST_CASE("rollback: champion and channel go to the newest earlier, pinned, re-pointed") {
  Book book = released(1);
  std::string first = book.registry.live("production");
  book.train("client-3", "rows 2");
  book.cut();
  Rollback done = book.roll_back(book.back("client-3"));
  CHECK(done.from == 2);
  CHECK(done.to == 1);
  CHECK(done.moved_channels == std::vector<std::string>{"production"});
  CHECK(book.champion("client-3") == 1);
  CHECK(book.registry.alias("client-3", "production") == 1);
  CHECK(book.registry.live("production") == first);
  const ModelState& model = *book.registry.model("client-3");
  CHECK(model.withdrawn(2, kChampion)->reason == "wrong labels");
  for (const char* alias : {"champion", "production"}) {
    CHECK(model.pin(alias)->version == 1);
    CHECK(model.pin(alias)->kind == PinKind::kRollback);
  }
  CHECK(model.moves.back().move.why == "rollback: wrong labels");
  CHECK(model.moves.back().move.who == "ann");
  // The next retrain is held.
  CHECK(book.train("client-3", "rows 3").why == "pinned at version 1 by ann: wrong labels");
}

TEST_CASE("rollback: another model moved meanwhile, so the manifest is new and is built") {
  Book book = released(1);
  book.train("client-4", "one");
  book.cut();
  book.train("client-3", "rows 2");
  book.cut();
  book.train("client-4", "two");
  book.cut();
  size_t before = book.registry.releases.size();
  book.roll_back(book.back("client-3"));
  CHECK(book.registry.releases.size() == before + 1);
  CHECK(book.live_manifest() == R"({"client-3":"1","client-4":"2"})");
}

TEST_CASE("rollback: earlier follows the alias's own history, not numbers") {
  Book book = released(2);
  book.train("client-3", "rows 1");  // known fingerprint: back to 1
  book.train("client-3", "rows 3");
  CHECK(book.roll_back(book.back("client-3")).to == 1);
}

TEST_CASE("rollback: versions that never held the alias are passed over") {
  Book book = released(1);
  book.train("client-3", "rows 2", 0.1, {{"accuracy", 0.8, {}}});
  book.train("client-3", "rows 3");
  CHECK(book.champion("client-3") == 3);
  CHECK(book.roll_back(book.back("client-3")).to == 1);
}

TEST_CASE("rollback: adopted and imported versions count") {
  Book book;
  Version version = Book::made("client-3", "elsewhere", "bytes");
  version.number = 12;
  book.produced.insert("client-3");
  book.add(version);
  book.add(AliasMove{"client-3", kChampion, 0, 12, "ann", "imported"});
  book.train("client-3", "rows");
  CHECK(book.roll_back(book.back("client-3")).to == 12);
}

TEST_CASE("rollback: withdrawn versions are passed over, one after another") {
  Book book = released(3);
  CHECK(book.roll_back(book.back("client-3")).to == 2);
  // The pin of the earlier rollback is replaced.
  CHECK(book.roll_back(book.back("client-3")).to == 1);
  CHECK(book.registry.model("client-3")->pin(kChampion)->version == 1);
  std::string message = message_of([&] { book.roll_back(book.back("client-3")); });
  CHECK(
      message.starts_with("conflict: client-3 version 1 has nothing to go back to as champion: "
                          "version 2 withdrawn by ann: wrong labels; version 3 withdrawn"));
}

TEST_CASE("rollback: a version whose bytes are missing is not good") {
  Book book = released(3);
  CHECK(roll_back_model(book.registry, book.back("client-3"), without(book.registry, {2})).to == 1);
  std::string message = message_of([&] {
    roll_back_model(book.registry, book.back("client-3"), without(book.registry, {1, 2}));
  });
  CHECK(message.find("version 2 its bytes are missing") != std::string::npos);
}

TEST_CASE("rollback: nothing to go back to says so") {
  Book book = released(1);
  CHECK(
      message_of([&] { book.roll_back(book.back("client-3")); })
          .starts_with("conflict: client-3 version 1 has nothing to go back to as champion: it is "
                       "the first"));
  Book gated;
  gated.train("client-3", "rows", 0.1, {{"accuracy", 0.8, {}}});
  CHECK(message_of([&] {
          gated.roll_back(gated.back("client-3"));
        }).starts_with("conflict: client-3 has no version as champion"));
}

TEST_CASE("rollback: an explicit target lifts its mark") {
  Book book = released(2);
  book.roll_back(book.back("client-3"));
  RollbackRequest forward = book.back("client-3");
  forward.to = 2;
  forward.reason = "the labels were right";
  book.roll_back(forward);
  const ModelState& model = *book.registry.model("client-3");
  CHECK(model.alias(kChampion) == 2);
  CHECK(model.alias("production") == 2);
  CHECK(model.withdrawn(2, kChampion) == nullptr);
  CHECK(model.withdrawn(1, kChampion)->reason == "the labels were right");
}

TEST_CASE("rollback: an explicit target must exist, differ, have been live and have its bytes") {
  Book book = released(2);
  book.train("client-3", "rows 3", 0.1, {{"accuracy", 0.8, {}}});
  RollbackRequest request = book.back("client-3");
  auto message = [&](int64_t to, const HasBytes& has = has_all) {
    request.to = to;
    return message_of([&] { roll_back_model(book.registry, request, has); });
  };
  CHECK(message(9).starts_with("not_found: client-3 version 9 does not exist"));
  CHECK(message(2).starts_with("conflict: client-3 version 2 is champion already"));
  CHECK(message(3).starts_with("conflict: client-3 version 3 was never champion"));
  CHECK(message(1, without(book.registry, {1}))
            .starts_with("conflict: client-3 version 1 can't be taken: its bytes are missing"));
  CHECK(message(1) == "nothing was thrown");
}

TEST_CASE("rollback: a hand pin refuses, naming itself and --override-pins") {
  Book book = released(2);
  book.add(pin(book.registry, {"client-3", "production", 2, PinKind::kHand, "bob", "fair"}));
  RollbackRequest request = book.back("client-3");
  std::string message = message_of([&] { roll_back_model(book.registry, request, has_all); });
  CHECK(message.starts_with("denied: production of client-3 is pinned at version 2 by bob: fair"));
  CHECK(message.find("--override-pins") != std::string::npos);
  request.override_pins = true;
  book.roll_back(request);
  CHECK(book.registry.model("client-3")->pin("production")->kind == PinKind::kRollback);
}

TEST_CASE("rollback: a model that others were trained on is refused, naming them") {
  Book book = released(2);
  Version consumer = Book::made("adapter", "x", "x");
  consumer.number = 1;
  consumer.upstreams = Json::array({{{"input", "trunk"},
                                     {"model", "client-3"},
                                     {"version", 2},
                                     {"digest", sha256("client-3/rows 2").str()}}});
  book.add(consumer);
  RollbackRequest request = book.back("client-3");
  CHECK(consumers_of(book.registry, "client-3").empty());
  book.add(AliasMove{"adapter", kChampion, 0, 1, "lockstep", "no gate"});
  request.consumers = consumers_of(book.registry, "client-3");
  std::string message = message_of([&] { roll_back_model(book.registry, request, has_all); });
  CHECK(message.starts_with("denied: client-3 is what others were trained on: adapter"));
  CHECK(message.find("--with-dependents") != std::string::npos);
  book.add(Retired{"adapter", true, "gone"});
  CHECK(consumers_of(book.registry, "client-3").empty());
}

TEST_CASE("rollback: in one channel only, champion and other channels stay") {
  Book book = released(2);
  book.channels = {"production", "staging"};
  book.cut("staging");
  RollbackRequest request = book.back("client-3");
  request.channels = book.channels;
  request.channel = "production";
  Rollback done = book.roll_back(request);
  CHECK(done.moved_channels == std::vector<std::string>{"production"});
  CHECK(book.champion("client-3") == 2);
  CHECK(book.registry.alias("client-3", "staging") == 2);
  CHECK(book.registry.alias("client-3", "production") == 1);
  const ModelState& model = *book.registry.model("client-3");
  CHECK(model.withdrawn(2, "production") != nullptr);
  CHECK(model.withdrawn(2, "staging") == nullptr);
  CHECK(model.withdrawn(2, kChampion) == nullptr);
  CHECK(model.pin(kChampion) == nullptr);
  // Without the pin the mark still holds it back, in that channel only.
  book.add(unpin_channel(book.registry, "production", "ann", ""));
  CHECK(book.cut("production").held_back.size() == 1);
  CHECK(book.registry.alias("client-3", "production") == 1);
}

TEST_CASE("rollback: every channel that carries the bad version moves, others stay") {
  Book book = released(2);
  book.channels = {"production", "slow", "staging"};
  book.add(AliasMove{"client-3", "slow", 0, 1, "lockstep", "promoted"});
  book.add(AliasMove{"client-3", "staging", 0, 2, "lockstep", "promoted"});
  Rollback done = roll_back_model(book.registry, book.back("client-3"), has_all);
  CHECK(done.moved_channels == std::vector<std::string>{"production", "staging"});
  book.add(done.facts);
  CHECK(book.registry.model("client-3")->pin("slow") == nullptr);
}

TEST_CASE("rollback: a version withdrawn in a channel that must move is not good") {
  Book book = released(3);
  book.add(Withdrawal{"client-3", 2, "production", "bob", "slow", false});
  CHECK(book.roll_back(book.back("client-3")).to == 1);
}

TEST_CASE("rollback: what can't be asked is refused") {
  Book book = released(2);
  RollbackRequest request = book.back("nobody");
  CHECK(message_of([&] {
          roll_back_model(book.registry, request, has_all);
        }).starts_with("not_found: no model is called nobody"));
  request = book.back("client-3");
  request.reason = "";
  CHECK(message_of([&] {
          roll_back_model(book.registry, request, has_all);
        }).starts_with("invalid: a rollback needs a reason"));
  request = book.back("client-3");
  request.channel = "elsewhere";
  CHECK(message_of([&] {
          roll_back_model(book.registry, request, has_all);
        }).starts_with("not_found: no channel is called elsewhere"));
}

TEST_CASE("rollback: the release is re-pointed as it was built, whatever the base is today") {
  Book book = released(1);
  std::string first = book.registry.live("production");
  book.train("client-3", "rows 2");
  CutRequest today = book.request();
  today.base = "sha256:feed";
  book.cut(today);
  Rollback done = roll_back_model(book.registry, book.back("client-3"), has_all);
  book.add(done.facts);
  CutRequest after = today;
  after.as_built = true;
  Cut cut = book.cut(after);
  CHECK(cut.tag == first);
  CHECK_FALSE(cut.built_new);
  // A later cut of the same manifest leaves it, and says that the base differs.
  Cut later = book.cut(today);
  CHECK(later.facts.empty());
  CHECK(later.tag == first);
  CHECK(later.held_back.back().find("release rebuild") != std::string::npos);
  // Asked for by name, it is rebuilt.
  Cut rebuilt = rebuild_release(book.registry, today, "new base");
  CHECK(rebuilt.tag.starts_with(first + "-"));
}

TEST_CASE("rollback: of several contents the one last live in the channel") {
  Book book = released(1);
  CutRequest other = book.request();
  other.base = "sha256:feed";
  Cut rebuilt = rebuild_release(book.registry, other, "new base");
  book.add(rebuilt.facts);
  book.train("client-3", "rows 2");
  book.cut(other);
  book.roll_back(book.back("client-3"));
  CHECK(book.registry.live("production") == rebuilt.tag);
}
