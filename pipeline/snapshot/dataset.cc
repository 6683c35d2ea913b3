#include "pipeline/snapshot/dataset.h"

#include <fmt/format.h>

#include "pipeline/base/folder.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxFileCells_bytes = 32ull << 20;

std::vector<ArrowColumn> named(const std::vector<Column>& columns,
                               const std::vector<ArrowType>& types) {
  std::vector<ArrowColumn> out;
  for (size_t i = 0; i < columns.size(); ++i) out.push_back({columns[i].name, types[i]});
  return out;
}

}  // namespace

DatasetWriter::DatasetWriter(Artifacts& artifacts, std::vector<Column> columns)
    : artifacts_(artifacts), columns_(std::move(columns)), facts_(columns_.size()) {
  begin_file();
}

void DatasetWriter::begin_file() {
  cells_.clear();
  for (size_t i = 0; i < columns_.size(); ++i) cells_.emplace_back(columns_[i], facts_[i]);
  rows_ = 0;
  bytes_ = 0;
}

std::vector<ArrowType> DatasetWriter::types() const {
  std::vector<ArrowType> all;
  for (size_t i = 0; i < columns_.size(); ++i) {
    all.push_back(arrow_type(columns_[i].type, facts_[i]));
  }
  return all;
}

void DatasetWriter::add(const Row& row) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < columns_.size(); ++i) bytes += 8 + row[i].payload.size();
  bool full = rows_ == kMaxArrowRows || bytes_ + bytes > kMaxFileCells_bytes;
  if (rows_ > 0 && full) end_file();
  for (size_t i = 0; i < columns_.size(); ++i) cells_[i].add(row[i]);
  ++rows_;
  bytes_ += bytes;
}

void DatasetWriter::end_file() {
  std::vector<ArrowArray> arrays;
  for (size_t i = 0; i < cells_.size(); ++i) {
    arrays.push_back(cells_[i].array());
    facts_[i] = cells_[i].facts();
  }
  files_.push_back({artifacts_.put(write_arrow(named(columns_, types()), arrays)), rows_});
  written_.push_back(types());
  begin_file();
}

std::vector<DatasetFile> DatasetWriter::finish() {
  if (rows_ > 0 || files_.empty()) end_file();
  for (size_t i = 0; i < files_.size(); ++i) {
    if (written_[i] != types()) files_[i].digest = rewritten(files_[i].digest);
  }
  return std::move(files_);
}

// A file from before a later row asked for another type.
Digest DatasetWriter::rewritten(const Digest& digest) const {
  std::string bytes = artifacts_.get(digest);
  ArrowFile file(bytes, digest.hex());
  std::vector<ArrowType> wanted = types();
  std::vector<ArrowArray> arrays = file.batch(0);
  std::vector<ArrowBuilder> changed;
  changed.reserve(arrays.size());
  for (size_t i = 0; i < arrays.size(); ++i) {
    if (arrays[i].type == wanted[i]) continue;
    changed.push_back(converted(arrays[i], columns_[i].type, wanted[i]));
    arrays[i] = changed.back().array();
  }
  return artifacts_.put(write_arrow(named(columns_, wanted), arrays));
}

Digest put_dataset_folder(Artifacts& artifacts, const std::vector<DatasetFile>& files) {
  std::vector<FolderEntry> entries;
  for (size_t i = 0; i < files.size(); ++i) {
    entries.push_back({fmt::format("part-{:05}.arrow", i), files[i].digest});
  }
  return artifacts.put(folder_listing(std::move(entries)));
}

}  // namespace lockstep
