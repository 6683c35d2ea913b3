// A snapshot's rows one after the other at the reader's own pace, by rising key: for who walks
// other rows beside them. Knows nothing of what they are compared with.
#pragma once

#include <memory>

#include "pipeline/snapshot/snapshot.h"

namespace lockstep {

// Throws as reading a snapshot does, in every call.
class SnapshotCursor {
 public:
  SnapshotCursor(Artifacts& artifacts, const Digest& snapshot);
  ~SnapshotCursor();

  bool at_end() const;
  const Row& key() const;  // in the order of the snapshot's key
  Row row() const;         // all columns
  void next();
  // On to the first row whose key is not below `key`; never back. Skips whole files.
  void seek(const Row& key);

 private:
  struct State;
  void skip_gone();
  std::unique_ptr<State> state_;
};

}  // namespace lockstep
