// The layers of a snapshot as one stream of rows in key order.
// Knows nothing of where the stream goes or of when layers are written anew.
#pragma once

#include <memory>
#include <vector>

#include "pipeline/base/mapped.h"
#include "pipeline/core/source.h"
#include "pipeline/snapshot/manifest.h"

namespace lockstep {

Row key_of(const Row& row, const std::vector<size_t>& positions);
std::strong_ordering compare_keys(const Row& a, const Row& b);

// Row after row of some files, one of them mapped at a time and checked against its digest.
class FileCursor {
 public:
  // `key`: positions of what key() gives; empty where nobody asks.
  FileCursor(Artifacts& artifacts, std::vector<KeyedFile> files, std::vector<Column> columns,
             std::vector<size_t> key);

  bool at_end() const { return rows_ == 0; }
  void next();
  const Row& key() const { return key_row_; }
  Row row(const std::vector<size_t>& columns) const;

 private:
  void open_next();
  void open(const KeyedFile& file);
  void load_key();

  Artifacts& artifacts_;
  std::vector<KeyedFile> files_;
  std::vector<Column> columns_;
  std::vector<size_t> key_;
  size_t opened_ = 0;  // files
  MappedFile mapped_;
  std::vector<ArrowArray> arrays_;
  uint64_t at_ = 0, rows_ = 0;  // in the open file; no rows: at the end
  Row key_row_;
};

// Gives the newest row of every key, cut to `columns`, and, where somebody asks, keys whose newest
// change is that they are gone. Layers from `first` on.
void merge_layers(Artifacts& artifacts, const Manifest& manifest, size_t first,
                  const std::vector<size_t>& columns, const RowSink& row, const RowSink& gone = {});

}  // namespace lockstep
