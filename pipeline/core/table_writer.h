// The port that writes rows into a table store: all changes of one call are one commit, or none.
// Knows nothing of where the rows came from or of how a store keeps them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/core/value.h"

namespace lockstep {

// What becomes of one table. Rows are told apart by the table's key, which must be among `columns`.
struct TableChange {
  std::string table;
  std::vector<std::string> columns;  // of the rows in `put`; other columns keep their values
  std::vector<Row> put;              // added, or changed where the key is there already
  std::vector<Row> remove;           // key values alone, in the order of the schema's key
};

struct WriteOrder {
  std::string branch;  // must exist
  // The commit that the change was computed from. When the branch has moved on since, a row that
  // `put` or `remove` names and that differs there makes the write a conflict.
  std::string base;
  std::string author, email;
  std::string subject;  // one line
  std::string body;     // may be empty
  // Trailers of the commit, by name: `Lockstep-Run: 41` marks a commit of our own, so that it does
  // not trigger the workflow that wrote it.
  std::map<std::string, std::string> trailers;
};

class TableWriter {
 public:
  virtual ~TableWriter() = default;
  // The new commit's id; `base` when nothing would change. Nothing is written when it throws:
  // conflict (rows changed since `base`, or the store kept refusing: try again), invalid (a value
  // that does not fit its column, with table and row), not_found (no such table, column or
  // branch), unavailable, denied.
  virtual std::string write(const WriteOrder& order, const std::vector<TableChange>& changes) = 0;
};

}  // namespace lockstep
