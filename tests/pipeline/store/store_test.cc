#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/store/artifact_store.h"
#include "pipeline/store/sqlite_store.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

// The files of SQLite, but a log is opened for reading only, as where opening it for writing fails
// just once.
int open_log_for_reading(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags,
                         int* out) {
  auto* real = static_cast<sqlite3_vfs*>(vfs->pAppData);
  const int code = real->xOpen(real, name, file, flags, out);
  if (code == SQLITE_OK && (flags & SQLITE_OPEN_WAL) && out) {
    *out = (*out & ~SQLITE_OPEN_READWRITE) | SQLITE_OPEN_READONLY;
  }
  return code;
}

}  // namespace

TEST_CASE("a store whose log could be opened for reading only is not taken for one that works") {
  TempFolder folder;
  Database first(folder.path() / "state.db");
  sqlite3_vfs* real = sqlite3_vfs_find(nullptr);
  sqlite3_vfs odd = *real;
  odd.zName = "log-for-reading";
  odd.pAppData = real;
  odd.xOpen = open_log_for_reading;
  REQUIRE(sqlite3_vfs_register(&odd, 1) == SQLITE_OK);
  CHECK_THROWS_WITH(Database(folder.path() / "state.db"),
                    Catch::Contains("cannot open") && Catch::Contains("only for reading"));
  sqlite3_vfs_unregister(&odd);
  Database again(folder.path() / "state.db");
  SqliteStore(again).set("cursor/tables", "abc");
  // Nor is one that somebody writes to just now.
  first.begin();
  SqliteStore(first).set("cursor/code", "def");
  Database beside(folder.path() / "state.db");
  CHECK(SqliteStore(beside).get("cursor/tables") == "abc");
  first.rollback();
}

TEST_CASE("what a turn wrote is there after it, and nothing of a rolled back one") {
  TempFolder folder;
  {
    Database db(folder.path() / "state.db");
    SqliteStore store(db);
    store.begin();
    ResultRecord result{sha256("fp"), "a1", {{"model", sha256("m")}}, {{"model", false}}};
    result.recipe = "{}";
    store.put(result);
    store.put(AttemptRecord{"a1", sha256("fp"), "r1", "train[client=x]", "m"});
    store.set("cursor/tables", "abc");
    CHECK(store.add_intent("push", "production") == store.add_intent("push", "production"));
    CHECK(store.next("attempt") == 1);
    CHECK(store.next("attempt") == 2);
    store.commit();
    store.begin();
    store.set("cursor/tables", "def");
    store.rollback();
  }
  Database db(folder.path() / "state.db");
  SqliteStore store(db);
  CHECK(store.result(sha256("fp"))->outputs.at("model") == sha256("m"));
  CHECK_FALSE(store.result(sha256("other")));
  CHECK(store.live_attempts().size() == 1);
  CHECK(store.last_attempt("", "train[client=x]")->id == "a1");
  CHECK(store.get("cursor/tables") == "abc");
  CHECK(store.all("cursor/") == std::map<std::string, std::string>{{"cursor/tables", "abc"}});
  REQUIRE(store.intents().size() == 1);
  store.done_intent(store.intents()[0].id);
  CHECK(store.intents().empty());
}

TEST_CASE("a store from a newer version is refused") {
  TempFolder folder;
  { Database(folder.path() / "s.db").execute("PRAGMA user_version=99"); }
  CHECK_THROWS_WITH(Database(folder.path() / "s.db"), Catch::Contains("newer Lockstep"));
  real_files().write_atomic(folder.path() / "bad.db", std::string(8192, 'x'));
  CHECK_THROWS_AS(Database(folder.path() / "bad.db"), Error);
}

TEST_CASE("every change of what a plan is made from gives the store another revision") {
  TempFolder folder;
  Database db(folder.path() / "s.db");
  SqliteStore store(db);
  std::set<std::string> seen = {store.revision()};
  auto changes = [&](const char* sql) {
    db.execute(sql);
    INFO(sql);
    CHECK(seen.insert(store.revision()).second);
  };
  changes("INSERT INTO results VALUES(x'01', 'a1', '{}')");
  changes("UPDATE results SET attempt = 'a2'");
  changes("INSERT OR REPLACE INTO results VALUES(x'01', 'a3', '{}')");
  changes("DELETE FROM results");
  changes("INSERT INTO attempts VALUES('a1', x'01', 'r1', 's', 3, '{}')");
  changes("UPDATE attempts SET state = 2");
  changes("DELETE FROM attempts");
  changes("INSERT INTO settings VALUES('cursor/tables', 'abc')");
  changes("INSERT OR REPLACE INTO settings VALUES('cursor/tables', 'abc')");
  changes("UPDATE settings SET value = 'def'");
  changes("DELETE FROM settings");
  changes("INSERT INTO ledger VALUES(1, 0, 'pin', 'm', '{}')");
  changes("UPDATE ledger SET time_ms = 1");
  changes("DELETE FROM ledger");
  std::string last = store.revision();
  SECTION("but not what is remembered of slices, nor the outbox") {
    SqliteSliceCache(db).update("g", "c1", {{"a", {{sha256("a"), 1}, "1"}}}, true);
    store.add_intent("publish", "production");
    CHECK(store.revision() == last);
  }
  SECTION("and a turn that is rolled back leaves the one there was") {
    store.begin();
    store.set("planned", "1");
    CHECK(store.revision() != last);
    store.rollback();
    CHECK(store.revision() == last);
  }
}

