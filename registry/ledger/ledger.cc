#include "registry/ledger/ledger.h"

#include <algorithm>
#include <future>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "pipeline/base/json_spans.h"

namespace lockstep {
namespace {

// A release is kept as what differs from an earlier one, at the most this many times in a row.
constexpr int64_t kMostAlike = 31;

// What such a release has, and others hardly.
constexpr std::string_view kLike = "\"like\"";
// So many entries are applied while those behind them are read.
constexpr size_t kAtOnce = 2'000;
// Most are like the one before.
constexpr size_t kMostKnown = 64;

Json read_body(int64_t seq, std::string_view text) {
  return parse_json(text, "ledger entry " + std::to_string(seq));
}

Error unreadable(int64_t seq, const std::string& why) {
  return Error(ErrorCode::kCorrupt,
               "ledger entry " + std::to_string(seq) + " can't be read: " + why,
               "restore the workspace from a backup");
}

}  // namespace

// Of a release as it is kept: {"like": the number of an earlier one's entry, "alike": how many
// entries that one needs to be read, "models": those that are other or new, "gone": […]}; a
// manifest that follows from the models is left out. Entries before that have all their models, and
// no "like".
Json Ledger::body_of(const Fact& fact) {
  const Release* release = std::get_if<Release>(&fact);
  return release ? like_the_last(*release) : fact_json(fact);
}

Json Ledger::like_the_last(const Release& release) {
  Release kept = release;
  if (follows_from_models(release)) kept.manifest.clear();
  Statement last =
      db_.prepare("SELECT seq, body FROM ledger WHERE kind = 'release' ORDER BY seq DESC LIMIT 1");
  if (!last.step()) return fact_json(kept);
  int64_t seq = last.number(0);
  int64_t alike = read_body(seq, last.text(1)).value("alike", int64_t{0}) + 1;
  if (alike > kMostAlike) return fact_json(kept);
  std::map<int64_t, ReleaseModels> known;
  ReleaseModels before = models_at(seq, known);
  kept.models = {};
  for (const auto& [name, entry] : release.models) {
    auto same = before.find(name);
    if (same == before.end() || same->second != entry) kept.models.put(name, entry);
  }
  Json gone = Json::array();
  for (const auto& [name, entry] : before) {
    if (!release.models.count(name)) gone.push_back(name);
  }
  // Where little is the same it says less than all of it.
  if (kept.models.size() + gone.size() >= release.models.size()) {
    kept.models = release.models;
    return fact_json(kept);
  }
  Json body = fact_json(kept);
  body["like"] = seq;
  body["alike"] = alike;
  body["gone"] = std::move(gone);
  return body;
}

// Of a release that is `known`, or read again.
ReleaseModels Ledger::models_at(int64_t seq, std::map<int64_t, ReleaseModels>& known) {
  auto found = known.find(seq);
  if (found != known.end()) return found->second;
  std::string body;
  {
    Statement row = db_.prepare("SELECT body FROM ledger WHERE seq = ?");  // free for the next
    row.bind(seq);
    if (!row.step()) {
      throw Error(ErrorCode::kCorrupt, "ledger entry " + std::to_string(seq) + " is not there");
    }
    body = row.text(0);
  }
  Entry entry = entry_of(seq, 0, body, known);
  const Release* release = std::get_if<Release>(&entry.fact);
  if (!release) {
    throw Error(ErrorCode::kCorrupt, "ledger entry " + std::to_string(seq) + " is no release");
  }
  return release->models;
}

// With what it has in common with an earlier one.
void Ledger::complete(Release& release, int64_t seq, std::string_view text,
                      std::map<int64_t, ReleaseModels>& known) {
  std::string_view like, gone = "[]";
  for (const auto& [name, value] : json_members(text)) {
    if (name == kLike) like = value;
    if (name == "\"gone\"") gone = value;
  }
  if (like.empty()) return;
  std::optional<int64_t> earlier = json_integer(like);
  if (!earlier || *earlier >= seq) throw Error(ErrorCode::kCorrupt, "it is like no earlier one");
  ReleaseModels all = models_at(*earlier, known);
  for (const auto& name : parse_json(gone, "`gone`")) all.erase(name.get<std::string>());
  for (const auto& [name, model] : release.models) all.put(name, model);
  release.models = std::move(all);
}

// `known`: the models of the releases that were read last, by entry.
Entry Ledger::entry_of(int64_t seq, int64_t time_ms, std::string_view text,
                       std::map<int64_t, ReleaseModels>& known) {
  try {
    Entry entry{seq, time_ms, fact_from_text(text)};
    if (Release* release = std::get_if<Release>(&entry.fact)) {
      if (text.find(kLike) != std::string_view::npos) complete(*release, seq, text, known);
      known[seq] = release->models;
      if (known.size() > kMostKnown) known.erase(known.begin());
    }
    return entry;
  } catch (const Json::exception& e) {
    throw unreadable(seq, e.what());
  } catch (const Error& e) {
    throw unreadable(seq, e.message);
  }
}

Registry Ledger::load() {
  Registry registry;
  Statement rows = db_.prepare("SELECT seq, time_ms, body FROM ledger ORDER BY seq");
  std::map<int64_t, ReleaseModels> known;
  std::future<void> applied;
  for (bool more = true; more;) {
    std::vector<Entry> some;
    while (some.size() < kAtOnce && (more = rows.step())) {
      some.push_back(entry_of(rows.number(0), rows.number(1), rows.view(2), known));
    }
    if (applied.valid()) applied.get();
    auto apply = [&registry, entries = std::move(some)]() mutable {
      for (Entry& entry : entries) registry.apply(std::move(entry));
    };
    // While the next ones are read; a short ledger needs no thread.
    applied = std::async(more ? std::launch::async : std::launch::deferred, std::move(apply));
  }
  applied.get();
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
  std::string body = canonical_json(body_of(fact));
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
  std::map<int64_t, ReleaseModels> known;
  while (rows.step())
    entries.push_back(entry_of(rows.number(0), rows.number(1), rows.view(2), known));
  return entries;
}

}  // namespace lockstep
