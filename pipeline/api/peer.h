// Who is at the other end of a Unix socket, and the socket's address whatever its length.
// Knows nothing of HTTP or routes.
#pragma once

#include <sys/types.h>

#include <string>

#include "pipeline/base/files.h"

namespace lockstep {

struct Peer {
  uid_t uid = 0;
  pid_t pid = 0;
};

// SO_PEERCRED of a connected Unix socket; throws unavailable.
Peer peer_of(int socket);
// The owner of the daemon and root may speak to it, nobody else.
bool peer_allowed(uid_t peer, uid_t owner);
// Name of a user, "uid 1234" where the system knows none.
std::string user_name(uid_t uid);

// A path that fits into sockaddr_un (108 bytes): the path itself, or its folder held open and
// named through /proc/self/fd. Valid while the object lives.
class SocketAddress {
 public:
  explicit SocketAddress(const fs::path& path);
  ~SocketAddress();
  SocketAddress(const SocketAddress&) = delete;
  SocketAddress& operator=(const SocketAddress&) = delete;
  const std::string& text() const { return text_; }

 private:
  int folder_ = -1;
  std::string text_;
};

// Does somebody accept connections there? False where there is no socket or nobody listens.
bool socket_answers(const fs::path& path);

}  // namespace lockstep
