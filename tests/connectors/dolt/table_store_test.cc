#include "connectors/dolt/table_store.h"

#include "pipeline/base/clock.h"
#include "tests/catch.h"
#include "tests/connectors/dolt/dolt_server.h"

using namespace lockstep;

namespace {

using Lines = std::vector<std::string>;

std::string show(const Row& row) {
  std::string out;
  for (const Value& value : row) {
    out += (out.empty() ? "" : "|") +
           (value.tag == ValueTag::kNull ? std::string("NULL") : display(value));
  }
  return out;
}

Lines read(TableStore& store, const std::string& commit, const std::string& table,
           const Lines& columns, std::map<std::string, std::string> where = {}) {
  Lines out;
  store.read({commit, table, columns, std::move(where)},
             [&](const Row& row) { out.push_back(show(row)); });
  return out;
}

Lines diff(TableStore& store, const std::string& table, const std::string& from,
           const std::string& to, const Lines& columns) {
  Lines out;
  store.diff(table, from, to, columns, [&](const Row* before, const Row* after) {
    out.push_back((before ? show(*before) : "-") + " > " + (after ? show(*after) : "-"));
  });
  return out;
}

template <typename Call>
std::string code_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return std::string(word(error.code));
  }
  return "no error";
}

}  // namespace

TEST_CASE("dolt: commits, branches, tags and abbreviated hashes", "[dolt]") {
  DoltDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY)");
  const std::string first = db.commit("first", ", '--author', 'Ann Ö <ann@example.org>'");
  db.run("CALL dolt_tag('v1', 'HEAD')");
  db.run("CALL dolt_branch('feature/x')");
  db.run("INSERT INTO t VALUES (1)");
  const std::string second = db.commit("second\n\nLockstep-Run: 41");
  DoltTableStore store(db.config());
  CHECK(store.head() == second);
  CHECK(store.resolve("HEAD") == second);
  CHECK(store.resolve("HEAD~1") == first);
  CHECK(store.resolve("main~1") == first);
  CHECK(store.resolve("v1") == first);
  CHECK(store.resolve("feature/x") == first);
  CHECK(store.resolve(first) == first);
  CHECK(store.resolve(first.substr(0, 12)) == first);
  for (const char* name : {"nothing", "'; DROP TABLE t; --", "zzzz", "HEAD~9", ""}) {
    CAPTURE(name);
    CHECK(code_of([&] { store.resolve(name); }) == "not_found");
  }
  const CommitInfo info = store.commit(first);
  CHECK(info.id == first);
  CHECK(info.author == "Ann Ö");
  CHECK(info.email == "ann@example.org");
  CHECK(info.message == "first");
  CHECK(std::abs(info.time_ms - SystemClock().now_ms()) < 60'000);
  CHECK(store.commit(second).message == "second\n\nLockstep-Run: 41");
  const std::string gone(32, '0');
  CHECK(code_of([&] { store.commit(gone); }) == "not_found");
  CHECK(code_of([&] { store.commit("x' OR '1"); }) == "not_found");
  REQUIRE(store.log(first, second, 10).size() == 1);
  CHECK(store.log(first, second, 10)[0].id == second);
  CHECK(store.log(gone, second, 2).size() == 2);
  CHECK(store.log("", second, 10).size() >= 2);
  CHECK(store.descends(second, first));
  CHECK_FALSE(store.descends(first, second));
  CHECK_FALSE(store.descends(second, gone));
}

TEST_CASE("dolt: a branch that is not there is told with those that are", "[dolt]") {
  DoltDatabase db;
  db.run("CALL dolt_branch('other')");
  DoltConfig config = db.config();
  config.branch = "nothing";
  DoltTableStore store(config);
  try {
    store.head();
    FAIL("found");
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kNotFound);
    CHECK(error.message == "source tables: database " + db.name() + " has no branch nothing");
    CHECK(error.hint == "it has main, other");
  }
  config.server.database = "nowhere";
  CHECK(code_of([&] { DoltTableStore(config).head(); }) == "not_found");
}

