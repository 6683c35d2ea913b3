#include "connectors/git_tables/table_store.h"
#include "pipeline/base/text.h"
#include "tests/connectors/conformance/deliveries.h"
#include "tests/connectors/conformance/suite.h"
#include "tests/connectors/git/git_fixture.h"

using namespace lockstep;

namespace {

class GitUnderTest : public conformance::StoreUnderTest {
 public:
  TableStore& store() override { return store_; }
  bool has_keyless() const override { return false; }
  void reset(const std::string& commit) override { fixture_.git({"reset", "--hard", commit}); }

  std::string commit(const FakeCommit& tables) override {
    for (const auto& entry : fs::directory_iterator(fixture_.folder())) {
      if (entry.is_regular_file()) fs::remove(entry.path());
    }
    for (const auto& [name, table] : tables) {
      fixture_.write(name + ".schema.yaml", schema_file(table));
      fixture_.write(name + ".csv", csv(table));
    }
    return fixture_.commit();
  }

 private:
  static GitTablesConfig config(const GitFixture& fixture) {
    GitTablesConfig config;
    config.origin.name = "tables";
    config.origin.place = fixture.folder().string();
    return config;
  }
  static std::string schema_file(const FakeTable& table) {
    std::string text = "key: [";
    for (const std::string& key : table.schema.key) text += key + ", ";
    text += "]\ncolumns: {";
    for (const Column& column : table.schema.columns) {
      text += column.name + ": " + std::string(word(column.type)) + ", ";
    }
    return text + "}\n";
  }
  static std::string field(const Value& value) {
    if (value.tag == ValueTag::kNull) return "";
    std::string out = "\"";
    for (char c : value.tag == ValueTag::kBytes ? base64(value.payload) : display(value)) {
      out.append(c == '"' ? 2 : 1, c);
    }
    return out + "\"";
  }
  static std::string csv(const FakeTable& table) {
    std::string out;
    for (const Column& column : table.schema.columns) out += (out.empty() ? "" : ",") + column.name;
    out += "\n";
    for (const Row& row : table.rows) {
      for (size_t i = 0; i < row.size(); ++i) out += (i > 0 ? "," : "") + field(row[i]);
      out += "\n";
    }
    return out;
  }

  GitFixture fixture_;
  GitTableStore store_{config(fixture_)};
};

}  // namespace

TEST_CASE("git tables: the same as every store", "[git_tables][conformance]") {
  GitUnderTest under;
  conformance::same_as_the_fake(under);
}

TEST_CASE("git tables: the vectors of slice digests", "[git_tables][conformance]") {
  GitUnderTest under;
  conformance::slice_vectors(under);
}

TEST_CASE("git tables: deliveries brought forward are as from scratch",
          "[git_tables][conformance]") {
  GitUnderTest under;
  conformance::deliveries_are_as_from_scratch(under);
}
