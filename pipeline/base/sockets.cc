#include "pipeline/base/sockets.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "pipeline/base/error.h"

namespace lockstep {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void failed(const char* verb, const fs::path& path) {
  throw Error(
      errno == EACCES || errno == EPERM ? ErrorCode::kDenied : ErrorCode::kUnavailable,
      fmt::format("cannot {} the socket {}: {}", verb, path.string(), std::strerror(errno)));
}

// sun_path holds 107 bytes (unix(7)): a longer path is reached through its opened folder.
struct Address {
  Address(const fs::path& path, const char* verb) {
    std::string text = path;
    if (text.size() >= sizeof value.sun_path) {
      folder.reset(open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      if (!folder.open()) failed(verb, path);
      text = fmt::format("/proc/self/fd/{}/{}", folder.get(), path.filename().string());
    }
    if (text.size() >= sizeof value.sun_path) {
      errno = ENAMETOOLONG;
      failed(verb, path);
    }
    value.sun_family = AF_UNIX;
    std::memcpy(value.sun_path, text.c_str(), text.size() + 1);
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&value); }

  Fd folder;
  sockaddr_un value{};
};

}  // namespace

Fd listen_unix(const fs::path& path, int mode) {
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.open()) failed("make", path);
  struct stat info {};
  if (lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) unlink(path.c_str());
  Address address(path, "bind");
  // Before the name appears: nobody may connect under looser permissions.
  mode_t old = umask(0777 & ~static_cast<mode_t>(mode));
  int bound = bind(fd.get(), address.get(), sizeof address.value);
  umask(old);
  if (bound != 0) failed("bind", path);
  if (listen(fd.get(), 128) != 0) failed("listen at", path);
  return fd;
}

Fd connect_unix(const fs::path& path) {
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.open()) failed("make", path);
  Address address(path, "reach");
  if (connect(fd.get(), address.get(), sizeof address.value) != 0) failed("reach", path);
  return fd;
}

uid_t peer_uid(const Fd& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return static_cast<uid_t>(-1);
  }
  return peer.uid;
}

}  // namespace lockstep
