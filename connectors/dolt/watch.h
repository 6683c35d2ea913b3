// Signals that a Dolt database may have a new commit: from its folder on this machine, or by
// asking its server twice a second. Knows nothing of what changed.
#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#include "connectors/dolt/link.h"
#include "pipeline/base/fd.h"
#include "pipeline/core/source.h"

namespace lockstep {

// One signal for each write, commit or tag; seldom none, so look now and then as well. Survives
// `dolt_gc`, restarts of the server, and another folder in the place of this one.
class DoltWatch : public SourceWatch {
 public:
  // `database` is the folder that holds `.dolt`. Throws not_found where it is not there, and
  // unavailable where the machine gives no more watches.
  explicit DoltWatch(const std::filesystem::path& database);

  int fd() const override { return fd_.get(); }
  bool take() override;

 private:
  int watched() const;

  std::filesystem::path folder_;
  Fd fd_;
  int wd_;
};

// Asks in a thread of its own, so that a server that hangs holds up nobody. Signals when the
// branch moved, and when a server that was away is back.
class DoltPoll : public SourceWatch {
 public:
  explicit DoltPoll(DoltConfig config, int every_ms = 500);
  ~DoltPoll() override;

  int fd() const override { return fd_.get(); }
  bool take() override;

 private:
  void ask();

  DoltConfig config_;
  int every_ms_;
  Fd fd_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace lockstep