TEST_CASE("a transaction of which a write failed is not committed, whoever caught the error") {
  Database db(":memory:");
  SqliteStore store(db);
  store.begin();
  store.set("planned", "1");
  db.execute("PRAGMA query_only=ON");  // refuses writes, as a full disk does
  CHECK_THROWS_AS(store.set("held", "1"), Error);
  db.execute("PRAGMA query_only=OFF");
  store.set("held", "2");
  CHECK_THROWS_WITH(store.commit(), Catch::Contains("nothing of it was"));
  CHECK_FALSE(db.in_transaction());
  CHECK(store.get("planned").empty());
  store.begin();
  store.set("planned", "1");
  store.commit();
  CHECK(store.get("planned") == "1");
}

TEST_CASE("a store of version 1 is brought forward with what it holds") {
  TempFolder folder;
  {
    Database db(folder.path() / "s.db");
    SqliteStore(db).set("cursor/tables", "abc");
    SqliteSliceCache(db).update("g", "c1", {{"a", {{sha256("a"), 1}, "1"}}}, true);
    std::string triggers;
    {
      Statement row = db.prepare(
          "SELECT group_concat('DROP TRIGGER ' || name, ';') "
          "FROM sqlite_master WHERE type = 'trigger'");
      REQUIRE(row.step());
      triggers = row.text(0);
    }
    db.execute((triggers +
                "; DROP INDEX attempts_by_run; DROP TABLE events; DROP TABLE revision; DROP TABLE "
                "slice_sums; DROP TABLE snapshots; "
                "PRAGMA user_version=1")
                   .c_str());
  }
  Database db(folder.path() / "s.db");
  SqliteStore store(db);
  CHECK(store.get("cursor/tables") == "abc");
  CHECK(SqliteSliceCache(db).tip("g").empty());
  std::string before = store.revision();
  store.set("cursor/tables", "def");
  CHECK(store.revision() != before);
}

TEST_CASE("a store of version 2 is brought forward, and knows the slices it knew") {
  TempFolder folder;
  {
    Database db(folder.path() / "s.db");
    SqliteStore(db).set("cursor/tables", "abc");
    SqliteSliceCache(db).update("g", "c1", {{"a", {{sha256("a"), 1}, "1"}}}, true);
    db.execute(
        "DROP INDEX attempts_by_run; DROP TABLE events; DROP TABLE snapshots; PRAGMA "
        "user_version=2");
  }
  Database db(folder.path() / "s.db");
  CHECK(SqliteStore(db).get("cursor/tables") == "abc");
  CHECK(SqliteSliceCache(db).tip("g") == "c1");
  CHECK(SqliteSnapshotIndex(db).every_snapshot().empty());
}

TEST_CASE("snapshots of a slice: the newest deliveries first, no more than asked for") {
  TempFolder folder;
  const Digest slice = sha256("slice"), other = sha256("other");
  {
    Database db(folder.path() / "s.db");
    SqliteSnapshotIndex index(db);
    const std::string revision = SqliteStore(db).revision();
    index.remember(slice, {"c1", {sha256("1")}, 5000}, 2);
    index.remember(slice, {"c2", {sha256("2"), sha256("held out")}, 5000}, 2);
    index.remember(other, {"c2", {sha256("2")}, 1}, 2);
    index.remember(slice, {"c3", {sha256("3")}, 10}, 2);  // the clock went back
    CHECK(SqliteStore(db).revision() == revision);        // no plan is made from them
  }
  Database db(folder.path() / "s.db");
  SqliteSnapshotIndex index(db);
  auto commits = [&] {
    std::string out;
    for (const KeptSnapshot& one : index.snapshots(slice)) out += one.commit + " ";
    return out;
  };
  CHECK(commits() == "c3 c2 ");
  CHECK(index.snapshots(slice)[1].parts == std::vector<Digest>{sha256("2"), sha256("held out")});
  index.remember(slice, {"c2", {sha256("2")}, 6000}, 2);  // delivered again
  CHECK(commits() == "c2 c3 ");
  CHECK(index.every_snapshot().size() == 3);
  index.forget(slice, "c2");
  CHECK(commits() == "c3 ");
  CHECK(index.snapshots(other).size() == 1);
}

