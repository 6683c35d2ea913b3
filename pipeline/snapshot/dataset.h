// Rows written as a dataset: Arrow files of at most 65,536 rows, in the order they came.
// Knows nothing of keys, commits or what the rows are for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/core/artifacts.h"
#include "pipeline/core/value.h"
#include "pipeline/snapshot/cells.h"

namespace lockstep {

struct DatasetFile {
  Digest digest;
  uint64_t rows = 0;
  bool operator==(const DatasetFile&) const = default;
};

// Equal rows give equal files: where a file ends, and the type of a column in all of them, depend
// on nothing else. Holds one file in memory, about 32 MiB of cells, or one row if that is larger.
class DatasetWriter {
 public:
  DatasetWriter(Artifacts& artifacts, std::vector<Column> columns);

  // Cells in the order of the columns; further ones are left out. Throws invalid for a value of
  // another type than its column.
  void add(const Row& row);
  // True when the row just added began a file.
  bool began_file() const { return rows_ == 1; }
  // The files, at least one (no rows: a file with columns alone).
  std::vector<DatasetFile> finish();

 private:
  void begin_file();
  void end_file();
  std::vector<ArrowType> types() const;
  Digest rewritten(const Digest& file) const;

  Artifacts& artifacts_;
  std::vector<Column> columns_;
  std::vector<CellFacts> facts_;
  std::vector<CellColumn> cells_;
  uint64_t rows_ = 0;   // of the file under way
  uint64_t bytes_ = 0;  // of its cells: 8 for each, and their payloads
  std::vector<DatasetFile> files_;
  std::vector<std::vector<ArrowType>> written_;  // types of each file
};

// The folder that a program sees: part-00000.arrow, part-00001.arrow, …. Puts its listing.
Digest put_dataset_folder(Artifacts& artifacts, const std::vector<DatasetFile>& files);

}  // namespace lockstep
