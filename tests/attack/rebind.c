/* Loaded before the C library by tests/attack/ssrf.py's daemon: a name server that answers
   `rebind.test` with a public address once, and with this machine from then on. What is connected
   to goes to $REBIND_LOG; the public address itself is never reached. Knows nothing of the daemon. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char kPublic[] = "8.8.8.8";
static atomic_int asked;

static void tell(const char *what, const char *text) {
  const char *path = getenv("REBIND_LOG");
  FILE *out = path ? fopen(path, "a") : NULL;
  if (!out) return;
  fprintf(out, "%s %s\n", what, text);
  fclose(out);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
  typedef int (*Real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
  const Real real = (Real)dlsym(RTLD_NEXT, "getaddrinfo");
  if (!node || strcmp(node, "rebind.test") != 0) return real(node, service, hints, out);
  const char *address = atomic_fetch_add(&asked, 1) == 0 ? kPublic : "127.0.0.1";
  tell("asked", address);
  return real(address, service, hints, out);
}

int connect(int fd, const struct sockaddr *to, socklen_t size) {
  typedef int (*Real)(int, const struct sockaddr *, socklen_t);
  const Real real = (Real)dlsym(RTLD_NEXT, "connect");
  char text[INET_ADDRSTRLEN] = "";
  if (to->sa_family == AF_INET) {
    struct sockaddr_in in;
    memcpy(&in, to, sizeof in);
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
  }
  if (strcmp(text, kPublic) != 0) return real(fd, to, size);
  tell("connected", text);
  errno = ECONNREFUSED;
  return -1;
}
