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

std::vector<size_t> all_of(size_t count) {
  std::vector<size_t> all(count);
  std::iota(all.begin(), all.end(), size_t{0});
  return all;
}

// The key that a manifest has for a file's last row; nothing where it has bytes, which are not
// written as they are.
std::optional<Row> key_from(const Json& json, const std::vector<Column>& columns,
                            const std::vector<size_t>& key) {
  if (!json.is_array() || json.size() != key.size()) return std::nullopt;
  Row out;
  for (size_t i = 0; i < key.size(); ++i) {
    ValueTag type = columns[key[i]].type;
    if (json[i].is_null()) {
      out.push_back(null_value());
    } else if (type == ValueTag::kBytes || !json[i].is_string()) {
      return std::nullopt;
    } else {
      out.push_back(parse_value(type, json[i].get_ref<const std::string&>()));
    }
  }
  return out;
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

void FileCursor::seek(const Row& key) {
  if (at_end() || compare_keys(key_row_, key) >= 0) return;
  auto key_at = [&](uint64_t row) {
    Row found;
    for (size_t at : key_) found.push_back(read_cell(arrays_[at], row, columns_[at].type));
    return found;
  };
  while (compare_keys(key_at(rows_ - 1), key) < 0) {
    while (opened_ < files_.size()) {
      std::optional<Row> last = key_from(files_[opened_].last, columns_, key_);
      if (!last || compare_keys(*last, key) >= 0) break;
      ++opened_;
    }
    open_next();
    if (at_end()) return;
  }
  uint64_t below = at_, end = rows_;  // the first row not below lies in [below, end)
  while (below < end) {
    uint64_t middle = below + (end - below) / 2;
    if (compare_keys(key_at(middle), key) < 0) {
      below = middle + 1;
    } else {
      end = middle;
    }
  }
  at_ = below;
  load_key();
}

MergedRows::MergedRows(Artifacts& artifacts, const Manifest& manifest, size_t first, size_t end,
                       bool keys) {
  std::vector<size_t> key = manifest.key_positions();
  std::vector<Column> key_columns = manifest.key_columns();
  for (size_t i = end; i-- > first;) {
    const Layer& layer = manifest.layers[i];
    if (i > first) {
      later_.push_back({FileCursor(artifacts, layer.put, manifest.schema.columns, key), false});
    }
    if (!layer.gone.empty()) {
      later_.push_back({FileCursor(artifacts, layer.gone, key_columns, all_of(key.size())), true});
    }
  }
  if (later_.empty() && !keys) key.clear();
  if (first < end) {
    base_.emplace(artifacts, manifest.layers[first].put, manifest.schema.columns, key);
  }
  find_low();
}

void MergedRows::find_low() {
  low_ = nullptr;
  for (Stream& one : later_) {
    if (one.cursor.at_end()) continue;
    if (low_ == nullptr || compare_keys(one.cursor.key(), low_->cursor.key()) < 0) low_ = &one;
  }
  settle();
}

void MergedRows::settle() {
  base_first_ =
      base_left() && (low_ == nullptr || compare_keys(base_->key(), low_->cursor.key()) < 0);
}

void MergedRows::next() {
  if (base_first_) {
    base_->next();
    return settle();
  }
  const Row key = low_->cursor.key();
  if (base_left() && compare_keys(base_->key(), key) == 0) base_->next();
  for (Stream& one : later_) {
    if (!one.cursor.at_end() && compare_keys(one.cursor.key(), key) == 0) one.cursor.next();
  }
  find_low();
}

void MergedRows::seek(const Row& key) {
  if (base_left()) base_->seek(key);
  for (Stream& one : later_) one.cursor.seek(key);
  find_low();
}

}  // namespace lockstep
