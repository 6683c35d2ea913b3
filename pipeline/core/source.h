// The ports to what is watched: table stores (data) and code repositories, read at fixed commits.
// Knows nothing of git, SQL or the network; adapters in connectors/ implement them.
// Every call may throw Error: not_found (names the missing thing), unavailable (try again later),
// invalid or corrupt (names the place). Objects are used by one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/error.h"
#include "pipeline/core/value.h"

namespace lockstep {

struct CommitInfo {
  std::string id;
  std::string author;  // name
  std::string email;
  std::string message;
  int64_t time_ms = 0;  // committer time, UTC
};

// A signal that a source's head may have moved. Hints only: read the head after every one, and look
// now and then without.
class SourceWatch {
 public:
  virtual ~SourceWatch() = default;
  // Readable (poll) when take() has something to look at.
  virtual int fd() const = 0;
  // Takes what has come; true when the head may have moved. Never blocks.
  virtual bool take() = 0;
};

class Source {
 public:
  virtual ~Source() = default;
  // The commit the watched branch points to now (for a remote place: after fetching it). A source
  // that is costly to look at may answer with what it saw a while ago.
  virtual std::string head() = 0;
  // As head(), by a look now.
  virtual std::string look() { return head(); }
  // Full commit id of a tag, branch or (abbreviated) commit id.
  virtual std::string resolve(const std::string& name) = 0;
  virtual CommitInfo commit(const std::string& id) = 0;
  // Commits reachable from `to` and not from `from`, newest first, at most `limit`. Where `from`
  // is no longer there: the history of `to`.
  virtual std::vector<CommitInfo> log(const std::string& from, const std::string& to,
                                      size_t limit) = 0;
  // False when the history was rewritten (`from` is not an ancestor of `to`, or is gone).
  virtual bool descends(const std::string& to, const std::string& from) = 0;
  // Holds a commit and all it names for `owner` (a word that is no commit id), whatever becomes of
  // the branches; again does no harm. What others keep is never touched. Throws denied where the
  // source is not ours to write to.
  virtual void keep(const std::string& owner, const std::string& commit) = 0;
  virtual void release(const std::string& owner, const std::string& commit) = 0;
  virtual std::vector<std::string> kept(const std::string& owner) = 0;  // commit ids, sorted
  // Nothing where the source gives no signals. Lives on its own, in any thread.
  virtual std::unique_ptr<SourceWatch> watch() = 0;
};

struct TableInfo {
  std::string name;
  std::string hash;  // equal hash: surely equal content and schema; another is only a "maybe"
  std::optional<uint64_t> rows = std::nullopt;  // where the store knows without reading any
};

struct TableSchema {
  std::vector<Column> columns;           // in the table's own order
  std::vector<std::string> key;          // empty: keyless
  std::optional<std::string> partition;  // the column whose values readings can be cut by cheaply
};

struct TableRead {
  std::string commit;
  std::string table;
  std::vector<std::string> columns;          // delivered in this order; must exist
  std::map<std::string, std::string> where;  // column → canonical payload it must equal
};

using RowSink = std::function<void(const Row&)>;
// `before` null: added; `after` null: removed; both: changed. Columns as asked for.
using DiffSink = std::function<void(const Row* before, const Row* after)>;

class TableStore : public Source {
 public:
  // Every branch and its commit, as head() or look() last saw the place. Stores without branches
  // have none.
  virtual std::map<std::string, std::string> branches() { return {}; }
  virtual std::vector<TableInfo> tables(const std::string& commit) = 0;
  virtual TableSchema schema(const std::string& commit, const std::string& table) = 0;
  // Rows in canonical key order (compare_values over the key columns).
  virtual void read(const TableRead& request, const RowSink& sink) = 0;
  // What is wrong with the rows of a table, at most `most` errors: all of them where reading would
  // stop at the first. Stores that hold their rows to the schema find nothing.
  virtual std::vector<Error> problems(const std::string& /*commit*/, const std::string& /*table*/,
                                      size_t /*most*/) {
    return {};
  }
  // Row differences between two commits over `columns` (key columns decide identity and need not
  // be asked for). Rows equal in the asked columns may be left out. Cost follows the change.
  // The schema's key must be the same on both sides, else throws conflict: compare from scratch.
  virtual void diff(const std::string& table, const std::string& from, const std::string& to,
                    const std::vector<std::string>& columns, const DiffSink& sink) = 0;
};

struct CodePath {
  std::string path;  // relative, '/'-separated
  std::string mode;  // git's: "100644", "100755", "120000"
  std::string blob;  // the blob id
  bool operator==(const CodePath&) const = default;
};

class CodeRepo : public Source {
 public:
  // Every tag and the commit it stands for, as head() or look() last saw the place. Names that are
  // not UTF-8, and tags of what is no commit, are left out.
  virtual std::map<std::string, std::string> tags() { return {}; }
  // Paths at `commit` that match any of the globs, sorted by bytes. `train/**`, `*.py`, `dir/`.
  virtual std::vector<CodePath> list(const std::string& commit,
                                     const std::vector<std::string>& globs) = 0;
  virtual std::string blob(const std::string& id, uint64_t max_bytes) = 0;
};

}  // namespace lockstep
