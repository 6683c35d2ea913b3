// The port to what the engine remembers: results, attempts, runs, cursors and intents.
// One turn is one transaction. Knows nothing of SQL and nothing of the registry's facts.
// Used by one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/core/slice.h"

namespace lockstep {

// What a fingerprint gave. Written once; counts only while its bytes are present.
struct ResultRecord {
  Digest fingerprint;
  std::string attempt;
  std::map<std::string, Digest> outputs;
  std::map<std::string, bool> folders;  // outputs that are folders
  Json metrics = Json::object();
  Json environment = Json::object();
  std::string recipe;  // canonical recipe document that hashes to the fingerprint
  int64_t duration_ms = 0;
};

enum class AttemptState { kStarting, kRunning, kSucceeded, kFailed, kLost, kCancelled };

struct AttemptRecord {
  std::string id;
  Digest fingerprint;
  std::string run;
  std::string step;
  std::string model;  // what it registers, or empty
  std::string slot;
  AttemptState state = AttemptState::kStarting;
  bool counted = true;  // false once a `retry` forgave it
  std::string error;
  int64_t started_ms = 0, finished_ms = 0;
  Json context;  // what is needed to take its result when no plan wants it any more
};

struct RunRecord {
  std::string id;
  std::string trigger;  // "data", "code", "manual", "first", "approval", "upstream"
  std::string result;   // "running" until it ended
  std::map<std::string, std::string> commits;
  Json document;  // the run document of the API as last known
  int64_t started_ms = 0, finished_ms = 0;
};

// Something to bring about after the turn is durable; deleted when its effect is confirmed.
struct Intent {
  int64_t id = 0;
  // "start", "cancel", "collect", "build", "publish", "status", "comment", "notify"
  std::string kind;
  std::string target;  // the attempt, tag, channel, SOURCE@COMMIT, SOURCE@BRANCH or notification
};

// What happened, for those who follow: numbered 1, 2, 3 … without gaps, whatever process wrote it.
struct Event {
  int64_t id = 0;
  std::string kind;  // "run", "step", "attempt", "alias", "release", "note"
  std::string data;  // a JSON object in one line
};

class Store {
 public:
  virtual ~Store() = default;

  virtual void begin() = 0;
  virtual void commit() = 0;  // durable when it returns; throws unavailable and rolls back
  virtual void rollback() = 0;

  virtual void put(const ResultRecord& result) = 0;
  virtual std::optional<ResultRecord> result(const Digest& fingerprint) = 0;
  virtual void drop_result(const Digest& fingerprint) = 0;  // its bytes are gone

  virtual void put(const AttemptRecord& attempt) = 0;
  virtual std::optional<AttemptRecord> attempt(const std::string& id) = 0;
  virtual std::vector<AttemptRecord> attempts_of(const Digest& fingerprint) = 0;
  virtual std::vector<AttemptRecord> live_attempts() = 0;  // starting or running
  // Newest attempt of a step in a run (or in any run when `run` is empty).
  virtual std::optional<AttemptRecord> last_attempt(const std::string& run,
                                                    const std::string& step) = 0;

  virtual void put(const RunRecord& run) = 0;
  virtual std::optional<RunRecord> run(const std::string& id) = 0;
  // Newest first, without documents; with `before` only those that began before that run.
  virtual std::vector<RunRecord> runs(size_t limit, const std::string& before = "") = 0;

  // Small named values: cursors ("cursor/<source>"), counters, approvals.
  virtual void set(const std::string& name, const std::string& value) = 0;
  virtual std::string get(const std::string& name) = 0;  // empty when unset
  virtual std::map<std::string, std::string> all(const std::string& prefix) = 0;
  virtual int64_t next(const std::string& counter) = 0;  // 1, 2, 3 …

  virtual int64_t add_intent(const std::string& kind, const std::string& target) = 0;
  virtual void done_intent(int64_t id) = 0;
  virtual std::vector<Intent> intents() = 0;

  // Gives the event's number. Of old ones only the newest kKeptEvents stay.
  virtual int64_t add_event(const std::string& kind, const std::string& data) = 0;
};
inline constexpr int64_t kKeptEvents = 100'000;

// A slice as it is remembered: its sum is read by every plan, its state where rows changed.
struct RememberedSlice {
  SliceSummary summary;
  std::string state;  // SliceState::serialize; empty: the slice is gone
};

// The port to slice states remembered between surveys, so that a commit costs what it changed.
class SliceCache {
 public:
  virtual ~SliceCache() = default;
  // `group`: digest of (source, table, columns, cutting columns, at); `tip`: what it was read at.
  virtual std::string tip(const std::string& group) = 0;  // empty: nothing remembered
  // By partition value; throws corrupt when they are damaged.
  virtual std::map<std::string, SliceSummary> summaries(const std::string& group) = 0;
  // The serialized state of one value; empty: not remembered.
  virtual std::string state(const std::string& group, const std::string& value) = 0;
  // Replaces the tip and the given values' slices.
  virtual void update(const std::string& group, const std::string& tip,
                      const std::map<std::string, RememberedSlice>& changed, bool replace_all) = 0;
};

// The rows of a slice as they were delivered at a commit: snapshots, named by their digests.
// Several where a holdout parts the rows.
struct KeptSnapshot {
  std::string commit;
  std::vector<Digest> parts;
  int64_t delivered_ms = 0;
};

// The port to which snapshots there are, so that the next delivery of a slice costs its difference.
// May be lost: rows are then read from scratch.
class SnapshotIndex {
 public:
  virtual ~SnapshotIndex() = default;
  // The newest delivery first.
  virtual std::vector<KeptSnapshot> snapshots(const Digest& slice) = 0;
  // Becomes the newest one, in place of an earlier one of its commit; `most` are remembered.
  virtual void remember(const Digest& slice, const KeptSnapshot& kept, size_t most) = 0;
  virtual std::vector<std::pair<Digest, KeptSnapshot>> every_snapshot() = 0;
  virtual void forget(const Digest& slice, const std::string& commit) = 0;
};

}  // namespace lockstep
