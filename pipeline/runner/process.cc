#include "pipeline/runner/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"

namespace lockstep {
namespace {

constexpr int kKillRounds = 500;  // of 10 ms

bool executable_file(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && access(path.c_str(), X_OK) == 0;
}

// As execvp does, but with the PATH the program will see.
std::string find_program(const Launch& launch) {
  const std::string& name = launch.argv[0];
  if (name.find('/') != name.npos) return name;
  std::string_view path;
  for (const std::string& variable : launch.env) {
    if (variable.starts_with("PATH=")) path = std::string_view(variable).substr(5);
  }
  while (!path.empty()) {
    size_t end = path.find(':');
    std::string candidate = std::string(path.substr(0, end)) + "/" + name;
    if (candidate[0] == '/' && executable_file(candidate)) return candidate;
    if (end == path.npos) break;
    path.remove_prefix(end + 1);
  }
  throw Error(ErrorCode::kNotFound, "there is no program " + printable(name) + " in PATH",
              "install it on the runner's machine, or give its path");
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

struct Prepared {
  const char* path;
  char* const* argv;
  char* const* env;
  const char* folder;
  int input, output, error;
  uint64_t memory_bytes;
  bool dies_with_parent;
  const std::function<void(pid_t)>* record;
};

// False when it failed. Whoever kills the parent from now on finds what is to be killed with it.
bool recorded(const std::function<void(pid_t)>& record) {
  try {
    if (record) record(getpid());
    return true;
  } catch (const std::exception&) {
    errno = EIO;
    return false;
  }
}

// Runs in the child that shares our memory. Returns when something failed.
void become(const Prepared& p) {
  sigset_t none;
  sigemptyset(&none);
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  sigaction(SIGPIPE, &standard, nullptr);
  setsid();
  if (p.dies_with_parent) prctl(PR_SET_PDEATHSIG, SIGKILL);
  rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  if (p.memory_bytes > 0) {
    rlimit data{p.memory_bytes, p.memory_bytes};
    if (setrlimit(RLIMIT_DATA, &data) != 0) return;
  }
  if (dup2(p.input, 0) < 0 || dup2(p.output, 1) < 0 || dup2(p.error, 2) < 0) return;
  if (chdir(p.folder) != 0) return;
  if (!recorded(*p.record)) return;
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(p.path, p.argv, p.env);
}

// Parent of `pid` by /proc/<pid>/stat, or 0. The name in it may hold spaces and ')'.
pid_t parent_of(pid_t pid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  Fd fd(open(path, O_RDONLY | O_CLOEXEC));
  ssize_t n = fd.open() ? read(fd.get(), text, sizeof text - 1) : 0;
  if (n <= 0) return 0;
  text[n] = '\0';
  const char* after = strrchr(text, ')');
  pid_t parent = 0;
  char state = 0;
  return after && sscanf(after + 1, " %c %d", &state, &parent) == 2 ? parent : 0;
}

void kill_children() {
  DIR* proc = opendir("/proc");
  if (!proc) return;
  while (dirent* item = readdir(proc)) {
    auto pid = static_cast<pid_t>(atoi(item->d_name));
    if (pid > 0 && parent_of(pid) == getpid()) kill(pid, SIGKILL);
  }
  closedir(proc);
}

}  // namespace

pid_t launch(const Launch& launch) {
  std::string path = find_program(launch);
  std::vector<char*> argv = pointers(launch.argv), env = pointers(launch.env);
  Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  Prepared prepared{path.c_str(),
                    argv.data(),
                    env.data(),
                    launch.folder.c_str(),
                    launch.input < 0 ? null.get() : launch.input,
                    launch.output,
                    launch.error < 0 ? launch.output : launch.error,
                    launch.memory_bytes,
                    launch.dies_with_parent,
                    &launch.record};
  volatile int failure = 0;
  pid_t pid = vfork();
  if (pid == 0) {
    become(prepared);
    failure = errno;
    _exit(127);
  }
  if (pid < 0) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("cannot start a process: {}", std::strerror(errno)));
  }
  if (failure != 0) {
    waitpid(pid, nullptr, 0);
    const ErrorCode code = failure == ENOENT ? ErrorCode::kNotFound
                           : failure == EIO  ? ErrorCode::kUnavailable
                                             : ErrorCode::kDenied;
    throw Error(code,
                fmt::format("cannot execute {}: {}", printable(path), std::strerror(failure)));
  }
  return pid;
}

void adopt_orphans() {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void kill_descendants() {
  for (int round = 0; round < kKillRounds; ++round) {
    pid_t pid = 0;
    while ((pid = waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    if (pid < 0) return;  // ECHILD: nobody is left
    kill_children();
    if (round > 0) {
      timespec pause{0, 10'000'000};
      nanosleep(&pause, nullptr);
    }
  }
}

Fd open_pidfd(pid_t pid) {
  return Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

void signal_pidfd(const Fd& pidfd, int signal) {
  syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0);
}

}  // namespace lockstep
