// A Dolt database that somebody pushes to a remote folder, and a source over that remote.
// Knows nothing of what the tests look for.
#pragma once

#include "connectors/dolt/remote.h"
#include "connectors/dolt/table_store.h"
#include "tests/connectors/dolt/dolt_server.h"

namespace lockstep {

class RemoteDatabase {
 public:
  RemoteDatabase() {
    fs::create_directories(remote());
    db_.run("CALL dolt_remote('add', 'origin', 'file://" + remote().string() + "')");
  }

  DoltDatabase& db() { return db_; }
  void run(const std::string& statement) { db_.run(statement); }
  fs::path remote() const { return folder_.path() / "remote"; }
  // Commits everything there is and pushes it by force; the new commit.
  std::string push() {
    const std::string id = db_.commit();
    publish();
    return id;
  }
  void publish() { db_.run("CALL dolt_push('--force', 'origin', 'main')"); }
  DoltRemoteConfig config() {
    DoltRemoteConfig config;
    config.name = "tables";
    config.remote = "file://" + remote().string();
    config.folder = folder_.path() / "clone";
    config.program = std::getenv("LOCKSTEP_DOLT");
    config.every_ms = 3'600'000;
    config.warn = [this](const std::string& text) {
      std::lock_guard<std::mutex> lock(mutex_);
      warnings_.push_back(text);
    };
    return config;
  }
  std::vector<std::string> warnings() {
    std::lock_guard<std::mutex> lock(mutex_);
    return warnings_;
  }

 private:
  TempFolder folder_;
  DoltDatabase db_;
  std::mutex mutex_;
  std::vector<std::string> warnings_;
};

}  // namespace lockstep
