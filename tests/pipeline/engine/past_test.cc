#include "pipeline/engine/past.h"

#include "pipeline/store/sqlite_store.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

Digest numbered(int number) {
  return sha256(std::to_string(number));
}

}  // namespace

TEST_CASE("past: every result is there, and memory holds those that plans ask for") {
  Database db(":memory:");
  SqliteStore store(db);
  Past past(store, [](const Digest&) { return true; });
  past.expect(600);
  for (int number = 0; number < 5'000; ++number) {
    ResultRecord result;
    result.fingerprint = numbered(number);
    result.attempt = std::to_string(number);
    result.recipe = "recipe " + std::to_string(number);
    past.put(result);
    REQUIRE(past.in_memory() <= 1'200);
    REQUIRE(past.result(numbered(number / 2))->attempt == std::to_string(number / 2));
  }
  // Those of the newest plan are not read again, whatever else was asked for.
  for (int number = 0; number < 600; ++number) REQUIRE(past.result(numbered(number)));
  db.execute("UPDATE results SET attempt = 'read again'");
  for (int number = 0; number < 600; ++number) {
    REQUIRE(past.result(numbered(number))->attempt == std::to_string(number));
  }
  CHECK(past.result(numbered(4'000))->attempt == "read again");
  CHECK(past.result(numbered(5'000)) == nullptr);
  past.accept("model", numbered(7));
  CHECK(past.last_recipe("model") == "recipe 7");
  CHECK(past.in_memory() <= 1'200);
  past.begin_again();
  CHECK(past.in_memory() == 0);
}
