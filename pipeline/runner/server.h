// The runner's one loop: its Unix socket, its connections and the ends of its attempts.
// Knows nothing of what requests mean.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "pipeline/base/fd.h"
#include "pipeline/base/files.h"
#include "pipeline/base/frames.h"
#include "pipeline/runner/attempts.h"
#include "pipeline/runner/blobs.h"
#include "pipeline/runner/machine.h"
#include "pipeline/runner/service.h"
#include "pipeline/runner/shim.h"
#include "pipeline/systemd/notify.h"

namespace lockstep {

struct RunnerOptions {
  std::filesystem::path state;   // absolute; made with mode 0700
  std::filesystem::path socket;  // empty: state/runner.sock; mode 0600
  int64_t idle_exit_s = 0;       // leave when nothing was connected or running that long; 0: never
  uint64_t cache_bytes = 4ull << 30;
  std::string torch = "lockstep-torch", quality = "lockstep-quality";
  uint64_t log_bytes = 64ull << 20;
  size_t warm_workers = 0;  // at most so many lockstep-torch processes kept loaded
  Machine machine;
};

class Server {
 public:
  // Throws conflict when a runner already serves the folder, denied when it belongs to another.
  explicit Server(const RunnerOptions& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  // Until SIGTERM or SIGINT, or idle. Attempts go on without it.
  void run();

 private:
  struct Connection {
    Fd fd;
    FrameReader reader;
    Session session;
    std::string out;
    size_t sent = 0;       // bytes of `out` that are gone
    bool writing = false;  // waits for EPOLLOUT
    bool broken = false;

    size_t unsent() const { return out.size() - sent; }
  };

  void listen();
  void watch(int fd, uint32_t events);
  void unwatch(int fd);
  void watch_attempt(Attempt& attempt);
  void turn();
  void on_event(int fd, uint32_t events);
  void accept_all();
  void on_readable(Connection& connection);
  void serve(Connection& connection);
  bool answer(Connection& connection);
  void flush(Connection& connection);
  void send_finished(Connection& connection);
  void on_finished(int pidfd);
  void drop_broken();
  bool idle_too_long();

  RunnerOptions options_;
  RunnerPaths paths_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<Blobs> blobs_;
  std::unique_ptr<Attempts> attempts_;
  std::unique_ptr<Service> service_;
  Fd epoll_, listener_, signals_;
  std::map<int, std::unique_ptr<Connection>> connections_;
  std::unordered_map<int, std::string> shims_;  // pidfd → attempt
  Watchdog watchdog_;
  bool stop_ = false;
  int64_t idle_since_ms_ = 0;
};

}  // namespace lockstep
