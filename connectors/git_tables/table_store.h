// A table store over git: CSV files with typed schemas, read and compared at commits by object id.
// Knows nothing of slices, digests or who reads.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/git/origin.h"
#include "connectors/git_tables/layout.h"
#include "connectors/git_tables/row_set.h"
#include "pipeline/core/source.h"

namespace lockstep {

struct GitTablesConfig {
  GitOriginConfig origin;
  std::string folder;                    // in the repository; empty: its root
  uint64_t max_file_bytes = 2ull << 30;  // of one CSV file
  CsvLimits csv;
};

// Layout of a table: layout.h; its schema file: schema_file.h; cells: cells.h.
// A reading cut by the partition column reads the files of that folder only; so a key that occurs
// in two partitions is found by readings of the whole table, not by such a one. A difference reads
// the files that differ, in them the rows that differ, and finds keys that occur twice among these.
class GitTableStore : public TableStore {
 public:
  explicit GitTableStore(GitTablesConfig config);

  std::string head() override;
  std::string resolve(const std::string& name) override;
  CommitInfo commit(const std::string& id) override;
  std::vector<CommitInfo> log(const std::string& from, const std::string& to,
                              size_t limit) override;
  bool descends(const std::string& to, const std::string& from) override;
  // By refs under refs/lockstep/keep/: of a remote place in the mirror, which then keeps them.
  void keep(const std::string& owner, const std::string& commit) override;
  void release(const std::string& owner, const std::string& commit) override;
  std::vector<std::string> kept(const std::string& owner) override;
  std::unique_ptr<SourceWatch> watch() override;

  std::map<std::string, std::string> branches() override;
  // The hash is made of the ids of the data (blob or tree) and of the schema file.
  std::vector<TableInfo> tables(const std::string& commit) override;
  TableSchema schema(const std::string& commit, const std::string& table) override;
  void read(const TableRead& request, const RowSink& sink) override;
  // In key order. Throws conflict also where an asked column is new, gone or of another type.
  void diff(const std::string& table, const std::string& from, const std::string& to,
            const std::vector<std::string>& columns, const DiffSink& sink) override;

  // What is wrong with the rows of a table, every file of it read whole: ragged rows, cells that
  // are not of their type, keys that occur twice, each with its place; `most` at most.
  std::vector<Error> problems(const std::string& commit, const std::string& table,
                              size_t most) override;

  GitOrigin& origin() { return origin_; }
  // Files read so far: shown by tests and benchmarks.
  uint64_t files_read() const { return files_read_; }

 private:
  TableLayout layout();
  const TableAt& open(const std::string& commit, const std::string& table);
  // Runs `use` with the file's bytes.
  void with_file(const TableFile& file, const std::function<void(std::string_view)>& use);
  RowSet::Source source_of(const TableAt& table, const TableFile& file);
  void load_change(const TableAt& before, const TableAt& after,
                   const TableLayout::FileChange& change, RowSet& old_rows, RowSet& new_rows);
  void check_columns(const TableAt& table, const std::vector<std::string>& columns) const;

  GitTablesConfig config_;
  GitOrigin origin_;
  std::map<std::pair<std::string, std::string>, TableAt> opened_;  // (commit, table); never stale
  uint64_t files_read_ = 0;
};

}  // namespace lockstep
