// History rewritten under a reader who remembers: planned from the contents, never an error for
// ever.
#include "connectors/dolt/table_store.h"
#include "pipeline/survey/slices.h"
#include "tests/catch.h"
#include "tests/connectors/dolt/dolt_server.h"
#include "tests/fake/slice_cache.h"

using namespace lockstep;

namespace {

// Digests of all slices, read with the memory of the last time, and what that cost.
class Reader {
 public:
  explicit Reader(DoltTableStore& store) : store_(store) {}

  std::map<std::string, std::string> at(const std::string& commit) {
    const uint64_t before = reader_.rows_read();
    std::map<std::string, std::string> out;
    for (const auto& [key, slice] : reader_.read(group_, commit).slices) {
      if (slice.rows > 0) out[key] = slice.digest.hex();
    }
    cost = reader_.rows_read() - before;
    return out;
  }
  uint64_t cost = 0;  // rows

 private:
  DoltTableStore& store_;
  FakeSliceCache cache_;
  SliceReader reader_{{{"tables", &store_}}, cache_};
  SliceGroup group_{"tables", "t", "", {"client", "id", "v"}, {}, {"client"}};
};

std::string filled(DoltDatabase& db, int rows = 40) {
  db.run("CREATE TABLE t (id INT PRIMARY KEY, client VARCHAR(20), v INT)");
  std::string values;
  for (int i = 0; i < rows; ++i) {
    values += fmt::format("{}({}, 'c{}', {})", i ? ", " : "", i, i % 4, i);
  }
  db.run("INSERT INTO t VALUES " + values);
  return db.commit();
}

ErrorCode code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code;
  }
  FAIL("nothing was thrown");
  throw;
}

}  // namespace

TEST_CASE("dolt: a branch that was reset is read by what differs", "[dolt]") {
  DoltDatabase db;
  const std::string first = filled(db);
  db.run("UPDATE t SET v = 100 WHERE client = 'c1'");
  const std::string lost = db.commit();
  DoltTableStore store(db.config());
  Reader reader(store);
  const auto old_slices = reader.at(lost);
  db.run("CALL dolt_reset('--hard', '" + first + "')");
  db.run("UPDATE t SET v = 100 WHERE client = 'c1'");  // the same rows once more
  db.run("DELETE FROM t WHERE id = 2");
  const std::string now = db.commit();
  CHECK(store.head() == now);
  CHECK_FALSE(store.descends(now, lost));
  auto slices = reader.at(now);
  CHECK(reader.cost == 1);
  CHECK(slices["2:c1"] == old_slices.at("2:c1"));  // nothing to train
  CHECK(slices["2:c2"] != old_slices.at("2:c2"));
  CHECK(slices == Reader(store).at(now));
}

TEST_CASE("dolt: a commit that was collected is compared with in full, once", "[dolt]") {
  DoltDatabase db;
  const std::string first = filled(db);
  db.run("UPDATE t SET v = 100 WHERE client = 'c1'");
  const std::string lost = db.commit();
  DoltTableStore store(db.config());
  Reader reader(store);
  const auto old_slices = reader.at(lost);
  CHECK(store.tables(lost).size() == 1);
  db.run("CALL dolt_reset('--hard', '" + first + "')");
  db.run("DELETE FROM t WHERE id = 2");
  const std::string now = db.commit();
  db.run("CALL dolt_gc()");
  db.sql().close();
  CHECK(code_of([&] { store.commit(lost); }) == ErrorCode::kNotFound);
  CHECK_FALSE(store.descends(now, lost));
  CHECK(store.log(lost, now, 10).size() >= 2);  // the history there is
  auto slices = reader.at(now);
  CHECK(reader.cost == 39);
  CHECK(slices["2:c3"] == old_slices.at("2:c3"));
  CHECK(slices["2:c1"] != old_slices.at("2:c1"));
  db.run("DELETE FROM t WHERE id = 6");
  CHECK(reader.at(db.commit()) != slices);
  CHECK(reader.cost == 1);
}

