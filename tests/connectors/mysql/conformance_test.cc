#include "tests/connectors/conformance/deliveries.h"
#include "tests/connectors/conformance/sql_states.h"
#include "tests/connectors/conformance/suite.h"
#include "tests/connectors/mysql/database.h"

using namespace lockstep;

namespace {

class MysqlUnderTest : public conformance::StoreUnderTest {
 public:
  TableStore& store() override { return store_; }
  bool has_keyless() const override { return true; }
  bool rewrites() const override { return false; }
  void reset(const std::string&) override {}
  std::string commit(const FakeCommit& tables) override {
    states_.bring(tables);
    return store_.look();
  }

 private:
  MysqlDatabase db_;
  MysqlTableStore store_{db_.config()};
  conformance::SqlStates states_{[this](const std::string& sql) { db_.run(sql); },
                                 "VARCHAR(200) COLLATE utf8mb4_nopad_bin"};
};

}  // namespace

TEST_CASE("mysql: the same as every store", "[mysql][conformance]") {
  MysqlUnderTest under;
  conformance::same_as_the_fake(under);
}

TEST_CASE("mysql: the vectors of slice digests", "[mysql][conformance]") {
  MysqlUnderTest under;
  conformance::slice_vectors(under);
}

TEST_CASE("mysql: deliveries brought forward are as from scratch", "[mysql][conformance]") {
  MysqlUnderTest under;
  conformance::deliveries_are_as_from_scratch(under, 4);
}
