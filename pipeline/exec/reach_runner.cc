#include "pipeline/exec/reach_runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/base/folder.h"
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
std::vector<std::string> runner_environment() {
  std::vector<std::string> env;
  for (const char* name : {"PATH", "HOME", "LD_LIBRARY_PATH", "TZ"}) {
    if (const char* value = std::getenv(name)) env.push_back(std::string(name) + "=" + value);
  }
  return env;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

pid_t spawn_runner(const RunnerPlace& place) {
  fs::create_directories(place.state);
  chmod(place.state.c_str(), 0700);
  std::string log = place.state / "runner.log";
  std::vector<std::string> args = {place.program, "--state", place.state, "--socket",
                                   place.socket_path()};
  args.insert(args.end(), place.options.begin(), place.options.end());
  std::vector<std::string> variables = runner_environment();
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  posix_spawn_file_actions_addchdir_np(&files, "/");
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  pid_t pid = 0;
  int number = posix_spawn(&pid, place.program.c_str(), &files, &attributes, pointers(args).data(),
                           pointers(variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (number == 0) return pid;
  throw Error(ErrorCode::kUnavailable,
              fmt::format("cannot start {}: {}", place.program.string(), std::strerror(number)));
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
  pid_t pid = spawn_runner(place);
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
    std::this_thread::sleep_for(kPause);
  }
  did_not_answer(place, fmt::format("did not answer within {} ms", place.wait_ms));
}

}  // namespace lockstep
