// A table store over a Dolt server: its commits, the tables in them, rows in canonical order and
// row differences. Knows nothing of slices, digests or who reads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "connectors/dolt/link.h"
#include "connectors/dolt/tables_at.h"
#include "pipeline/core/source.h"

namespace lockstep {

// Reads only what commits hold, by their hashes: never a branch's uncommitted rows. Opens nothing
// before the first call, so that a server that is away stops no other source.
//
// A reading whose connection is lost goes on behind the last row that was delivered: commits do
// not change, and the order of rows is total. A difference that had delivered rows is unavailable
// instead. Rows of a keyless table come in the order of the asked columns.
class DoltTableStore : public TableStore {
 public:
  explicit DoltTableStore(DoltConfig config);

  // Of a remote: what was fetched last, while the remote is away.
  std::string head() override;
  std::string look() override;
  // Branches, tags, full and abbreviated hashes, `HEAD` for the watched branch, `NAME~N`.
  std::string resolve(const std::string& name) override;
  CommitInfo commit(const std::string& id) override;
  std::vector<CommitInfo> log(const std::string& from, const std::string& to,
                              size_t limit) override;
  bool descends(const std::string& to, const std::string& from) override;
  // By tags `lockstep-keep-<owner>-<hash>`.
  void keep(const std::string& owner, const std::string& commit) override;
  void release(const std::string& owner, const std::string& commit) override;
  std::vector<std::string> kept(const std::string& owner) override;
  std::unique_ptr<SourceWatch> watch() override;

  // Dolt's own table hash. It also moves with what is no row: a default, an index, a comment's
  // neighbour, the next value of AUTO_INCREMENT.
  std::map<std::string, std::string> branches() override;
  std::vector<TableInfo> tables(const std::string& commit) override;
  TableSchema schema(const std::string& commit, const std::string& table) override;
  void read(const TableRead& request, const RowSink& sink) override;
  // Throws conflict also where an asked column is new, gone or of another type. Of a keyless table
  // a changed row is one removed and one added, and each copy counts.
  void diff(const std::string& table, const std::string& from, const std::string& to,
            const std::vector<std::string>& columns, const DiffSink& sink) override;

  DoltLink& link() { return link_; }

 private:
  void tag(const std::string& arguments, const std::string& harmless, const std::string& commit);
  std::vector<CommitInfo> commits(const std::string& arguments, size_t limit);

  DoltLink link_;
  DoltLink short_;  // for the head: a server that hangs must not hold up who looks at all sources
  DoltTablesAt tables_;
};

}  // namespace lockstep
