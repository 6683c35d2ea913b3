// A source's way to its Dolt server: one connection that is opened again where it was lost, and
// Dolt's answers told in the house's words. Knows nothing of tables or rows.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "connectors/sql/connection.h"

namespace lockstep {

class DoltRemote;

struct DoltConfig {
  std::string name;             // the source's, for messages
  SqlServer server;             // with the database
  std::string branch = "main";  // by the server's name for it
  // Where the server keeps its databases, where that is on this machine: changes are signalled
  // from there. Empty: the branch is asked for every half second.
  std::filesystem::path data_folder;
  // Where the server is our own, with a clone of a remote in it: whose it is. Else null.
  std::shared_ptr<DoltRemote> remote;
};

// What a store over a remote's clone is told.
DoltConfig dolt_config(std::shared_ptr<DoltRemote> remote);

// 32 digits of [0-9a-v]: the only thing that stands in SQL for a commit.
bool is_dolt_hash(std::string_view text);

class DoltLink {
 public:
  explicit DoltLink(DoltConfig config);

  const DoltConfig& config() const { return config_; }
  const std::string& database() const { return config_.server.database; }

  // Runs `call`, which must be safe to begin again: where its connection is lost (`dolt_gc` cuts
  // them all), it is run once more on another, a few times. Errors begin with the source's name.
  void run(const std::function<void(SqlConnection&)>& call);

  // Short answers, asked for as run() does.
  std::vector<SqlCells> rows(const std::string& sql);
  std::optional<std::string> value(const std::string& sql);

  // "`db/9e9f…`": a read-only view of a commit. Throws not_found for what is no commit's hash.
  std::string at(const std::string& commit) const;
  Error error(ErrorCode code, const std::string& message, const std::string& hint = "") const;
  Error no_commit(const std::string& commit) const;

 private:
  Error translated(const Error& error) const;

  DoltConfig config_;
  SqlConnection sql_;
};

}  // namespace lockstep
