// A real registry (docker-registry) on a loopback port, for as long as the object lives.
// Knows nothing of clients.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

#include "pipeline/base/files.h"

extern char** environ;

namespace lockstep {

inline sockaddr_in loopback_address(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline int free_port() {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback_address(0);
  socklen_t size = sizeof address;
  bool good = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
              getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  if (!good) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

class RealRegistry {
 public:
  // `more` goes into the configuration: "auth: …", or under "http:" with two spaces before.
  explicit RealRegistry(const std::string& http = "", const std::string& more = "") {
    port_ = free_port();
    real_files().write_atomic(
        folder_.path() / "config.yml",
        fmt::format("version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\n"
                    "http:\n  addr: 127.0.0.1:{}\n  secret: s\n{}{}",
                    (folder_.path() / "data").string(), port_, http, more));
    start();
  }
  ~RealRegistry() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  RealRegistry(const RealRegistry&) = delete;
  RealRegistry& operator=(const RealRegistry&) = delete;

  std::string place(const std::string& repository = "team/intents") const {
    return fmt::format("127.0.0.1:{}/{}", port_, repository);
  }
  fs::path blob(const std::string& hex) const {
    return folder_.path() / "data/docker/registry/v2/blobs/sha256" / hex.substr(0, 2) / hex /
           "data";
  }

 private:
  void start() {
    std::string log = (folder_.path() / "log").string();
    std::string config = (folder_.path() / "config.yml").string();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    std::string program = "docker-registry", verb = "serve";
    char* arguments[] = {program.data(), verb.data(), config.data(), nullptr};
    int failed = posix_spawnp(&pid_, program.c_str(), &actions, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed) throw std::runtime_error("docker-registry can't be started; is it installed?");
    for (int i = 0; i < 1000 && !listening(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    if (!listening()) throw std::runtime_error(real_files().read(log));
  }
  bool listening() const {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback_address(port_);
    bool good = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    close(fd);
    return good;
  }

  TempFolder folder_;
  int port_ = 0;
  pid_t pid_ = 0;
};

}  // namespace lockstep
