// A Dolt remote, kept as a clone in a server of our own: fetched at intervals, on signals, and when
// somebody wants to know now. Knows nothing of tables or rows.
#pragma once

#include <condition_variable>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "connectors/dolt/own_server.h"
#include "pipeline/base/fd.h"
#include "pipeline/core/source.h"

namespace lockstep {

struct DoltRemoteConfig {
  std::string name;    // the source's, for messages
  std::string remote;  // file:///PATH, https://HOST/PATH, or OWNER/DATABASE of DoltHub
  std::string branch = "main";
  std::string username;
  std::function<std::string()> password;  // read when the server starts; may be empty
  std::filesystem::path ca_file;          // PEM; empty: the machine's
  std::filesystem::path folder;           // of its own, absolute
  std::string program = "dolt";
  int64_t every_ms = 60'000;
  int fetch_limit_s = 600;                       // one fetch in all
  int look_limit_s = 60;                         // who waits for one
  std::function<void(const std::string&)> warn;  // may be empty
};

// One for all stores of a source in a process; thread-safe. Fetches in a thread of its own: a
// remote that hangs holds up nobody but who asks for it. What it has fetched stays readable.
class DoltRemote {
 public:
  explicit DoltRemote(DoltRemoteConfig config);  // starts nothing
  ~DoltRemote();
  DoltRemote(const DoltRemote&) = delete;
  DoltRemote& operator=(const DoltRemote&) = delete;

  const DoltRemoteConfig& config() const { return config_; }
  DoltOwnServer& server() { return server_; }
  // The watched branch's name in the clone.
  std::string tracked() const { return "origin/" + config_.branch; }

  // Fetches and returns when that is done. Throws what hindered it: unavailable (away, or not done
  // within the limit), denied, not_found (no such database or branch).
  void look();
  // Waits some seconds for the first fetch. Throws denied and not_found as the last fetch did;
  // gives its error where the remote is only away, or not fetched yet: the clone may speak for it.
  std::optional<Error> away();
  // Signals when a fetch found a branch elsewhere, or that it can no longer be had. While there is
  // a watch, fetches go on by themselves, and it is said that the remote is away, and back.
  static std::unique_ptr<SourceWatch> watch(std::shared_ptr<DoltRemote> remote);

 private:
  class Watch;
  struct Done {
    std::optional<Error> error;
    std::string branches;  // with their commits: told from another such text
  };

  uint64_t ask();
  bool wait_for(uint64_t ticket, int limit_s);
  void wake() const;
  // What follows is the thread's.
  void loop();
  int pause_ms();
  void await_work();
  void note(const Done& done);
  Done fetch();
  std::string fetch_with(SqlConnection& sql, const std::string& stamp);
  void point_at_remote(SqlConnection& sql);
  Error translated(const Error& error) const;
  std::string stamp() const;
  void watch_remote();

  DoltRemoteConfig config_;
  DoltOwnServer server_;
  std::string address_;          // as Dolt is told
  std::filesystem::path local_;  // of a file:// remote
  Fd wake_;
  // The thread's.
  Fd signals_;
  std::string fetched_stamp_;
  uint64_t fetched_ = 0, server_start_ = 0;  // fetches since that start
  bool pointed_ = false;

  std::mutex mutex_;  // of what follows
  std::condition_variable done_;
  uint64_t asked_ = 0, served_ = 0;  // fetches
  bool stop_ = false, stale_ = false;
  int64_t next_ms_ = 0;
  int failures_ = 0;
  Done last_;
  std::set<int> watches_;  // descriptors to signal on
  std::thread thread_;     // begins with the first question
};

}  // namespace lockstep
