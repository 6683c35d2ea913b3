#include "registry/ledger/ledger.h"

#include <algorithm>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

// Columns seq, time_ms, body.
Entry entry_of(const Statement& row) {
  Entry entry;
  entry.seq = row.number(0);
  entry.time_ms = row.number(1);
  const std::string what = "ledger entry " + std::to_string(entry.seq);
  try {
    entry.fact = fact_from_json(parse_json(row.text(2), what));
  } catch (const Error& e) {
    throw Error(ErrorCode::kCorrupt, what + " can't be read: " + e.message,
                "restore the workspace from a backup");
  }
  return entry;
}

}  // namespace

Registry Ledger::load() {
  Registry registry;
  Statement rows = db_.prepare("SELECT seq, time_ms, body FROM ledger ORDER BY seq");
  while (rows.step()) registry.apply(entry_of(rows));
  return registry;
}

Entry Ledger::append(const Fact& fact, int64_t now_ms) {
  Entry entry{1, now_ms, fact};
  {
    Statement last = db_.prepare("SELECT seq, time_ms FROM ledger ORDER BY seq DESC LIMIT 1");
    if (last.step()) {
      entry.seq = last.number(0) + 1;
      entry.time_ms = std::max(now_ms, last.number(1));
    }
  }
  std::string kind = fact_kind(fact), model = fact_model(fact);
  std::string body = canonical_json(fact_json(fact));
  db_.prepare("INSERT INTO ledger(seq, time_ms, kind, model, body) VALUES(?, ?, ?, ?, ?)")
      .bind(entry.seq)
      .bind(entry.time_ms)
      .bind(kind)
      .bind(model)
      .bind(body)
      .run();
  return entry;
}

std::vector<Entry> Ledger::append(const std::vector<Fact>& facts, int64_t now_ms) {
  std::vector<Entry> entries;
  for (const Fact& fact : facts) entries.push_back(append(fact, now_ms));
  return entries;
}

std::vector<Entry> Ledger::read(int64_t after, size_t limit) {
  std::vector<Entry> entries;
  Statement rows =
      db_.prepare("SELECT seq, time_ms, body FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?");
  rows.bind(after).bind(static_cast<int64_t>(std::min<size_t>(limit, 1'000'000)));
  while (rows.step()) entries.push_back(entry_of(rows));
  return entries;
}

}  // namespace lockstep
