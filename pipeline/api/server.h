// Serves the API: HTTP/1.1 with JSON bodies, on a Unix socket for its owner and root, and on TCP
// addresses for who has a token. One I/O thread; handlers run on workers, so that those who wait
// never block those who ask. Knows nothing of routes' meaning.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <set>

#include "pipeline/api/access.h"
#include "pipeline/api/api.h"
#include "pipeline/api/event_feed.h"
#include "pipeline/base/files.h"

namespace lockstep {

struct ServerLimits {
  size_t header_bytes = 16 << 10;
  size_t body_bytes = 8 << 20;
  std::chrono::milliseconds read{10'000};   // for one whole request, idle time before it included
  std::chrono::milliseconds write{30'000};  // for one whole answer
  size_t hook_bytes = 25 << 20;             // the body of a route that takes bytes
  size_t connections = 256;                 // on the Unix socket; one more is told so and closed
  std::chrono::milliseconds heartbeat{15'000};  // of who follows and hears nothing
  size_t quick_workers = 8;
  size_t slow_workers = 64;  // for routes marked slow; further ones wait in line
};

// An address on the network. Every request has a Host out of `hosts` (without port; a name that a
// browser was led to by false DNS is none of them) and, but for routes that anyone may call, a
// token.
struct Listener {
  std::string address;  // an IP address of this machine
  uint16_t port = 0;    // 0: any that is free (tests)
  std::set<std::string> hosts;
  fs::path certificate, key;  // PEM; empty: no TLS
  size_t connections = 256;   // one more is told so and closed
  size_t connections_of_address = 64;
};

class ApiServer {
 public:
  // With a feed events and logs can be followed; it must outlive the server.
  ApiServer(Api& api, fs::path socket, ServerLimits limits = {}, EventFeed* feed = nullptr);
  ~ApiServer();  // stops
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // Before start(). Binds at once and gives the port; throws unavailable (the address is taken or
  // not ours), invalid (certificate and key can't be read or do not fit).
  uint16_t listen(const Listener& listener, Tokens& tokens);
  // Once it serves: hosts, limits and certificate of an address that is listened on, for those who
  // come from now on. Throws as listen does, and not_found; then all is as it was.
  void change(const Listener& listener);
  // Can these be served? Throws as listen does; binds nothing.
  static void check(const Listener& listener);
  // "socket" and "ADDRESS:PORT" → open connections.
  std::map<std::string, size_t> connections() const;
  size_t followers() const;
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
