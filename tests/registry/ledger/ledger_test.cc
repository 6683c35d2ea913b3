#include "registry/ledger/ledger.h"

#include <ctime>

#include "pipeline/base/files.h"
#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

struct File {
  TempFolder folder;
  fs::path path = folder.path() / "state.db";
};

std::string message_of_load(Database& db) {
  return message_of([&] { Ledger(db).load(); });
}

// A story with every decision: 3 models, cuts, rollbacks. Appended turn by turn.
void tell(Database& db, Book& book) {
  Ledger ledger(db);
  auto turn = [&](const std::vector<Fact>& facts) {
    db.begin();
    for (const Entry& entry : ledger.append(facts, book.now_ms += 10)) book.registry.apply(entry);
    db.commit();
  };
  for (const char* model : {"a", "b", "c"}) {
    book.produced.insert(model);
    for (const char* input : {"one", "two"}) {
      turn(decide(book.registry, {Book::made(model, input, input), {}, "lockstep", 0}).facts);
      turn(cut_release(book.registry, book.request()).facts);
    }
  }
  turn(roll_back_model(book.registry, book.back("a"), has_all).facts);
  turn(roll_back_release(book.registry, book.back_release(), has_all).facts);
  turn(unpin_channel(book.registry, "production", "ann", "over"));
}

}  // namespace

TEST_CASE("ledger: what was appended is there after opening the file again") {
  File file;
  Book book;
  {
    Database db(file.path);
    tell(db, book);
  }
  Database db(file.path);
  Registry loaded = Ledger(db).load();
  CHECK(loaded.last_seq == book.registry.last_seq);
  CHECK(loaded.last_time_ms == book.registry.last_time_ms);
  CHECK(loaded.live("production") == book.registry.live("production"));
  CHECK(loaded.releases.size() == book.registry.releases.size());
  CHECK(loaded.models.size() == 3);
  for (const auto& [name, model] : book.registry.models) {
    CHECK(loaded.model(name)->aliases == model.aliases);
    CHECK(loaded.model(name)->moves.size() == model.moves.size());
    CHECK(loaded.model(name)->pins.size() == model.pins.size());
    CHECK(loaded.model(name)->withdrawals.size() == model.withdrawals.size());
  }
  // The same question has the same answer.
  CHECK(cut_release(loaded, book.request()).tag == cut_release(book.registry, book.request()).tag);
}

TEST_CASE("ledger: numbers run on, and time never goes back") {
  File file;
  Database db(file.path);
  Ledger ledger(db);
  Version version = Book::made("m", "one", "bytes");
  version.number = 1;
  CHECK(ledger.append(version, 5'000).seq == 1);
  Entry earlier = ledger.append(AliasMove{"m", kChampion, 0, 1, "", ""}, 4'000);
  CHECK(earlier.seq == 2);
  CHECK(earlier.time_ms == 5'000);
  CHECK(ledger.append(Retired{"m", true, ""}, 6'000).time_ms == 6'000);
  CHECK(ledger.load().last_time_ms == 6'000);
}

TEST_CASE("ledger: an append belongs to the caller's transaction") {
  File file;
  Database db(file.path);
  Ledger ledger(db);
  Version version = Book::made("m", "one", "bytes");
  version.number = 1;
  db.begin();
  ledger.append(version, 1);
  db.rollback();
  CHECK(ledger.load().models.empty());
  db.begin();
  CHECK(ledger.append(version, 1).seq == 1);
  db.commit();
  CHECK(Ledger(db).load().models.size() == 1);
}

TEST_CASE("ledger: entries are read in pages") {
  File file;
  Database db(file.path);
  Book book;
  tell(db, book);
  Ledger ledger(db);
  size_t seen = 0;
  int64_t after = 0;
  for (std::vector<Entry> page; !(page = ledger.read(after, 7)).empty(); seen += page.size()) {
    CHECK(page.size() <= 7);
    CHECK(page.front().seq == after + 1);
    after = page.back().seq;
  }
  CHECK(static_cast<int64_t>(seen) == book.registry.last_seq);
}

TEST_CASE("ledger: text that is not UTF-8 is refused and nothing is written") {
  File file;
  Database db(file.path);
  Ledger ledger(db);
  CHECK_THROWS_AS(ledger.append(Retired{"m", true, "\xff"}, 1), Error);
  CHECK(ledger.read(0, 10).empty());
}

TEST_CASE("ledger: names and reasons with quotes, zeros and SQL come back as they were") {
  File file;
  Database db(file.path);
  Ledger ledger(db);
  std::string hostile = std::string("'); DROP TABLE ledger; --\0\"\n", 28) + "é😀";
  Version version = Book::made(hostile, "one", "bytes");
  version.number = 1;
  ledger.append(version, 1);
  ledger.append(Retired{hostile, true, hostile}, 1);
  CHECK(ledger.load().model(hostile)->retired);
}

TEST_CASE("ledger: a damaged or impossible entry is corrupt and named") {
  for (const char* damage :
       {"UPDATE ledger SET body = 'x' WHERE seq = 3", "UPDATE ledger SET body = '{}' WHERE seq = 3",
        "UPDATE ledger SET body = substr(body, 1, 20) WHERE seq = 3",
        "UPDATE ledger SET body = '{\"kind\":\"new\"}' WHERE seq = 3",
        "UPDATE ledger SET body = (SELECT body FROM ledger WHERE seq = 1) WHERE seq = 3",
        "UPDATE ledger SET time_ms = 0 WHERE seq = 3"}) {
    CAPTURE(damage);
    File file;
    Database db(file.path);
    Book book;
    tell(db, book);
    db.execute(damage);
    std::string message = message_of_load(db);
    CHECK(message.starts_with("corrupt: ledger entry 3"));
  }
}

TEST_CASE("ledger: ten thousand entries load quickly") {
  File file;
  Database db(file.path);
  Ledger ledger(db);
  db.begin();
  for (int number = 1; number <= 50; ++number) {
    for (int m = 0; m < 100; ++m) {
      std::string model = "client-" + std::to_string(m);
      Version version = Book::made(model, std::to_string(number), std::to_string(number));
      version.number = number;
      version.recipe = std::string(800, 'r');
      version.slices = {{{"input", "rows"}, {"source", "data"}, {"rows", 240}}};
      ledger.append(version, number);
      ledger.append(AliasMove{model, kChampion, number - 1, number, "lockstep", "no gate"}, number);
    }
  }
  db.commit();
  std::clock_t start = std::clock();  // CPU time: neighbours do not count
  Registry registry = ledger.load();
  auto ms = static_cast<double>(std::clock() - start) * 1'000 / CLOCKS_PER_SEC;
  CHECK(registry.last_seq == 10'000);
  CHECK(registry.alias("client-7", kChampion) == 50);
  CAPTURE(ms);
  CHECK(ms < 1'500);  // about 110; sanitizers get room
}
