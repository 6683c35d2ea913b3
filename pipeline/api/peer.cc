#include "pipeline/api/peer.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "pipeline/base/error.h"

namespace lockstep {

Peer peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    throw Error(ErrorCode::kUnavailable,
                std::string("can't tell who connected: ") + std::strerror(errno));
  }
  return {credentials.uid, credentials.pid};
}

bool peer_allowed(uid_t peer, uid_t owner) {
  return peer == owner || peer == 0;
}

std::string user_name(uid_t uid) {
  std::vector<char> buffer(16 << 10);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found) {
    return found->pw_name;
  }
  return "uid " + std::to_string(uid);
}

SocketAddress::SocketAddress(const fs::path& path) : text_(path.string()) {
  if (text_.size() < sizeof(sockaddr_un::sun_path)) return;
  fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  folder_ = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder_ < 0) {
    throw Error(ErrorCode::kUnavailable,
                std::string("can't open the folder of the socket: ") + std::strerror(errno), "",
                folder.string());
  }
  text_ = "/proc/self/fd/" + std::to_string(folder_) + "/" + path.filename().string();
  if (text_.size() >= sizeof(sockaddr_un::sun_path)) {
    throw Error(ErrorCode::kInvalid, "the socket's file name is too long", "", path.string());
  }
}

SocketAddress::~SocketAddress() {
  if (folder_ >= 0) close(folder_);
}

bool socket_answers(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_socket(path, ignored)) return false;
  SocketAddress address(path);
  int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_fd < 0) return false;
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, address.text().c_str(), address.text().size() + 1);
  int rc = connect(socket_fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
  // EAGAIN: its queue is full, so somebody listens; EACCES: somebody else's.
  bool answers = rc == 0 || errno == EAGAIN || errno == EACCES;
  close(socket_fd);
  return answers;
}

}  // namespace lockstep
