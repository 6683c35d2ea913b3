// Writes rows into git tables: one commit made from objects, on a branch of the source.
// Knows nothing of working trees, which it never touches, or of where the rows came from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "connectors/git_tables/table_store.h"
#include "pipeline/core/table_writer.h"

namespace lockstep {

// Where rows go inside a table's files: table_edit.h. A repository on this machine has its branch
// moved by compare-and-swap; a remote one gets a push that says where the branch must be. Either is
// tried again from the branch's new head when somebody else was first. A branch that a working tree
// has checked out is refused as git refuses a push to it (denied).
class GitTableWriter : public TableWriter {
 public:
  explicit GitTableWriter(GitTablesConfig config);

  std::string write(const WriteOrder& order, const std::vector<TableChange>& changes) override;

 private:
  std::optional<std::string> attempt(const WriteOrder& order,
                                     const std::vector<TableChange>& changes);
  std::string head_of(const std::string& branch);
  void check_unmoved(const WriteOrder& order, const std::string& head,
                     const std::vector<TableChange>& changes);

  GitTablesConfig config_;
  GitTableStore store_;
};

}  // namespace lockstep
