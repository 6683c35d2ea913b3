// A program that serves until the object goes: started, stopped, killed and started again by tests.
// Knows nothing of what it serves.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"

extern char** environ;

namespace lockstep {

inline int free_loopback_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool good = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  if (!good) throw Error(ErrorCode::kUnavailable, "no free port");
  return ntohs(address.sin_port);
}

class ServerProcess {
 public:
  struct Command {
    std::vector<std::string> argv;
    std::map<std::string, std::string> env;  // beside what the test has
    fs::path folder, log;
  };
  ~ServerProcess() { end(SIGKILL); }
  ServerProcess() = default;
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Starts it and waits until `ready` says so, at most 30 s.
  void start(const Command& command, const std::function<bool()>& ready) {
    pid_ = spawn(command);
    for (int i = 0; i < 3000; ++i) {
      if (ready()) return;
      if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = 0;
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    throw Error(ErrorCode::kUnavailable,
                command.argv[0] + " does not start: " + real_files().read(command.log));
  }
  // Runs a command to its end; throws with its output when it fails.
  static void run(const Command& command) {
    int status = 0;
    waitpid(spawn(command), &status, 0);
    if (status == 0) return;
    throw Error(ErrorCode::kUnavailable,
                command.argv[0] + " failed: " + real_files().read(command.log));
  }
  void send(int signal) {
    if (pid_ <= 0 || kill(pid_, signal) != 0) return;
    if (signal == SIGSTOP) waitpid(pid_, nullptr, WUNTRACED);  // all its threads have stopped
  }
  void end(int signal) {
    if (pid_ <= 0) return;
    kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  static pid_t spawn(const Command& command) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, command.log.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawn_file_actions_addchdir_np(&actions, command.folder.c_str());
    std::vector<std::string> env;
    for (char** at = environ; *at; ++at) {
      const std::string entry = *at;
      if (!command.env.count(entry.substr(0, entry.find('=')))) env.push_back(entry);
    }
    for (const auto& [name, value] : command.env) env.push_back(name + "=" + value);
    const auto pointers = [](const std::vector<std::string>& texts) {
      std::vector<char*> out;
      for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
      out.push_back(nullptr);
      return out;
    };
    pid_t pid = 0;
    const int failed = posix_spawnp(&pid, command.argv[0].c_str(), &actions, nullptr,
                                    pointers(command.argv).data(), pointers(env).data());
    posix_spawn_file_actions_destroy(&actions);
    if (failed) throw Error(ErrorCode::kUnavailable, command.argv[0] + " can't be started");
    return pid;
  }

  pid_t pid_ = 0;
};

}  // namespace lockstep
