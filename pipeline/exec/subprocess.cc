#include "pipeline/exec/subprocess.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/fd.h"

extern char** environ;

namespace lockstep {
namespace {

int64_t monotonic_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

[[noreturn]] void failed(const std::string& program, int number) {
  throw Error(number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
              fmt::format("cannot run {}: {}", program, std::strerror(number)));
}

// As a file in memory the input needs no feeding, and no SIGPIPE comes from a program that does
// not read it.
Fd input_file(const std::string& program, std::string_view input) {
  Fd fd(memfd_create("input", MFD_CLOEXEC));
  if (!fd.open()) failed(program, errno);
  while (!input.empty()) {
    ssize_t n = write(fd.get(), input.data(), input.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) failed(program, errno);
    input.remove_prefix(static_cast<size_t>(n));
  }
  lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

pid_t spawn(const Subprocess& what, int in, int out, int err) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in, 0);
  posix_spawn_file_actions_adddup2(&files, out, 1);
  posix_spawn_file_actions_adddup2(&files, err, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  std::vector<char*> argv = pointers(what.argv), env;
  if (what.env) env = pointers(*what.env);
  pid_t pid = 0;
  int number = posix_spawnp(&pid, argv[0], &files, &attributes, argv.data(),
                            what.env ? env.data() : environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (number != 0) failed(what.argv[0], number);
  return pid;
}

struct Stream {
  Fd read_end, write_end;
  std::string* text;

  Stream(const std::string& program, std::string* into) : text(into) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) failed(program, errno);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
  // Takes what is there; false when that was more than `max_bytes` in all.
  bool drain(uint64_t max_bytes) {
    char buffer[1 << 16];
    while (read_end.open()) {
      ssize_t n = read(read_end.get(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return true;
      if (n == 0) read_end.reset();
      uint64_t room = max_bytes - std::min<uint64_t>(max_bytes, text->size());
      text->append(buffer, std::min<uint64_t>(static_cast<uint64_t>(n), room));
      if (static_cast<uint64_t>(n) > room) return false;
    }
    return true;
  }
};

// Until the program has ended or has to be ended.
void wait_for_end(const Subprocess& what, const Fd& pidfd, Stream& out, Stream& err,
                  SubprocessResult& result) {
  int64_t deadline = monotonic_ms() + what.timeout_ms;
  while (!result.timed_out && !result.cut) {
    pollfd fds[3] = {
        {pidfd.get(), POLLIN, 0}, {out.read_end.get(), POLLIN, 0}, {err.read_end.get(), POLLIN, 0}};
    int64_t left = deadline - monotonic_ms();
    int ready = poll(fds, 3, static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30)));
    result.cut = !out.drain(what.max_output_bytes) || !err.drain(what.max_output_bytes);
    if (fds[0].revents && ready > 0) return;
    result.timed_out = monotonic_ms() >= deadline;
  }
}

}  // namespace

SubprocessResult run_subprocess(const Subprocess& what) {
  if (what.argv.empty()) throw Error(ErrorCode::kInvalid, "no program was named");
  SubprocessResult result;
  Stream out(what.argv[0], &result.out), err(what.argv[0], &result.err);
  Fd input = input_file(what.argv[0], what.input);
  pid_t pid = spawn(what, input.get(), out.write_end.get(), err.write_end.get());
  out.write_end.reset();
  err.write_end.reset();
  Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  wait_for_end(what, pidfd, out, err, result);
  // While the leader is not reaped its group's number belongs to nobody else.
  kill(-pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!result.cut) {
    result.cut = !out.drain(what.max_output_bytes) || !err.drain(what.max_output_bytes);
  }
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

}  // namespace lockstep
