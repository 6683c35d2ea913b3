#include "pipeline/store/database.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/statvfs.h>

#include <cerrno>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/base/point.h"

namespace lockstep {
namespace {

constexpr int kSchemaVersion = 5;

// The tables of the store are the state (docs/FORMATS.md). `ledger` is append-only.
constexpr const char* kSchema = R"sql(
CREATE TABLE results(fingerprint BLOB PRIMARY KEY, attempt TEXT NOT NULL, body TEXT NOT NULL)
  WITHOUT ROWID;
CREATE TABLE attempts(id TEXT PRIMARY KEY, fingerprint BLOB NOT NULL, run TEXT NOT NULL,
  step TEXT NOT NULL, state INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX attempts_by_fingerprint ON attempts(fingerprint);
CREATE INDEX attempts_by_step ON attempts(step, run);
CREATE INDEX attempts_live ON attempts(state) WHERE state < 2;
CREATE TABLE runs(number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, trigger TEXT NOT NULL,
  result TEXT NOT NULL, commits TEXT NOT NULL, document TEXT NOT NULL, started_ms INTEGER NOT NULL,
  finished_ms INTEGER NOT NULL);
CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE intents(id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,
  target TEXT NOT NULL);
CREATE TABLE ledger(seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, kind TEXT NOT NULL,
  model TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE slice_tips(grp TEXT PRIMARY KEY, tip TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE slice_states(grp TEXT NOT NULL, value BLOB NOT NULL, state BLOB NOT NULL,
  PRIMARY KEY(grp, value)) WITHOUT ROWID;
)sql";

// Tables that a plan is made from. Whatever row of theirs is written, by whatever program, the
// store's revision becomes another one, in the same transaction: never one that was there before.
constexpr const char* kPlanned[] = {"results", "attempts", "settings", "ledger"};
constexpr const char* kVersion2 = R"sql(
DELETE FROM slice_tips;
DELETE FROM slice_states;
CREATE TABLE slice_sums(grp TEXT NOT NULL, value BLOB NOT NULL, digest BLOB NOT NULL,
  rows INTEGER NOT NULL, PRIMARY KEY(grp, value)) WITHOUT ROWID;
CREATE TABLE revision(id BLOB NOT NULL);
INSERT INTO revision VALUES(randomblob(16));
)sql";

// What slices were remembered before is read again: their sums were not kept.
std::string version_2() {
  std::string sql = kVersion2;
  for (const char* table : kPlanned) {
    for (const char* change : {"INSERT", "UPDATE", "DELETE"}) {
      sql += fmt::format(
          "CREATE TRIGGER revised_{0}_{1} AFTER {1} ON {0} BEGIN "
          "UPDATE revision SET id=randomblob(16); END;\n",
          table, change);
    }
  }
  return sql;
}

constexpr const char* kVersion3 = R"sql(
CREATE TABLE snapshots(slice BLOB NOT NULL, at TEXT NOT NULL, parts BLOB NOT NULL,
  delivered_ms INTEGER NOT NULL, PRIMARY KEY(slice, at)) WITHOUT ROWID;
)sql";

// Runs are trimmed from the oldest on; attempts by the run they belong to.
constexpr const char* kVersion4 = R"sql(
CREATE INDEX attempts_by_run ON attempts(run);
)sql";

// What happened, for those who follow. AUTOINCREMENT: a number is never given twice, and one that
// was rolled back is given again, so there are no gaps.
constexpr const char* kVersion5 = R"sql(
CREATE TABLE events(id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, data TEXT NOT NULL);
)sql";

// SQLite calls a page of its shared index that can't be grown an I/O error, without a reason.
bool no_space_beside(const char* file) {
  struct statvfs info {};
  constexpr uint64_t kLittle_bytes = 256 << 10;
  return file && statvfs(file, &info) == 0 &&
         uint64_t{info.f_bavail} * info.f_frsize < kLittle_bytes;
}

