// A Dolt server that Lockstep keeps for itself over one folder: set up, started when it is needed,
// started again when it died, ended with its owner. Knows nothing of what is in its database.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "connectors/sql/connection.h"
#include "pipeline/base/fd.h"

namespace lockstep {

using Environment = std::vector<std::pair<std::string, std::string>>;

struct DoltOwnConfig {
  std::string name;              // the source's, for messages
  std::filesystem::path folder;  // of its own, absolute; one process at a time (the caller's lock)
  std::string program = "dolt";  // without a slash it is looked up in PATH
  std::function<Environment()> more;             // asked for at each start; may be empty
  std::function<void(const std::string&)> warn;  // may be empty
};

// Its one database is `clone`, made empty. It is spoken to over a Unix socket in `folder`, which is
// closed to others. Dolt 1.x can't do without a TCP listener as well: that one is on a free port of
// the loopback address. On both nobody gets in but one user, with a password that is made up by
// this process and written nowhere. Thread-safe.
class DoltOwnServer {
 public:
  explicit DoltOwnServer(DoltOwnConfig config);  // starts nothing
  ~DoltOwnServer();                              // ends it
  DoltOwnServer(const DoltOwnServer&) = delete;
  DoltOwnServer& operator=(const DoltOwnServer&) = delete;

  const std::string& name() const { return config_.name; }
  SqlServer place() const;  // with user, password and database
  // Returns when it answers. One that an earlier process left behind is ended first. Throws
  // unavailable, not_found where there is no such program; what failed is not tried again before a
  // pause is over, of half a second first and a minute at last.
  void ensure();
  // Ends it at once and starts it. Who is in the midst of rows has ten seconds to finish.
  void restart();
  void end();
  uint64_t starts() const { return starts_; }

  // Holds a running server in use.
  class Use {
   public:
    explicit Use(DoltOwnServer& server) : server_(server) {
      server.ensure();
      ++server_.users_;
    }
    ~Use() { --server_.users_; }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    DoltOwnServer& server_;
  };

 private:
  bool running();  // reaps it where it is not
  void start();
  void set_up();
  std::string run_dolt(std::vector<std::string> arguments, const std::string& input = "");
  void write_settings() const;
  pid_t spawn();
  void await_answer();
  void kill_it();
  void failed(const Error& error);
  Environment environment() const;
  std::filesystem::path data() const { return config_.folder / "data"; }
  std::string log_tail() const;

  DoltOwnConfig config_;
  std::string password_;
  Fd folder_;  // where its path is too long for a socket
  std::filesystem::path socket_;
  std::mutex mutex_;  // of all below but the counters
  pid_t pid_ = 0;
  bool set_up_ = false;
  bool names_user_ = false;  // in the settings
  int failures_ = 0;
  int64_t not_before_ms_ = 0;
  std::string last_error_;
  ErrorCode last_code_ = ErrorCode::kUnavailable;
  std::atomic<uint64_t> starts_{0};
  std::atomic<int> users_{0};
};

// Ends the servers of this user that run with this file of settings, whoever started them. Nothing
// else is touched: a process is looked at and ended through one handle of it. Returns how many.
int end_servers_with(const std::filesystem::path& settings);

}  // namespace lockstep