TEST_CASE("dolt: every type is exact", "[dolt]") {
  DoltDatabase db;
  db.run(
      "CREATE TABLE t (id INT PRIMARY KEY, ub BIGINT UNSIGNED, ti TINYINT, bo BOOL, bt BIT(64),"
      " y YEAR, de DECIMAL(65,30), f FLOAT, d DOUBLE, c CHAR(5), v VARCHAR(99), x LONGTEXT,"
      " e ENUM('zulu','alpha'), s SET('p','q','r'), vb VARBINARY(9), bl LONGBLOB, da DATE,"
      " t6 TIME(6), dt DATETIME(6), ts TIMESTAMP(6), j JSON, g POINT)");
  db.run("INSERT INTO t VALUES (1, 18446744073709551615, -128, TRUE, b'" + std::string(64, '1') +
         "', 2026, 12345678901234567890123456789012345.123456789012345678901234567890, 0.1, 0.1,"
         " 'ab', 'тест 🚀', 'it''s \\\\ \"x\"', 'alpha', 'r,p', X'00FF27', X'', '2026-03-03',"
         " '-838:59:58.000001', '2026-03-03 14:00:00.5', '2026-03-03 14:00:00.123456',"
         " '{\"b\": [1.50, null], \"a\": \"ö\"}', POINT(1, 2))");
  db.run("INSERT INTO t (id, f, d, bo) VALUES (2, 1e30, -0.0, FALSE)");
  const std::string id = db.commit();
  DoltTableStore store(db.config());
  const auto cells = [&](const Lines& columns) { return read(store, id, "t", columns)[0]; };
  CHECK(cells({"ub", "ti", "bo", "bt", "y"}) ==
        "18446744073709551615|-128|1|18446744073709551615|2026");
  CHECK(cells({"de"}) == "12345678901234567890123456789012345.12345678901234567890123456789");
  CHECK(cells({"f", "d"}) == "0.10000000149011612|0.1");
  CHECK(cells({"c", "v", "x", "e", "s"}) == "ab|тест 🚀|it's \\ \"x\"|alpha|p,r");
  CHECK(cells({"vb", "bl"}) == std::string("\x00\xff'|", 4));
  CHECK(cells({"da", "t6"}) == "2026-03-03|-838:59:58.000001");
  CHECK(cells({"dt", "ts"}) == "2026-03-03T14:00:00.500000|2026-03-03T14:00:00.123456");
  CHECK(cells({"j"}) == "{\"a\":\"ö\",\"b\":[1.5,null]}");
  CHECK(cells({"g"}).size() == 25);
  CHECK(read(store, id, "t", {"f", "d", "bo", "v"})[1] == "1.0000000150474662e+30|0|0|NULL");
  const std::vector<Column> columns = store.schema(id, "t").columns;
  CHECK(columns[4].type == ValueTag::kInt);
  CHECK(columns[21].type == ValueTag::kBytes);
}

TEST_CASE("dolt: rows come in canonical key order", "[dolt]") {
  DoltDatabase db;
  db.run("CREATE TABLE ci (k VARCHAR(9) COLLATE utf8mb4_0900_ai_ci PRIMARY KEY)");
  db.run("INSERT INTO ci VALUES ('b'), ('A'), ('a b'), ('Z'), ('ö'), ('')");
  db.run("CREATE TABLE pad (k VARCHAR(9) COLLATE utf8mb4_bin PRIMARY KEY)");
  db.run("INSERT INTO pad VALUES ('a'), ('a\\t'), ('a!')");
  db.run("CREATE TABLE en (k ENUM('z','b','a'), n INT, PRIMARY KEY (n, k))");
  db.run("INSERT INTO en VALUES ('z', 1), ('a', 1), ('b', 1), ('a', 10), ('a', 9), ('z', -1)");
  db.run("CREATE TABLE un (k BIGINT UNSIGNED PRIMARY KEY)");
  db.run("INSERT INTO un VALUES (18446744073709551615), (9), (10), (0)");
  const std::string id = db.commit();
  DoltTableStore store(db.config());
  CHECK(read(store, id, "ci", {"k"}) == Lines{"", "A", "Z", "a b", "b", "ö"});
  CHECK(read(store, id, "pad", {"k"}) == Lines{"a", "a\t", "a!"});
  CHECK(read(store, id, "en", {"n", "k"}) == Lines{"-1|z", "1|a", "1|b", "1|z", "9|a", "10|a"});
  CHECK(store.schema(id, "en").key == Lines{"n", "k"});
  CHECK(read(store, id, "un", {"k"}) == Lines{"0", "9", "10", "18446744073709551615"});
  CHECK(read(store, id, "ci", {"k"}, {{"k", "a"}}).empty());  // 'A' is equal by the collation
  CHECK(read(store, id, "ci", {"k"}, {{"k", "A"}}) == Lines{"A"});
}

