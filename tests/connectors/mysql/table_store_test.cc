#include "connectors/mysql/table_store.h"

#include <poll.h>

#include "tests/catch.h"
#include "tests/connectors/mysql/database.h"

using namespace lockstep;

TEST_CASE("mysql: a look that finds no change makes no commit", "[mysql]") {
  MysqlDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))");
  db.run("INSERT INTO t VALUES (10, 'ten'), (9, 'nine')");
  MysqlTableStore store(db.config());
  const std::string first = store.head();
  CHECK(store.head() == first);
  CHECK(read(store, first, "t", {"id", "v"}) == Lines{"9|nine", "10|ten"});
  CHECK(read(store, first, "t", {"v"}, {{"id", "10"}}) == Lines{"ten"});
  CHECK(read(store, first, "t", {"v"}, {{"id", "'; DROP TABLE t"}}).empty());
  const std::string hash = hash_of(store, first, "t");
  db.run("UPDATE t SET v = 'TEN' WHERE id = 10");
  db.run("DELETE FROM t WHERE id = 9");
  db.run("INSERT INTO t VALUES (11, NULL)");
  const std::string second = store.head();
  CHECK(second != first);
  CHECK(diff(store, "t", first, second, {"id", "v"}) ==
        Lines{"9|nine > -", "10|ten > 10|TEN", "- > 11|NULL"});
  CHECK(diff(store, "t", second, first, {"v"}) == Lines{"- > nine", "TEN > ten", "NULL > -"});
  CHECK(hash_of(store, second, "t") != hash);
  db.run("DELETE FROM t");
  db.run("INSERT INTO t VALUES (9, 'nine'), (10, 'ten')");
  const std::string third = store.head();
  CHECK(third != first);
  CHECK(hash_of(store, third, "t") == hash);
  CHECK(diff(store, "t", first, third, {"v"}).empty());
}

