#include "connectors/dolt/table_store.h"
#include "tests/connectors/conformance/deliveries.h"
#include "tests/connectors/conformance/sql_states.h"
#include "tests/connectors/conformance/suite.h"
#include "tests/connectors/dolt/dolt_server.h"

using namespace lockstep;

namespace {

class DoltUnderTest : public conformance::StoreUnderTest {
 public:
  TableStore& store() override { return store_; }
  bool has_keyless() const override { return true; }
  void reset(const std::string& commit) override {
    db_.run("CALL dolt_reset('--hard', '" + commit + "')");
  }
  std::string commit(const FakeCommit& tables) override {
    states_.bring(tables);
    return db_.commit();
  }

 private:
  DoltDatabase db_;
  DoltTableStore store_{db_.config()};
  conformance::SqlStates states_{[this](const std::string& sql) { db_.run(sql); }, "VARCHAR(200)"};
};

}  // namespace

TEST_CASE("dolt: the same as every store", "[dolt][conformance]") {
  DoltUnderTest under;
  conformance::same_as_the_fake(under);
}

TEST_CASE("dolt: the vectors of slice digests", "[dolt][conformance]") {
  DoltUnderTest under;
  conformance::slice_vectors(under);
}

TEST_CASE("dolt: deliveries brought forward are as from scratch", "[dolt][conformance]") {
  DoltUnderTest under;
  conformance::deliveries_are_as_from_scratch(under);
}
