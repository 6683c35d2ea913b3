#include "connectors/dolt/writer.h"

#include <atomic>
#include <thread>

#include "connectors/dolt/table_store.h"
#include "tests/catch.h"
#include "tests/connectors/dolt/dolt_server.h"

using namespace lockstep;

namespace {

Value number(int64_t value) {
  return parse_value(ValueTag::kInt, std::to_string(value));
}
Value words(const std::string& value) {
  return parse_value(ValueTag::kText, value);
}

WriteOrder order(const std::string& base) {
  WriteOrder out;
  out.branch = "main";
  out.base = base;
  out.author = "Ann Ö";
  out.email = "ann@example.org";
  out.subject = "it's new";
  out.body = "two\nlines";
  out.trailers = {{"Lockstep-Run", "41"}};
  return out;
}

std::vector<std::string> rows(DoltDatabase& db, const std::string& commit,
                              const std::string& table = "t") {
  DoltTableStore store(db.config());
  std::vector<std::string> names, out;
  for (const Column& column : store.schema(commit, table).columns) names.push_back(column.name);
  store.read({commit, table, names, {}}, [&](const Row& row) {
    std::string line;
    for (const Value& value : row) {
      line += (line.empty() ? "" : "|") +
              (value.tag == ValueTag::kNull ? std::string("NULL") : display(value));
    }
    out.push_back(line);
  });
  return out;
}

std::string code_of(DoltWriter& writer, const WriteOrder& what,
                    const std::vector<TableChange>& changes, std::string* where = nullptr) {
  try {
    writer.write(what, changes);
  } catch (const Error& error) {
    if (where) *where = error.where;
    return std::string(word(error.code));
  }
  return "no error";
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("dolt: one order is one commit, with its author, message and trailers", "[dolt]") {
  DoltDatabase db;
  db.run(
      "CREATE TABLE t (k VARCHAR(9) COLLATE utf8mb4_0900_ai_ci, n INT, v TEXT, w TEXT,"
      " PRIMARY KEY (k, n))");
  db.run("CREATE TABLE other (id INT PRIMARY KEY)");
  db.run(
      "INSERT INTO t VALUES ('a', 1, 'old', 'keeps'), ('b', 1, 'gone', NULL), ('c', 1, 'x',"
      " NULL)");
  const std::string base = db.commit();
  DoltWriter writer(db.config());
  TableChange change{"t", {"n", "k", "v"}, {}, {}};
  change.put = {{number(1), words("a"), words("it's \\ new 🚀")},
                {number(2), words("a"), null_value()}};
  change.remove = {{words("b"), number(1)}, {words("nothing"), number(9)}, {words("C"), number(1)}};
  TableChange second{"other", {"id"}, {{number(7)}}, {}};
  const std::string made = writer.write(order(base), {change, second});
  CHECK(rows(db, made) == Lines{"a|1|it's \\ new 🚀|keeps", "a|2|NULL|NULL", "c|1|x|NULL"});
  CHECK(rows(db, made, "other") == Lines{"7"});
  DoltTableStore store(db.config());
  CHECK(store.head() == made);
  const CommitInfo info = store.commit(made);
  CHECK(info.author == "Ann Ö");
  CHECK(info.email == "ann@example.org");
  CHECK(info.message.find("it's new\n\ntwo\nlines\n\nLockstep-Run: 41\nLockstep-Write: ") == 0);
  CHECK(store.log(base, made, 10).size() == 1);
  // Nothing to change: no commit.
  CHECK(writer.write(order(made), {change, second}) == made);
  CHECK(writer.write(order(made), {}) == made);
  CHECK(store.head() == made);
}

TEST_CASE("dolt: what others changed meanwhile is a conflict only where it is the same row",
          "[dolt]") {
  DoltDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)");
  db.run("INSERT INTO t VALUES (1, 1), (2, 2)");
  const std::string base = db.commit();
  db.run("UPDATE t SET v = 20 WHERE id = 2");
  const std::string theirs = db.commit();
  DoltWriter writer(db.config());
  const TableChange same{"t", {"id", "v"}, {{number(2), number(3)}}, {}};
  CHECK(code_of(writer, order(base), {same}) == "conflict");
  const TableChange removed{"t", {"id"}, {}, {{number(2)}}};
  CHECK(code_of(writer, order(base), {removed}) == "conflict");
  const TableChange apart{"t", {"id", "v"}, {{number(1), number(10)}}, {}};
  const std::string made = writer.write(order(base), {apart});
  CHECK(rows(db, made) == Lines{"1|10", "2|20"});
  DoltTableStore store(db.config());
  CHECK(store.descends(made, theirs));
  CHECK(code_of(writer, order(std::string(32, '0')), {apart}) == "not_found");
}

TEST_CASE("dolt: a value that does not fit is told with its row, and nothing is written",
          "[dolt]") {
  DoltDatabase db;
  db.run(
      "CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(3), d DECIMAL(6,2), at DATETIME,"
      " e ENUM('x','y'), n INT NOT NULL DEFAULT 0, u INT UNIQUE)");
  db.run("INSERT INTO t (id, u) VALUES (1, 100)");
  const std::string base = db.commit();
  DoltWriter writer(db.config());
  const auto refused = [&](const std::string& column, const Value& value) {
    TableChange change{"t", {"id", column}, {}, {}};
    for (int i = 2; i < 300; ++i) change.put.push_back({number(i), null_value()});
    if (column == "n") {
      for (Row& row : change.put) row[1] = number(1);
    }
    change.put[250][1] = value;
    std::string where;
    const std::string code = code_of(writer, order(base), {change}, &where);
    CHECK(where == "t[id=252]");
    return code;
  };
  CHECK(refused("s", words("long")) == "invalid");
  CHECK(refused("d", parse_value(ValueTag::kDecimal, "0.125")) == "invalid");
  CHECK(refused("d", parse_value(ValueTag::kDecimal, "123456")) == "invalid");
  CHECK(refused("at", parse_value(ValueTag::kDatetime, "2026-03-03T14:00:00.5")) == "invalid");
  CHECK(refused("e", words("z")) == "invalid");
  CHECK(refused("n", null_value()) == "invalid");
  CHECK(refused("n", number(1ll << 40)) == "invalid");
  CHECK(refused("n", words("7")) == "invalid");
  CHECK(refused("u", number(100)) == "invalid");
  const auto code = [&](TableChange change) { return code_of(writer, order(base), {change}); };
  CHECK(code({"t", {"id", "zz"}, {}, {}}) == "not_found");
  CHECK(code({"nothing", {"id"}, {}, {}}) == "not_found");
  CHECK(code({"t", {"s"}, {{words("a")}}, {}}) == "invalid");  // without its key
  WriteOrder elsewhere = order(base);
  elsewhere.branch = "nothing";
  CHECK(code_of(writer, elsewhere, {{"t", {"id"}, {{number(5)}}, {}}}) == "not_found");
  WriteOrder forged = order(base);
  forged.subject = "a\n\nLockstep-Run: 1";
  CHECK(code_of(writer, forged, {}) == "invalid");
  CHECK(DoltTableStore(db.config()).head() == base);
  CHECK(db.sql().value("SELECT COUNT(*) FROM dolt_status") == "0");
}

TEST_CASE("dolt: what somebody left uncommitted does not become ours", "[dolt]") {
  DoltDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY)");
  db.run("CREATE TABLE other (id INT PRIMARY KEY)");
  const std::string base = db.commit();
  DoltWriter writer(db.config());
  const TableChange change{"t", {"id"}, {{number(1)}}, {}};
  db.run("INSERT INTO t VALUES (5)");
  CHECK(code_of(writer, order(base), {change}) == "conflict");
  db.run("CALL dolt_checkout('t')");
  db.run("INSERT INTO other VALUES (5)");
  const std::string made = writer.write(order(base), {change});
  CHECK(rows(db, made) == Lines{"1"});
  CHECK(rows(db, made, "other").empty());
  CHECK(db.sql().value("SELECT COUNT(*) FROM other") == "1");  // still there, still uncommitted
  db.run("CALL dolt_add('other')");
  CHECK(code_of(writer, order(made), {{"t", {"id"}, {{number(2)}}, {}}}) == "conflict");
}

