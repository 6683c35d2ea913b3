// A snapshot's manifest: which files hold its rows, as canonical JSON in the store.
// Knows nothing of Arrow or of how the files are merged; snapshot.h is what others include.
#pragma once

#include <string>
#include <vector>

#include "pipeline/base/json.h"
#include "pipeline/snapshot/dataset.h"
#include "pipeline/snapshot/snapshot.h"

namespace lockstep {

// A file and the keys of its first and last row as people see them (bytes as base64): seeking steps
// over files by them. Null for a file without rows.
struct KeyedFile {
  DatasetFile file;
  Json first, last;
  bool operator==(const KeyedFile& other) const { return file == other.file; }
};

// Writes rows that come in key order as files that know their range.
class KeyedWriter {
 public:
  // `key`: positions in `columns`.
  KeyedWriter(Artifacts& artifacts, std::vector<Column> columns, std::vector<size_t> key);
  void add(const Row& row);
  // `none`: no file at all where there are no rows.
  std::vector<KeyedFile> finish(bool none);

 private:
  std::vector<size_t> key_;
  DatasetWriter files_;
  std::vector<std::pair<Row, Row>> ranges_;
};

// Rows by key and keys that are gone, each in key order. A later layer wins over an earlier one.
struct Layer {
  std::vector<KeyedFile> put;
  std::vector<KeyedFile> gone;  // key columns alone
  uint64_t size() const;        // rows and keys
  bool operator==(const Layer&) const = default;
};

struct Manifest {
  SnapshotSchema schema;
  uint64_t rows = 0;          // that reading gives
  std::vector<Layer> layers;  // the first is the base: it has nothing gone

  std::vector<size_t> key_positions() const;  // in schema.columns
  std::vector<Column> key_columns() const;
};

Digest put_manifest(Artifacts& artifacts, const Manifest& manifest);
// Throws not_found, or corrupt where it is none.
Manifest get_manifest(Artifacts& artifacts, const Digest& digest);

}  // namespace lockstep
