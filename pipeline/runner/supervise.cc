#include "pipeline/runner/supervise.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/runner/process.h"

namespace lockstep {
namespace {

constexpr int64_t kNever = INT64_MAX;
constexpr size_t kReadBytes = 1 << 16;
constexpr int kReadsPerTurn = 16;  // then look at the clock and the signals again

int64_t monotonic_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class Supervisor {
 public:
  Supervisor(const Order& order, LogWriter& log) : order_(order), log_(log) {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    sigaddset(&wanted, SIGTERM);
    signals_.reset(signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  }

  Ending run(const Program& program, const std::function<void(pid_t)>& started) {
    read_signals();
    if (!stop_end_.empty()) {  // cancelled before it began
      ending_.end = stop_end_;
      ending_.error = stop_reason_;
      return ending_;
    }
    start(program);
    started(pid_);
    while (!exited_) turn();
    kill_descendants();
    read_output(INT32_MAX);
    log_.finish();
    conclude();
    return ending_;
  }

 private:
  void start(const Program& program) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      throw Error(ErrorCode::kUnavailable, fmt::format("no pipe: {}", std::strerror(errno)));
    }
    output_.reset(ends[0]);
    Fd write_end(ends[1]);
    fcntl(output_.get(), F_SETFL, O_NONBLOCK);
    pid_ =
        launch({program.argv, program.env, program.folder, write_end.get(), order_.memory_bytes});
    pidfd_ = open_pidfd(pid_);
    if (order_.timeout_ms > 0) deadline_ms_ = monotonic_ms() + order_.timeout_ms;
  }

  void turn() {
    pollfd fds[3] = {
        {pidfd_.get(), POLLIN, 0}, {output_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    int64_t next = std::min(deadline_ms_, kill_ms_);
    int64_t wait = next == kNever ? -1 : std::clamp<int64_t>(next - monotonic_ms(), 0, 60'000);
    if (poll(fds, 3, static_cast<int>(wait)) < 0 && errno != EINTR) {
      throw Error(ErrorCode::kUnavailable, fmt::format("poll: {}", std::strerror(errno)));
    }
    if (fds[1].revents) read_output(kReadsPerTurn);
    if (fds[2].revents) read_signals();
    int64_t now = monotonic_ms();
    if (now >= deadline_ms_) {
      stop("failed", "ran past " + duration_text(order_.timeout_ms));
    }
    if (now >= kill_ms_) {
      kill(-pid_, SIGKILL);
      kill_ms_ = kNever;
    }
    if (fds[0].revents) reap();
  }

  void read_output(int max_reads) {
    for (int i = 0; i < max_reads && output_.open(); ++i) {
      ssize_t n = read(output_.get(), buffer_, sizeof buffer_);
      if (n > 0) {
        log_.add({buffer_, static_cast<size_t>(n)});
      } else if (n == 0) {
        output_.reset();
      } else if (errno != EINTR) {
        return;
      }
    }
  }

  void read_signals() {
    signalfd_siginfo info;
    while (read(signals_.get(), &info, sizeof info) == sizeof info) {
      if (info.ssi_signo == SIGUSR1) stop("cancelled", "cancelled");
      if (info.ssi_signo == SIGTERM) stop("lost", "stopped with the machine");
    }
  }

  void stop(const char* end, const std::string& reason) {
    deadline_ms_ = kNever;
    if (!stop_end_.empty()) return;
    stop_end_ = end;
    stop_reason_ = reason;
    if (pid_ <= 0) return;
    kill(-pid_, SIGTERM);
    kill_ms_ = monotonic_ms() + order_.grace_ms;
  }

  void reap() {
    rusage usage{};
    if (wait4(pid_, &status_, WNOHANG, &usage) != pid_) return;
    exited_ = true;
    ending_.user_ms = usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000;
    ending_.system_ms = usage.ru_stime.tv_sec * 1000 + usage.ru_stime.tv_usec / 1000;
    ending_.peak_memory_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  }

  void conclude() {
    if (WIFEXITED(status_)) ending_.exit_code = WEXITSTATUS(status_);
    if (WIFSIGNALED(status_)) ending_.signal = WTERMSIG(status_);
    if (!stop_end_.empty()) {
      ending_.end = stop_end_;
      ending_.error = stop_reason_;
    } else if (ending_.exit_code == 0) {
      ending_.end = "succeeded";
    } else {
      ending_.end = "failed";
      ending_.error = ending_.signal ? fmt::format("killed by signal {} ({})", ending_.signal,
                                                   strsignal(ending_.signal))
                                     : fmt::format("exited with {}", ending_.exit_code);
    }
  }

  const Order& order_;
  LogWriter& log_;
  Fd signals_, output_, pidfd_;
  pid_t pid_ = 0;
  int status_ = 0;
  bool exited_ = false;
  int64_t deadline_ms_ = kNever, kill_ms_ = kNever;
  std::string stop_end_, stop_reason_;
  Ending ending_;
  char buffer_[kReadBytes];
};

}  // namespace

Ending supervise(const Program& program, const Order& order, LogWriter& log,
                 const std::function<void(pid_t)>& started) {
  return Supervisor(order, log).run(program, started);
}

std::string duration_text(int64_t ms) {
  if (ms % 60'000 == 0) return fmt::format("{} min", ms / 60'000);
  if (ms % 1'000 == 0) return fmt::format("{} s", ms / 1'000);
  return fmt::format("{} ms", ms);
}

}  // namespace lockstep
