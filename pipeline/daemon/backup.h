// Backups of a workspace while it works: one consistent state of the store, with the bytes that
// what it keeps needs, in a thread of its own. Knows nothing of routes and nothing of restoring.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "pipeline/base/json.h"
#include "pipeline/daemon/parts.h"
#include "pipeline/store/artifact_store.h"

namespace lockstep {

struct BackupWanted {
  fs::path to;  // absolute: a file that is not there yet, or a folder for one
  bool artifacts = true;
};

class Backups {
 public:
  Backups(Parts& parts, ArtifactStore& artifacts) : parts_(parts), artifacts_(artifacts) {}
  ~Backups();  // what is under way is given up

  // Answers at once: {"file"}. Throws conflict while another is under way or where the file is
  // there, not_found without the folder.
  Json start(const BackupWanted& wanted);
  // {"state":"none"|"running"|"done"|"failed","file"|null,"done":bytes,"bytes":N|null,
  //  "revision":N,"error":{"code","message","hint"}|null,"seconds",
  //  and of one that is done: "files","artifacts":N,"sha256","missing":[sha256…]}
  // Waits up to `wait_ms` while it runs and its revision is `seen`.
  Json progress(int64_t seen, int64_t wait_ms, const std::function<bool()>& gone);
  // Held by who takes bytes away; throws conflict while a backup is under way.
  std::unique_lock<std::mutex> alone();

 private:
  Json make(const fs::path& file, bool artifacts);
  void work(const fs::path& file, bool artifacts);
  void tell(const Json& news);

  Parts& parts_;
  ArtifactStore& artifacts_;
  std::mutex bytes_;  // held while a backup reads artifacts, or somebody removes them
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Json state_ = {{"state", "none"}, {"file", nullptr},  {"done", 0},     {"bytes", nullptr},
                 {"revision", 0},   {"error", nullptr}, {"seconds", 0.0}};
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace lockstep
