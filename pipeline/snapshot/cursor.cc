#include "pipeline/snapshot/cursor.h"

#include <numeric>

#include "pipeline/snapshot/merge.h"

namespace lockstep {

struct SnapshotCursor::State {
  State(Artifacts& artifacts, const Digest& snapshot)
      : manifest(get_manifest(artifacts, snapshot)),
        columns(manifest.schema.columns.size()),
        rows(artifacts, manifest, 0, manifest.layers.size(), true) {
    std::iota(columns.begin(), columns.end(), size_t{0});
  }
  Manifest manifest;
  std::vector<size_t> columns;
  MergedRows rows;
};

SnapshotCursor::SnapshotCursor(Artifacts& artifacts, const Digest& snapshot)
    : state_(std::make_unique<State>(artifacts, snapshot)) {
  skip_gone();
}

SnapshotCursor::~SnapshotCursor() = default;

bool SnapshotCursor::at_end() const {
  return state_->rows.at_end();
}

const Row& SnapshotCursor::key() const {
  return state_->rows.key();
}

Row SnapshotCursor::row() const {
  return state_->rows.row(state_->columns);
}

void SnapshotCursor::next() {
  state_->rows.next();
  skip_gone();
}

void SnapshotCursor::seek(const Row& key) {
  state_->rows.seek(key);
  skip_gone();
}

void SnapshotCursor::skip_gone() {
  while (!state_->rows.at_end() && state_->rows.gone()) state_->rows.next();
}

}  // namespace lockstep
