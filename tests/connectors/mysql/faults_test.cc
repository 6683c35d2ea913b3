#include <algorithm>
#include <fstream>

#include "tests/catch.h"
#include "tests/connectors/mysql/database.h"

using namespace lockstep;

namespace {

// The process ends at the n-th write: that one and all later ones do not happen.
class EndsAt : public Files {
 public:
  int left = -1;  // -1: never
  int writes = 0;

  void write_atomic(const fs::path& path, std::string_view bytes, int mode) override {
    count(path);
    Files::write_atomic(path, bytes, mode);
  }
  void publish(const fs::path& from, const fs::path& to) override {
    count(to);
    Files::publish(from, to);
  }

 private:
  void count(const fs::path& path) {
    ++writes;
    if (left == 0) throw Error(ErrorCode::kUnavailable, "the end", "", path.string());
    if (left > 0) --left;
  }
};

}  // namespace

TEST_CASE("mysql: ended between any two writes, nothing is lost and nothing is half", "[mysql]") {
  MysqlDatabase db;
  db.run("CREATE TABLE a (id INT PRIMARY KEY, v INT)");
  db.run("CREATE TABLE b (v INT)");
  db.run("INSERT INTO a VALUES (1, 1), (2, 2)");
  EndsAt files;
  const std::string first = MysqlTableStore(db.config(files)).head();
  const int most = files.writes;
  CHECK(most >= 6);
  int ended = 0;
  std::string last = first;
  for (int at = 0; at < most; ++at) {
    CAPTURE(at);
    db.run(fmt::format("UPDATE a SET v = {} WHERE id = 2", 100 + at));
    db.run(fmt::format("INSERT INTO b VALUES ({})", at));
    files.left = at;
    try {
      MysqlTableStore(db.config(files)).head();
    } catch (const Error&) {
      ++ended;
    }
    files.left = -1;
    MysqlTableStore store(db.config(files));
    const std::string kept = store.resolve("HEAD");  // without a look: whole, old or new
    CHECK((kept == last || store.commit(kept).message.find("2 tables") == 0));
    CHECK(read(store, kept, "a", {"id"}) == Lines{"1", "2"});
    const std::string now = store.head();
    CHECK(now != last);
    CHECK(read(store, now, "a", {"v"}) == Lines{"1", std::to_string(100 + at)});
    CHECK(read(store, now, "b", {"v"}).size() == static_cast<size_t>(at) + 1);
    CHECK(store.log(last, now, 10).size() == 1);  // once, whatever ended before
    CHECK(store.head() == now);
    last = now;
  }
  CHECK(ended > 5);
}

TEST_CASE("mysql: a server killed while it answers is never the end of the rows", "[mysql]") {
  MariadbServer server({"--skip-networking"});  // what it confirmed must be there again
  MysqlDatabase db(server);
  db.run("CREATE TABLE t (id INT PRIMARY KEY, x VARCHAR(2000))");
  db.run("INSERT INTO t SELECT seq, REPEAT('x', 2000) FROM seq_1_to_4000");
  MysqlTableStore store(db.config());
  const std::string first = store.head();
  db.run("UPDATE t SET x = 'y' WHERE id = 1");
  for (int wait_ms : {1, 15, 40}) {
    CAPTURE(wait_ms);
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
      server.end(SIGKILL);
    });
    std::string head;
    const std::string code = code_of([&] { head = store.head(); });
    killer.join();
    CHECK((code == "unavailable" || code == "no error"));
    // Away: what is known is known, and a look says that it is away.
    CHECK(code_of([&] { store.look(); }) == "unavailable");
    const std::string kept = store.resolve("HEAD");
    CHECK(read(store, kept, "t", {"id"}).size() == 4000);
    CHECK(read(store, first, "t", {"x"}, {{"id", "1"}}) == Lines{std::string(2000, 'x')});
    if (kept != first) CHECK(diff(store, "t", first, kept, {"x"}).size() == 1);
    server.start();
  }
  CHECK(diff(store, "t", first, store.head(), {"id"}).empty());
  CHECK(diff(store, "t", first, store.head(), {"x"}).size() == 1);
}

