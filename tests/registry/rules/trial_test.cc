// What is tried leaves no trace, whatever it was, and looks meanwhile as if it had been done.
#include "registry/rules/trial.h"

#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

// Everything that a move can change.
std::string written(const Registry& registry) {
  Json all = {{"seq", registry.last_seq}, {"time", registry.last_time_ms}};
  for (const auto& [name, model] : registry.models) {
    Json& one = all["models"][name];
    one["aliases"] = model.aliases;
    for (const Moved& moved : model.moves) one["moves"].push_back(fact_json(moved.move));
    for (const auto& [alias, pin] : model.pins) one["pins"].push_back(fact_json(pin));
    for (const auto& [alias, at] : model.pinned_at) one["pinned_at"][alias] = at.seq;
    for (const Withdrawal& mark : model.withdrawals) one["marks"].push_back(fact_json(mark));
    for (const auto& [number, fact] : model.approvals) one["approved"].push_back(fact_json(fact));
  }
  for (const auto& [md5, contents] : registry.releases) {
    for (const ReleaseState& state : contents) {
      Json& one = all["releases"][md5][state.release.tag];
      one["manifest"] = manifest_of(state.release);
      for (const auto& [channel, mark] : state.withdrawn) one["marks"].push_back(fact_json(mark));
    }
  }
  for (const auto& [channel, moves] : registry.channels) {
    for (const ChannelMoved& moved : moves) all["channels"][channel].push_back(moved.move.to);
  }
  return all.dump();
}

// Tries them, compares with what they do, and does them.
void try_and_do(Book& book, const std::vector<Fact>& facts) {
  const std::string before = written(book.registry);
  std::string tried;
  {
    Trial trial(book.registry);
    trial.apply(facts);
    CHECK(written(book.registry) != before);
    tried = written(book.registry);
  }
  CHECK(written(book.registry) == before);
  book.now_ms = std::max(book.now_ms, book.registry.last_time_ms);
  book.add(facts);
  CHECK(written(book.registry) == tried);
}

std::vector<Fact> and_cut(Book& book, std::vector<Fact> facts, bool as_built = false) {
  CutRequest request = book.request();
  request.as_built = as_built;
  Trial trial(book.registry);
  trial.apply(facts);
  for (Fact& fact : cut_release(book.registry, request).facts) facts.push_back(std::move(fact));
  return facts;
}

}  // namespace

TEST_CASE("trial: cuts, rollbacks, pins and marks are tried and leave nothing") {
  Book book;
  for (const char* model : {"a", "b", "c"}) book.train(model, "1");
  try_and_do(book, and_cut(book, {}));  // the first of its channel
  book.train("a", "2");
  try_and_do(book, and_cut(book, {}));
  try_and_do(book,
             and_cut(book, roll_back_model(book.registry, book.back("a"), has_all).facts, true));
  try_and_do(book, unpin(book.registry, "a", "", "ann", "all is well"));
  RollbackRequest forward = book.back("a");
  forward.to = 2;  // lifts a mark
  try_and_do(book, and_cut(book, roll_back_model(book.registry, forward, has_all).facts, true));
  book.train("b", "2");
  try_and_do(book, and_cut(book, {}));
  try_and_do(book, roll_back_release(book.registry, book.back_release(), has_all).facts);
  const std::string first = book.registry.channels.at("production").front().move.to;
  ReleaseRollbackRequest again = book.back_release(first);
  try_and_do(book, roll_back_release(book.registry, again, has_all).facts);
  CutRequest today = book.request();
  today.base = "sha256:base";
  try_and_do(book, rebuild_release(book.registry, today, "a base").facts);  // another content
  try_and_do(book, {AliasMove{"c", "production", 1, 0, "ann", "gone"}});
  try_and_do(book, {Approval{"c", 1, "basis", "ann", ""}});
  try_and_do(book, {Approval{"c", 1, "another", "bob", ""}});
}

TEST_CASE("trial: what is refused on the way leaves nothing either") {
  Book book;
  book.train("a", "1");
  book.cut();
  const std::string before = written(book.registry);
  auto refused = [&](const Fact& last) {
    Trial trial(book.registry);
    trial.apply({AliasMove{"a", "canary", 0, 1, "ann", "promoted"}, last});
  };
  CHECK_THROWS_AS(refused(AliasMove{"a", "production", 7, 1, "ann", "from elsewhere"}), Error);
  CHECK_THROWS_AS(refused(AliasMove{"nobody", "production", 0, 1, "ann", "promoted"}), Error);
  CHECK_THROWS_AS(refused(Unpin{"a", "production", "ann", "was not"}), Error);
  CHECK_THROWS_AS(refused(ChannelMove{"production", "", "none", "ann", "cut", false}), Error);
  CHECK_THROWS_AS(refused(Retired{"a", true, "is no move"}), Error);
  CHECK(written(book.registry) == before);
}
