// `lockstep`: the command line and the daemon in one program.
#include <pwd.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <optional>
#include <thread>

#include "pipeline/api/client.h"
#include "pipeline/api/remote.h"
#include "pipeline/cli/cli.h"
#include "pipeline/daemon/daemon.h"
#include "pipeline/daemon/init.h"
#include "pipeline/daemon/log_format.h"
#include "pipeline/daemon/pull.h"
#include "pipeline/daemon/restore.h"

namespace lockstep {
namespace {

constexpr useconds_t kPause_us = 20'000;

// Was this said because another process holds the workspace? Who held it may have let go since:
// what the error names counts, not who holds it now.
bool is_held(const Error& error, const fs::path& folder) {
  std::error_code none;
  return error.code == ErrorCode::kConflict &&
         fs::equivalent(error.where, folder / ".lockstep/lock", none);
}

// A short command may hold it for a moment; one that serves holds it for good.
std::unique_ptr<Daemon> daemon_of(const fs::path& folder) {
  constexpr int kTries = 100;
  for (int tried = 1;; ++tried) {
    try {
      return std::make_unique<Daemon>(folder);
    } catch (const Error& error) {
      if (!is_held(error, folder) || tried == kTries) throw;
    }
    usleep(kPause_us);
  }
}

// The API of a workspace: its daemon's socket where one serves it, else the routes of this very
// process under the workspace's lock.
class Door {
 public:
  explicit Door(const fs::path& folder) : place_(fs::absolute(folder)), served_(reach(place_)) {}

  ApiResponse call(const ApiRequest& request) {
    if (served_) {
      try {
        return (*served_)(request);
      } catch (const Error& error) {
        // What served has ended meanwhile. A question is asked again; a command is not: it may
        // have been heard.
        if (error.code != ErrorCode::kUnavailable || request.method != "GET") throw;
        served_ = reach(place_);
        if (served_) return (*served_)(request);
      }
    }
    if (request.method == "GET" && request.path == "/v1/plan" && request.query.empty()) {
      std::optional<std::string> known = daemon_->remembered_plan();
      if (known) return {200, Json(), std::move(*known)};
    }
    daemon_->begin();
    ApiRequest mine = request;
    mine.user = user_name();
    mine.role = kAdmin;  // who may read the workspace's files
    mine.peer = "here";
    return daemon_->api().handle(mine);
  }

 private:
  // Another command may hold the workspace for a moment; one that serves is talked to.
  std::optional<ApiCall> reach(const fs::path& folder) {
    constexpr int kTries = 500;
    fs::path state = folder / ".lockstep";
    for (int tried = 1;; ++tried) {
      if (FileLock::owner(state / "lock") != 0 && fs::exists(state / "socket")) {
        return ApiClient(state / "socket").as_call();
      }
      try {
        daemon_ = std::make_unique<Daemon>(folder);
        return std::nullopt;
      } catch (const Error& error) {
        if (!is_held(error, folder) || tried == kTries) throw;
      }
      usleep(kPause_us);
    }
  }

  static std::string user_name() {
    const passwd* entry = getpwuid(getuid());
    return entry ? entry->pw_name : "uid-" + std::to_string(getuid());
  }

  fs::path place_;
  std::unique_ptr<Daemon> daemon_;  // where no other one serves
  std::optional<ApiCall> served_;
};

// A daemon on another machine, where the environment names one.
ApiCall elsewhere() {
  auto variable = [](const char* name) {
    const char* value = getenv(name);
    return std::string(value ? value : "");
  };
  std::string url = variable("LOCKSTEP_SERVER");
  if (url.empty()) return nullptr;
  return remote_api({url, variable("LOCKSTEP_TOKEN"), variable("LOCKSTEP_CA_FILE")});
}

// What is wrong is said by reload() itself.
void reload(Daemon& daemon) {
  try {
    daemon.reload();
  } catch (const std::exception& error) {
    spdlog::error("reload: {}", error.what());
  }
}

// Each follower of events is a descriptor.
void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65536);
  setrlimit(RLIMIT_NOFILE, &limit);
}

int serve(const fs::path& folder, const ServeOptions& options) {
  log_as(options.log_format);
  spdlog::set_level(options.verbose ? spdlog::level::debug : spdlog::level::info);
  // Signals are taken by one thread that waits for them; no handler runs in the middle of a turn.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  raise_file_limit();
  const std::unique_ptr<Daemon> own = daemon_of(fs::absolute(folder));
  Daemon& daemon = *own;
  std::atomic<bool> over{false};
  std::thread waiter([&] {
    timespec tick{0, 200'000'000};
    while (!over) {
      const int signal = sigtimedwait(&set, nullptr, &tick);
      if (signal == SIGTERM || signal == SIGINT) daemon.stop();
      if (signal == SIGHUP) reload(daemon);
    }
  });
  int code = 3;
  try {
    code = daemon.serve();
  } catch (...) {
    over = true;
    waiter.join();
    throw;
  }
  over = true;
  waiter.join();
  return code;
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) {
  using namespace lockstep;
  signal(SIGPIPE, SIG_IGN);
  // Results go to stdout, everything else to stderr.
  spdlog::set_default_logger(spdlog::stderr_color_mt("lockstep"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S%z %^%l%$ %v");
  spdlog::set_level(spdlog::level::warn);
  CliEnvironment environment;
  // The workspace is let go with the last copy of the call.
  environment.open = [](const fs::path& folder) -> ApiCall {
    auto door = std::make_shared<Door>(folder);
    return [door](const ApiRequest& request) { return door->call(request); };
  };
  environment.remote = elsewhere;
  environment.serve = serve;
  environment.init = init_workspace;
  environment.restore = [](const RestoreOptions& options, const RestoreProgress& progress) {
    return options.verify ? verify_backup(options.file, progress)
                          : restore_backup(options.file, options.into, options.force, progress);
  };
  environment.pull = pull_to;
  environment.out = &std::cout;
  environment.err = &std::cerr;
  environment.terminal = Terminal::real();
  environment.folder = fs::current_path();
  return run_cli(argc, argv, environment);
}