TEST_CASE("mysql: damaged files are noticed and made anew", "[mysql]") {
  MysqlDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)");
  db.run("INSERT INTO t VALUES (1, 1)");
  MysqlTableStore store(db.config());
  const std::string first = store.head();
  const auto damage = [&](const fs::path& file) {
    fs::permissions(file, fs::perms::owner_all);
    std::ofstream(file) << "no";
  };
  damage(db.state() / "looked");
  CHECK(store.head() == first);
  damage(db.state() / "head");
  CHECK(code_of([&] { store.head(); }) == "corrupt");
  fs::remove(db.state() / "head");
  const std::string again = MysqlTableStore(db.config()).head();
  CHECK(read(store, again, "t", {"v"}) == Lines{"1"});
  // Rows that are kept no longer: the next change is read from all rows of the table.
  const fs::path kept = db.state() / "sha256";
  for (const auto& entry : fs::recursive_directory_iterator(kept)) {
    const bool commit = entry.path().filename() == again;
    if (entry.is_regular_file() && !commit) damage(entry.path());
  }
  db.run("UPDATE t SET v = 2");
  const std::string anew = MysqlTableStore(db.config()).head();
  CHECK(read(store, anew, "t", {"v"}) == Lines{"2"});
  CHECK(db.warnings.size() == 1);
}

TEST_CASE("mysql: a huge cell, and a row that no connection takes", "[mysql]") {
  MariadbServer server({"--skip-networking", "--innodb-flush-log-at-trx-commit=0",
                        "--max-allowed-packet=1G", "--innodb-log-file-size=512M"});
  MysqlDatabase db(server);
  db.run("CREATE TABLE cells (id INT PRIMARY KEY, v LONGTEXT)");
  db.run("CREATE TABLE fine (id INT PRIMARY KEY)");
  db.run("INSERT INTO cells VALUES (1, CONCAT(REPEAT('x', 9999999), 'y')), (2, 'z')");
  MysqlTableStore store(db.config());
  const std::string first = store.head();
  size_t bytes = 0;
  char last = 0;
  store.read({first, "cells", {"v"}, {{"id", "1"}}}, [&](const Row& row) {
    bytes = row[0].payload.size();
    last = row[0].payload.back();
  });
  CHECK(bytes == 10'000'000);
  CHECK(last == 'y');
  const auto refusal = [&](const std::string& commit) {
    try {
      store.schema(commit, "cells");
    } catch (const Error& error) {
      return error.message;
    }
    return std::string("taken");
  };
  db.run("UPDATE cells SET v = REPEAT('x', 67108865) WHERE id = 2");
  const std::string second = store.head();
  CHECK(refusal(second) ==
        "table cells could not be read: column v of row id=2: a cell of 67108865 bytes; at most "
        "67108864 are read");
  CHECK(read(store, second, "fine", {"id"}).empty());  // holds up no other table
  CHECK(store.head() == second);
  if (std::getenv("LOCKSTEP_TEST_LARGE")) {  // seconds of a whole machine
    db.run("UPDATE cells SET v = REPEAT('x', 268435456) WHERE id = 2");
    CHECK(refusal(store.head()).find("a row may have") != std::string::npos);
  }
  db.run("DELETE FROM cells WHERE id = 2");
  CHECK(read(store, store.head(), "cells", {"id"}) == Lines{"1"});
}

TEST_CASE("mysql: a user who may not is told so", "[mysql]") {
  MysqlDatabase db;
  db.run("CREATE TABLE a (id INT PRIMARY KEY)");
  db.run("CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING");
  db.run("INSERT INTO t VALUES (1, 1)");
  db.run("CREATE OR REPLACE USER reader IDENTIFIED BY 'secret'");
  db.run("GRANT SELECT ON " + db.config().server.database + ".* TO reader");
  MysqlConfig config = db.config();
  config.server.user = "reader";
  config.server.password = "wrong";
  CHECK(code_of([&] { MysqlTableStore(config).head(); }) == "denied");
  config.server.password = "secret";
  config.tables["t"] = {MysqlMode::kVersioned, ""};  // without the right to see transactions
  MysqlTableStore store(config);
  const std::string first = store.head();
  db.run("UPDATE t SET v = 2");
  CHECK(diff(store, "t", first, store.head(), {"v"}) == Lines{"1 > 2"});
  CHECK(store.commit(first).author == "reader");
  config.server.database = "nowhere";
  CHECK(code_of([&] { MysqlTableStore(config).look(); }) == "denied");
}