TEST_CASE("mysql: commits are a line of their own", "[mysql]") {
  MysqlDatabase db;
  db.run("CREATE TABLE a (id INT PRIMARY KEY)");
  db.run("CREATE TABLE b (id INT PRIMARY KEY, x INT)");
  MysqlTableStore store(db.config());
  const std::string first = store.resolve("HEAD");
  db.run("INSERT INTO b VALUES (1, 1), (2, 2)");
  const std::string second = store.head();
  db.run("DROP TABLE a");
  db.run("RENAME TABLE b TO c");
  const std::string third = store.head();
  CHECK(store.resolve("main") == third);
  CHECK(store.resolve(second.substr(0, 12)) == second);
  CHECK(store.resolve(first) == first);
  for (const char* name : {"nothing", "", "abc", "'; DROP TABLE t; --", "../../etc/passwd"}) {
    CAPTURE(name);
    CHECK(code_of([&] { store.resolve(name); }) == "not_found");
  }
  CHECK(code_of([&] { store.commit(std::string(64, '0')); }) == "not_found");
  const CommitInfo info = store.commit(second);
  CHECK(info.author == "root");
  CHECK(info.message == "1 table changed\n\nb: 2 added (scan)");
  CHECK(store.commit(third).message ==
        "3 tables changed\n\nc: new, 2 rows (scan)\na: dropped\nb: dropped");
  CHECK(std::abs(info.time_ms - SystemClock().now_ms()) < 60'000);
  CHECK(store.commit(third).time_ms >= info.time_ms);
  REQUIRE(store.log(first, third, 10).size() == 2);
  CHECK(store.log(first, third, 10)[0].id == third);
  CHECK(store.log("gone", third, 2).size() == 2);
  CHECK(store.descends(third, first));
  CHECK_FALSE(store.descends(first, third));
  CHECK(hash_of(store, second, "b") == hash_of(store, third, "c"));
  CHECK(code_of([&] { store.schema(third, "a"); }) == "not_found");
  CHECK(code_of([&] { read(store, third, "c", {"nothing"}); }) == "not_found");
  store.keep("team", first);
  store.keep("team", first);
  store.keep("others", second);
  CHECK(store.kept("team") == Lines{first});
  store.release("team", first);
  store.release("team", first);
  CHECK(store.kept("team").empty());
  CHECK(store.kept("others") == Lines{second});
  CHECK(code_of([&] { store.keep("../x", first); }) == "invalid");
  CHECK(code_of([&] { store.keep("team", "../../x"); }) == "not_found");
}

TEST_CASE("mysql: every type is exact, by the server's checksums too", "[mysql]") {
  MysqlDatabase db;
  db.run(
      "CREATE TABLE t (id INT PRIMARY KEY, ub BIGINT UNSIGNED, bo BOOL, bt BIT(64), y YEAR,"
      " de DECIMAL(65,30), f FLOAT, d DOUBLE, c CHAR(5), x LONGTEXT,"
      " e ENUM('zulu','alpha'), s SET('p','q','r'), vb VARBINARY(9), bl LONGBLOB, da DATE,"
      " t6 TIME(6), dt DATETIME(6), ts TIMESTAMP(6) NULL, j JSON, u UUID,"
      " gen INT AS (id * 2) STORED, hid INT INVISIBLE)");
  db.run(
      "INSERT INTO t (id, ub, bo, bt, y, de, f, d, c, x, e, s, vb, bl, da, t6, dt, ts, j, u, hid) "
      "VALUES (1, 18446744073709551615, 1, b'101', 2026, -0.5, 0.1, 0.1, 'ab', 'öffne \\\\ ',"
      " 'alpha', 'p,r', X'00ff', X'', '1000-01-01', '-838:59:59', '9999-12-31 23:59:59.999999',"
      " '2026-03-03 14:00:00.5', '{\"b\": 1, \"a\": [1.50]}',"
      " '123e4567-e89b-12d3-a456-426655440000', 7)");
  db.run("INSERT INTO t (id) VALUES (2)");
  MysqlTableStore store(db.config());
  std::string head = store.head();
  CHECK(read(store, head, "t", {"ub", "bo", "bt", "y", "de", "f", "d", "c", "x", "e", "s"}) ==
        Lines{"18446744073709551615|1|5|2026|-0.5|0.10000000149011612|0.1|ab|öffne \\ |alpha|p,r",
              "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL"});
  CHECK(read(store, head, "t", {"da", "t6", "dt", "ts", "j", "u", "gen", "hid"}) ==
        Lines{"1000-01-01|-838:59:59|9999-12-31T23:59:59.999999|2026-03-03T14:00:00.500000|"
              "{\"a\":[1.5],\"b\":1}|123e4567-e89b-12d3-a456-426655440000|2|7",
              "NULL|NULL|NULL|NULL|NULL|NULL|4|NULL"});
  // Whatever cell moves, the look sees it.
  for (const char* change : {"ub = ub - 1",
                             "bo = 0",
                             "bt = b'100'",
                             "y = 2025",
                             "de = -0.500000000000000000000000000001",
                             "f = 0.10000001",
                             "d = 0.10000000000000002",
                             "c = 'ac'",
                             "x = CONCAT(x, ' ')",
                             "e = 'zulu'",
                             "s = 'p'",
                             "vb = X'00fe'",
                             "bl = X'00'",
                             "da = NULL",
                             "t6 = '-838:59:58.999999'",
                             "dt = '9999-12-31 23:59:59.999998'",
                             "ts = '2026-03-03 14:00:00.500001'",
                             "j = '{\"b\": 2}'",
                             "u = '123e4567-e89b-12d3-a456-426655440001'",
                             "hid = 8"}) {
    CAPTURE(change);
    db.run(fmt::format("UPDATE t SET {} WHERE id = 1", change));
    const std::string now = store.head();
    CHECK(now != head);
    head = now;
  }
  // Written otherwise, the same: no commit, though the checksum moved.
  db.run("UPDATE t SET j = '{ \"b\":2 }'");
  head = store.head();
  db.run("UPDATE t SET j = '{\"b\":2}'");
  CHECK(store.head() == head);
}

TEST_CASE("mysql: canonical order of keys, whatever the collation", "[mysql]") {
  MysqlDatabase db;
  const auto check = [&](const std::string& type, const Lines& sorted) {
    CAPTURE(type);
    db.run("DROP TABLE IF EXISTS t");
    db.run("CREATE TABLE t (k " + type + " PRIMARY KEY, v INT)");
    for (auto it = sorted.rbegin(); it != sorted.rend(); ++it) {
      db.run("INSERT INTO t VALUES (" + quote_text(*it) + ", 1)");
    }
    MysqlTableStore store(db.config());
    const std::string first = store.head();
    CHECK(read(store, first, "t", {"k"}) == sorted);
    db.run("UPDATE t SET v = 2");
    CHECK(diff(store, "t", first, store.head(), {"v"}) == Lines(sorted.size(), "1 > 2"));
    CHECK(db.warnings.empty());
  };
  check("VARCHAR(50) COLLATE utf8mb4_general_ci", {"B", "Z", "a", "c!", "é", "тест", "🚀"});
  check("VARCHAR(50) CHARACTER SET latin1", {"B", "a", "é", "ÿ", "€"});
  check("VARCHAR(700) COLLATE utf8mb4_bin",
        {std::string(690, 'x') + "a", std::string(690, 'x') + "b"});
  check("ENUM('zulu','alpha','B')", {"B", "alpha", "zulu"});
  check("UUID", {"00000000-0000-0000-0000-0000000000ff", "00000000-0000-0001-0000-000000000000",
                 "10000000-0000-0000-0000-000000000000"});
  check("INET6", {"1::", "2::1", "::3"});
  check("DECIMAL(10,2)", {"-1.5", "2", "10"});
}

TEST_CASE("mysql: keyless tables", "[mysql]") {
  MysqlDatabase db;
  db.run("CREATE TABLE t (a INT, b VARCHAR(5))");
  db.run("INSERT INTO t VALUES (2,'x'),(1,'y'),(2,'x'),(NULL,NULL)");
  MysqlTableStore store(db.config());
  const std::string first = store.head();
  CHECK(read(store, first, "t", {"b", "a"}) == Lines{"NULL|NULL", "x|2", "x|2", "y|1"});
  db.run("DELETE FROM t WHERE a = 2 LIMIT 1");
  const std::string second = store.head();
  CHECK(diff(store, "t", first, second, {"a"}) == Lines{"2 > -"});
  // The same rows in another order of insertion.
  const std::string hash = hash_of(store, first, "t");
  db.run("DELETE FROM t");
  db.run("INSERT INTO t VALUES (NULL,NULL),(1,'y'),(2,'x'),(2,'x')");
  CHECK(hash_of(store, store.head(), "t") == hash);
}

TEST_CASE("mysql: a table that can't be read holds up no other", "[mysql]") {
  MysqlDatabase db;
  db.run("CREATE TABLE good (id INT PRIMARY KEY)");
  db.run("CREATE TABLE bad (id INT PRIMARY KEY, d DATE)");
  db.run("SET SESSION sql_mode = ''");
  db.run("INSERT INTO bad VALUES (1, '2026-01-01'), (2, '2026-00-10'), (3, NULL)");
  MysqlTableStore store(db.config());
  const std::string first = store.head();
  CHECK(store.tables(first).size() == 1);
  CHECK(store.head() == first);
  try {
    store.schema(first, "bad");
    FAIL("read");
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kInvalid);
    CHECK(error.message.find("table bad could not be read: column d of row ") == 0);
  }
  db.run("INSERT INTO good VALUES (1)");
  CHECK(read(store, store.head(), "good", {"id"}) == Lines{"1"});
  db.run("DELETE FROM bad WHERE id = 2");
  CHECK(read(store, store.head(), "bad", {"id"}) == Lines{"1", "3"});
}

