// Writes rows into a Dolt server: all changes of one order are one commit on a branch, or none.
// Knows nothing of where the rows came from.
#pragma once

#include <string>
#include <vector>

#include "connectors/dolt/link.h"
#include "connectors/dolt/tables_at.h"
#include "pipeline/core/table_writer.h"

namespace lockstep {

// Dolt merges transactions cell by cell, and equal changes without a word. So: one writer of ours
// at a time (GET_LOCK), what others changed since `base` is looked at row by row, rows are read
// back before the commit, and the commit's message carries an id of this one writing, by which it
// is known again when the answer was lost.
class DoltWriter : public TableWriter {
 public:
  // The configuration's branch plays no part: each order names its own.
  explicit DoltWriter(DoltConfig config);

  // Also throws conflict where the branch has uncommitted changes to the same tables, or anything
  // staged: they would become part of the commit.
  std::string write(const WriteOrder& order, const std::vector<TableChange>& changes) override;

 private:
  std::string try_once(const WriteOrder& order, const std::vector<TableChange>& changes,
                       const std::string& id, bool again);
  std::string found_again(const WriteOrder& order, const std::string& head, const std::string& id);
  void check_rows(const WriteOrder& order, const std::string& head, const TableChange& change);
  void check_clean(const std::vector<TableChange>& changes);
  std::string commit(const WriteOrder& order, const std::vector<TableChange>& changes,
                     const std::string& id);

  DoltLink link_;
  DoltTablesAt tables_;
  SqlConnection sql_;  // the transaction's own; closed after every failure
};

}  // namespace lockstep
