#include <sqlite3.h>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/store/sqlite_store.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

// tests/pipeline/store/fixtures: what the last program of each format left.
void put_fixture(const fs::path& file, int version) {
  const std::string sql =
      real_files().read(fs::path(LOCKSTEP_SOURCE_DIR) / "tests/pipeline/store/fixtures" /
                        ("v" + std::to_string(version) + ".sql"));
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &db) == SQLITE_OK);
  REQUIRE(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(db);
}

int64_t number(Database& db, const std::string& sql) {
  Statement row = db.prepare(sql);
  return row.step() ? row.number(0) : -1;
}

}  // namespace

TEST_CASE("a store of every older format opens with all that was in it") {
  const int version = GENERATE(1, 2, 3, 4);
  CAPTURE(version);
  TempFolder folder;
  const fs::path file = folder.path() / "state.db";
  put_fixture(file, version);
  {
    Database db(file);
    SqliteStore store(db);
    CHECK(number(db, "PRAGMA user_version") == 5);
    CHECK(number(db, "PRAGMA auto_vacuum") == 2);
    CHECK(db.problems().empty());
    const std::vector<RunRecord> runs = store.runs(10);
    REQUIRE(runs.size() == 2);
    CHECK(runs[0].id == "r2");
    CHECK(runs[1].trigger == "first");
    CHECK(store.attempt(store.last_attempt("", "train[client=client-1]")->id)->context.is_object());
    CHECK(number(db, "SELECT COUNT(*) FROM ledger") == 15);
    CHECK(number(db, "SELECT COUNT(*) FROM results") == 3);
    CHECK(store.get("counter/run") == "2");
    store.begin();
    CHECK(store.next("run") == 3);
    store.commit();
    CHECK_FALSE(store.revision().empty());
  }
  const fs::path kept = folder.path() / ("state.db.v" + std::to_string(version));
  REQUIRE(fs::exists(kept));
  sqlite3* old = nullptr;
  REQUIRE(sqlite3_open(kept.c_str(), &old) == SQLITE_OK);
  sqlite3_stmt* row = nullptr;
  REQUIRE(sqlite3_prepare_v2(old, "PRAGMA user_version", -1, &row, nullptr) == SQLITE_OK);
  CHECK(sqlite3_step(row) == SQLITE_ROW);
  CHECK(sqlite3_column_int(row, 0) == version);
  sqlite3_finalize(row);
  sqlite3_close(old);
  Database again(file);  // migrates nothing the second time
  CHECK(number(again, "SELECT COUNT(*) FROM runs") == 2);
}

TEST_CASE("a store of a newer format is refused with the way out") {
  TempFolder folder;
  const fs::path file = folder.path() / "state.db";
  { Database(file).execute("PRAGMA user_version=99"); }
  try {
    Database db(file);
    FAIL("opened");
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kConflict);
    CHECK_THAT(error.message, Catch::Contains("newer Lockstep (store version 99"));
    CHECK_THAT(error.hint, Catch::Contains("state.db.v5"));
  }
}

TEST_CASE(
    "runs beyond what is kept go with their attempts; what is needed stays; the file shrinks") {
  TempFolder folder;
  const fs::path file = folder.path() / "state.db";
  Database db(file);
  SqliteStore store(db);
  constexpr int kRuns = 2'000;
  store.begin();
  for (int i = 1; i <= kRuns; ++i) {
    const std::string run = "r" + std::to_string(i), id = "a" + std::to_string(i);
    const Digest fingerprint = sha256(id);
    AttemptRecord attempt{id, fingerprint, run, "train"};
    attempt.state = AttemptState::kSucceeded;
    attempt.context = {{"filling", std::string(500, 'x')}};
    store.put(attempt);
    store.put(ResultRecord{fingerprint, id});
    store.put(RunRecord{run, "data", "done", {}, Json::object(), i, i == 7 ? 0 : i});
  }
  store.commit();
  const int64_t pages = number(db, "PRAGMA page_count");
  SqliteStore::Trim trim;
  trim.keep = 100;
  trim.most = 500;
  trim.needed = [](const Digest& fingerprint) { return fingerprint == sha256("a3"); };
  size_t runs = 1, all = 0, attempts = 0;
  while (runs > 0) {
    store.begin();
    attempts += store.trim(trim, &runs).size();
    all += runs;
    store.commit();
  }
  CHECK(all == kRuns - 100 - 1);           // r7 is not over
  CHECK(attempts == kRuns - 100 - 1 - 1);  // a3 is needed
  CHECK(store.attempt("a3"));
  CHECK(store.result(sha256("a3")));
  CHECK_FALSE(store.result(sha256("a4")));
  CHECK(store.run("r7"));
  CHECK(store.runs(1'000, "r1950").front().id == "r1949");
  CHECK(store.runs(1)[0].id == "r2000");
  while (db.shrink(200) > 0) {
  }
  CHECK(number(db, "PRAGMA page_count") < pages / 4);
}

TEST_CASE(
    "by age: what finished before the time, never the newest run or a step's newest attempt") {
  TempFolder folder;
  Database db(folder.path() / "state.db");
  SqliteStore store(db);
  store.begin();
  for (int i = 1; i <= 3; ++i) {
    const std::string id = "a" + std::to_string(i);
    AttemptRecord attempt{id, sha256(id), "r" + std::to_string(i), i == 1 ? "rare" : "train"};
    attempt.state = AttemptState::kFailed;
    store.put(attempt);
    store.put(RunRecord{"r" + std::to_string(i), "data", "failed", {}, Json::object(), i, i});
  }
  SqliteStore::Trim trim;
  trim.most = 10;
  trim.before_ms = 1'000;
  trim.needed = [](const Digest&) { return false; };
  size_t runs = 0;
  CHECK(store.trim(trim, &runs) == std::vector<std::string>{"a2"});
  CHECK(runs == 2);
  store.commit();
  CHECK(store.runs(10).size() == 1);
  CHECK(store.attempt("a1"));  // else it would be tried again by itself
  CHECK(store.attempt("a3"));
}

TEST_CASE("a copy is the state at one transaction's end, while others write") {
  TempFolder folder;
  Database db(folder.path() / "state.db"), other(folder.path() / "state.db");
  SqliteStore store(db);
  store.begin();
  store.set("a", "1");
  store.commit();
  store.begin();
  store.set("a", "2");
  other.copy_to(folder.path() / "copy.db");
  store.commit();
  Database copy(folder.path() / "copy.db");
  CHECK(SqliteStore(copy).get("a") == "1");
  CHECK(copy.problems().empty());
}
