// A slice delivered as Arrow files: from the snapshot of an earlier delivery and the rows that
// differ since, else from all rows.
// Knows nothing of attempts or of what a slice is chosen by.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "pipeline/core/artifacts.h"
#include "pipeline/core/source.h"
#include "pipeline/core/store.h"
#include "pipeline/snapshot/snapshot.h"

namespace lockstep {

// What is kept from one delivery to the next. For one thread at a time.
struct SnapshotUse {
  SnapshotIndex& index;
  std::function<void(const std::string&)> say;  // why all rows are read where some are kept
};

constexpr size_t kNoPart = SIZE_MAX;

struct SliceOrder {
  Digest slice;           // another one for other rows of a commit, or other columns of them
  TableRead read;         // its first columns are those of `schema`; `part` may look at more
  SnapshotSchema schema;  // with the table's key, which must have columns
  size_t delivered = 0;   // so many columns of the schema reach the step
  size_t parts = 1;
  std::function<size_t(const Row&)> part;  // of a row of `read`; kNoPart: not in the slice
};

// The files of each part: the very ones that all rows would give, whatever is kept. Two snapshots
// of a slice are remembered. Damaged and missing ones, and commits that the store can't compare,
// are said and read from scratch. Throws what the store throws, and unavailable.
std::vector<std::vector<DatasetFile>> deliver_slice(const SliceOrder& order, TableStore& store,
                                                    Artifacts& artifacts, const SnapshotUse& use);

}  // namespace lockstep
