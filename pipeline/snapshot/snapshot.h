// A table's rows at one commit, kept as content-addressed Arrow files: written once, brought
// forward by differences, read in key order.
// Knows nothing of tables, commits or connections: rows in, a digest out.
//
// A snapshot is its manifest's digest (docs/formats/arrow.md). It has a base, files of at most
// 65,536 rows in key order, and above it layers of later rows and keys that are gone. A difference
// costs what it holds: it becomes a layer, and layers of like size are joined. Above a tenth of the
// rows, or up to 8,192 rows at all, everything is written anew. Nothing is changed in place: the
// old snapshot stays readable while its files are kept.
//
// Memory: two files under way and one mapped file for each layer (some 20 at most), whatever the
// number of rows. Objects and calls are for one thread at a time; Artifacts may be shared.
// All throw what Artifacts throws, and corrupt (with the file's digest) for damaged files.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/core/artifacts.h"
#include "pipeline/core/source.h"
#include "pipeline/snapshot/dataset.h"

namespace lockstep {

struct SnapshotSchema {
  std::vector<Column> columns;   // rows have their cells in this order
  std::vector<std::string> key;  // of these columns; empty: no differences, order as it came
  bool operator==(const SnapshotSchema&) const = default;
};

// From scratch. Equal rows in equal order give an equal digest.
class SnapshotWriter {
 public:
  // Throws invalid where the key names no column or one twice.
  SnapshotWriter(Artifacts& artifacts, SnapshotSchema schema);
  ~SnapshotWriter();

  // Rows by rising key (compare_values over the key columns). Throws invalid for another order,
  // for a key that was there already, and for a value of another type than its column.
  void add(const Row& row);
  uint64_t rows() const { return rows_; }
  Digest finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
  uint64_t rows_ = 0;
};

// Gives each changed row to the sink, in any order: `before` null: added; `after` null: removed.
// Rows with all columns of the snapshot. Of several changes of one key the last one counts.
using SnapshotDiff = std::function<void(const DiffSink&)>;

// The snapshot after the difference; the same digest when it is empty. Throws conflict for a
// snapshot without a key, corrupt where the difference does not fit the rows (seen when everything
// is written anew).
Digest apply_diff(Artifacts& artifacts, const Digest& snapshot, const SnapshotDiff& diff);

// Rows in key order, with `columns` only. Throws invalid for a column that it does not have.
void read_snapshot(Artifacts& artifacts, const Digest& snapshot,
                   const std::vector<std::string>& columns, const RowSink& sink);

// Rows that differ in `columns`, by rising key: as TableStore::diff gives them. Costs what differs
// where one snapshot, or both, came from the other or a third by differences and nothing was
// written anew since; else reads both. Throws conflict where columns or keys differ, or there is
// no key.
void diff_snapshots(Artifacts& artifacts, const Digest& from, const Digest& to,
                    const std::vector<std::string>& columns, const DiffSink& sink);

// The rows with `columns` as a dataset of plain files: the same files whatever way the snapshot
// came about. The snapshot's own where these are the columns and nothing lies above its base.
std::vector<DatasetFile> as_dataset(Artifacts& artifacts, const Digest& snapshot,
                                    const std::vector<std::string>& columns);

struct SnapshotInfo {
  SnapshotSchema schema;
  uint64_t rows = 0;
  size_t layers = 1;            // 1: the base alone
  std::vector<Digest> digests;  // everything to keep for it: files, and the manifest itself
};
SnapshotInfo describe_snapshot(Artifacts& artifacts, const Digest& snapshot);

}  // namespace lockstep
