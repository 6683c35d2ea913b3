// Puts rows into one table of an open transaction and takes rows out, exactly or not at all.
// Knows nothing of commits and branches. For the writer only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connectors/dolt/tables_at.h"
#include "connectors/sql/connection.h"
#include "pipeline/core/table_writer.h"

namespace lockstep {

class DoltRowWriter {
 public:
  // Throws not_found for a column that is not there, invalid for a table without a key and for a
  // change without the key's columns.
  DoltRowWriter(SqlConnection& sql, const DoltTable& table, const TableChange& change);

  // Throws invalid for a value that does not fit, naming table and row.
  void write();

  // Cells of the key, told apart from every other key's.
  static std::string key_text(const std::vector<Value>& key);
  std::vector<Value> key_of(const Row& put) const;

 private:
  using Rows = std::vector<const Row*>;

  std::string condition(const std::vector<Value>& key) const;
  std::string conditions(const Rows& rows) const;
  std::string conditions(const std::vector<Row>& keys) const;
  void remove(const std::vector<Row>& keys);
  void put(const Rows& rows);
  std::map<std::string, Row> there(const Rows& rows);
  void insert(const Rows& rows);
  bool together();
  void update(const Rows& rows);
  void update_one(const Row& row);
  std::string values(const Row& row) const;
  Error unfit(const Row& row, const Error& why) const;
  std::string place(const std::vector<Value>& key) const;

  SqlConnection& sql_;
  const DoltTable& table_;
  const TableChange& change_;
  std::vector<SqlColumn> columns_;  // as change.columns
  std::vector<SqlColumn> key_;      // as table.key
  std::vector<size_t> key_at_;      // the key's cells in a row of `put`
  std::optional<bool> together_;
};

}  // namespace lockstep
