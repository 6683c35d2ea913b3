#include "tests/catch.h"
#include "tests/connectors/mysql/database.h"

using namespace lockstep;

namespace {

MysqlConfig with(MysqlDatabase& db, MysqlMode mode, const std::string& column = "") {
  MysqlConfig config = db.config();
  config.tables["t"] = {mode, column};
  return config;
}

bool warned(const MysqlDatabase& db, const std::string& part) {
  for (const std::string& warning : db.warnings) {
    if (warning.find(part) != warning.npos) return true;
  }
  return false;
}

uint64_t rows_read(MysqlDatabase& db) {
  return std::stoull(
      *db.sql().value("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "
                      "WHERE VARIABLE_NAME = 'ROWS_SENT'"));
}

}  // namespace

TEST_CASE("mysql by column: adds, changes, ties", "[mysql]") {
  MysqlDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY, v INT, n INT, INDEX (n))");
  db.run("INSERT INTO t SELECT seq, 0, seq FROM seq_0_to_499");
  MysqlTableStore store(with(db, MysqlMode::kColumn, "n"));
  const std::string first = store.head();
  CHECK(store.head() == first);
  db.run("UPDATE t SET v = 7, n = 500 WHERE id = 3");
  const std::string second = store.head();
  CHECK(diff(store, "t", first, second, {"id", "v"}) == Lines{"3|0 > 3|7"});
  // The same value again, in another row and in the same one.
  db.run("INSERT INTO t VALUES (1000, 1, 500)");
  db.run("UPDATE t SET v = 8 WHERE id = 3");
  const uint64_t before = rows_read(db);
  const std::string third = store.head();
  CHECK(rows_read(db) - before < 100);
  CHECK(diff(store, "t", second, third, {"id", "v"}) == Lines{"3|7 > 3|8", "- > 1000|1"});
  CHECK(store.commit(third).message == "1 table changed\n\nt: 1 added, 1 changed (column)");
  CHECK(db.warnings.empty());
  // A write that leaves the column alone is not seen: that is what the mode can't do.
  db.run("UPDATE t SET v = 9 WHERE id = 100");
  CHECK(store.head() == third);
}

TEST_CASE("mysql by column: a count that shrank is said, and all rows are compared", "[mysql]") {
  MysqlDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY, v INT, at DATETIME(6))");
  db.run("INSERT INTO t VALUES (1, 1, NOW(6)), (2, 2, NOW(6)), (3, 3, '2020-01-01')");
  MysqlTableStore store(with(db, MysqlMode::kColumn, "at"));
  const std::string first = store.head();
  db.run("DELETE FROM t WHERE id = 3");
  db.run("UPDATE t SET v = 5, at = NOW(6) WHERE id = 1");
  const std::string second = store.head();
  CHECK(diff(store, "t", first, second, {"id", "v"}) == Lines{"1|1 > 1|5", "3|3 > -"});
  CHECK(warned(db, "table t has 2 rows where its column at says 3; it is read whole"));
  // A late commit with an earlier time, and rows without one.
  db.warnings.clear();
  db.run("INSERT INTO t VALUES (4, 4, NOW(6) - INTERVAL 5 MINUTE)");
  CHECK(read(store, store.head(), "t", {"id"}) == Lines{"1", "2", "4"});
  CHECK(db.warnings.empty());
  db.run("INSERT INTO t VALUES (5, 5, NULL)");
  CHECK(read(store, store.head(), "t", {"id"}) == Lines{"1", "2", "4", "5"});
  CHECK(warned(db, "read whole"));
}

TEST_CASE("mysql by column: other columns, other rows, no rows", "[mysql]") {
  MysqlDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY, n INT)");
  MysqlTableStore store(with(db, MysqlMode::kColumn, "n"));
  const std::string first = store.head();
  CHECK(read(store, first, "t", {"id"}).empty());
  db.run("INSERT INTO t VALUES (1, 1)");
  CHECK(read(store, store.head(), "t", {"id", "n"}) == Lines{"1|1"});
  db.run("ALTER TABLE t ADD COLUMN x VARCHAR(3) DEFAULT 'new'");
  const std::string altered = store.head();
  CHECK(read(store, altered, "t", {"x"}) == Lines{"new"});
  CHECK(code_of([&] { diff(store, "t", first, altered, {"x"}); }) == "conflict");
  CHECK(diff(store, "t", first, altered, {"n"}) == Lines{"- > 1"});
  db.run("ALTER TABLE t DROP COLUMN n");
  CHECK(code_of([&] { store.schema(store.head(), "t"); }) == "invalid");
  CHECK(store.commit(store.head()).message.find("t: can't be read: it has no column n") !=
        std::string::npos);
}

