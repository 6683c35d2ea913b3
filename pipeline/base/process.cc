#include "pipeline/base/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/fd.h"

namespace lockstep {
namespace {

int64_t monotonic_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

[[noreturn]] void failed(const std::string& program, int number) {
  bool looked_up = program.find('/') == program.npos;
  throw Error(ErrorCode::kUnavailable,
              fmt::format("cannot run {}: {}", program, std::strerror(number)),
              number == ENOENT && looked_up ? "install " + program : "");
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

struct SpawnSetup {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;

  explicit SpawnSetup(const ProcessStart& what) {
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawn_file_actions_init(&actions);
    int number = 0;
    for (int fd : {what.input, what.output, what.error}) {
      if (fd < 0) {
        posix_spawn_file_actions_addopen(&actions, number++, "/dev/null", O_RDWR, 0);
      } else {
        posix_spawn_file_actions_adddup2(&actions, fd, number++);
      }
    }
    posix_spawn_file_actions_addclosefrom_np(&actions, number);
    if (!what.folder.empty()) {
      posix_spawn_file_actions_addchdir_np(&actions, what.folder.c_str());
    }
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
};

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
  // Takes what is there, within reason; false when that was more than is allowed in all.
  bool drain(const ProcessRequest& request) {
    constexpr int kMaxReads = 64;  // a program that never stops writing must not hide its time-out
    char buffer[1 << 16];
    for (int reads = 0; read_end.open() && reads < kMaxReads; ++reads) {
      ssize_t n = read(read_end.get(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return true;
      if (n == 0) read_end.reset();
      text->append(buffer, static_cast<size_t>(n));
      if (text->size() <= request.max_output_bytes) continue;
      if (request.keep_newest) {
        text->erase(0, text->size() - request.max_output_bytes);
      } else {
        text->resize(request.max_output_bytes);
        return false;
      }
    }
    return true;
  }
};

class Run {
 public:
  explicit Run(const ProcessRequest& request)
      : request_(request),
        out_(request.argv.at(0), &result_.out),
        err_(request.argv[0], &result_.err) {
    Fd input;
    if (!request.input.empty()) input = input_file(request.argv[0], request.input);
    pid_ = start_process({request.argv, request.env, request.folder, input.get(),
                          out_.write_end.get(), err_.write_end.get()});
    out_.write_end.reset();
    err_.write_end.reset();
    pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  }

  ProcessResult to_its_end() {
    if (!ended_within(request_.timeout_ms) && !result_.cut) {
      result_.timed_out = true;
      if (request_.grace_ms > 0) kill(-pid_, SIGTERM);
      ended_within(request_.grace_ms);
    }
    // While the leader is not reaped its group's number belongs to nobody else.
    kill(-pid_, SIGKILL);
    reap();
    take();
    return std::move(result_);
  }

 private:
  void take() {
    if (!result_.cut) result_.cut = !out_.drain(request_) || !err_.drain(request_);
  }

  // False when it has to be ended: time is up, or it wrote too much.
  bool ended_within(int64_t limit_ms) {
    int64_t deadline = monotonic_ms() + limit_ms;
    for (int64_t left = limit_ms; left > 0 && !result_.cut; left = deadline - monotonic_ms()) {
      pollfd fds[3] = {{pidfd_.get(), POLLIN, 0},
                       {out_.read_end.get(), POLLIN, 0},
                       {err_.read_end.get(), POLLIN, 0}};
      int ready = poll(fds, 3, static_cast<int>(std::min<int64_t>(left, 1 << 30)));
      take();
      if (ready > 0 && fds[0].revents) return true;
    }
    return false;
  }

  void reap() {
    int status = 0;
    pid_t reaped = 0;
    while ((reaped = waitpid(pid_, &status, 0)) < 0 && errno == EINTR) {
    }
    if (reaped != pid_) return;  // somebody else did: how it ended is not known
    if (WIFEXITED(status)) result_.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) result_.signal = WTERMSIG(status);
  }

  const ProcessRequest& request_;
  ProcessResult result_;
  Stream out_, err_;
  pid_t pid_ = 0;
  Fd pidfd_;
};

}  // namespace

pid_t start_process(const ProcessStart& what) {
  if (what.argv.empty()) throw Error(ErrorCode::kInvalid, "no program was named");
  SpawnSetup setup(what);
  std::vector<std::string> pairs;
  if (what.env) {
    for (const auto& [name, value] : *what.env) pairs.push_back(name + "=" + value);
  }
  std::vector<char*> argv = pointers(what.argv), env = pointers(pairs);
  pid_t pid = 0;
  int number = posix_spawnp(&pid, argv[0], &setup.actions, &setup.attributes, argv.data(),
                            what.env ? env.data() : environ);
  if (number != 0) failed(what.argv[0], number);
  return pid;
}

ProcessResult run_process(const ProcessRequest& request) {
  if (request.argv.empty()) throw Error(ErrorCode::kInvalid, "no program was named");
  return Run(request).to_its_end();
}

}  // namespace lockstep
