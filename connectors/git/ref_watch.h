// A signal that refs of a repository on this machine may have changed (inotify).
// Knows nothing of which ref, or what it points to now: re-read after every signal, and poll
// slowly beside it, because network file systems and full queues lose events.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "pipeline/core/source.h"

namespace lockstep {

class RefWatch : public SourceWatch {
 public:
  // As GitRepository takes it: bare, working tree, linked worktree. Watches `refs` with all folders
  // below, `packed-refs` and `HEAD`. Throws as GitRepository does, and unavailable where the
  // machine gives no more watches.
  explicit RefWatch(const std::filesystem::path& repository);
  ~RefWatch() override;
  RefWatch(const RefWatch&) = delete;
  RefWatch& operator=(const RefWatch&) = delete;

  // Readable when take() has something to look at.
  int fd() const override { return fd_; }

  // Reads what has come, follows new folders; true when a ref may have changed. Never blocks.
  bool take() override;

  // take(), after waiting up to `timeout_ms` for it to say true.
  bool wait(int timeout_ms);

 private:
  void watch_all();
  bool watch_folder(const std::filesystem::path& folder);
  bool watch_below(const std::filesystem::path& folder);
  bool handle(int id, unsigned mask, const std::string& name);

  std::filesystem::path root_;  // the common git folder
  int fd_ = -1;
  std::map<int, std::filesystem::path> folders_;
};

}  // namespace lockstep
