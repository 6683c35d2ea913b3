// The engine's ports with accidents: a process that dies, or a disk that is full, at the n-th write
// of a turn; and the wrong ways of some wrong engines. Knows nothing of the engine.
#pragma once

#include "pipeline/store/sqlite_store.h"
#include "registry/ledger/ledger.h"
#include "tests/sim/wrong.h"

namespace lockstep::sim {

struct Crash {};  // the process ends here

// Counts writes; at the one that was named something happens.
struct Faults {
  int64_t left = 0;        // writes until it happens; 0: nothing is planned
  bool disk_full = false;  // an error instead of the process's end
  bool happened = false;   // since the turn began
  bool committed = false;  // the turn became durable

  explicit Faults(Database& database) : db(database) {}
  void reset() {
    let_write();
    left = 0;
    disk_full = happened = committed = false;
  }
  void let_write() { db.execute("PRAGMA query_only=OFF"); }
  // Before each write. A full disk makes the database refuse this one, and none after it.
  void write() {
    if (refusing) refusing = false, let_write();
    if (left == 0 || --left > 0) return;
    happened = true;
    if (!disk_full) throw Crash{};
    refusing = true;
    db.execute("PRAGMA query_only=ON");
  }

  Database& db;
  bool refusing = false;
};

class FaultyStore : public Store {
 public:
  FaultyStore(SqliteStore& store, Database& db, Faults& faults, Wrong wrong)
      : store_(store), db_(db), faults_(faults), wrong_(wrong) {}

  void begin() override {
    if (db_.in_transaction()) db_.commit();  // kSkipsSync: only now
    faults_.committed = faults_.happened = false;
    if (!faults_.disk_full) faults_.write();
    store_.begin();
  }
  void commit() override {
    if (!faults_.disk_full) faults_.write();
    if (wrong_ != Wrong::kSkipsSync) store_.commit();
    faults_.committed = true;
    early_.clear();
    if (!faults_.disk_full) faults_.write();  // durable, but nobody has heard of it
  }
  void rollback() override;

  void put(const ResultRecord& result) override { faults_.write(), store_.put(result); }
  std::optional<ResultRecord> result(const Digest& fingerprint) override {
    if (wrong_ == Wrong::kForgetsResult && ++looks_ % 5 == 0) return std::nullopt;
    return store_.result(fingerprint);
  }
  void drop_result(const Digest& fingerprint) override {
    faults_.write(), store_.drop_result(fingerprint);
  }

  void put(const AttemptRecord& attempt) override { faults_.write(), store_.put(attempt); }
  std::optional<AttemptRecord> attempt(const std::string& id) override {
    return store_.attempt(id);
  }
  std::vector<AttemptRecord> attempts_of(const Digest& fingerprint) override {
    return store_.attempts_of(fingerprint);
  }
  std::vector<AttemptRecord> live_attempts() override {
    if (wrong_ == Wrong::kForgetsLive) return {};
    return store_.live_attempts();
  }
  std::optional<AttemptRecord> last_attempt(const std::string& run,
                                            const std::string& step) override {
    return store_.last_attempt(run, step);
  }

  void put(const RunRecord& run) override { faults_.write(), store_.put(run); }
  std::optional<RunRecord> run(const std::string& id) override { return store_.run(id); }
  std::vector<RunRecord> runs(size_t limit, const std::string& before = "") override {
    return store_.runs(limit, before);
  }

  void set(const std::string& name, const std::string& value) override;
  std::string get(const std::string& name) override { return store_.get(name); }
  std::map<std::string, std::string> all(const std::string& prefix) override {
    return store_.all(prefix);
  }
  int64_t next(const std::string& counter) override {
    if (wrong_ == Wrong::kReusesIds && counter == "run") return ++counted_;
    faults_.write();
    return store_.next(counter);
  }

  int64_t add_intent(const std::string& kind, const std::string& target) override;
  void done_intent(int64_t id) override {
    if (wrong_ == Wrong::kKeepsIntents) return;
    faults_.write();
    store_.done_intent(id);
  }
  std::vector<Intent> intents() override { return store_.intents(); }
  // Is the turn's as everything else; a crash before or after it is one beside another write.
  int64_t add_event(const std::string& kind, const std::string& data) override {
    if (wrong_ == Wrong::kForgetsEvent && ++told_ % 11 == 0) return 0;
    return store_.add_event(kind, data);
  }

  void new_process() { counted_ = 0; }
  // kActsTooSoon: who is told of an intent before it is durable.
  std::function<void(const Intent&)> too_soon;

 private:
  SqliteStore& store_;
  Database& db_;
  Faults& faults_;
  Wrong wrong_;
  std::map<std::string, std::string> early_;  // kCursorTooEarly: what outlives the turn
  int64_t looks_ = 0, added_ = 0, counted_ = 0, told_ = 0;
};

inline void FaultyStore::rollback() {
  if (wrong_ == Wrong::kKeepsHalf) return store_.commit();
  store_.rollback();
  for (const auto& [name, value] : std::exchange(early_, {})) store_.set(name, value);
}

inline void FaultyStore::set(const std::string& name, const std::string& value) {
  bool cursor = name.starts_with("cursor/");
  if (wrong_ == Wrong::kForgetsCursor && cursor) return;
  faults_.write();
  if (wrong_ == Wrong::kCursorTooEarly && cursor) early_[name] = value;
  store_.set(name, value);
}

inline int64_t FaultyStore::add_intent(const std::string& kind, const std::string& target) {
  ++added_;
  if (wrong_ == Wrong::kLosesIntent && added_ % 7 == 0) return 1'000'000 + added_;
  if (!faults_.disk_full) faults_.write();  // one that is there already is no write
  int64_t id = store_.add_intent(kind, target);
  if (too_soon) too_soon({id, kind, target});
  if (wrong_ == Wrong::kHalfTurn) store_.commit(), store_.begin();
  return id;
}

class FaultyLog : public FactLog {
 public:
  FaultyLog(Ledger& ledger, Faults& faults, Wrong wrong)
      : ledger_(ledger), faults_(faults), wrong_(wrong) {}

  Entry append(const Fact& fact, int64_t now_ms) override {
    if (wrong_ == Wrong::kLosesFact && ++added_ % 9 == 0) {
      std::vector<Entry> last = ledger_.read(0, 1'000'000);
      return {last.empty() ? 1 : last.back().seq + 1,
              last.empty() ? now_ms : std::max(now_ms, last.back().time_ms), fact};
    }
    faults_.write();
    Entry entry = ledger_.append(fact, now_ms);
    if (wrong_ == Wrong::kClockGoesBack) entry.time_ms = now_ms;
    return entry;
  }

 private:
  Ledger& ledger_;
  Faults& faults_;
  Wrong wrong_;
  int64_t added_ = 0;
};

}  // namespace lockstep::sim
