// A SQL database brought from state to state as people do: by ALTER TABLE and changed rows.
// Knows nothing of commits or of which server it is.
#pragma once

#include <fmt/ranges.h>

#include <functional>

#include "connectors/sql/quote.h"
#include "tests/fake/tables.h"

namespace lockstep::conformance {

inline std::string sql_type(ValueTag tag, const std::string& text) {
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
      return text;
  }
}

class SqlStates {
 public:
  // `text` is the type of text columns; it must tell case and accents apart.
  SqlStates(std::function<void(const std::string&)> run, std::string text)
      : run_(std::move(run)), text_(std::move(text)) {}

  void bring(const FakeCommit& tables) {
    for (const auto& [name, table] : now_) {
      if (!tables.count(name)) run_("DROP TABLE " + quote_name(name));
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
  }

 private:
  static std::string keys(const TableSchema& schema) {
    std::vector<std::string> out;
    for (const std::string& key : schema.key) out.push_back(quote_name(key));
    return fmt::to_string(fmt::join(out, ", "));
  }
  std::string definition(const Column& column, const TableSchema& schema) const {
    const bool key = std::count(schema.key.begin(), schema.key.end(), column.name) > 0;
    return quote_name(column.name) + " " + sql_type(column.type, text_) + (key ? " NOT NULL" : "");
  }
  void create(const std::string& name, const FakeTable& table) {
    std::vector<std::string> parts;
    for (const Column& column : table.schema.columns) {
      parts.push_back(definition(column, table.schema));
    }
    if (!table.schema.key.empty()) parts.push_back("PRIMARY KEY (" + keys(table.schema) + ")");
    run_(fmt::format("CREATE TABLE {} ({})", quote_name(name), fmt::join(parts, ", ")));
  }
  void alter(const std::string& name, const TableSchema& before, const TableSchema& after) {
    const std::string begin = "ALTER TABLE " + quote_name(name);
    const size_t shared = std::min(before.columns.size(), after.columns.size());
    for (size_t i = 0; i < shared; ++i) {
      if (before.columns[i] == after.columns[i]) continue;
      run_(begin + " CHANGE COLUMN " + quote_name(before.columns[i].name) + " " +
           definition(after.columns[i], after));
    }
    for (size_t i = shared; i < before.columns.size(); ++i) {
      run_(begin + " DROP COLUMN " + quote_name(before.columns[i].name));
    }
    for (size_t i = shared; i < after.columns.size(); ++i) {
      run_(begin + " ADD COLUMN " + definition(after.columns[i], after));
    }
    if (before.key == after.key) return;
    run_(begin + " DROP PRIMARY KEY");
    run_(begin + " ADD PRIMARY KEY (" + keys(after) + ")");
  }
  // Only rows that differ are written; a keyless table is filled anew.
  void fill(const std::string& name, const FakeTable& table) {
    const auto before = now_.find(name);
    std::vector<Row> old_rows;
    if (before != now_.end() && before->second.schema.columns == table.schema.columns) {
      old_rows = before->second.rows;
    }
    if (table.schema.key.empty() && old_rows != table.rows) {
      run_("DELETE FROM " + quote_name(name));
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
        run_(fmt::format("{} INTO {} VALUES ({})", key.empty() ? "INSERT" : "REPLACE",
                         quote_name(name), fmt::join(cells, ", ")));
      }
    }
    if (table.schema.key.empty()) return;
    run_(fmt::format("DELETE FROM {} WHERE NOT ({})", quote_name(name),
                     kept.empty() ? "FALSE" : fmt::to_string(fmt::join(kept, " OR "))));
  }

  std::function<void(const std::string&)> run_;
  std::string text_;
  FakeCommit now_;
};

}  // namespace lockstep::conformance
