// The registry's facts as kept: one append-only table, read in order at start.
// Knows nothing of what the facts decide; registry/rules does. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/store/database.h"
#include "registry/rules/fact_log.h"

namespace lockstep {

class Ledger : public FactLog {
 public:
  explicit Ledger(Database& db) : db_(db) {}

  // Every entry applied in order. Throws corrupt, naming the entry that can't be read or can't
  // follow.
  Registry load();

  // Assigns the next number and the time max(now_ms, last recorded). Belongs into the caller's
  // transaction: undone with it. Throws invalid for text that is not UTF-8 and for numbers that
  // are not finite.
  Entry append(const Fact& fact, int64_t now_ms) override;
  std::vector<Entry> append(const std::vector<Fact>& facts, int64_t now_ms);

  // Entries with a number above `after`, at most `limit`, in order.
  std::vector<Entry> read(int64_t after, size_t limit);

 private:
  Entry entry_of(int64_t seq, int64_t time_ms, std::string_view text,
                 std::map<int64_t, ReleaseModels>& known);
  void complete(Release& release, int64_t seq, std::string_view text,
                std::map<int64_t, ReleaseModels>& known);
  Json body_of(const Fact& fact);
  Json like_the_last(const Release& release);
  ReleaseModels models_at(int64_t seq, std::map<int64_t, ReleaseModels>& known);
  Database& db_;
};

}  // namespace lockstep
