// Reads slice digests from table stores, paying for what changed: the states of all slices of one
// cut are kept and brought forward by a row diff; from scratch only where there is nothing to
// start from. Knows nothing of workflows, steps or results.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "pipeline/core/slice.h"
#include "pipeline/core/source.h"
#include "pipeline/core/store.h"
#include "pipeline/core/survey.h"

namespace lockstep {

// All slices of one table over the same columns, cut by the same columns.
struct SliceGroup {
  std::string source, table;
  std::string at;                        // commit, tag or branch; empty: the plan's commit
  std::vector<std::string> columns;      // read, sorted; empty: all
  std::vector<std::string> holdout_key;  // sorted
  std::vector<std::string> cut;          // sorted; empty: one slice, the whole table

  auto operator<=>(const SliceGroup&) const = default;
  static SliceGroup of(const SliceSpec& spec);
};

// The key of one slice within its group: the cut values, each with its length. NULL and empty are
// one value; where one column cuts, their rows have the key kNoValue.
std::string cut_key(const std::vector<std::string>& values);
inline const std::string kNoValue = "0:";

struct GroupReading {
  std::string commit;
  std::map<std::string, SliceSummary> slices;  // by cut key
  // Where the group names none: all columns of the table, sorted by name. Else null.
  std::shared_ptr<const std::vector<std::string>> columns;
};

// What a group was read at, as SliceCache keeps it.
struct SliceTip {
  std::string commit, hash;
  std::string table;  // as name_table() writes it; empty in caches of earlier versions
  std::string shape;  // names, types and key of what was read

  static std::string name_table(const std::string& source, const std::string& table);
  std::string text() const;
  static SliceTip parse(const std::string& text);
};

class SliceReader {
 public:
  SliceReader(std::map<std::string, TableStore*> stores, SliceCache& cache);

  // States at a commit; throws what the store throws, and not_found for missing columns (naming
  // table, column, commit).
  GroupReading read(const SliceGroup& group, const std::string& commit);

  // How many rows of each slice of the group differ between two commits. Cut key → counts.
  std::map<std::string, RowCounts> changes(const SliceGroup& group, const std::string& from,
                                           const std::string& to);

  // Row bytes read from the stores so far, as rows: shown by benchmarks and tests.
  uint64_t rows_read() const { return rows_read_; }

 private:
  struct Layout;
  Layout layout(const SliceGroup& group, const TableSchema& schema, const std::string& commit);
  std::map<std::string, SliceState> from_scratch(const SliceGroup& group, const Layout& layout,
                                                 const std::string& commit);
  bool remembered(const std::string& name, GroupReading& reading);
  bool from_diff(const SliceGroup& group, const Layout& layout, const std::string& from,
                 GroupReading& reading, std::map<std::string, RememberedSlice>& changed);
  SliceState recall(const SliceGroup& group, const std::string& key, const GroupReading& reading);
  TableStore& store(const std::string& source);
  std::string table_hash(const std::string& source, const std::string& table,
                         const std::string& commit);

  std::map<std::string, TableStore*> stores_;
  SliceCache& cache_;
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::string>> hashes_;
  uint64_t rows_read_ = 0;
};

}  // namespace lockstep
