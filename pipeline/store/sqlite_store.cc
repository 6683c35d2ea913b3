#include "pipeline/store/sqlite_store.h"

#include <algorithm>

#include "pipeline/base/error.h"
#include "pipeline/base/point.h"

namespace lockstep {
namespace {

std::string key(const Digest& digest) {
  return std::string(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
}

Digest digest_at(std::string_view bytes, size_t at) {
  Digest digest;
  if (at + digest.bytes.size() > bytes.size()) {
    throw Error(ErrorCode::kCorrupt, "a digest in the store is damaged");
  }
  std::copy_n(bytes.data() + at, digest.bytes.size(), reinterpret_cast<char*>(digest.bytes.data()));
  return digest;
}

Json result_json(const ResultRecord& r) {
  Json outputs = Json::object();
  for (const auto& [name, digest] : r.outputs) outputs[name] = digest.hex();
  return {{"outputs", outputs},           {"folders", r.folders}, {"metrics", r.metrics},
          {"environment", r.environment}, {"recipe", r.recipe},   {"duration_ms", r.duration_ms}};
}

AttemptRecord read_attempt(const Statement& row) {
  Json body = parse_json(row.text(0), "an attempt in the store");
  AttemptRecord a;
  a.id = body.at("id");
  a.fingerprint = Digest::parse(body.at("fingerprint").get<std::string>());
  a.run = body.at("run");
  a.step = body.at("step");
  a.model = body.at("model");
  a.slot = body.at("slot");
  a.state = static_cast<AttemptState>(body.at("state").get<int>());
  a.counted = body.at("counted");
  a.error = body.at("error");
  a.started_ms = body.at("started_ms");
  a.finished_ms = body.at("finished_ms");
  a.context = body.at("context");
  return a;
}

std::vector<AttemptRecord> read_attempts(Statement& rows) {
  std::vector<AttemptRecord> all;
  while (rows.step()) all.push_back(read_attempt(rows));
  return all;
}

RunRecord read_run(const Statement& row, bool document) {
  RunRecord r;
  r.id = row.text(0);
  r.trigger = row.text(1);
  r.result = row.text(2);
  r.commits = parse_json(row.text(3), "a run in the store").get<decltype(r.commits)>();
  r.started_ms = row.number(4);
  r.finished_ms = row.number(5);
  if (document) r.document = parse_json(row.text(6), "a run in the store");
  return r;
}

}  // namespace

void SqliteStore::put(const ResultRecord& r) {
  db_.prepare("INSERT OR REPLACE INTO results(fingerprint, attempt, body) VALUES(?,?,?)")
      .bind_blob(key(r.fingerprint))
      .bind(r.attempt)
      .bind(result_json(r).dump())
      .run();
}

std::optional<ResultRecord> SqliteStore::result(const Digest& fingerprint) {
  Statement row = db_.prepare("SELECT attempt, body FROM results WHERE fingerprint=?");
  row.bind_blob(key(fingerprint));
  if (!row.step()) return std::nullopt;
  Json body = parse_json(row.text(1), "a result in the store");
  ResultRecord r;
  r.fingerprint = fingerprint;
  r.attempt = row.text(0);
  for (const auto& [name, hex] : body.at("outputs").items()) {
    r.outputs[name] = Digest::parse(hex.get<std::string>());
  }
  r.folders = body.at("folders").get<decltype(r.folders)>();
  r.metrics = std::move(body.at("metrics"));
  r.environment = std::move(body.at("environment"));
  r.recipe = std::move(body.at("recipe").get_ref<std::string&>());
  r.duration_ms = body.at("duration_ms");
  return r;
}

void SqliteStore::drop_result(const Digest& fingerprint) {
  db_.prepare("DELETE FROM results WHERE fingerprint=?").bind_blob(key(fingerprint)).run();
}

void SqliteStore::put(const AttemptRecord& a) {
  Json body = {{"id", a.id},
               {"fingerprint", a.fingerprint.hex()},
               {"run", a.run},
               {"step", a.step},
               {"model", a.model},
               {"slot", a.slot},
               {"state", static_cast<int>(a.state)},
               {"counted", a.counted},
               {"error", a.error},
               {"started_ms", a.started_ms},
               {"finished_ms", a.finished_ms},
               {"context", a.context}};
  db_.prepare(
         "INSERT INTO attempts(id, fingerprint, run, step, state, body) VALUES(?,?,?,?,?,?) "
         "ON CONFLICT(id) DO UPDATE SET state=excluded.state, run=excluded.run, body=excluded.body")
      .bind(a.id)
      .bind_blob(key(a.fingerprint))
      .bind(a.run)
      .bind(a.step)
      .bind(static_cast<int64_t>(a.state))
      .bind(body.dump())
      .run();
}

std::optional<AttemptRecord> SqliteStore::attempt(const std::string& id) {
  Statement row = db_.prepare("SELECT body FROM attempts WHERE id=?");
  row.bind(id);
  if (!row.step()) return std::nullopt;
  return read_attempt(row);
}

std::vector<AttemptRecord> SqliteStore::attempts_of(const Digest& fingerprint) {
  Statement rows = db_.prepare("SELECT body FROM attempts WHERE fingerprint=? ORDER BY rowid");
  rows.bind_blob(key(fingerprint));
  return read_attempts(rows);
}

std::vector<AttemptRecord> SqliteStore::live_attempts() {
  Statement rows = db_.prepare("SELECT body FROM attempts WHERE state < 2 ORDER BY rowid");
  return read_attempts(rows);
}

std::optional<AttemptRecord> SqliteStore::last_attempt(const std::string& run,
                                                       const std::string& step) {
  Statement row = db_.prepare(
      "SELECT body FROM attempts WHERE step=?1 AND (?2='' OR run=?2) ORDER BY rowid DESC LIMIT 1");
  row.bind(step).bind(run);
  if (!row.step()) return std::nullopt;
  return read_attempt(row);
}

void SqliteStore::put(const RunRecord& r) {
  db_.prepare(
         "INSERT INTO runs(id, trigger, result, commits, document, started_ms, finished_ms) "
         "VALUES(?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET result=excluded.result, "
         "document=excluded.document, finished_ms=excluded.finished_ms")
      .bind(r.id)
      .bind(r.trigger)
      .bind(r.result)
      .bind(Json(r.commits).dump())
      .bind(r.document.dump())
      .bind(r.started_ms)
      .bind(r.finished_ms)
      .run();
}

std::optional<RunRecord> SqliteStore::run(const std::string& id) {
  Statement row = db_.prepare(
      "SELECT id, trigger, result, commits, started_ms, finished_ms, document FROM runs "
      "WHERE id=?");
  row.bind(id);
  if (!row.step()) return std::nullopt;
  return read_run(row, true);
}

std::vector<RunRecord> SqliteStore::runs(size_t limit, const std::string& before) {
  Statement rows = db_.prepare(
      "SELECT id, trigger, result, commits, started_ms, finished_ms FROM runs "
      "WHERE ?1='' OR number < (SELECT number FROM runs WHERE id=?1) "
      "ORDER BY number DESC LIMIT ?2");
  rows.bind(before).bind(static_cast<int64_t>(limit));
  std::vector<RunRecord> all;
  while (rows.step()) all.push_back(read_run(rows, false));
  return all;
}

void SqliteStore::set(const std::string& name, const std::string& value) {
  if (value.empty()) {
    db_.prepare("DELETE FROM settings WHERE name=?").bind(name).run();
    return;
  }
  db_.prepare("INSERT OR REPLACE INTO settings(name, value) VALUES(?,?)")
      .bind(name)
      .bind(value)
      .run();
}

std::string SqliteStore::get(const std::string& name) {
  Statement row = db_.prepare("SELECT value FROM settings WHERE name=?");
  row.bind(name);
  return row.step() ? row.text(0) : std::string();
}

std::map<std::string, std::string> SqliteStore::all(const std::string& prefix) {
  // '0' follows '/', the last byte of every prefix in use: an index range, no pattern.
  Statement rows = db_.prepare("SELECT name, value FROM settings WHERE name>=? AND name<?");
  std::string end = prefix;
  end.back() = static_cast<char>(end.back() + 1);
  rows.bind(prefix).bind(end);
  std::map<std::string, std::string> found;
  while (rows.step()) found[rows.text(0)] = rows.text(1);
  return found;
}

int64_t SqliteStore::next(const std::string& counter) {
  std::string name = "counter/" + counter;
  std::string last = get(name);
  int64_t value = (last.empty() ? 0 : std::stoll(last)) + 1;
  set(name, std::to_string(value));
  return value;
}

int64_t SqliteStore::add_intent(const std::string& kind, const std::string& target) {
  // What moves a thing carries no value, so one waiting intent per thing is enough.
  Statement same = db_.prepare("SELECT id FROM intents WHERE kind=? AND target=?");
  same.bind(kind).bind(target);
  if (same.step()) return same.number(0);
  db_.prepare("INSERT INTO intents(kind, target) VALUES(?,?)").bind(kind).bind(target).run();
  Statement row = db_.prepare("SELECT last_insert_rowid()");
  row.step();
  return row.number(0);
}

void SqliteStore::done_intent(int64_t id) {
  db_.prepare("DELETE FROM intents WHERE id=?").bind(id).run();
}

std::vector<Intent> SqliteStore::intents() {
  Statement rows = db_.prepare("SELECT id, kind, target FROM intents ORDER BY id");
  std::vector<Intent> all;
  while (rows.step()) {
    all.push_back({rows.number(0), rows.text(1), rows.text(2)});
  }
  return all;
}

namespace {

std::vector<std::string> texts(Statement& rows) {
  std::vector<std::string> all;
  while (rows.step()) all.push_back(rows.text(0));
  return all;
}

}  // namespace

std::vector<std::string> SqliteStore::trim(const Trim& trim, size_t* runs) {
  std::vector<std::string> old, gone;
  {
    Statement rows = db_.prepare(
        "SELECT id FROM runs WHERE finished_ms > 0 AND (?1 = 0 OR finished_ms < ?1) AND "
        "number <= (SELECT MAX(number) FROM runs) - ?2 ORDER BY number LIMIT ?3");
    rows.bind(trim.before_ms)
        .bind(static_cast<int64_t>(std::max<size_t>(trim.keep, 1)))
        .bind(static_cast<int64_t>(trim.most));
    old = texts(rows);
  }
  for (const std::string& run : old) {
    for (const std::string& attempt : attempts_to_forget(run, trim.needed)) {
      db_.prepare("DELETE FROM attempts WHERE id=?").bind(attempt).run();
      gone.push_back(attempt);
    }
    db_.prepare("DELETE FROM runs WHERE id=?").bind(run).run();
  }
  *runs = old.size();
  return gone;
}

// Results go with the attempt that made them, unless something names their fingerprint.
std::vector<std::string> SqliteStore::attempts_to_forget(
    const std::string& run, const std::function<bool(const Digest&)>& needed) {
  std::vector<std::pair<std::string, Digest>> all;
  {
    Statement rows = db_.prepare(
        "SELECT id, fingerprint FROM attempts AS one WHERE run=? AND state >= 2 AND fingerprint "
        "<> (SELECT fingerprint FROM attempts WHERE step=one.step ORDER BY rowid DESC LIMIT 1)");
    rows.bind(run);
    while (rows.step()) all.emplace_back(rows.text(0), digest_at(rows.blob(1), 0));
  }
  std::vector<std::string> gone;
  for (const auto& [id, fingerprint] : all) {
    if (needed(fingerprint)) continue;
    std::optional<ResultRecord> made = result(fingerprint);
    if (made && made->attempt == id) drop_result(fingerprint);
    gone.push_back(id);
  }
  return gone;
}

int64_t SqliteStore::count_runs() {
  Statement row = db_.prepare("SELECT COUNT(*) FROM runs");
  return row.step() ? row.number(0) : 0;
}

int64_t SqliteStore::add_event(const std::string& kind, const std::string& data) {
  constexpr int64_t kTrimEvery = 1024;
  db_.prepare("INSERT INTO events(kind, data) VALUES(?,?)").bind(kind).bind(data).run();
  Statement row = db_.prepare("SELECT last_insert_rowid()");
  row.step();
  const int64_t id = row.number(0);
  if (id % kTrimEvery == 0) {
    db_.prepare("DELETE FROM events WHERE id<=?").bind(id - kKeptEvents).run();
  }
  return id;
}

std::vector<Event> SqliteEvents::read(int64_t after, size_t limit) {
  Statement rows = db_.prepare("SELECT id, kind, data FROM events WHERE id>? ORDER BY id LIMIT ?");
  rows.bind(after).bind(static_cast<int64_t>(limit));
  std::vector<Event> all;
  while (rows.step()) all.push_back({rows.number(0), rows.text(1), rows.text(2)});
  return all;
}

int64_t SqliteEvents::last() {
  Statement row = db_.prepare("SELECT seq FROM sqlite_sequence WHERE name='events'");
  return row.step() ? row.number(0) : 0;
}

int64_t SqliteEvents::first() {
  Statement row = db_.prepare("SELECT MIN(id) FROM events");
  const int64_t first = row.step() ? row.number(0) : 0;
  return first > 0 ? first : last() + 1;
}

std::string SqliteStore::revision() {
  Statement row = db_.prepare("SELECT hex(id) FROM revision");
  return row.step() ? row.text(0) : std::string();
}

std::string SqliteSliceCache::tip(const std::string& group) {
  Statement row = db_.prepare("SELECT tip FROM slice_tips WHERE grp=?");
  row.bind(group);
  return row.step() ? row.text(0) : std::string();
}

std::map<std::string, SliceSummary> SqliteSliceCache::summaries(const std::string& group) {
  Statement rows = db_.prepare("SELECT value, digest, rows FROM slice_sums WHERE grp=?");
  rows.bind(group);
  std::map<std::string, SliceSummary> found;
  while (rows.step()) {
    SliceSummary summary;
    std::string digest = rows.blob(1);
    if (digest.size() != summary.digest.bytes.size()) {
      throw Error(ErrorCode::kCorrupt, "a remembered slice is damaged");
    }
    std::copy(digest.begin(), digest.end(), summary.digest.bytes.begin());
    summary.rows = static_cast<uint64_t>(rows.number(2));
    found.emplace_hint(found.end(), rows.blob(0), summary);
  }
  return found;
}

std::vector<std::pair<std::string, uint64_t>> SqliteSliceCache::tips() {
  Statement rows = db_.prepare(
      "SELECT tip, (SELECT SUM(rows) FROM slice_sums WHERE slice_sums.grp = slice_tips.grp) "
      "FROM slice_tips");
  std::vector<std::pair<std::string, uint64_t>> found;
  while (rows.step()) found.emplace_back(rows.text(0), static_cast<uint64_t>(rows.number(1)));
  return found;
}

std::string SqliteSliceCache::state(const std::string& group, const std::string& value) {
  Statement row = db_.prepare("SELECT state FROM slice_states WHERE grp=? AND value=?");
  row.bind(group).bind_blob(value);
  return row.step() ? row.blob(0) : std::string();
}

void SqliteSliceCache::put(const std::string& group, const std::string& value,
                           const RememberedSlice& slice) {
  db_.prepare("INSERT OR REPLACE INTO slice_states(grp, value, state) VALUES(?,?,?)")
      .bind(group)
      .bind_blob(value)
      .bind_blob(slice.state)
      .run();
  db_.prepare("INSERT OR REPLACE INTO slice_sums(grp, value, digest, rows) VALUES(?,?,?,?)")
      .bind(group)
      .bind_blob(value)
      .bind_blob(key(slice.summary.digest))
      .bind(static_cast<int64_t>(slice.summary.rows))
      .run();
}

void SqliteSliceCache::drop(const std::string& group, const std::string& value) {
  db_.prepare("DELETE FROM slice_states WHERE grp=? AND value=?")
      .bind(group)
      .bind_blob(value)
      .run();
  db_.prepare("DELETE FROM slice_sums WHERE grp=? AND value=?").bind(group).bind_blob(value).run();
}

void SqliteSliceCache::update(const std::string& group, const std::string& tip,
                              const std::map<std::string, RememberedSlice>& changed,
                              bool replace_all) {
  db_.begin();
  try {
    point("slices.update");
    if (replace_all) {
      db_.prepare("DELETE FROM slice_states WHERE grp=?").bind(group).run();
      db_.prepare("DELETE FROM slice_sums WHERE grp=?").bind(group).run();
    }
    for (const auto& [value, slice] : changed) {
      slice.state.empty() ? drop(group, value) : put(group, value, slice);
    }
    db_.prepare("INSERT OR REPLACE INTO slice_tips(grp, tip) VALUES(?,?)")
        .bind(group)
        .bind(tip)
        .run();
  } catch (...) {
    db_.rollback();
    throw;
  }
  db_.commit();
}

namespace {

// Columns: at, parts, delivered_ms.
KeptSnapshot read_snapshot(const Statement& row, int first) {
  KeptSnapshot kept{row.text(first), {}, row.number(first + 2)};
  const std::string parts = row.blob(first + 1);
  for (size_t at = 0; at < parts.size(); at += sizeof(Digest::bytes)) {
    kept.parts.push_back(digest_at(parts, at));
  }
  return kept;
}

}  // namespace

std::vector<KeptSnapshot> SqliteSnapshotIndex::snapshots(const Digest& slice) {
  Statement rows = db_.prepare(
      "SELECT at, parts, delivered_ms FROM snapshots WHERE slice=? ORDER BY delivered_ms DESC");
  rows.bind_blob(key(slice));
  std::vector<KeptSnapshot> all;
  while (rows.step()) all.push_back(read_snapshot(rows, 0));
  return all;
}

void SqliteSnapshotIndex::remember(const Digest& slice, const KeptSnapshot& kept, size_t most) {
  std::string parts;
  for (const Digest& part : kept.parts) parts += key(part);
  db_.begin();
  try {
    point("snapshots.remember");
    std::vector<KeptSnapshot> others = snapshots(slice);
    std::erase_if(others, [&](const KeptSnapshot& one) { return one.commit == kept.commit; });
    // A clock that stands or went back makes no earlier delivery the newest.
    const int64_t newest_ms = others.empty() ? 0 : others.front().delivered_ms + 1;
    db_.prepare("INSERT OR REPLACE INTO snapshots(slice, at, parts, delivered_ms) VALUES(?,?,?,?)")
        .bind_blob(key(slice))
        .bind(kept.commit)
        .bind_blob(parts)
        .bind(std::max(kept.delivered_ms, newest_ms))
        .run();
    for (size_t i = most - 1; i < others.size(); ++i) forget(slice, others[i].commit);
  } catch (...) {
    db_.rollback();
    throw;
  }
  db_.commit();
}

std::vector<std::pair<Digest, KeptSnapshot>> SqliteSnapshotIndex::every_snapshot() {
  Statement rows = db_.prepare("SELECT slice, at, parts, delivered_ms FROM snapshots");
  std::vector<std::pair<Digest, KeptSnapshot>> all;
  while (rows.step()) all.emplace_back(digest_at(rows.blob(0), 0), read_snapshot(rows, 1));
  return all;
}

void SqliteSnapshotIndex::forget(const Digest& slice, const std::string& commit) {
  db_.prepare("DELETE FROM snapshots WHERE slice=? AND at=?")
      .bind_blob(key(slice))
      .bind(commit)
      .run();
}

}  // namespace lockstep