TEST_CASE("dolt: strange names of databases, tables and columns", "[dolt]") {
  DoltDatabase db;
  const std::string name = "we`ird ' \"x\" \\ тест";
  db.run("CREATE TABLE " + quote_name(name) + " (" + quote_name("k`ey") + " INT PRIMARY KEY, " +
         quote_name("to_x'") + " TEXT, `select` INT, `commit` INT)");
  db.run("INSERT INTO " + quote_name(name) + " VALUES (1, 'a', 2, 3)");
  const std::string first = db.commit();
  db.run("UPDATE " + quote_name(name) + " SET " + quote_name("to_x'") + " = 'b', `commit` = 4");
  const std::string second = db.commit();
  DoltTableStore store(db.config());
  REQUIRE(store.tables(second).size() == 1);
  CHECK(store.tables(second)[0].name == name);
  CHECK(read(store, second, name, {"to_x'", "select", "k`ey"}) == Lines{"b|2|1"});
  CHECK(diff(store, name, first, second, {"to_x'"}) == Lines{"a > b"});
  // dolt_diff has a column of that name itself.
  CHECK(code_of([&] { diff(store, name, first, second, {"commit"}); }) == "conflict");
  CHECK(code_of([&] { read(store, second, "t' --", {}); }) == "not_found");
  CHECK(code_of([&] { read(store, second, name, {"sel`ect"}); }) == "not_found");
  CHECK(code_of([&] { read(store, second, "", {}); }) == "invalid");
}

TEST_CASE("dolt: what changed is found by name and hash, re-keyed tables too", "[dolt]") {
  DoltDatabase db;
  for (const char* table : {"same", "rows", "rekeyed", "renamed", "dropped", "default_only"}) {
    db.run("CREATE TABLE " + quote_name(table) + " (a INT, b INT, c INT, PRIMARY KEY (a, b))");
    db.run("INSERT INTO " + quote_name(table) + " VALUES (1, 2, 3), (2, 1, 4)");
  }
  db.run("CREATE VIEW v AS SELECT 1 AS one");
  const std::string first = db.commit();
  db.run("UPDATE `rows` SET c = 5 WHERE a = 1");
  db.run("ALTER TABLE rekeyed DROP PRIMARY KEY");
  db.run("ALTER TABLE rekeyed ADD PRIMARY KEY (b)");
  db.run("ALTER TABLE renamed RENAME TO new_name");
  db.run("DROP TABLE dropped");
  db.run("CREATE TABLE added (x INT PRIMARY KEY)");
  db.run("ALTER TABLE default_only ALTER COLUMN c SET DEFAULT 7");
  const std::string second = db.commit();
  const auto hashes = [](TableStore& store, const std::string& commit) {
    std::map<std::string, std::string> out;
    for (const TableInfo& info : store.tables(commit)) out[info.name] = info.hash;
    return out;
  };
  DoltTableStore forward(db.config()), fresh(db.config());
  auto before = hashes(forward, first);
  auto after = hashes(forward, second);
  CHECK(after == hashes(fresh, second));  // brought forward or from scratch: equal
  CHECK(before == hashes(fresh, first));  // and backward
  CHECK(before.size() == 6);
  CHECK(after.count("v") == 0);
  CHECK(after.at("same") == before.at("same"));
  for (const char* table : {"rows", "rekeyed", "default_only"}) {
    CAPTURE(table);
    CHECK(after.at(table) != before.at(table));
  }
  CHECK(after.count("dropped") + after.count("renamed") == 0);
  CHECK(after.count("added") + after.count("new_name") == 2);
  CHECK(diff(forward, "rows", first, second, {"a", "c"}) == Lines{"1|3 > 1|5"});
  CHECK(diff(forward, "rows", first, second, {"b"}).empty());
  CHECK(diff(forward, "default_only", first, second, {"c"}).empty());
  CHECK(code_of([&] { diff(forward, "rekeyed", first, second, {"c"}); }) == "conflict");
  CHECK(code_of([&] { diff(forward, "new_name", first, second, {"c"}); }) == "not_found");
  CHECK(code_of([&] { diff(forward, "dropped", first, second, {"c"}); }) == "not_found");
  CHECK(read(forward, first, "dropped", {"a", "c"}) == Lines{"1|3", "2|4"});
  CHECK(code_of([&] { hashes(forward, std::string(32, '0')); }) == "not_found");
}