TEST_CASE("dolt: what is kept is read after a reset and the collection", "[dolt]") {
  DoltDatabase db;
  const std::string first = filled(db);
  db.run("UPDATE t SET v = 100 WHERE client = 'c1'");
  const std::string held = db.commit();
  DoltTableStore store(db.config());
  const auto slices = Reader(store).at(held);
  store.keep("me", held);
  db.run("CALL dolt_reset('--hard', '" + first + "')");
  db.run("DELETE FROM t WHERE id = 2");
  const std::string now = db.commit();
  db.run("CALL dolt_gc()");
  db.sql().close();
  CHECK(Reader(store).at(held) == slices);
  CHECK(store.commit(held).id == held);
  size_t changed = 0;
  store.diff("t", held, now, {"id", "v"}, [&](const Row*, const Row*) { ++changed; });
  CHECK(changed == 11);
}

TEST_CASE("dolt: a branch deleted and made again, and one with another name", "[dolt]") {
  DoltDatabase db;
  filled(db);
  db.run("CALL dolt_branch('live')");
  DoltConfig config = db.config();
  config.branch = "live";
  DoltTableStore store(config);
  Reader reader(store);
  const std::string first = store.head();
  const auto slices = reader.at(first);
  db.run("CALL dolt_branch('-D', 'live')");
  for (int i = 0; i < 3; ++i) {
    CHECK(code_of([&] { store.head(); }) == ErrorCode::kNotFound);
  }
  CHECK(reader.at(first) == slices);  // commits are read whatever becomes of names
  db.run("DELETE FROM t WHERE id = 2");
  const std::string again = db.commit();
  db.run("CALL dolt_branch('live')");
  CHECK(store.head() == again);
  CHECK(reader.at(again) != slices);
  CHECK(reader.cost == 1);
  db.run("CALL dolt_branch('-m', 'live', 'trunk')");
  try {
    store.head();
    FAIL("a branch that is not there");
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kNotFound);
    CHECK_THAT(error.message, Catch::Contains("has no branch live"));
    CHECK_THAT(error.hint, Catch::Contains("trunk"));
  }
  db.run("CALL dolt_branch('-m', 'trunk', 'live')");
  CHECK(store.head() == again);
}

TEST_CASE("dolt: the branch that a database opens with, renamed and back", "[dolt]") {
  DoltDatabase db;
  const std::string first = filled(db);
  DoltTableStore store(db.config());
  CHECK(store.head() == first);
  db.run("CALL dolt_branch('-m', '-f', 'main', 'trunk')");
  db.sql().close();
  DoltTableStore fresh(db.config());
  for (DoltTableStore* one : {&store, &fresh}) {
    INFO((one == &store ? "known" : "fresh"));
    CHECK(code_of([&] { one->head(); }) == ErrorCode::kNotFound);
  }
  SqlConnection other(db.server().server());
  other.execute("USE `" + db.name() + "/trunk`");
  other.execute("CALL dolt_branch('-c', 'trunk', 'main')");
  CHECK(store.head() == first);
  CHECK(fresh.head() == first);
}

TEST_CASE("dolt: another database under the same name", "[dolt]") {
  DoltServer server;
  DoltDatabase db(server);
  const std::string lost = filled(db);
  DoltConfig config = db.config();
  config.data_folder = server.data();
  DoltTableStore store(config);
  const auto watch = store.watch();
  Reader reader(store);
  const auto old_slices = reader.at(store.head());
  CHECK(store.tables(lost).size() == 1);
  server.end();
  fs::rename(server.data(), server.data().string() + ".away");
  fs::create_directories(server.data());
  server.start();
  db.sql().close();
  db.sql().execute("CREATE DATABASE " + db.name());
  db.sql().close();
  while (watch->take()) {
  }
  filled(db, 41);
  CHECK(watch->take());  // of the folder that took the place of the old one
  const std::string now = store.head();
  CHECK(now != lost);
  CHECK_FALSE(store.descends(now, lost));
  CHECK(store.log(lost, now, 10).size() >= 1);
  CHECK(store.tables(now).size() == 1);
  auto slices = reader.at(now);
  CHECK(reader.cost == 41);
  CHECK(slices["2:c1"] == old_slices.at("2:c1"));
  CHECK(slices["2:c0"] != old_slices.at("2:c0"));
  CHECK(code_of([&] { store.commit(lost); }) == ErrorCode::kNotFound);
  CHECK(code_of([&] {
          store.read({lost, "t", {"id"}, {}}, [](const Row&) {});
        }) == ErrorCode::kNotFound);
  CHECK(code_of([&] { store.keep("me", lost); }) == ErrorCode::kNotFound);
}
