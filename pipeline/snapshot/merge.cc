#include "pipeline/snapshot/merge.h"

#include <numeric>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

bool may_hold(ValueTag tag, ArrowType type) {
  for (CellFacts facts = 0; facts < 8; ++facts) {
    if (arrow_type(tag, facts) == type) return true;
  }
  return false;
}

struct Stream {
  FileCursor cursor;
  bool gone;
};

std::vector<size_t> all_of(size_t count) {
  std::vector<size_t> all(count);
  std::iota(all.begin(), all.end(), size_t{0});
  return all;
}

// The stream with the lowest key: of equal ones the first, which is the newest.
Stream* lowest(std::vector<Stream>& streams) {
  Stream* low = nullptr;
  for (Stream& one : streams) {
    if (one.cursor.at_end()) continue;
    if (low == nullptr || compare_keys(one.cursor.key(), low->cursor.key()) < 0) low = &one;
  }
  return low;
}

// Streams of the layers above `first`, the newest first.
std::vector<Stream> later_streams(Artifacts& artifacts, const Manifest& manifest, size_t first) {
  std::vector<Stream> streams;
  std::vector<Column> key = manifest.key_columns();
  for (size_t i = manifest.layers.size(); i-- > first + 1;) {
    const Layer& layer = manifest.layers[i];
    streams.push_back(
        {FileCursor(artifacts, layer.put, manifest.schema.columns, manifest.key_positions()),
         false});
    streams.push_back({FileCursor(artifacts, layer.gone, key, all_of(key.size())), true});
  }
  return streams;
}

}  // namespace

Row key_of(const Row& row, const std::vector<size_t>& positions) {
  Row key;
  key.reserve(positions.size());
  for (size_t at : positions) key.push_back(row[at]);
  return key;
}

std::strong_ordering compare_keys(const Row& a, const Row& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (auto order = compare_values(a[i], b[i]); order != 0) return order;
  }
  return std::strong_ordering::equal;
}

FileCursor::FileCursor(Artifacts& artifacts, std::vector<KeyedFile> files,
                       std::vector<Column> columns, std::vector<size_t> key)
    : artifacts_(artifacts),
      files_(std::move(files)),
      columns_(std::move(columns)),
      key_(std::move(key)) {
  open_next();
}

void FileCursor::next() {
  if (++at_ == rows_) return open_next();
  load_key();
}

void FileCursor::open_next() {
  at_ = rows_ = 0;
  arrays_.clear();
  mapped_ = MappedFile();
  while (rows_ == 0 && opened_ < files_.size()) open(files_[opened_++]);
  if (rows_ > 0) load_key();
}

void FileCursor::open(const KeyedFile& file) {
  const Digest& digest = file.file.digest;
  mapped_ = MappedFile(artifacts_.path(digest));
  auto damaged = [&](const char* why) {
    return Error(ErrorCode::kCorrupt, std::string("a file of a snapshot ") + why,
                 "delete it; the snapshot is made again from the table", digest.hex());
  };
  if (sha256(mapped_.bytes()) != digest) throw damaged("is damaged on disk");
  ArrowFile arrow(mapped_.bytes(), digest.hex());
  bool fits = arrow.columns().size() == columns_.size() && arrow.batches() <= 1;
  for (size_t i = 0; fits && i < columns_.size(); ++i) {
    fits = arrow.columns()[i].name == columns_[i].name &&
           may_hold(columns_[i].type, arrow.columns()[i].type);
  }
  if (!fits) throw damaged("does not have its columns");
  if (arrow.batches() == 1) arrays_ = arrow.batch(0);
  rows_ = arrays_.empty() ? 0 : arrays_.front().rows;
  if (rows_ != file.file.rows) throw damaged("has another number of rows than its manifest says");
}

void FileCursor::load_key() {
  key_row_ = row(key_);
}

Row FileCursor::row(const std::vector<size_t>& columns) const {
  Row out;
  out.reserve(columns.size());
  for (size_t at : columns) out.push_back(read_cell(arrays_[at], at_, columns_[at].type));
  return out;
}

void merge_layers(Artifacts& artifacts, const Manifest& manifest, size_t first,
                  const std::vector<size_t>& columns, const RowSink& row, const RowSink& gone) {
  std::vector<Stream> later = later_streams(artifacts, manifest, first);
  const Layer& oldest = manifest.layers.at(first);
  if (first > 0) {
    later.push_back({FileCursor(artifacts, oldest.gone, manifest.key_columns(),
                                all_of(manifest.schema.key.size())),
                     true});
  }
  FileCursor base(artifacts, oldest.put, manifest.schema.columns,
                  later.empty() ? std::vector<size_t>() : manifest.key_positions());
  Stream* low = lowest(later);
  while (!base.at_end() || low != nullptr) {
    bool below = low == nullptr;
    bool same = false;
    if (low != nullptr && !base.at_end()) {
      auto order = compare_keys(base.key(), low->cursor.key());
      below = order < 0;
      same = order == 0;
    }
    if (below) {
      row(base.row(columns));
      base.next();
      continue;
    }
    const Row key = low->cursor.key();
    if (!low->gone) row(low->cursor.row(columns));
    if (low->gone && gone) gone(key);
    if (same) base.next();
    for (Stream& one : later) {
      if (!one.cursor.at_end() && one.cursor.key() == key) one.cursor.next();
    }
    low = lowest(later);
  }
}

}  // namespace lockstep