[[noreturn]] void database_failed(sqlite3* db, const char* what) {
  int code = sqlite3_errcode(db) & 0xff;
  const char* file = sqlite3_db_filename(db, "main");
  std::string text =
      fmt::format("the store {} cannot {}: {}", file ? file : "", what, sqlite3_errmsg(db));
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
    throw Error(ErrorCode::kCorrupt, text, "`lockstep restore` brings a backup back");
  }
  if (code == SQLITE_FULL || sqlite3_system_errno(db) == ENOSPC || no_space_beside(file)) {
    throw Error(ErrorCode::kUnavailable, text + " (the disk is full)",
                "free some space; nothing was half-written");
  }
  throw Error(ErrorCode::kUnavailable, text);
}

}  // namespace

Statement::~Statement() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::bind(std::string_view text) {
  sqlite3_bind_text64(statement_, next_++, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind(int64_t number) {
  sqlite3_bind_int64(statement_, next_++, number);
  return *this;
}

Statement& Statement::bind_blob(std::string_view bytes) {
  sqlite3_bind_blob64(statement_, next_++, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
  return *this;
}

bool Statement::step() {
  int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) {
    failed_ = true;
    database_failed(db_, "be read or written");
  }
  return false;
}

void Statement::run() {
  while (step()) {
  }
}

std::string Statement::text(int column) const {
  return std::string(view(column));
}

std::string_view Statement::view(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  return text ? std::string_view(reinterpret_cast<const char*>(text),
                                 static_cast<size_t>(sqlite3_column_bytes(statement_, column)))
              : std::string_view();
}

std::string Statement::blob(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  return bytes ? std::string(static_cast<const char*>(bytes),
                             static_cast<size_t>(sqlite3_column_bytes(statement_, column)))
               : std::string();
}

int64_t Statement::number(int column) const {
  return sqlite3_column_int64(statement_, column);
}

Database::Database(const std::filesystem::path& file) : file_(file) {
  open();
}

Database::~Database() {
  close();
}

void Database::open() {
  if (sqlite3_open(file_.c_str(), &db_) != SQLITE_OK) {
    std::string why = db_ ? sqlite3_errmsg(db_) : "no memory";
    close();
    throw Error(ErrorCode::kUnavailable, fmt::format("cannot open {}: {}", file_.string(), why));
  }
  try {
    if (sqlite3_db_readonly(db_, "main") == 1) refuse_for_reading_only();
    sqlite3_busy_timeout(db_, 5000);
    // Pages that are freed can be given back only where the file began so. Later it says nothing
    // new, and yet would write: a full disk must not hinder reading.
    if (number_of("PRAGMA page_count") == 0) execute("PRAGMA auto_vacuum=INCREMENTAL");
    execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
    if (!log_takes_writes()) refuse_for_reading_only();
    migrate();
  } catch (...) {
    close();
    throw;
  }
}

// What can't be opened for writing, if only for this once, SQLite opens for reading and says
// nothing: each write would fail for as long as it is open.
void Database::refuse_for_reading_only() {
  throw Error(ErrorCode::kUnavailable,
              fmt::format("cannot open {} for writing, only for reading", file_.string()),
              "whose file is it, and are there too many open files?");
}

// The log beside the file is opened by itself, and nothing tells how, but a write that writes
// nothing. Somebody else's write under way is no answer, and not waited for.
bool Database::log_takes_writes() {
  sqlite3_busy_timeout(db_, 0);
  const int begun = sqlite3_exec(db_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
  if (begun == SQLITE_OK) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_busy_timeout(db_, 5000);
  return (begun & 0xff) != SQLITE_READONLY;
}

int64_t Database::number_of(const char* pragma) {
  Statement statement = prepare(pragma);
  return statement.step() ? statement.number(0) : 0;
}

void Database::close() {
  for (auto& [sql, statement] : cache_) sqlite3_finalize(statement);
  cache_.clear();
  sqlite3_close(db_);
  db_ = nullptr;
  depth_ = 0;
}

// A sync that failed says nothing of what is on the disk: the kernel may have given the pages up
// and call them clean, so that the next sync succeeds without them (Rebello et al., "Can
// Applications Recover from fsync Failures?", USENIX ATC 2020; PostgreSQL's "fsyncgate" of 2018).
// So nothing that this connection knew is believed: the file is opened again and read.
void Database::open_again() {
  if (file_ == ":memory:") return;
  close();
  open();
  suspect_ = false;
  unsettled_ = true;
}

// All that the log has is written into the file anew, from what is read now, and synced; until that
// has succeeded once there may be holes in the log that only a power failure would show.
bool Database::settle() {
  Statement checkpoint = prepare("PRAGMA wal_checkpoint(TRUNCATE)");
  try {
    return checkpoint.step() && checkpoint.number(0) == 0;  // else: somebody reads it
  } catch (const Error&) {
    return false;
  }
}

void Database::copy_to(const std::filesystem::path& file) {
  Statement copy = prepare("VACUUM INTO ?");
  copy.bind(file.string());
  copy.run();
}

std::vector<std::string> Database::problems() {
  std::vector<std::string> all;
  Statement rows = prepare("PRAGMA integrity_check(20)");
  while (rows.step()) all.push_back(rows.text(0));
  if (all.size() == 1 && all[0] == "ok") all.clear();
  return all;
}

int64_t Database::shrink(int64_t pages) {
  {
    Statement some = prepare(fmt::format("PRAGMA incremental_vacuum({})", pages));
    some.run();
  }
  Statement left = prepare("PRAGMA freelist_count");
  return left.step() ? left.number(0) : 0;
}

void Database::migrate() {
  const int64_t version = number_of("PRAGMA user_version");
  if (version > kSchemaVersion) {
    throw Error(
        ErrorCode::kConflict,
        fmt::format("{} was written by a newer Lockstep (store version {}, this build "
                    "reads up to {})",
                    file_.string(), version, kSchemaVersion),
        fmt::format("run the newer version; or restore a backup made by this one; or put the "
                    "copy {}.v{} that an upgrade left in its place, without what came since",
                    file_.filename().string(), kSchemaVersion));
  }
  if (version == kSchemaVersion) return;
  point("store.migrate.before");
  if (version > 0) keep_aside(version);
  begin();
  if (version < 1) execute(kSchema);
  if (version < 2) execute(version_2().c_str());
  if (version < 3) execute(kVersion3);
  if (version < 4) execute(kVersion4);
  execute(kVersion5);
  execute(fmt::format("PRAGMA user_version={}", kSchemaVersion).c_str());
  commit();
  // Of an older file: written anew once, so that it can become smaller from now on. Where there is
  // no room for that it stays as large as it becomes.
  if (version > 0 && number_of("PRAGMA auto_vacuum") == 0) {
    sqlite3_exec(db_, "PRAGMA auto_vacuum=INCREMENTAL; VACUUM", nullptr, nullptr, nullptr);
  }
}

// Whole or not there: an upgrade that was interrupted makes it again.
void Database::keep_aside(int64_t version) {
  std::filesystem::path kept = file_, incoming = file_;
  kept += fmt::format(".v{}", version);
  incoming += fmt::format(".v{}.incoming", version);
  real_files().remove(incoming);
  copy_to(incoming);
  real_files().publish(incoming, kept);
}

Statement Database::prepare(std::string_view sql) {
  auto found = cache_.find(std::string(sql));
  if (found == cache_.end()) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                           &statement, nullptr) != SQLITE_OK) {
      database_failed(db_, "prepare a statement");
    }
    found = cache_.emplace(std::string(sql), statement).first;
  }
  return Statement(found->second, db_, failed_);
}

void Database::execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    database_failed(db_, "be changed");
  }
}

void Database::begin() {
  if (suspect_) open_again();
  if (unsettled_) unsettled_ = !settle();
  execute("BEGIN IMMEDIATE");
  failed_ = false;
  changes_ = sqlite3_total_changes64(db_);
  ++depth_;
}

void Database::commit() {
  if (failed_) {
    suspect_ = true;
    rollback();
    throw Error(ErrorCode::kUnavailable,
                "a part of this could not be written to the store, so nothing of it was");
  }
  if (unsettled_ && sqlite3_total_changes64(db_) != changes_) {
    rollback();
    throw Error(
        ErrorCode::kUnavailable,
        fmt::format("the store {} takes nothing until what came before is synced", file_.string()),
        "free some space, or look at the disk; it goes on by itself");
  }
  depth_ = 0;
  point("store.commit.before");
  try {
    execute("COMMIT");
    point("store.commit.after");
  } catch (const Error&) {
    suspect_ = true;
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

void Database::rollback() {
  depth_ = 0;
  suspect_ = suspect_ || failed_;
  sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}

}  // namespace lockstep
