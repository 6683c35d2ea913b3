#include "connectors/mysql/look.h"

#include <fmt/format.h>

#include <algorithm>

#include "connectors/mysql/marks.h"
#include "connectors/sql/quote.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr int kTries = 3;
// Rows carry the time their statement began at, and appear when it is committed.
constexpr int64_t kOverlap_s = 600;
constexpr int64_t kBlindOverlap_s = 3600;  // where the server does not tell open transactions
constexpr int kTableChanged = 1412;
constexpr size_t kMostTold = 50;  // tables in a commit's message

// The table is another one than described: somebody altered it meanwhile.
bool altered(const SqlError& error) {
  return error.number == kTableChanged || error.code == ErrorCode::kNotFound;
}

bool about_the_table(const Error& error) {
  return error.code == ErrorCode::kInvalid || error.code == ErrorCode::kDenied ||
         error.code == ErrorCode::kCorrupt;
}

std::string told(const MysqlTaken& taken) {
  std::string out;
  const auto add = [&](uint64_t count, const char* what) {
    if (count > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, what);
  };
  add(taken.added, "added");
  add(taken.changed, "changed");
  add(taken.removed, "removed");
  return out;
}

}  // namespace

MysqlLook::MysqlLook(const MysqlConfig& config, MysqlCommits& commits)
    : config_(config), commits_(commits) {}

void MysqlLook::warn(const std::string& text) const {
  if (config_.warn) config_.warn(fmt::format("source {}: {}", config_.name, text));
}

MysqlTableSpec MysqlLook::spec_of(const std::string& table) const {
  const auto found = config_.tables.find(table);
  return found == config_.tables.end() ? MysqlTableSpec() : found->second;
}

std::string MysqlLook::run() {
  for (int attempt = 1;; ++attempt) {
    SqlConnection sql(config_.server);
    try {
      return look_once(sql);
    } catch (const SqlError& error) {
      if (altered(error) && sql.sessions() > 0 && attempt < kTries) continue;
      // The next view is without that table, and there are only so many.
      if (error.too_large() && !at_.empty() && too_large_.emplace(at_, error.message).second) {
        continue;
      }
      throw Error(error.number == kTableChanged ? ErrorCode::kUnavailable : error.code,
                  fmt::format("source {}: {}", config_.name, error.message), error.hint);
    }
  }
}

// What is written and not yet committed when the view begins has begun before `unfinished_s_`.
void MysqlLook::begin(SqlConnection& sql) {
  const auto seconds = [&](const char* what) {
    return std::stoll(sql.value(what).value_or("0").substr(0, 10));
  };
  const bool follows = std::any_of(config_.tables.begin(), config_.tables.end(), [](const auto& t) {
    return t.second.mode == MysqlMode::kVersioned;
  });
  int64_t overlap_s = kOverlap_s;
  int64_t oldest_s = seconds("SELECT FLOOR(UNIX_TIMESTAMP(NOW(6)))");
  if (follows) {
    try {
      sql.execute("SET SESSION time_zone = 'SYSTEM'");  // these times are shown in the server's own
      oldest_s = std::min<int64_t>(
          oldest_s, seconds("SELECT FLOOR(IFNULL(UNIX_TIMESTAMP(MIN(trx_started)), "
                            "UNIX_TIMESTAMP(NOW()))) FROM information_schema.INNODB_TRX"));
    } catch (const SqlError& error) {
      if (error.code != ErrorCode::kDenied) throw;
      overlap_s = kBlindOverlap_s;
    }
    sql.execute("SET SESSION time_zone = '+00:00'");
  }
  unfinished_s_ = oldest_s - overlap_s;
  // Keys and, of keyless tables, the beginnings of long cells are sorted by the server.
  sql.execute("SET SESSION max_sort_length = 4096");
  sql.execute("SET SESSION sort_buffer_size = 16777216");
  sql.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  sql.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
  now_ms_ = std::stoll(sql.value("SELECT FLOOR(UNIX_TIMESTAMP(NOW(6)) * 1000)").value_or("0"));
}

