// Loaded before the C library by tests/attack/ssrf.py's daemon: a name server that answers
// `rebind.test` with a public address once, and with this machine from then on. What is connected
// to goes to $REBIND_LOG; the public address itself is never reached. Knows nothing of the daemon.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr const char* kPublic = "8.8.8.8";
std::atomic<int> asked{0};

void tell(const char* what, const char* text) {
  const char* path = std::getenv("REBIND_LOG");
  std::FILE* out = path ? std::fopen(path, "a") : nullptr;
  if (!out) return;
  std::fprintf(out, "%s %s\n", what, text);
  std::fclose(out);
}

}  // namespace

extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints,
                           addrinfo** out) {
  using Real = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const Real real = reinterpret_cast<Real>(dlsym(RTLD_NEXT, "getaddrinfo"));
  if (!node || strcmp(node, "rebind.test") != 0) return real(node, service, hints, out);
  const char* address = asked++ == 0 ? kPublic : "127.0.0.1";
  tell("asked", address);
  return real(address, service, hints, out);
}

extern "C" int connect(int fd, const sockaddr* to, socklen_t size) {
  using Real = int (*)(int, const sockaddr*, socklen_t);
  static const Real real = reinterpret_cast<Real>(dlsym(RTLD_NEXT, "connect"));
  char text[INET_ADDRSTRLEN] = {};
  if (to->sa_family == AF_INET) {
    sockaddr_in in;
    memcpy(&in, to, sizeof in);
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
  }
  if (strcmp(text, kPublic) != 0) return real(fd, to, size);
  tell("connected", text);
  errno = ECONNREFUSED;
  return -1;
}
