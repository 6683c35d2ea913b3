// Serves the API on a Unix socket: HTTP/1.1 with JSON bodies, for the socket's owner and root.
// One I/O thread; handlers run on workers, so that those who wait never block those who ask.
// Knows nothing of routes' meaning.
#pragma once

#include <chrono>
#include <memory>

#include "pipeline/api/api.h"
#include "pipeline/base/files.h"

namespace lockstep {

struct ServerLimits {
  size_t header_bytes = 16 << 10;
  size_t body_bytes = 8 << 20;
  std::chrono::milliseconds read{10'000};   // for one whole request, idle time before it included
  std::chrono::milliseconds write{30'000};  // for one whole answer
  size_t connections = 256;                 // one more is told so and closed
  size_t quick_workers = 8;
  size_t slow_workers = 64;  // for routes marked slow; further ones wait in line
};

class ApiServer {
 public:
  ApiServer(Api& api, fs::path socket, ServerLimits limits = {});
  ~ApiServer();  // stops
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // Binds (mode 0600) and serves on its own thread. A socket file that nobody answers on is
  // replaced; throws conflict when somebody does, or when the path is no socket.
  void start();
  // Stops accepting, waits for running handlers, gives their answers a second to leave and removes
  // the socket file. Wake the backend's waiters first: a handler may wait up to kMaxWaitMs.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lockstep