TEST_CASE("dolt: no acknowledged write is lost or done twice, whoever writes beside it", "[dolt]") {
  DoltDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)");
  db.run("INSERT INTO t VALUES (0, 0)");
  db.commit();
  std::atomic<int> acknowledged{0}, writers{4};
  const auto work = [&](int number_of) {
    DoltTableStore store(db.config());
    DoltWriter writer(db.config());
    for (int i = 0; i < 8; ++i) {
      for (bool done = false; !done;) {
        try {
          // A counter: the change that Dolt alone would merge with its like in silence.
          const std::string base = store.head();
          int64_t counter = 0;
          store.read({base, "t", {"v"}, {{"id", "0"}}},
                     [&](const Row& row) { counter = std::stoll(row[0].payload); });
          TableChange change{"t", {"id", "v"}, {}, {}};
          change.put = {{number(0), number(counter + 1)},
                        {number(1000 * number_of + i + 1), number(i)}};
          writer.write(order(base), {change});
          ++acknowledged;
          done = true;
        } catch (const Error& error) {
          if (error.code != ErrorCode::kConflict && error.code != ErrorCode::kUnavailable) {
            acknowledged = -1000;
            done = true;
          }
        }
      }
    }
    --writers;
  };
  std::vector<std::thread> threads;
  for (int i = 1; i <= 4; ++i) threads.emplace_back(work, i);
  SqlConnection gc(db.server().server(db.name()));
  for (int pause_ms = 50; writers > 0; pause_ms = pause_ms * 5 / 4) {  // slow machines end, too
    try {
      gc.execute("CALL dolt_gc()");  // cuts every connection, in the midst of transactions too
    } catch (const Error&) {
      // It was cut itself.
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(acknowledged == 32);
  const std::string head = DoltTableStore(db.config()).head();
  CHECK(rows(db, head).size() == 33);
  CHECK(rows(db, head)[0] == "0|32");
}

TEST_CASE("dolt: many rows to a statement are the rows that were ordered and no others", "[dolt]") {
  DoltDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY, mail VARCHAR(50) UNIQUE, v INT NOT NULL)");
  db.run("CREATE TABLE seen (id INT PRIMARY KEY, n INT)");
  std::string values;
  for (int i = 0; i < 500; ++i) values += fmt::format("{}({}, 'm{}', {})", i ? ", " : "", i, i, i);
  db.run("INSERT INTO t VALUES " + values);
  std::string base = db.commit();
  DoltWriter writer(db.config());
  TableChange change{"t", {"id", "mail", "v"}, {}, {}};
  for (int i = 0; i < 450; ++i) {
    change.put.push_back({number(i), words("m" + std::to_string(i)), number(i + 1000)});
  }
  for (int i = 460; i < 700; ++i) change.remove.push_back({number(i)});  // some are not there
  base = writer.write(order(base), {change});
  const Lines now = rows(db, base);
  REQUIRE(now.size() == 460);
  CHECK(now[0] == "0|m0|1000");
  CHECK(now[449] == "449|m449|1449");
  CHECK(now[450] == "450|m450|450");
  // Another row's unique value: refused, and not written over there.
  TableChange clash{"t", {"id", "mail", "v"}, {}, {}};
  for (int i = 0; i < 3; ++i) {
    clash.put.push_back({number(i), words("m" + std::to_string(i + 200)), number(7)});
  }
  CHECK(code_of(writer, order(base), {clash}) == "invalid");
  CHECK(rows(db, db.commit()) == now);
  // Triggers for new rows stay asleep when old ones change.
  db.run(
      "CREATE TRIGGER fresh BEFORE INSERT ON t FOR EACH ROW INSERT INTO seen VALUES (NEW.id, 1)");
  base = db.commit();
  TableChange again{"t", {"id", "mail", "v"}, {}, {}};
  for (int i = 0; i < 3; ++i) {
    again.put.push_back({number(i), words("m" + std::to_string(i)), number(8)});
  }
  base = writer.write(order(base), {again});
  CHECK(rows(db, base)[2] == "2|m2|8");
  CHECK(rows(db, base, "seen").empty());
  CHECK(db.sql().value("SELECT COUNT(*) FROM seen") == "0");
}

TEST_CASE("dolt: part of the columns, many rows, none with a default", "[dolt]") {
  DoltDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY, a INT NOT NULL, b INT NOT NULL)");
  db.run("INSERT INTO t VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3)");
  const std::string base = db.commit();
  DoltWriter writer(db.config());
  TableChange change{"t", {"b", "id"}, {}, {}};
  for (int i = 1; i < 4; ++i) change.put.push_back({number(i * 10), number(i)});
  const std::string now = writer.write(order(base), {change});
  CHECK(rows(db, now) == Lines{"1|1|10", "2|2|20", "3|3|30"});
}
