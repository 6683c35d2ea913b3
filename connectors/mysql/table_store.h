// A table store over MySQL or MariaDB tables, which have no versions: looks at them, and keeps a
// commit of its own for every look that found something changed.
// Knows nothing of slices, digests or who reads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "connectors/mysql/commits.h"
#include "connectors/mysql/config.h"
#include "pipeline/core/source.h"

namespace lockstep {

// Only head() and look() ask the server; all else is answered from what is kept, whether the
// server is up or not. Several stores may share a folder of state, also in several processes: one
// looks, the others wait for it or go on with the head there is.
//
// The history is a line: nothing rewrites it, and no commit is ever lost. Rows of a keyless table
// come in the order of the asked columns, sorted in memory.
class MysqlTableStore : public TableStore {
 public:
  explicit MysqlTableStore(MysqlConfig config);
  MysqlTableStore(const MysqlTableStore&) = delete;
  MysqlTableStore& operator=(const MysqlTableStore&) = delete;

  // Looks where the last look is `every_ms` old, else gives the newest commit.
  std::string head() override;
  std::string look() override;
  // Full and abbreviated ids; `HEAD` and `main` for the newest commit.
  std::string resolve(const std::string& name) override;
  // Its author is the server's user; the message has a line for each table that changed.
  CommitInfo commit(const std::string& id) override;
  std::vector<CommitInfo> log(const std::string& from, const std::string& to,
                              size_t limit) override;
  bool descends(const std::string& to, const std::string& from) override;
  // Every commit is held already; this only notes for whom.
  void keep(const std::string& owner, const std::string& commit) override;
  void release(const std::string& owner, const std::string& commit) override;
  std::vector<std::string> kept(const std::string& owner) override;
  // Every `every_ms`.
  std::unique_ptr<SourceWatch> watch() override;

  // Equal columns, key and rows have an equal hash, at any commit. Tables that could not be read
  // are left out; schema() says why.
  std::vector<TableInfo> tables(const std::string& commit) override;
  TableSchema schema(const std::string& commit, const std::string& table) override;
  void read(const TableRead& request, const RowSink& sink) override;
  // Throws conflict also where an asked column is new, gone or of another type; reads both tables
  // whole where other columns changed. Of a keyless table a changed row is one removed and
  // one added, and each copy counts.
  void diff(const std::string& table, const std::string& from, const std::string& to,
            const std::vector<std::string>& columns, const DiffSink& sink) override;

 private:
  std::filesystem::path notes(const std::string& owner) const;
  std::unique_ptr<FileLock> lock() const;
  std::string look_or(bool wait);
  bool fresh(std::string* head) const;
  MysqlTableRecord open(const std::string& commit, const std::string& table);
  std::vector<Row> sorted_rows(const MysqlTableRecord& table,
                               const std::vector<std::string>& columns);
  void check_columns(const MysqlTableRecord& table, const TableRead& request) const;

  MysqlConfig config_;
  MysqlCommits commits_;
};

}  // namespace lockstep
