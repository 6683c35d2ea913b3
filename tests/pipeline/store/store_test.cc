#include <sys/stat.h>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/store/artifact_store.h"
#include "pipeline/store/sqlite_store.h"
#include "tests/catch.h"

using namespace lockstep;

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

TEST_CASE("slice states are replaced or updated by value") {
  Database db(":memory:");
  SqliteSliceCache cache(db);
  cache.update("g", "c1", {{"a", "1"}, {"b", "2"}}, true);
  cache.update("g", "c2", {{"a", ""}, {std::string("c\0d", 3), "3"}}, false);
  CHECK(cache.tip("g") == "c2");
  CHECK(cache.states("g") ==
        std::map<std::string, std::string>{{"b", "2"}, {std::string("c\0d", 3), "3"}});
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