std::map<std::string, MysqlTable> MysqlLook::wanted(SqlConnection& sql, const MysqlCommit* parent) {
  std::vector<std::string> names;
  for (const auto& [name, spec] : config_.tables) names.push_back(name);
  std::map<std::string, MysqlTable> all = describe_mysql(sql, config_.server.database, names);
  if (names.empty()) return all;
  std::map<std::string, MysqlTable> out;
  for (const auto& [name, spec] : config_.tables) {
    const auto found = all.find(name);
    if (found != all.end()) {
      out[name] = std::move(found->second);
    } else if (!parent || parent->tables.count(name)) {
      warn(fmt::format("there is no table {} in {}", printable(name), config_.server.database));
    }
  }
  return out;
}

std::string MysqlLook::look_once(SqlConnection& sql) {
  const int64_t began_ms = SystemClock().now_ms();
  begin(sql);
  const std::string head = commits_.head();
  std::optional<MysqlCommit> parent;
  if (!head.empty()) parent = commits_.get(head);
  const MysqlCommits::Look last = commits_.last_look();
  MysqlCommit fresh;
  std::vector<std::string> lines;
  MysqlCommits::Look look;
  for (const auto& [name, table] : wanted(sql, parent ? &*parent : nullptr)) {
    std::optional<MysqlTableRecord> before;
    if (parent && parent->tables.count(name)) before = parent->tables.at(name);
    if (before && last.head == head && last.marks.count(name)) before->mark = last.marks.at(name);
    Seen seen = look_at(sql, table, before ? &*before : nullptr);
    if (!seen.what.empty()) lines.push_back(printable(name) + ": " + seen.what);
    if (!seen.what.empty() || !before || parent->tables.at(name).mark != seen.record.mark) {
      look.marks[name] = seen.record.mark;
    }
    fresh.tables[name] = std::move(seen.record);
  }
  for (const auto& [name, table] :
       parent ? parent->tables : std::map<std::string, MysqlTableRecord>()) {
    if (!fresh.tables.count(name)) lines.push_back(printable(name) + ": dropped");
  }
  sql.execute("COMMIT");
  look.head = head;
  if (!parent || !lines.empty()) {
    fresh.author = config_.server.user;
    fresh.time_ms = std::max(now_ms_, parent ? parent->time_ms : 0);
    fresh.message = fmt::format("{} table{} changed\n", lines.size(), lines.size() == 1 ? "" : "s");
    for (size_t i = 0; i < lines.size() && i < kMostTold; ++i) fresh.message += "\n" + lines[i];
    look.head = commits_.add(std::move(fresh));
    look.marks.clear();  // they are in the commit
  }
  look.at_ms = began_ms;
  commits_.write_look(look);
  return look.head;
}

MysqlLook::Seen MysqlLook::look_at(SqlConnection& sql, const MysqlTable& table,
                                   const MysqlTableRecord* before) {
  const auto refused = [&](const std::string& why) {
    Seen out;
    out.record.error = why;
    out.record.mark = Json::object();
    if (!before || before->error != why) out.what = "can't be read: " + printable(why, 500);
    return out;
  };
  at_ = table.name;
  const auto found = too_large_.find(table.name);
  if (found != too_large_.end()) return refused(found->second);
  try {
    return read(sql, table, before);
  } catch (const SqlError& error) {
    if (!sql.is_open() || altered(error) || !about_the_table(error)) throw;
    return refused(error.message);
  } catch (const Error& error) {
    if (!sql.is_open() || !about_the_table(error)) throw;
    return refused(error.message);
  }
}

void MysqlLook::check(const MysqlTable& table, const MysqlTableSpec& spec) const {
  const auto refuse = [](const std::string& why) { return Error(ErrorCode::kInvalid, why); };
  if (table.columns.empty()) throw refuse("it has no columns");
  if (spec.mode == MysqlMode::kScan) return;
  if (table.key.empty()) throw refuse("it has no primary key: only changes: scan can follow it");
  if (spec.mode == MysqlMode::kVersioned) {
    if (!table.versioned) throw refuse("it is not system-versioned: use changes: scan");
    if (table.by_transaction) {
      throw refuse("its history is kept by transaction numbers: use changes: scan");
    }
  } else {
    const SqlColumn* column = table.find(spec.column);
    if (!column) throw refuse("it has no column " + printable(spec.column));
    mysql_at_or_after(*column, "", 0);
  }
}

