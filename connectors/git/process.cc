#include "connectors/git/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
constexpr int64_t kGraceMs = 2'000;

struct Pipe {
  int read = -1, write = -1;

  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      throw Error(ErrorCode::kUnavailable, fmt::format("cannot make a pipe: {}", strerror(errno)));
    }
    read = ends[0];
    write = ends[1];
  }
  ~Pipe() {
    close(read);
    close_write();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_write() {
    if (write >= 0) close(write);
    write = -1;
  }
};

// The spawn attributes: own process group, no blocked or ignored signals, no other open files.
struct SpawnSetup {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;

  SpawnSetup(const Pipe& pipe, const std::string& folder) {
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
    sigset_t none, defaults;
    sigemptyset(&none);
    sigfillset(&defaults);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, pipe.write, 1);
    posix_spawn_file_actions_adddup2(&actions, pipe.write, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
};

pid_t spawn(const ProcessRequest& request, const Pipe& pipe) {
  SpawnSetup setup(pipe, request.folder);
  std::vector<std::string> pairs;
  for (const auto& [name, value] : request.env) pairs.push_back(name + "=" + value);
  std::vector<char*> argv, env;
  for (const std::string& text : request.argv) argv.push_back(const_cast<char*>(text.c_str()));
  for (const std::string& text : pairs) env.push_back(const_cast<char*>(text.c_str()));
  argv.push_back(nullptr);
  env.push_back(nullptr);
  pid_t pid = 0;
  const int code =
      posix_spawnp(&pid, argv[0], &setup.actions, &setup.attributes, argv.data(), env.data());
  if (code == 0) return pid;
  throw Error(ErrorCode::kUnavailable,
              fmt::format("cannot run {}: {}", request.argv[0], strerror(code)),
              code == ENOENT ? fmt::format("install {}", request.argv[0]) : "");
}

void keep_newest(std::string& output, std::string_view more, size_t max_bytes) {
  output.append(more);
  if (output.size() > max_bytes) output.erase(0, output.size() - max_bytes);
}

int64_t ms_until(SteadyTime time) {
  using namespace std::chrono;
  return std::max<int64_t>(0, duration_cast<milliseconds>(time - steady_clock::now()).count());
}

// Reads until the writers are gone or the time is up; false when it is up.
bool drain(const Pipe& pipe, SteadyTime until, size_t max_bytes, std::string& output) {
  char buffer[16384];
  while (true) {
    pollfd ready{pipe.read, POLLIN, 0};
    const int64_t left = ms_until(until);
    const int code = poll(&ready, 1, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (code < 0 && errno != EINTR) return true;
    if (code <= 0) {
      if (ms_until(until) == 0) return false;
      continue;
    }
    const ssize_t n = read(pipe.read, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    keep_newest(output, {buffer, static_cast<size_t>(n)}, max_bytes);
  }
}

// True when the leader was reaped before `until`.
bool reap(pid_t pid, SteadyTime until, int& status) {
  while (true) {
    const pid_t got = waitpid(pid, &status, WNOHANG);
    if (got == pid) return true;
    if (got < 0 && errno == ECHILD) {  // someone else reaped it: how it ended is not known
      status = 255 << 8;
      return true;
    }
    if (ms_until(until) == 0) return false;
    poll(nullptr, 0, 2);
  }
}

}  // namespace

ProcessResult run_process(const ProcessRequest& request) {
  Pipe pipe;
  const pid_t pid = spawn(request, pipe);
  pipe.close_write();
  using namespace std::chrono;
  const SteadyTime until = steady_clock::now() + milliseconds(request.limit_ms);
  ProcessResult result;
  int status = 0;
  const bool done =
      drain(pipe, until, request.max_output_bytes, result.output) && reap(pid, until, status);
  if (!done) {
    result.timed_out = true;
    const SteadyTime grace = steady_clock::now() + milliseconds(kGraceMs);
    kill(-pid, SIGTERM);
    drain(pipe, grace, request.max_output_bytes, result.output);
    const bool gone = reap(pid, grace, status);
    kill(-pid, SIGKILL);  // also what the leader left behind
    if (!gone) waitpid(pid, &status, 0);
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace lockstep
