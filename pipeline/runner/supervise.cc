#include "pipeline/runner/supervise.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/frames.h"
#include "pipeline/base/point.h"
#include "pipeline/runner/process.h"

namespace lockstep {
namespace {

constexpr int64_t kNever = INT64_MAX;
constexpr size_t kReadBytes = 1 << 16;
constexpr size_t kMaxAnswer = 1 << 20;
constexpr int kReadsPerTurn = 16;  // then look at the clock and the signals again

int64_t monotonic_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// A shell tells of a child that a signal killed as 128 and the signal's number.
std::string exit_text(int code) {
  std::string text = fmt::format("exited with {}", code);
  const char* name = code > 128 && code <= 128 + 64 ? sigabbrev_np(code - 128) : nullptr;
  if (!name) return text;
  return text + fmt::format(" (128 + {}: killed by SIG{}{})", code - 128, name,
                            code == 128 + SIGKILL ? ", perhaps out of memory" : "");
}

class Supervisor {
 public:
  Supervisor(const Order& order, LogWriter& log, const Worker* worker)
      : order_(order), log_(log), worker_(worker) {
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
    worker_ ? hand_over(program, started) : start(program, started);
    point("shim.program.recorded");
    while (!exited_) turn();
    point("shim.program.ended");
    kill_descendants();
    read_output(INT32_MAX);
    log_.finish();
    worker_ ? conclude_warm() : conclude();
    return ending_;
  }

 private:
  void start(const Program& program, const std::function<void(pid_t)>& started) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      throw Error(ErrorCode::kUnavailable, fmt::format("no pipe: {}", std::strerror(errno)));
    }
    output_.reset(ends[0]);
    Fd write_end(ends[1]);
    fcntl(output_.get(), F_SETFL, O_NONBLOCK);
    Launch launch_as;
    launch_as.argv = program.argv;
    launch_as.env = program.env;
    launch_as.folder = program.folder;
    launch_as.output = write_end.get();
    launch_as.memory_bytes = order_.memory_bytes;
    launch_as.record = started;
    point("shim.exec.before");
    pid_ = launch(launch_as);
    point("shim.exec.after");
    pidfd_ = open_pidfd(pid_);
    if (order_.timeout_ms > 0) deadline_ms_ = monotonic_ms() + order_.timeout_ms;
  }

  void turn() {
    pollfd fds[4] = {{pidfd_.get(), POLLIN, 0},
                     {output_.get(), POLLIN, 0},
                     {signals_.get(), POLLIN, 0},
                     {worker_ ? worker_->answers.get() : -1, POLLIN, 0}};
    int64_t next = std::min(deadline_ms_, kill_ms_);
    int64_t wait = next == kNever ? -1 : std::clamp<int64_t>(next - monotonic_ms(), 0, 60'000);
    if (poll(fds, 4, static_cast<int>(wait)) < 0 && errno != EINTR) {
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
    if (fds[3].revents) read_answer();
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
    if (worker_) {  // the runner's child, not ours
      read_answer();
      exited_ = true;
      return;
    }
    rusage usage{};
    if (wait4(pid_, &status_, WNOHANG, &usage) != pid_) return;
    exited_ = true;
    ending_.user_ms = usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000;
    ending_.system_ms = usage.ru_stime.tv_sec * 1000 + usage.ru_stime.tv_usec / 1000;
    ending_.peak_memory_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  }

  // The worker's child writes to a named pipe, so that its output is masked and cut like any.
  void hand_over(const Program& program, const std::function<void(pid_t)>& started) {
    started(worker_->pid);
    if (mkfifo(program.pipe.c_str(), 0600) != 0) {
      throw Error(ErrorCode::kUnavailable, fmt::format("no pipe: {}", std::strerror(errno)));
    }
    output_.reset(open(program.pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    pid_ = worker_->pid;
    pidfd_.reset(fcntl(worker_->pidfd.get(), F_DUPFD_CLOEXEC, 0));
    fcntl(worker_->answers.get(), F_SETFL, O_NONBLOCK);
    Json env = Json::object();
    for (const std::string& variable : program.env) {
      size_t equals = variable.find('=');
      env[variable.substr(0, equals)] = variable.substr(equals + 1);
    }
    std::string line = canonical_json({{"id", order_.id},
                                       {"cwd", program.folder.string()},
                                       {"env", env},
                                       {"args", {"run", order_.uses}},
                                       {"log", program.pipe.string()}}) +
                       "\n";
    for (std::string_view rest = line; !rest.empty();) {
      ssize_t n = write(worker_->requests.get(), rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw Error(ErrorCode::kUnavailable, "the warm worker died");
      rest.remove_prefix(static_cast<size_t>(n));
    }
    if (order_.timeout_ms > 0) deadline_ms_ = monotonic_ms() + order_.timeout_ms;
  }

  void read_answer() {
    char piece[4096];
    ssize_t n = 0;
    while (worker_ && (n = read(worker_->answers.get(), piece, sizeof piece)) > 0) {
      answer_.append(piece, static_cast<size_t>(n));
      exited_ = exited_ || answer_.ends_with('\n') || answer_.size() > kMaxAnswer;
    }
    if (n == 0) exited_ = true;
  }

  void conclude_warm() {
    Json answer = Json::object();
    try {
      if (answer_.ends_with('\n')) answer = parse_bounded_json(answer_, "the worker's answer");
      ending_.warm = answer.at("id") == order_.id && stop_end_.empty();
      ending_.exit_code = answer.at("exit").get<int>();
    } catch (const std::exception&) {
      ending_.warm = false;
    }
    if (!stop_end_.empty()) {
      ending_.end = stop_end_;
      ending_.error = stop_reason_;
    } else if (!ending_.warm) {
      ending_.end = "lost";
      ending_.error = "the warm worker died";
    } else if (ending_.exit_code == 0) {
      ending_.end = "succeeded";
    } else {
      ending_.end = "failed";
      ending_.error = fmt::format("exited with {}: {}", ending_.exit_code,
                                  answer.value("message", std::string()));
    }
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
                                     : exit_text(ending_.exit_code);
    }
  }

  const Order& order_;
  LogWriter& log_;
  const Worker* worker_;
  std::string answer_;
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

Ending supervise(const Program& program, const Order& order, LogWriter& log, const Worker* worker,
                 const std::function<void(pid_t)>& started) {
  return Supervisor(order, log, worker).run(program, started);
}

std::string duration_text(int64_t ms) {
  if (ms % 60'000 == 0) return fmt::format("{} min", ms / 60'000);
  if (ms % 1'000 == 0) return fmt::format("{} s", ms / 1'000);
  return fmt::format("{} ms", ms);
}

}  // namespace lockstep
