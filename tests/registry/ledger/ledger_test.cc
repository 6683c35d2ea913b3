#include "registry/ledger/ledger.h"

#include <fmt/format.h>

#include <ctime>
#include <random>

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

TEST_CASE("ledger: a release is kept as what differs from the one before") {
  File file;
  Database db(file.path);
  Ledger ledger(db);
  std::mt19937 chance(7);
  std::vector<ReleaseModels> all;
  Release release;
  release.channel = "production";
  for (int n = 1; n <= 120; ++n) {
    size_t changes = n == 1 ? 300 : n == 60 ? 250 : 1 + chance() % 3;
    for (size_t change = 0; change < changes; ++change) {
      std::string name = "client-" + std::to_string(n == 1 ? change : chance() % 320);
      if (n > 1 && chance() % 5 == 0) {
        release.models.erase(name);
      } else {
        release.models.put(name, {n, sha256(name + std::to_string(n))});
      }
    }
    release.manifest.clear();
    release.manifest = manifest_of(release);
    if (n == 90) release.manifest = R"({"written": "otherwise"})";
    release.tag = manifest_tag(release.manifest);
    release.manifest_sha256 = sha256(release.manifest);
    ledger.append(release, n);
    ledger.append(ChannelMove{"production", n == 1 ? "" : manifest_tag(manifest_of(release)),
                              release.tag, "lockstep", "test", false},
                  n);
    all.push_back(release.models);
  }
  std::vector<Entry> entries = ledger.read(0, 1'000);
  std::vector<Entry> later = ledger.read(200, 1'000);
  REQUIRE(entries.size() == 240);
  REQUIRE(later.size() == 40);
  for (size_t n = 0; n < all.size(); ++n) {
    const Release& read = std::get<Release>(entries[2 * n].fact);
    CHECK(read.models == all[n]);
    CHECK(manifest_tag(manifest_of(read)) == read.tag);
    if (2 * n >= 200) CHECK(std::get<Release>(later[2 * n - 200].fact).models == all[n]);
  }
  Statement size = db.prepare("SELECT sum(length(body)) FROM ledger WHERE kind = 'release'");
  REQUIRE(size.step());
  CHECK(size.number(0) < 8 * 300 * 110);  // whole: one of the first, one in 32 and the 60th
}

TEST_CASE("ledger: a release that is like something that can't be is corrupt and named") {
  for (const char* like : {"9999", "8", "3", "\"x\"", "-1"}) {
    CAPTURE(like);
    File file;
    Database db(file.path);
    Ledger ledger(db);
    Release release;
    release.channel = "production";
    for (int n = 1; n <= 9; ++n) release.models.put("m" + std::to_string(n), {1, sha256("m")});
    for (int n = 1; n <= 8; ++n) {
      release.models.put("m1", {n, sha256("m")});
      release.manifest.clear();
      release.manifest = manifest_of(release);
      release.tag = manifest_tag(release.manifest);
      release.manifest_sha256 = sha256(release.manifest);
      if (n == 3) {
        ledger.append(Renamed{"a", "b"}, n);
      } else {
        ledger.append(release, n);
      }
    }
    db.execute(fmt::format("UPDATE ledger SET body = json_set(body, '$.like', json('{}'))"
                           " WHERE seq = 8",
                           like)
                   .c_str());
    CHECK(message_of([&] { ledger.read(7, 1); }).starts_with("corrupt: ledger entry"));
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
      version.slices = Json::array({{{"input", "rows"}, {"source", "data"}, {"rows", 240}}});
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

TEST_CASE("ledger: in a long one, the entry that is damaged or can't follow is named") {
  File file;
  Database db(file.path);
  Ledger ledger(db);
  db.begin();
  constexpr int64_t kEntries = 9'000;
  for (int64_t number = 1; number <= kEntries; ++number) {
    Version version = Book::made("m", std::to_string(number), std::to_string(number));
    version.number = number;
    ledger.append(version, number);
  }
  db.commit();
  CHECK(ledger.load().model("m")->highest == kEntries);
  for (int64_t at : {int64_t{2}, int64_t{2'000}, int64_t{2'001}, int64_t{4'711}, kEntries}) {
    for (const char* damage :
         {"x", R"({"kind":"pin"})", R"({"kind":"renamed","from":"n","to":"o"})"}) {
      CAPTURE(at, damage);
      db.begin();
      db.execute(fmt::format("UPDATE ledger SET body = '{}' WHERE seq = {}", damage, at).c_str());
      CHECK(message_of_load(db).starts_with(fmt::format("corrupt: ledger entry {}", at)));
      db.rollback();
    }
  }
}
