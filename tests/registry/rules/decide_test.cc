#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

const std::vector<Bound> kGate = {{"accuracy", 0.8, std::nullopt}};

Candidate candidate(const Version& version, const std::vector<Bound>& gate = {}) {
  return {version, gate, "lockstep", 0};
}

}  // namespace

TEST_CASE("decide: without a gate a new version moves") {
  Book book;
  Decision first = book.train("m", "one");
  CHECK(first.version == 1);
  CHECK(first.moved);
  CHECK(first.why == "no gate");
  CHECK(book.champion("m") == 1);
  CHECK(count<GateReport>(first.facts) == 0);
}

TEST_CASE("decide: a passed gate moves and is kept") {
  Book book;
  Decision first = book.train("m", "one", 0.8, kGate);
  CHECK(first.moved);
  CHECK(first.why == "gate passed");
  CHECK(book.registry.model("m")->gates.at(1).passed);
}

TEST_CASE("decide: a failed gate is a result: the version exists, the alias stays") {
  Book book;
  book.train("m", "one", 0.9, kGate);
  Decision second = book.train("m", "two", 0.71, kGate);
  CHECK(second.version == 2);
  CHECK_FALSE(second.moved);
  CHECK(second.why == "gate failed: accuracy 0.71 is below 0.8");
  CHECK(book.champion("m") == 1);
  const GateReport& report = book.registry.model("m")->gates.at(2);
  CHECK_FALSE(report.passed);
  CHECK(report.checks.json().at(0) == Json({{"metric", "accuracy"},
                                            {"value", 0.71},
                                            {"min", 0.8},
                                            {"max", nullptr},
                                            {"passed", false}}));
}

TEST_CASE("judge: every bound is checked, and all failures are named") {
  Version version = Book::made("m", "one", "x");
  version.metrics = Json::object({{"accuracy", 0.5}, {"loss", 3}});
  GateReport report = judge({{"accuracy", 0.8, {}}, {"loss", {}, 2.5}}, version);
  CHECK(report.verdict == "accuracy 0.5 is below 0.8; loss 3 is above 2.5");
  CHECK(judge({{"accuracy", 0.5, 0.5}}, version).passed);
}

TEST_CASE("judge: a metric that is missing or no number fails clearly") {
  Version version = Book::made("m", "one", "x");
  for (const Json& metrics : {Json::object(), Json({{"accuracy", "0.9"}}), Json(), Json::array()}) {
    version.metrics = metrics;
    GateReport report = judge(kGate, version);
    CHECK_FALSE(report.passed);
    CHECK(report.verdict == "metric accuracy is missing from metrics.json");
  }
}

TEST_CASE("decide: unique per model, fingerprint and digest") {
  Book book;
  book.train("m", "one");
  Decision again = book.train("m", "one");
  CHECK(again.facts.empty());
  CHECK(again.registered == 1);
  CHECK(again.why == "already champion");
  Decision other_model = book.train("n", "one");
  CHECK(other_model.version == 1);
}

TEST_CASE("decide: the same fingerprint with other bytes is a new, nondeterministic version") {
  Book book;
  book.train("m", "one");
  Decision forced = decide(book.registry, candidate(Book::made("m", "one", "other bytes")));
  book.add(forced.facts);
  CHECK(forced.registered == 2);
  CHECK(book.registry.model("m")->version(2)->nondeterministic);
  CHECK_FALSE(book.registry.model("m")->version(1)->nondeterministic);
  // Of several the champion counts, so nothing moves.
  CHECK(forced.version == 1);
  CHECK(forced.why == "already champion");
  CHECK(book.champion("m") == 1);
}

TEST_CASE("decide: of several without the champion the newest not withdrawn counts") {
  Book book;
  book.train("m", "one", 0.5, kGate);
  book.add(decide(book.registry, candidate(Book::made("m", "one", "b2", 0.5), kGate)).facts);
  book.add(decide(book.registry, candidate(Book::made("m", "one", "b3", 0.5), kGate)).facts);
  const ModelState& model = *book.registry.model("m");
  Digest fingerprint = sha256("fingerprint of one");
  CHECK(candidate_version(model, fingerprint)->number == 3);
  book.add(Withdrawal{"m", 3, "", "ann", "odd", false});
  CHECK(candidate_version(model, fingerprint)->number == 2);
  book.add(Withdrawal{"m", 1, "production", "ann", "odd", false});
  book.add(Withdrawal{"m", 2, "", "ann", "odd", false});
  CHECK(candidate_version(model, fingerprint)->number == 1);
  book.add(Withdrawal{"m", 1, "", "ann", "odd", false});
  CHECK(candidate_version(model, fingerprint)->number == 3);
  CHECK(candidate_version(model, sha256("unknown")) == nullptr);
}

