// The layers of a snapshot as one stream of rows in key order.
// Knows nothing of where the stream goes or of when layers are written anew.
#pragma once

#include <optional>
#include <vector>

#include "pipeline/base/mapped.h"
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
  // On to the first row whose key is not below `key`: files below it are not opened.
  void seek(const Row& key);
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

// The newest word about every key in some layers, by rising key: its row, or that it is gone.
class MergedRows {
 public:
  // Layers from `first` up to but not including `end`. `keys`: key() and seek() are wanted.
  MergedRows(Artifacts& artifacts, const Manifest& manifest, size_t first, size_t end, bool keys);

  bool at_end() const { return base_first_ ? false : low_ == nullptr; }
  void next();
  void seek(const Row& key);
  const Row& key() const { return base_first_ ? base_->key() : low_->cursor.key(); }
  bool gone() const { return !base_first_ && low_->gone; }
  Row row(const std::vector<size_t>& columns) const {
    return base_first_ ? base_->row(columns) : low_->cursor.row(columns);
  }

 private:
  struct Stream {
    FileCursor cursor;
    bool gone;
  };
  void find_low();
  void settle();
  bool base_left() const { return base_ && !base_->at_end(); }

  std::vector<Stream> later_;  // the newest first
  Stream* low_ = nullptr;      // of `later_`: with the lowest key, the newest of equal ones
  std::optional<FileCursor> base_;
  bool base_first_ = false;  // the base's row comes before those of all others
};

}  // namespace lockstep
