#include <fmt/ranges.h>

#include "connectors/dolt/table_store.h"
#include "tests/connectors/conformance/suite.h"
#include "tests/connectors/dolt/dolt_server.h"

using namespace lockstep;

namespace {

const char* sql_type(ValueTag tag) {
  switch (tag) {
    case ValueTag::kInt:
      return "BIGINT";
    case ValueTag::kDecimal:
      return "DECIMAL(40,10)";
    case ValueTag::kFloat:
      return "DOUBLE";
    case ValueTag::kBytes:
      return "VARBINARY(200)";
    case ValueTag::kDate:
      return "DATE";
    case ValueTag::kTime:
      return "TIME(6)";
    case ValueTag::kDatetime:
      return "DATETIME(6)";
    case ValueTag::kJson:
      return "JSON";
    default:
      return "VARCHAR(200)";
  }
}

// Brings a Dolt database from state to state as people do: by ALTER TABLE and changed rows.
class DoltUnderTest : public conformance::StoreUnderTest {
 public:
  TableStore& store() override { return store_; }
  bool has_keyless() const override { return true; }
  void reset(const std::string& commit) override {
    db_.run("CALL dolt_reset('--hard', '" + commit + "')");
  }

  std::string commit(const FakeCommit& tables) override {
    for (const auto& [name, table] : now_) {
      if (!tables.count(name)) db_.run("DROP TABLE " + quote_name(name));
    }
    for (const auto& [name, table] : tables) {
      const auto before = now_.find(name);
      if (before == now_.end()) {
        create(name, table);
      } else {
        alter(name, before->second.schema, table.schema);
      }
      fill(name, table);
    }
    now_ = tables;
    return db_.commit();
  }

 private:
  static std::string keys(const TableSchema& schema) {
    std::vector<std::string> out;
    for (const std::string& key : schema.key) out.push_back(quote_name(key));
    return fmt::to_string(fmt::join(out, ", "));
  }
  static std::string definition(const Column& column, const TableSchema& schema) {
    const bool key = std::count(schema.key.begin(), schema.key.end(), column.name) > 0;
    return quote_name(column.name) + " " + sql_type(column.type) + (key ? " NOT NULL" : "");
  }
  void create(const std::string& name, const FakeTable& table) {
    std::vector<std::string> parts;
    for (const Column& column : table.schema.columns) {
      parts.push_back(definition(column, table.schema));
    }
    if (!table.schema.key.empty()) parts.push_back("PRIMARY KEY (" + keys(table.schema) + ")");
    db_.run(fmt::format("CREATE TABLE {} ({})", quote_name(name), fmt::join(parts, ", ")));
  }
  void alter(const std::string& name, const TableSchema& before, const TableSchema& after) {
    const std::string begin = "ALTER TABLE " + quote_name(name);
    const size_t shared = std::min(before.columns.size(), after.columns.size());
    for (size_t i = 0; i < shared; ++i) {
      if (before.columns[i] == after.columns[i]) continue;
      db_.run(begin + " CHANGE COLUMN " + quote_name(before.columns[i].name) + " " +
              definition(after.columns[i], after));
    }
    for (size_t i = shared; i < before.columns.size(); ++i) {
      db_.run(begin + " DROP COLUMN " + quote_name(before.columns[i].name));
    }
    for (size_t i = shared; i < after.columns.size(); ++i) {
      db_.run(begin + " ADD COLUMN " + definition(after.columns[i], after));
    }
    if (before.key == after.key) return;
    db_.run(begin + " DROP PRIMARY KEY");
    db_.run(begin + " ADD PRIMARY KEY (" + keys(after) + ")");
  }
  // Only rows that differ are written; a keyless table is filled anew.
  void fill(const std::string& name, const FakeTable& table) {
    const auto before = now_.find(name);
    std::vector<Row> old_rows;
    if (before != now_.end() && before->second.schema.columns == table.schema.columns) {
      old_rows = before->second.rows;
    }
    if (table.schema.key.empty() && old_rows != table.rows) {
      db_.run("DELETE FROM " + quote_name(name));
      old_rows.clear();
    }
    const auto has = [](const std::vector<Row>& rows, const Row& row) {
      return std::find(rows.begin(), rows.end(), row) != rows.end();
    };
    std::vector<std::string> kept;
    for (const Row& row : table.rows) {
      std::vector<std::string> cells, key;
      for (size_t i = 0; i < row.size(); ++i) {
        cells.push_back(quote_value(row[i]));
        const std::string& column = table.schema.columns[i].name;
        const auto& keys_of = table.schema.key;
        if (std::find(keys_of.begin(), keys_of.end(), column) == keys_of.end()) continue;
        key.push_back(quote_name(column) + " = " + cells.back());
      }
      if (!key.empty()) kept.push_back(fmt::format("({})", fmt::join(key, " AND ")));
      if (old_rows.empty() || !has(old_rows, row)) {
        db_.run(fmt::format("{} INTO {} VALUES ({})", key.empty() ? "INSERT" : "REPLACE",
                            quote_name(name), fmt::join(cells, ", ")));
      }
    }
    if (table.schema.key.empty()) return;
    db_.run(fmt::format("DELETE FROM {} WHERE NOT ({})", quote_name(name),
                        kept.empty() ? "FALSE" : fmt::to_string(fmt::join(kept, " OR "))));
  }

  DoltDatabase db_;
  DoltTableStore store_{db_.config()};
  FakeCommit now_;
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