TEST_CASE("dolt: columns that are new, gone or of another type are compared from scratch",
          "[dolt]") {
  DoltDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY, a INT, e ENUM('x','y'), v VARCHAR(9))");
  db.run("INSERT INTO t VALUES (1, 1, 'x', 'v')");
  const std::string first = db.commit();
  db.run("ALTER TABLE t MODIFY COLUMN a VARCHAR(9)");
  db.run("ALTER TABLE t ADD COLUMN n INT");
  db.run("ALTER TABLE t MODIFY COLUMN v VARCHAR(30)");
  db.run("UPDATE t SET v = 'w'");
  const std::string second = db.commit();
  DoltTableStore store(db.config());
  CHECK(code_of([&] { diff(store, "t", first, second, {"a"}); }) == "conflict");
  CHECK(code_of([&] { diff(store, "t", first, second, {"n"}); }) == "conflict");
  CHECK(code_of([&] { diff(store, "t", first, second, {"gone"}); }) == "not_found");
  CHECK(diff(store, "t", first, second, {"id", "v"}) == Lines{"1|v > 1|w"});
}

TEST_CASE("dolt: a table without a key", "[dolt]") {
  DoltDatabase db;
  db.run("CREATE TABLE t (a INT, b TEXT)");
  db.run("INSERT INTO t VALUES (2, 'x'), (1, 'y'), (2, 'x'), (NULL, NULL)");
  const std::string first = db.commit();
  db.run("UPDATE t SET b = 'z' WHERE a = 2");
  const std::string second = db.commit();
  DoltTableStore store(db.config());
  CHECK(store.schema(first, "t").key.empty());
  CHECK(read(store, first, "t", {"a", "b"}) == Lines{"NULL|NULL", "1|y", "2|x", "2|x"});
  CHECK(read(store, first, "t", {}).size() == 4);
  Lines changes = diff(store, "t", first, second, {"b"});
  std::sort(changes.begin(), changes.end());
  CHECK(changes == Lines{"- > z", "- > z", "x > -", "x > -"});
}

TEST_CASE("dolt: uncommitted rows are not seen, nor those of other branches", "[dolt]") {
  DoltDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY)");
  const std::string first = db.commit();
  db.run("INSERT INTO t VALUES (1)");
  DoltTableStore store(db.config());
  CHECK(store.head() == first);
  CHECK(read(store, store.head(), "t", {"id"}).empty());
  db.run("CALL dolt_reset('--hard')");
  db.run("CALL dolt_checkout('-b', 'other')");
  db.run("INSERT INTO t VALUES (2)");
  const std::string other = db.commit();
  CHECK(store.head() == first);
  CHECK(store.branches() == std::map<std::string, std::string>{{"main", first}, {"other", other}});
}

TEST_CASE("dolt: a commit that is kept outlives its branch and dolt_gc", "[dolt]") {
  DoltDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY)");
  const std::string first = db.commit();
  db.run("INSERT INTO t VALUES (1)");
  const std::string kept = db.commit();
  db.run("INSERT INTO t VALUES (2)");
  const std::string lost = db.commit();
  DoltTableStore store(db.config());
  CHECK(read(store, lost, "t", {"id"}).size() == 2);
  store.keep("me", kept);
  store.keep("me", kept);
  store.keep("other", first);
  CHECK(store.kept("me") == Lines{kept});
  CHECK(store.kept("other") == Lines{first});
  store.release("other", first);
  store.release("other", first);
  CHECK(store.kept("other").empty());
  CHECK(code_of([&] { store.keep("me", std::string(32, '0')); }) == "not_found");
  db.run("CALL dolt_reset('--hard', '" + first + "')");
  CHECK(store.head() == first);
  CHECK_FALSE(store.descends(first, kept));
  db.run("CALL dolt_gc()");  // cuts every connection
  CHECK(store.head() == first);
  CHECK(read(store, kept, "t", {"id"}) == Lines{"1"});
  CHECK(code_of([&] { read(store, lost, "t", {"id"}); }) == "not_found");
  CHECK(code_of([&] { diff(store, "t", lost, kept, {"id"}); }) == "not_found");
  CHECK(store.log(lost, kept, 1).size() == 1);
}