TEST_CASE("mysql by history: adds, changes, deletes, moved keys", "[mysql]") {
  MysqlDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING");
  // Long before any look.
  db.run("SET @@timestamp = UNIX_TIMESTAMP('2026-01-01')");
  db.run("INSERT INTO t SELECT seq, 0 FROM seq_0_to_299");
  db.run("SET @@timestamp = DEFAULT");
  MysqlTableStore store(with(db, MysqlMode::kVersioned));
  const std::string first = store.head();
  CHECK(store.schema(first, "t").columns.size() == 2);
  CHECK(store.schema(first, "t").key == Lines{"id"});
  CHECK(store.head() == first);
  db.run("UPDATE t SET v = 1 WHERE id = 5");
  db.run("UPDATE t SET v = 2 WHERE id = 5");
  db.run("DELETE FROM t WHERE id = 6");
  db.run("UPDATE t SET id = 1006 WHERE id = 7");
  db.run("INSERT INTO t VALUES (1000, 1)");
  db.run("INSERT INTO t VALUES (1001, 1)");
  db.run("DELETE FROM t WHERE id = 1001");
  db.run("DELETE FROM t WHERE id = 8");
  db.run("INSERT INTO t VALUES (8, 8)");
  const uint64_t before = rows_read(db);
  const std::string second = store.head();
  CHECK(rows_read(db) - before < 100);
  CHECK(diff(store, "t", first, second, {"id", "v"}) ==
        Lines{"5|0 > 5|2", "6|0 > -", "7|0 > -", "8|0 > 8|8", "- > 1000|1", "- > 1006|0"});
  CHECK(store.head() == second);
  CHECK(db.warnings.empty());
  // History that was cleared before the look: the count tells.
  db.run("DELETE FROM t WHERE id = 9");
  db.run("DELETE HISTORY FROM t");
  CHECK(diff(store, "t", second, store.head(), {"id"}) == Lines{"9 > -"});
  CHECK(warned(db, "where its history says"));
}

TEST_CASE("mysql by history: what was open during the last look is seen by the next", "[mysql]") {
  MysqlDatabase db;
  db.run(
      "CREATE TABLE t (id INT PRIMARY KEY, v INT, a TIMESTAMP(6) GENERATED ALWAYS AS ROW START, "
      "z TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME(a, z)) "
      "WITH SYSTEM VERSIONING");
  db.run("INSERT INTO t (id, v) VALUES (1, 1), (2, 2)");
  MysqlTableStore store(with(db, MysqlMode::kVersioned));
  const std::string first = store.head();
  db.run("BEGIN");
  db.run("UPDATE t SET v = 10 WHERE id = 1");
  CHECK(store.head() == first);
  db.run("COMMIT");
  CHECK(diff(store, "t", first, store.head(), {"id", "v"}) == Lines{"1|1 > 1|10"});
  CHECK(store.schema(first, "t").columns.size() == 2);
}

TEST_CASE("mysql: modes that a table does not fit are said", "[mysql]") {
  MysqlDatabase db;
  const auto why = [&](MysqlMode mode, const std::string& column = "") {
    MysqlTableStore store(with(db, mode, column));
    return store.commit(store.head()).message;
  };
  db.run("CREATE TABLE t (id INT PRIMARY KEY, x VARCHAR(9))");
  CHECK(why(MysqlMode::kVersioned).find("not system-versioned") != std::string::npos);
  CHECK(why(MysqlMode::kColumn, "x").find("can't tell which rows are newer") != std::string::npos);
  db.run("DROP TABLE t");
  db.run("CREATE TABLE t (n INT)");
  CHECK(why(MysqlMode::kColumn, "n").find("no primary key") != std::string::npos);
  CHECK(why(MysqlMode::kScan).find("t: ") != std::string::npos);
}

TEST_CASE("mysql: one view of all tables, whoever writes meanwhile", "[mysql]") {
  MysqlDatabase db;
  db.run("CREATE TABLE a (id INT PRIMARY KEY)");
  db.run("CREATE TABLE b (id INT PRIMARY KEY)");
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    SqlConnection sql(db.config().server);
    for (int i = 1; !stop && i < 3000; ++i) {
      sql.execute("BEGIN");
      sql.execute(fmt::format("INSERT INTO a VALUES ({})", i));
      sql.execute(fmt::format("INSERT INTO b VALUES ({})", i));
      sql.execute("COMMIT");
    }
  });
  MysqlTableStore store(db.config());
  for (int i = 0; i < 8; ++i) {
    const std::string head = store.head();
    CHECK(read(store, head, "a", {"id"}) == read(store, head, "b", {"id"}));
  }
  stop = true;
  writer.join();
}