TEST_CASE("damaged bytes are dropped, whole ones stay") {
  TempFolder folder;
  ArtifactStore artifacts(folder.path() / "artifacts");
  const Digest digest = artifacts.put("some bytes");
  CHECK_FALSE(artifacts.drop_damaged(digest));
  CHECK(artifacts.get(digest) == "some bytes");
  fs::permissions(artifacts.path(digest), fs::perms::owner_all);
  real_files().write_atomic(artifacts.path(digest), "other bytes");
  CHECK(artifacts.drop_damaged(digest));
  CHECK_FALSE(artifacts.has(digest));
  CHECK(artifacts.drop_damaged(digest));
  artifacts.put("some bytes");
  CHECK(artifacts.get(digest) == "some bytes");
}

TEST_CASE("artifacts that were seen are there for as long as they are") {
  struct Later : Clock {
    int64_t ahead_ms = 0;
    int64_t now_ms() override { return SystemClock().now_ms() + ahead_ms; }
  } clock;
  TempFolder folder;
  ArtifactStore artifacts(folder.path() / "artifacts");
  SeenArtifacts seen(artifacts, clock);
  const Digest one = sha256("one");
  CHECK_FALSE(seen.has(one));
  artifacts.put("one");
  CHECK(seen.has(one));  // within one look, too
  // Right after a change another one may have the same time: nothing is taken for granted.
  fs::remove(artifacts.path(one));
  seen.look_again();
  CHECK_FALSE(seen.has(one));
  artifacts.put("one");
  for (int64_t ahead_ms : {0, 60'000, 120'000}) {
    clock.ahead_ms = ahead_ms;
    seen.look_again();
    CHECK(seen.has(one));
  }
  SECTION("a file that somebody removes") {
    fs::remove(artifacts.path(one));
  }
  SECTION("a folder that somebody removes") {
    fs::remove_all(artifacts.path(one).parent_path());
  }
  SECTION("a folder in another's place") {
    const fs::path place = artifacts.path(one).parent_path();
    fs::rename(place, folder.path() / "away");
    fs::create_directory(place);
  }
  SECTION("one that is removed as it should be") {
    artifacts.remove(one);
  }
  seen.look_again();
  CHECK_FALSE(seen.has(one));
}

TEST_CASE("artifacts that come or go move the stamp") {
  TempFolder folder;
  ArtifactStore artifacts(folder.path() / "artifacts");
  int64_t newest_ns = 0;
  std::set<std::string> seen = {artifacts.stamp(&newest_ns)};
  Digest one = artifacts.put("one");
  CHECK(seen.insert(artifacts.stamp(&newest_ns)).second);
  CHECK(newest_ns > 0);
  usleep(30'000);  // more than a tick of the file system's clock
  Digest two = artifacts.put("two");
  CHECK(seen.insert(artifacts.stamp(&newest_ns)).second);
  usleep(30'000);
  artifacts.remove(one);
  CHECK(seen.insert(artifacts.stamp(&newest_ns)).second);
  CHECK_FALSE(seen.insert(artifacts.stamp(&newest_ns)).second);
  usleep(30'000);
  fs::remove(artifacts.path(two));  // by whatever program
  CHECK(seen.insert(artifacts.stamp(&newest_ns)).second);
}

TEST_CASE("slice states are replaced or updated by value") {
  Database db(":memory:");
  SqliteSliceCache cache(db);
  SliceSummary a{sha256("a"), 1}, b{sha256("b"), 2}, c{sha256("c"), 3};
  std::string odd("c\0d", 3);
  cache.update("g", "c1", {{"a", {a, "1"}}, {"b", {b, "2"}}}, true);
  cache.update("g", "c2", {{"a", {}}, {odd, {c, "3"}}}, false);
  CHECK(cache.tip("g") == "c2");
  CHECK(cache.summaries("g") == std::map<std::string, SliceSummary>{{"b", b}, {odd, c}});
  CHECK(cache.state("g", odd) == "3");
  CHECK(cache.state("g", "a").empty());
  CHECK(cache.summaries("other").empty());
  cache.update("g", "c3", {{"a", {a, "1"}}}, true);
  CHECK(cache.summaries("g") == std::map<std::string, SliceSummary>{{"a", a}});
  CHECK(cache.state("g", odd).empty());
}

TEST_CASE("artifacts are named by their bytes and verified on read") {
  TempFolder folder;
  ArtifactStore store(folder.path() / "artifacts");
  Digest digest = store.put("hello");
  CHECK(digest == sha256("hello"));
  CHECK(store.get(digest) == "hello");
  CHECK(store.put("hello") == digest);
  real_files().write_atomic(folder.path() / "file", std::string(3 << 20, 'z'));
  Digest large = store.put_file(folder.path() / "file");
  CHECK(store.size(large) == 3 << 20);
  chmod(store.path(digest).c_str(), 0644);
  real_files().write_atomic(store.path(digest), "hellO");
  CHECK_THROWS_WITH(store.get(digest), Catch::Contains("damaged"));
  store.remove(digest);
  CHECK_FALSE(store.has(digest));
  CHECK_THROWS_AS(store.get(digest), Error);
}
