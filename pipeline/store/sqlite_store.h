// The engine's memory in SQLite: implements the ports Store, SliceCache and SnapshotIndex.
// Knows nothing of what a result, run or intent is for.
#pragma once

#include <functional>

#include "pipeline/core/store.h"
#include "pipeline/store/database.h"

namespace lockstep {

class SqliteStore : public Store {
 public:
  explicit SqliteStore(Database& db) : db_(db) {}

  void begin() override { db_.begin(); }
  void commit() override { db_.commit(); }
  void rollback() override { db_.rollback(); }

  void put(const ResultRecord& result) override;
  std::optional<ResultRecord> result(const Digest& fingerprint) override;
  void drop_result(const Digest& fingerprint) override;

  void put(const AttemptRecord& attempt) override;
  std::optional<AttemptRecord> attempt(const std::string& id) override;
  std::vector<AttemptRecord> attempts_of(const Digest& fingerprint) override;
  std::vector<AttemptRecord> live_attempts() override;
  std::optional<AttemptRecord> last_attempt(const std::string& run,
                                            const std::string& step) override;

  void put(const RunRecord& run) override;
  std::optional<RunRecord> run(const std::string& id) override;
  std::vector<RunRecord> runs(size_t limit, const std::string& before = "") override;

  void set(const std::string& name, const std::string& value) override;
  std::string get(const std::string& name) override;
  std::map<std::string, std::string> all(const std::string& prefix) override;
  int64_t next(const std::string& counter) override;

  int64_t add_intent(const std::string& kind, const std::string& target) override;
  void done_intent(int64_t id) override;
  std::vector<Intent> intents() override;
  int64_t add_event(const std::string& kind, const std::string& data) override;

  int64_t count_runs();
  // Forgets at most `most` of the oldest runs that are over, beyond the newest `keep` (0: any
  // number) and finished before `before_ms` (0: any time), with their attempts, and results whose
  // bytes are not there. What stays: the newest run, attempts that live, those that made a result
  // that is kept, each step's newest and those of its fingerprint. `needed`: is a result's
  // fingerprint named by something that is kept? Gives the attempts that went; `runs` says how many
  // runs did.
  struct Trim {
    size_t keep = 0, most = 0;
    int64_t before_ms = 0;
    std::function<bool(const Digest& fingerprint)> needed;
  };
  std::vector<std::string> trim(const Trim& trim, size_t* runs);

  // Another one, never seen before, after every change of what a plan is made from: results,
  // attempts, settings and the ledger.
  std::string revision();

 private:
  std::vector<std::string> attempts_to_forget(const std::string& run,
                                              const std::function<bool(const Digest&)>& needed);

  Database& db_;
};

// Reads what SqliteStore::add_event wrote, on a connection of its own or the same.
class SqliteEvents {
 public:
  explicit SqliteEvents(Database& db) : db_(db) {}
  // Those behind `after`, at most `limit`, in order.
  std::vector<Event> read(int64_t after, size_t limit);
  int64_t last();   // the newest one's number; 0: there was none yet
  int64_t first();  // the oldest one's that is kept; last() + 1 where there is none

 private:
  Database& db_;
};

// Slice states; a file of its own is no loss: it is rebuilt by reading the tables again.
class SqliteSliceCache : public SliceCache {
 public:
  explicit SqliteSliceCache(Database& db) : db_(db) {}
  std::string tip(const std::string& group) override;
  std::map<std::string, SliceSummary> summaries(const std::string& group) override;
  std::string state(const std::string& group, const std::string& value) override;
  void update(const std::string& group, const std::string& tip,
              const std::map<std::string, RememberedSlice>& changed, bool replace_all) override;
  // Every group's tip with the rows of all its slices together.
  std::vector<std::pair<std::string, uint64_t>> tips();

 private:
  void put(const std::string& group, const std::string& value, const RememberedSlice& slice);
  void drop(const std::string& group, const std::string& value);

  Database& db_;
};

// Which snapshots of slices there are; the files are artifacts.
class SqliteSnapshotIndex : public SnapshotIndex {
 public:
  explicit SqliteSnapshotIndex(Database& db) : db_(db) {}
  std::vector<KeptSnapshot> snapshots(const Digest& slice) override;
  void remember(const Digest& slice, const KeptSnapshot& kept, size_t most) override;
  std::vector<std::pair<Digest, KeptSnapshot>> every_snapshot() override;
  void forget(const Digest& slice, const std::string& commit) override;

 private:
  Database& db_;
};

}  // namespace lockstep
