// One look at a database: which tables changed since the last commit, their new snapshots, and a
// commit of them if any did. Knows nothing of how often it is asked for or who reads commits.
#pragma once

#include <string>

#include "connectors/mysql/commits.h"
#include "connectors/mysql/describe.h"
#include "connectors/mysql/rows.h"

namespace lockstep {

class MysqlLook {
 public:
  MysqlLook(const MysqlConfig& config, MysqlCommits& commits);

  // The head after it. All tables are read in one consistent view (REPEATABLE READ), on a
  // connection of its own. Throws unavailable where that was lost: nothing is committed then.
  // One at a time for a folder of state. A table whose rows can't be read is committed as such.
  std::string run();

 private:
  struct Seen {
    MysqlTableRecord record;
    std::string what;  // for the commit's message; empty: as before
  };
  void begin(SqlConnection& sql);
  std::string look_once(SqlConnection& sql);
  std::map<std::string, MysqlTable> wanted(SqlConnection& sql, const MysqlCommit* parent);
  Seen look_at(SqlConnection& sql, const MysqlTable& table, const MysqlTableRecord* before);
  Seen read(SqlConnection& sql, const MysqlTable& table, const MysqlTableRecord* before);
  MysqlTaken follow(SqlConnection& sql, const MysqlTable& table, const MysqlTableSpec& spec,
                    const MysqlTableRecord& before);
  MysqlTaken whole(SqlConnection& sql, const MysqlTable& table, const MysqlTableRecord* before);
  Json mark(SqlConnection& sql, const MysqlTable& table, const MysqlTableSpec& spec);
  MysqlTableSpec spec_of(const std::string& table) const;
  void check(const MysqlTable& table, const MysqlTableSpec& spec) const;
  void warn(const std::string& text) const;

  const MysqlConfig& config_;
  MysqlCommits& commits_;
  std::string at_;                                // the table that is being looked at
  std::map<std::string, std::string> too_large_;  // tables with rows that end a connection, and why
  int64_t now_ms_ = 0;                            // the server's, as the view began
  int64_t unfinished_s_ = 0;  // what the view does not see was written then or later
};

}  // namespace lockstep
