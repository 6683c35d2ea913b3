#include "pipeline/exec/reach_runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/base/folder.h"
#include "pipeline/base/process.h"
#include "pipeline/base/sockets.h"

namespace lockstep {
namespace {

constexpr int kConflictExit = 4;  // another runner has the folder
constexpr auto kPause = std::chrono::milliseconds(5);

std::optional<Fd> try_connect(const RunnerPlace& place) {
  try {
    return connect_unix(place.socket_path());
  } catch (const Error& e) {
    if (e.code == ErrorCode::kDenied) throw;
    return std::nullopt;
  }
}

// What a runner needs to find programs; nothing else of the daemon's environment, which may hold
// secrets, goes into a process that lives on.
std::vector<std::pair<std::string, std::string>> runner_environment() {
  std::vector<std::pair<std::string, std::string>> env;
  for (const char* name : {"PATH", "HOME", "LD_LIBRARY_PATH", "TZ"}) {
    if (const char* value = std::getenv(name)) env.emplace_back(name, value);
  }
  return env;
}

pid_t start_runner(const RunnerPlace& place) {
  fs::create_directories(place.state);
  chmod(place.state.c_str(), 0700);
  fs::path file = place.state / "runner.log";
  Fd log(open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log.open()) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("cannot write {}: {}", file.string(), std::strerror(errno)));
  }
  ProcessStart start;
  start.argv = {place.program, "--state", place.state, "--socket", place.socket_path()};
  start.argv.insert(start.argv.end(), place.options.begin(), place.options.end());
  start.env = runner_environment();
  start.folder = "/";
  start.output = start.error = log.get();
  return start_process(start);
}

[[noreturn]] void did_not_answer(const RunnerPlace& place, const std::string& why) {
  std::string log;
  try {
    log = real_files().read(place.state / "runner.log");
  } catch (const Error&) {
    // It did not even get as far as its log.
  }
  size_t begin = log.size() > 500 ? log.size() - 500 : 0;
  throw Error(ErrorCode::kUnavailable,
              "the runner " + why + ": " + printable(log.substr(begin), 500),
              "see " + (place.state / "runner.log").string());
}

}  // namespace

Fd reach_runner(const RunnerPlace& place) {
  static std::atomic<pid_t> last_started{0};
  if (pid_t pid = last_started.load(); pid > 0) waitpid(pid, nullptr, WNOHANG);
  if (std::optional<Fd> fd = try_connect(place)) return std::move(*fd);
  if (place.program.empty()) {
    throw Error(ErrorCode::kUnavailable, "no runner serves " + place.socket_path().string(),
                "start lockstep-runner, or its systemd unit");
  }
  auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(place.wait_ms);
  pid_t pid = start_runner(place);
  last_started = pid;
  while (std::chrono::steady_clock::now() < deadline) {
    if (std::optional<Fd> fd = try_connect(place)) return std::move(*fd);
    int status = 0;
    if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid) {
      bool other_won = WIFEXITED(status) && WEXITSTATUS(status) == kConflictExit;
      if (!other_won) did_not_answer(place, "did not start");
      pid = 0;
      last_started = 0;
    }
    // The other one may have been about to end, and answers nobody any more.
    if (pid == 0 && FileLock::owner(place.state / "lock") == 0) {
      pid = start_runner(place);
      last_started = pid;
    }
    std::this_thread::sleep_for(kPause);
  }
  did_not_answer(place, fmt::format("did not answer within {} ms", place.wait_ms));
}

}  // namespace lockstep