Json MysqlLook::mark(SqlConnection& sql, const MysqlTable& table, const MysqlTableSpec& spec) {
  Json out = {{"shape", table.shape()}, {"mode", word(spec.mode)}};
  if (spec.mode == MysqlMode::kScan) {
    out["checksum"] = mysql_checksum(sql, table);
  } else {
    out["count"] = mysql_count(sql, table);
  }
  if (spec.mode == MysqlMode::kColumn) {
    out["column"] = spec.column;
    out["newest"] = mysql_newest(sql, table, *table.find(spec.column));
  }
  if (spec.mode == MysqlMode::kVersioned) out["since"] = unfinished_s_;
  return out;
}

// All rows; as a difference where the rows before are there to compare with.
MysqlTaken MysqlLook::whole(SqlConnection& sql, const MysqlTable& table,
                            const MysqlTableRecord* before) {
  MysqlRows rows(sql, config_, table);
  const bool comparable =
      before && before->error.empty() && !table.key.empty() && before->schema == table.schema();
  if (!comparable) return rows.all();
  try {
    return rows.compared(*before);
  } catch (const SqlError&) {
    throw;
  } catch (const Error& error) {
    // What is kept is damaged, or the rows come in no order.
    const bool ours = error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kNotFound;
    if (!ours || !sql.is_open()) throw;
    warn(fmt::format("table {} is kept anew: {}", printable(table.name), error.message));
  }
  MysqlTaken taken = rows.all();
  taken.anew = true;
  return taken;
}

// Only what is newer; all rows where the count shows that this was not all.
MysqlTaken MysqlLook::follow(SqlConnection& sql, const MysqlTable& table,
                             const MysqlTableSpec& spec, const MysqlTableRecord& before) {
  MysqlRows rows(sql, config_, table);
  const bool column = spec.mode == MysqlMode::kColumn;
  std::string condition;
  if (column) {
    condition = mysql_at_or_after(*table.find(spec.column),
                                  before.mark.value("newest", std::string()), kOverlap_s);
    if (condition.empty()) return whole(sql, table, &before);
  } else if (before.mark.value("since", int64_t{0}) > now_ms_ / 1000) {
    warn(
        fmt::format("the server's clock went back; table {} is read whole", printable(table.name)));
    return whole(sql, table, &before);
  }
  MysqlTaken taken;
  try {
    taken = column ? rows.newer(before, condition) : rows.since(before, before.mark.at("since"));
  } catch (const SqlError&) {
    throw;
  } catch (const Error& error) {
    const bool ours = error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kNotFound;
    if (!ours || !sql.is_open()) throw;
    return whole(sql, table, &before);
  }
  const uint64_t there = mysql_count(sql, table);
  if (there == taken.record.rows) return taken;
  warn(fmt::format(
      "table {} has {} rows where its {} says {}; it is read whole", printable(table.name), there,
      column ? "column " + printable(spec.column) : std::string("history"), taken.record.rows));
  return whole(sql, table, &before);
}

MysqlLook::Seen MysqlLook::read(SqlConnection& sql, const MysqlTable& table,
                                const MysqlTableRecord* before) {
  const MysqlTableSpec spec = spec_of(table.name);
  check(table, spec);
  if (!before && !table.transactional) {
    warn(
        fmt::format("table {} is not kept by InnoDB: rows that change while it is read may be "
                    "seen half",
                    printable(table.name)));
  }
  const Json now = mark(sql, table, spec);
  const bool known = before && before->error.empty();
  const auto same = [&](const char* what) {
    return known && before->mark.value(what, Json()) == now.value(what, Json());
  };
  const bool alike = same("shape") && same("mode") && same("column");
  Seen out;
  if (alike && spec.mode == MysqlMode::kScan && same("checksum")) {
    out.record = *before;
    out.record.mark = now;
    return out;
  }
  MysqlTaken taken = alike && spec.mode != MysqlMode::kScan ? follow(sql, table, spec, *before)
                                                            : whole(sql, table, before);
  taken.record.mark = now;
  if (taken.anew) {
    out.what = "kept anew";
  } else if (!known || !taken.record.same_content(*before)) {
    std::string rows = told(taken);
    if (!before) rows = fmt::format("new, {} rows", taken.record.rows);
    if (rows.empty()) rows = "other columns";
    out.what = fmt::format("{} ({})", rows, word(spec.mode));
  } else {
    taken.record.snapshot = before->snapshot;
  }
  out.record = std::move(taken.record);
  return out;
}

}  // namespace lockstep
