// A table's rows from the server made into a snapshot: from scratch, or by what differs from the
// one before. Knows nothing of commits or of how it was found that something changed.
#pragma once

#include <functional>
#include <string>

#include "connectors/mysql/commits.h"
#include "connectors/mysql/describe.h"
#include "connectors/sql/connection.h"

namespace lockstep {

// The record lacks its mark.
struct MysqlTaken {
  MysqlTableRecord record;
  uint64_t added = 0, changed = 0, removed = 0;
  bool anew = false;  // what was kept before is of no use
};

// Streams in bounded memory, within the transaction that the connection is in. Throws what the
// connection throws; invalid, with the column, for a cell without a canonical form; and corrupt for
// rows that come in another order than asked for. The latter two leave the connection open.
class MysqlRows {
 public:
  MysqlRows(SqlConnection& sql, const MysqlConfig& config, const MysqlTable& table);

  MysqlTaken all();
  // All rows, beside those of `before`, which has the same columns and key.
  MysqlTaken compared(const MysqlTableRecord& before);
  // Rows that `condition` holds for; the others are taken to be as they were.
  MysqlTaken newer(const MysqlTableRecord& before, const std::string& condition);
  // By the row history: what began or ended at or after `since_s` (UTC, seconds since 1970).
  MysqlTaken since(const MysqlTableRecord& before, int64_t since_s);

 private:
  using RowUse = std::function<void(Row&&, const SqlRow&)>;
  // `last`: one expression more, behind the columns. `tail`: FOR SYSTEM_TIME, WHERE.
  std::string select(const std::string& last, const std::string& tail,
                     const std::string& last_order) const;
  void stream(const std::string& statement, const RowUse& use);
  MysqlTaken merged(const MysqlTableRecord& before, const std::string& statement, bool complete);

  SqlConnection& sql_;
  const MysqlConfig& config_;
  const MysqlTable& table_;
};

}  // namespace lockstep
