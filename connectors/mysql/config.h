// What a source of kind mysql is told: its server, how its tables are looked at, where it keeps
// what it saw. Knows nothing of how any of it is done.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "connectors/sql/connection.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/files.h"
#include "pipeline/core/artifacts.h"

namespace lockstep {

// How changed rows of a table are found; docs/TABLES.md says what each sees and misses.
enum class MysqlMode {
  kVersioned,  // by MariaDB's row history
  kColumn,     // by a column that every write moves up
  kScan        // by checksums on the server, then by reading all rows
};
std::string_view word(MysqlMode mode);  // "versioned", "column", "scan"

struct MysqlTableSpec {
  MysqlMode mode = MysqlMode::kScan;
  std::string column;  // of kColumn
};

struct MysqlConfig {
  std::string name;  // the source's, for messages
  SqlServer server;  // with the database
  int64_t every_ms = 60'000;
  std::map<std::string, MysqlTableSpec> tables;  // empty: every base table, by scan
  std::filesystem::path state;                   // a folder of its own
  std::shared_ptr<Artifacts> artifacts;          // commits and rows; nothing else is kept there
  std::function<void(const std::string&)> warn;  // may be empty
  Files* files = &real_files();                  // outlives the store
};

}  // namespace lockstep