TEST_CASE("decide: a known result counts only with its bytes") {
  Book book;
  book.train("m", "one");
  HasBytes none = [](const Digest&) { return false; };
  Digest fingerprint = sha256("fingerprint of one");
  CHECK(candidate_version(*book.registry.model("m"), fingerprint, none) == nullptr);
  // Trained again with other bytes: the champion whose bytes are lost gives way.
  Decision again = decide(book.registry, candidate(Book::made("m", "one", "other")), none);
  CHECK(again.version == 2);
  CHECK(again.moved);
}

TEST_CASE("decide: a champion of before takes the alias again, its bounds checked") {
  Book book;
  book.train("m", "one", 0.85, kGate);
  book.train("m", "two", 0.9, kGate);
  Decision back = book.train("m", "one", 0.85, kGate);
  CHECK(back.moved);
  CHECK(back.why == "known fingerprint");
  CHECK(book.champion("m") == 1);
  CHECK(book.registry.model("m")->moves.back().move.why == "known fingerprint");
  book.train("m", "two", 0.9, kGate);
  // Today's gate asks for more than the old champion has.
  Decision refused = book.train("m", "one", 0.85, {{"accuracy", 0.88, {}}});
  CHECK_FALSE(refused.moved);
  CHECK(refused.why == "gate failed: accuracy 0.85 is below 0.88");
  CHECK(book.champion("m") == 2);
}

TEST_CASE("decide: a withdrawn version never takes the alias by itself") {
  Book book;
  book.train("m", "one");
  book.train("m", "two");
  book.roll_back(book.back("m"));
  book.add(unpin(book.registry, "m", "", "ann", ""));
  Decision again = book.train("m", "two");
  CHECK_FALSE(again.moved);
  CHECK(again.why == "withdrawn by ann: wrong labels");
  CHECK(again.facts.empty());
  CHECK(book.champion("m") == 1);
}

TEST_CASE("decide: a pin holds the alias, the version is registered and gated") {
  Book book;
  book.train("m", "one", 0.9, kGate);
  book.add(pin(book.registry, {"m", kChampion, 1, PinKind::kHand, "ann", "fair"}));
  Decision second = book.train("m", "two", 0.95, kGate);
  CHECK(second.version == 2);
  CHECK_FALSE(second.moved);
  CHECK(second.why == "pinned at version 1 by ann: fair");
  CHECK(book.registry.model("m")->gates.at(2).passed);
  // Unpinning moves nothing; the next plan does.
  book.add(unpin(book.registry, "m", kChampion, "ann", "over"));
  CHECK(book.champion("m") == 1);
  CHECK(book.train("m", "two", 0.95, kGate).moved);
  CHECK(book.champion("m") == 2);
}

TEST_CASE("decide: deciding the same again gives no facts") {
  Book book;
  book.train("m", "one", 0.9, kGate);
  book.train("m", "two", 0.5, kGate);
  CHECK(book.train("m", "two", 0.5, kGate).facts.empty());
  // A changed gate is news once.
  CHECK(book.train("m", "two", 0.5, {{"accuracy", 0.7, {}}}).facts.size() == 1);
  CHECK(book.train("m", "two", 0.5, {{"accuracy", 0.7, {}}}).facts.empty());
}

TEST_CASE("decide: numbers are never reused, and go on above what was ever pushed") {
  Book book;
  book.train("m", "one");
  Candidate next = candidate(Book::made("m", "two", "two"));
  next.above = 41;
  CHECK(decide(book.registry, next).version == 42);
  next.above = 0;
  CHECK(decide(book.registry, next).version == 2);
}

TEST_CASE("decide: a number that the registry does not know with these bytes is refused") {
  Book book;
  Version version = Book::made("m", "one", "one");
  version.number = 7;
  CHECK_THROWS_AS(decide(book.registry, candidate(version)), Error);
}

TEST_CASE("decide: a retired model that is produced again says so") {
  Book book;
  book.train("m", "one");
  book.add(retire(book.registry, {}, "client gone"));
  CHECK(book.registry.model("m")->retired);
  CHECK(retire(book.registry, {}, "client gone").empty());
  book.train("m", "one");
  CHECK_FALSE(book.registry.model("m")->retired);
}

TEST_CASE("pin: only where the alias is, unpin only what is pinned") {
  Book book;
  book.train("m", "one");
  CHECK_THROWS_AS(pin(book.registry, {"m", kChampion, 2, PinKind::kHand, "ann", ""}), Error);
  CHECK_THROWS_AS(pin(book.registry, {"n", kChampion, 1, PinKind::kHand, "ann", ""}), Error);
  CHECK_THROWS_AS(unpin(book.registry, "m", "", "ann", ""), Error);
  CHECK_THROWS_AS(unpin_channel(book.registry, "production", "ann", ""), Error);
  book.add(pin(book.registry, {"m", "production", 0, PinKind::kHand, "ann", ""}));
  CHECK_THROWS_AS(unpin(book.registry, "m", kChampion, "ann", ""), Error);
  book.add(unpin_channel(book.registry, "production", "ann", ""));
  CHECK(book.registry.model("m")->pins.empty());
}
