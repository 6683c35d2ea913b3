#include "pipeline/runner/shim.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/base/folder.h"
#include "pipeline/base/point.h"
#include "pipeline/runner/capture.h"
#include "pipeline/runner/collect.h"
#include "pipeline/runner/process.h"
#include "pipeline/runner/supervise.h"

namespace lockstep {
namespace {

// A result that took longer than this is synced to the disk: after a power loss it is still there.
// A shorter one would only be computed again (it counts as lost), so thousands of short attempts
// do not wait for the disk.
constexpr int64_t kSyncAfterMs = 2'000;
constexpr int kMaxWriteTries = 3'600;  // of one second: a full disk may be freed meanwhile

// Start time of a process in clock ticks since boot, 0 when there is none.
uint64_t start_time(pid_t pid) {
  std::ifstream stat(fmt::format("/proc/{}/stat", pid));
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  size_t at = text.rfind(')');
  for (int field = 2; at != text.npos && field < 22; ++field) at = text.find(' ', at + 1);
  return at == text.npos ? 0 : std::strtoull(text.c_str() + at, nullptr, 10);
}

// Keeps just these descriptors, as 3, 4, …; the objects own them under their new numbers. The
// detour above all that may be in use makes no move overwrite another.
void keep_only(const std::vector<Fd*>& kept) {
  int above = 100;
  for (const Fd* fd : kept) above = std::max(above, fd->get() + 1);
  for (Fd* fd : kept) fd->reset(fcntl(fd->get(), F_DUPFD_CLOEXEC, above));
  int next = 3;
  for (Fd* fd : kept) {
    dup3(fd->release(), next, O_CLOEXEC);
    *fd = Fd(next++);
  }
  syscall(SYS_close_range, static_cast<unsigned>(next), ~0u, 0u);
}

void detach(Fd& lock, Worker* worker) {
  setsid();
  prctl(PR_SET_NAME, "lockstep-shim");
  std::vector<Fd*> kept = {&lock};
  if (worker) kept.insert(kept.end(), {&worker->pidfd, &worker->requests, &worker->answers});
  keep_only(kept);
  sigset_t handled;
  sigemptyset(&handled);
  for (int signal : {SIGUSR1, SIGTERM, SIGINT, SIGHUP}) sigaddset(&handled, signal);
  sigprocmask(SIG_SETMASK, &handled, nullptr);
  std::signal(SIGCHLD, SIG_DFL);
  std::signal(SIGPIPE, SIG_IGN);
  adopt_orphans();
}

class Shim {
 public:
  Shim(const Order& order, const ShimSettings& settings, const Worker* worker)
      : order_(order),
        settings_(settings),
        worker_(worker),
        paths_{settings.runner.attempts() / order.id} {}

  void run() {
    point("shim.begin");
    write_pids(0);
    point("shim.recorded");
    outcome_.started_ms = SystemClock().now_ms();
    try {
      attempt();
    } catch (const Error& e) {
      kill_descendants();
      fail(e);
    }
    outcome_.finished_ms = SystemClock().now_ms();
    clear();
    point("shim.result.before");
    write_result();
    point("shim.result.after");
    remove_tree(paths_.out());
  }

 private:
  void attempt() {
    bool data = order_.uses.starts_with("data/");
    Program program = prepare_workspace(order_, settings_.runner, paths_,
                                        data ? settings_.quality : settings_.torch);
    point("shim.prepared");
    std::vector<std::string> secrets;
    for (const auto& [name, value] : order_.secrets) secrets.push_back(value);
    LogWriter log(paths_.log(), settings_.log_bytes, std::move(secrets));
    Ending ending =
        supervise(program, order_, log, worker_, [this](pid_t pid) { write_pids(pid); });
    outcome_.end = ending.end;
    outcome_.error = ending.error;
    outcome_.exit_code = ending.exit_code;
    outcome_.signal = ending.signal;
    outcome_.warm = ending.warm;
    outcome_.user_ms = ending.user_ms;
    outcome_.system_ms = ending.system_ms;
    outcome_.peak_memory_bytes = ending.peak_memory_bytes;
    outcome_.log_bytes = log.total_bytes();
    point("shim.collect.before");
    if (outcome_.end == "succeeded") collect_outputs(order_, paths_, outcome_);
    point("shim.collect.after");
  }

  // Missing space or bytes are the machine's fault; the rest is the program's.
  void fail(const Error& e) {
    outcome_.end = e.code == ErrorCode::kUnavailable ? "lost" : "failed";
    outcome_.error = e.what();
    outcome_.outputs.clear();
    outcome_.blobs.clear();
  }

  void write_pids(pid_t program) {
    Fd fd(open(paths_.pid().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    std::string text = program ? fmt::format("{} {}\n", program, start_time(program))
                               : fmt::format("{}\n", getpid());
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      throw Error(ErrorCode::kUnavailable, "cannot record the process of the attempt");
    }
  }

  void clear() {
    for (const fs::path& folder : {paths_.work(), paths_.in(), paths_.tmp()}) remove_tree(folder);
    unlink((paths_.folder / "script").c_str());
    unlink((paths_.folder / "pipe").c_str());
    unlink((paths_.folder / "with.json").c_str());
  }

  void write_result() {
    std::string text = canonical_json(outcome_json(order_.id, outcome_));
    bool durable = outcome_.finished_ms - outcome_.started_ms > kSyncAfterMs;
    for (int tries = 0; tries < kMaxWriteTries; ++tries) {
      try {
        store_result(text, durable);
        return;
      } catch (const std::exception& e) {
        std::fprintf(stderr, "attempt %s: %s\n", order_.id.c_str(), e.what());
        timespec pause{1, 0};
        nanosleep(&pause, nullptr);
      }
    }
  }

  void store_result(const std::string& text, bool durable) {
    if (durable) {
      for (const auto& [digest, size] : outcome_.blobs) {
        Fd fd(open((paths_.kept() / digest.hex()).c_str(), O_RDONLY | O_CLOEXEC));
        fsync(fd.get());
      }
      real_files().write_atomic(paths_.result(), text, 0600);
      return;
    }
    fs::path temp = paths_.folder / "result.tmp";
    {
      std::ofstream file(temp, std::ios::binary | std::ios::trunc);
      file << text;
      if (!file.flush()) throw Error(ErrorCode::kUnavailable, "cannot write the result");
    }
    point("shim.result.written");
    fs::rename(temp, paths_.result());
  }

  const Order& order_;
  const ShimSettings& settings_;
  const Worker* worker_;
  AttemptPaths paths_;
  Outcome outcome_;
};

}  // namespace

void run_shim(const Order& order, const ShimSettings& settings, Fd lock, Worker* worker) {
  detach(lock, worker);
  try {
    Shim(order, settings, worker).run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "attempt %s: %s\n", order.id.c_str(), e.what());
    kill_descendants();
    _exit(1);
  }
  _exit(0);
}

ShimPids read_shim_pids(const fs::path& file) {
  ShimPids pids;
  std::ifstream in(file);
  in >> pids.shim >> pids.program >> pids.program_start;
  return pids;
}

// A group's number is not given to a new process while the group has members: where a process of
// that number runs and began at another time, the group is gone and the number is a stranger's.
void kill_leftovers(const ShimPids& pids) {
  if (pids.program <= 1) return;
  uint64_t now = start_time(pids.program);
  if (now == 0 || now == pids.program_start) kill(-pids.program, SIGKILL);
}

}  // namespace lockstep