TEST_CASE("mysql: hostile names", "[mysql]") {
  MysqlDatabase db;
  const std::string name = "a`; DROP TABLE x; -- 'ü";
  db.run("CREATE TABLE x (id INT PRIMARY KEY)");
  db.run("CREATE TABLE " + quote_name(name) + " (" + quote_name("k'`") + " INT PRIMARY KEY)");
  db.run("INSERT INTO " + quote_name(name) + " VALUES (1)");
  MysqlTableStore store(db.config());
  const std::string head = store.head();
  CHECK(store.tables(head).size() == 2);
  CHECK(read(store, head, name, {"k'`"}) == Lines{"1"});
  CHECK(code_of([&] { read(store, head, name, {"x` FROM x"}); }) == "not_found");
}

TEST_CASE("mysql: looked at every so often, and at once when asked", "[mysql]") {
  MysqlDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY)");
  MysqlConfig config = db.config();
  config.every_ms = 3'600'000;
  MysqlTableStore store(config), other(config);
  const std::string first = store.head();
  db.run("INSERT INTO t VALUES (1)");
  CHECK(store.head() == first);
  CHECK(other.head() == first);
  const std::string second = other.look();
  CHECK(second != first);
  CHECK(store.head() == second);
  {
    FileLock looking(db.state() / "lock", "a look");
    config.every_ms = 0;
    CHECK(MysqlTableStore(config).head() == second);  // goes on with what there is
  }
  config.every_ms = 100;
  std::unique_ptr<SourceWatch> watch = MysqlTableStore(config).watch();
  CHECK_FALSE(watch->take());
  pollfd fd{watch->fd(), POLLIN, 0};
  CHECK(poll(&fd, 1, 10'000) == 1);
  CHECK(watch->take());
}

TEST_CASE("mysql: only the tables that are named", "[mysql]") {
  MysqlDatabase db;
  db.run("CREATE TABLE a (id INT PRIMARY KEY)");
  db.run("CREATE TABLE b (id INT PRIMARY KEY)");
  db.run("CREATE VIEW v AS SELECT * FROM a");
  MysqlTableStore all(db.config());
  CHECK(all.tables(all.head()).size() == 2);
  MysqlConfig config = db.config();
  config.tables["a"] = {};
  config.tables["missing"] = {};
  MysqlTableStore store(config);
  const std::string head = store.head();
  REQUIRE(store.tables(head).size() == 1);
  CHECK(store.tables(head)[0].name == "a");
  CHECK(store.commit(head).message == "1 table changed\n\nb: dropped");
}
