#include <poll.h>

#include <thread>

#include "connectors/dolt/table_store.h"
#include "connectors/dolt/watch.h"
#include "tests/catch.h"
#include "tests/connectors/dolt/dolt_server.h"

using namespace lockstep;

namespace {

void sleep_ms(int ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

// Waits up to 5 s for a signal.
bool signals(SourceWatch& watch) {
  for (int i = 0; i < 50; ++i) {
    pollfd ready{watch.fd(), POLLIN, 0};
    poll(&ready, 1, 100);
    if (watch.take()) return true;
  }
  return false;
}

void drain(SourceWatch& watch) {
  while (watch.take()) sleep_ms(50);
}

std::string big_table(DoltDatabase& db, int rows) {
  db.run("CREATE TABLE big (id INT PRIMARY KEY, v VARCHAR(200))");
  for (int i = 0; i < rows; i += 1000) {
    std::string values;
    for (int k = i; k < i + 1000; ++k) {
      values += fmt::format("{}({}, '{:0>100}')", k > i ? ", " : "", k, k);
    }
    db.run("INSERT INTO big VALUES " + values);
  }
  return db.commit();
}

}  // namespace

TEST_CASE("dolt: a reading that loses its connection goes on behind the last row", "[dolt]") {
  DoltDatabase db;
  const int rows = 40'000;
  const std::string id = big_table(db, rows);
  DoltTableStore store(db.config());
  int next = 0, cuts = 0;
  store.read({id, "big", {"id", "v"}, {}}, [&](const Row& row) {
    REQUIRE(row[0].payload == std::to_string(next));
    if (next % 15'000 == 100 && cuts < 2) {
      SqlConnection cut(db.config().server);
      cut.execute(fmt::format("CREATE TABLE cut{} (id INT PRIMARY KEY)", cuts));
      cut.execute("CALL dolt_gc()");
      ++cuts;
    }
    ++next;
  });
  CHECK(next == rows);
  CHECK(cuts == 2);
}

TEST_CASE("dolt: what the reader throws is not taken for a lost connection", "[dolt]") {
  DoltDatabase db;
  const std::string id = big_table(db, 1000);
  DoltTableStore store(db.config());
  int calls = 0;
  try {
    store.read({id, "big", {"id"}, {}}, [&](const Row&) {
      ++calls;
      throw Error(ErrorCode::kUnavailable, "full disk");
    });
    FAIL("went on");
  } catch (const Error& error) {
    CHECK(error.message == "full disk");
  }
  CHECK(calls == 1);
  CHECK(store.head() == id);
}

TEST_CASE("dolt: a server killed in the midst of rows, away, and back", "[dolt]") {
  DoltServer server;
  DoltDatabase db(server);
  const std::string id = big_table(db, 40'000);
  DoltConfig config = db.config();
  DoltTableStore store(config);
  int seen = 0;
  try {
    store.read({id, "big", {"id", "v"}, {}}, [&](const Row&) {
      if (++seen == 100) server.end(SIGKILL);
    });
    FAIL("ended after " << seen);
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kUnavailable);
    CHECK(error.message.find("source tables: ") == 0);
  }
  CHECK(seen < 40'000);
  CHECK_THROWS_AS(store.head(), Error);
  server.start();
  CHECK(store.head() == id);
  int again = 0;
  store.read({id, "big", {"id"}, {}}, [&](const Row&) { ++again; });
  CHECK(again == 40'000);
  // Stopped, not dead: time-outs end the wait.
  config.server.read_timeout_s = config.server.connect_timeout_s = 1;
  DoltTableStore short_of_time(config);
  CHECK(short_of_time.head() == id);
  server.send(SIGSTOP);
  CHECK_THROWS_AS(short_of_time.head(), Error);
  server.send(SIGCONT);
  CHECK(short_of_time.head() == id);
}

TEST_CASE("dolt: signals from the server's folder", "[dolt]") {
  DoltDatabase db;
  db.run("CREATE TABLE t (id INT PRIMARY KEY)");
  db.commit();
  DoltConfig config = db.config();
  config.data_folder = db.server().data();
  DoltTableStore store(config);
  const auto watch = store.watch();
  sleep_ms(100);
  drain(*watch);
  CHECK_FALSE(watch->take());
  db.run("INSERT INTO t VALUES (1)");
  db.commit();
  CHECK(signals(*watch));
  sleep_ms(100);
  drain(*watch);
  db.run("CALL dolt_gc()");
  sleep_ms(200);
  drain(*watch);
  db.sql().close();
  db.run("INSERT INTO t VALUES (2)");
  db.commit();
  CHECK(signals(*watch));
  config.data_folder = db.server().data() / "nowhere";
  CHECK_THROWS_AS(DoltTableStore(config).watch(), Error);
}

TEST_CASE("dolt: signals by asking, also after the server was away", "[dolt]") {
  DoltServer server;
  DoltDatabase db(server);
  db.run("CREATE TABLE t (id INT PRIMARY KEY)");
  db.commit();
  DoltPoll poll(db.config(), 20);
  CHECK(signals(poll));  // the first answer
  sleep_ms(100);
  CHECK_FALSE(poll.take());
  db.run("INSERT INTO t VALUES (1)");
  sleep_ms(100);
  CHECK_FALSE(poll.take());  // nobody committed it
  db.commit();
  CHECK(signals(poll));
  server.end(SIGKILL);
  CHECK(signals(poll));
  server.start();
  CHECK(signals(poll));
}
