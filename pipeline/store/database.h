// SQLite as the house uses it: one file, WAL, synchronous=FULL, statements prepared once.
// Knows nothing of the tables in it beyond their versioned schema. One thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace lockstep {

class Statement {
 public:
  // `failed` is set when a step fails.
  Statement(sqlite3_stmt* statement, sqlite3* db, bool& failed)
      : statement_(statement), db_(db), failed_(failed) {}
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Bind parameters 1, 2, 3 … in order.
  Statement& bind(std::string_view text);
  Statement& bind(int64_t number);
  Statement& bind_blob(std::string_view bytes);
  bool step();  // true: a row is there; false: done. Throws unavailable or corrupt.
  void run();   // step() to the end
  std::string text(int column) const;
  std::string_view view(int column) const;  // the text, until the next step
  std::string blob(int column) const;
  int64_t number(int column) const;

 private:
  sqlite3_stmt* statement_;
  sqlite3* db_;
  bool& failed_;
  int next_ = 1;
};

class Database {
 public:
  // Opens or creates; brings an older schema forward in one transaction, with a copy of the file as
  // it was beside it (FILE.v1 of version 1); throws conflict for a newer one.
  explicit Database(const std::filesystem::path& file);  // ":memory:" for tests
  ~Database();
  // The database as of one transaction's end, as a file of its own, which must not exist; others
  // may write meanwhile. Not synced.
  void copy_to(const std::filesystem::path& file);
  // What `PRAGMA integrity_check` finds; empty: nothing.
  std::vector<std::string> problems();
  // Gives up to `pages` unused pages back to the file system; how many are left.
  int64_t shrink(int64_t pages);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Statement prepare(std::string_view sql);  // cached; reset when the Statement goes
  void execute(const char* sql);
  void begin();
  // Throws unavailable and rolls back where it can't be made durable, or where a statement since
  // begin() has failed, whoever caught that: what is half-written is never kept. Behind that the
  // next begin() opens the file again, and until all of its log is in the file and synced what
  // changes something is not taken.
  void commit();
  void rollback();
  bool in_transaction() const { return depth_ > 0; }

 private:
  void open();
  [[noreturn]] void refuse_for_reading_only();
  bool log_takes_writes();
  void close();
  void open_again();
  int64_t number_of(const char* pragma);
  bool settle();
  void migrate();
  void keep_aside(int64_t version);

  std::filesystem::path file_;
  sqlite3* db_ = nullptr;
  int depth_ = 0;
  bool failed_ = false;     // a statement, since begin()
  bool suspect_ = false;    // a commit failed: what this connection knows may not be on the disk
  bool unsettled_ = false;  // nor all that the log has
  int64_t changes_ = 0;     // rows changed by this connection, at begin()
  std::unordered_map<std::string, sqlite3_stmt*> cache_;
};

}  // namespace lockstep
