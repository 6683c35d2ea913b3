// Commits that Lockstep makes itself of a database without any: records by content, a chain of
// parents, and the newest one. Knows nothing of servers or of how rows were read.
//
// A commit is the canonical JSON of its record; its id is the SHA-256 of these bytes, which are
// an artifact. `head` is a file that is replaced last: what was written before and is not reached
// from there is nobody's.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connectors/mysql/config.h"
#include "pipeline/base/json.h"
#include "pipeline/core/source.h"
#include "pipeline/snapshot/snapshot.h"

namespace lockstep {

// A table in a commit. Where it could not be read, `error` says why and the rest is empty.
struct MysqlTableRecord {
  SnapshotSchema schema;
  Digest snapshot;
  Digest content;  // slice digest over all columns: equal rows, equal content
  Digest sums;     // the artifact that holds its SliceState
  uint64_t rows = 0;
  std::string error;
  Json mark;  // what the next look compares with the server's answer

  bool same_content(const MysqlTableRecord& other) const;
};

struct MysqlCommit {
  std::string id;
  std::string parent;  // empty: the first
  std::string author;
  std::string message;
  int64_t time_ms = 0;
  std::map<std::string, MysqlTableRecord> tables;
};

class MysqlCommits {
 public:
  explicit MysqlCommits(const MysqlConfig& config);

  // The newest commit; empty before there is one. Read from disk at each call.
  std::string head() const;
  // Throws not_found for what is no commit of this source.
  const MysqlCommit& get(const std::string& id);
  // Makes it the newest one; its parent is the one before. Fills in and returns the id.
  std::string add(MysqlCommit commit);

  // From `id` back to the first, until `stop` returns true.
  void walk(const std::string& id, const std::function<bool(const MysqlCommit&)>& stop);
  std::string resolve(const std::string& name);
  Error no_commit(const std::string& id) const;

  // The newest look: when, at which head, and marks that moved while no row did. They are lost
  // without harm.
  struct Look {
    int64_t at_ms = 0;
    std::string head;
    std::map<std::string, Json> marks;
  };
  Look last_look() const;
  void write_look(const Look& look);

 private:
  const MysqlConfig& config_;
  std::map<std::string, MysqlCommit> known_;
};

}  // namespace lockstep
