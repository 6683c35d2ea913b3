// Which tables a database has and what they are made of, from its information schema.
// Knows nothing of rows, commits or how changes are found.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "connectors/sql/column.h"
#include "connectors/sql/connection.h"
#include "pipeline/snapshot/snapshot.h"

namespace lockstep {

struct MysqlTable {
  std::string name;
  std::vector<SqlColumn> columns;  // in the table's own order, without those of the row history
  std::vector<std::string> key;    // of the primary key, in its own order; empty: keyless
  bool transactional = true;       // read as of one point in time
  bool versioned = false;          // MariaDB keeps the history of its rows, by time
  bool by_transaction = false;     // it does, by transaction numbers
  std::string row_start, row_end;  // quoted names; of versioned tables

  SnapshotSchema schema() const;
  const SqlColumn* find(const std::string& column) const;
  // Names, declared types, collations and key: where it moved, all rows are compared.
  std::string shape() const;
};

// Base tables by name; all of the database, or of these names those that are there. The server
// opens every table that it tells of, so few names cost little, however many tables there are. Not
// part of any transaction's view.
std::map<std::string, MysqlTable> describe_mysql(SqlConnection& sql, const std::string& database,
                                                 const std::vector<std::string>& names = {});

}  // namespace lockstep
