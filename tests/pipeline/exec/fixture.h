// A real runner in a folder of its own, for one test case.
// Knows nothing of the daemon.
#pragma once

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/exec/reach_runner.h"
#include "pipeline/exec/runner_client.h"
#include "tests/catch.h"
#include "tests/processes.h"

namespace lockstep {

using namespace std::chrono_literals;

// build/tests/exec_test → build/bin/lockstep-runner
inline fs::path runner_program() {
  return fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "bin/lockstep-runner";
}

class TestRunner {
 public:
  explicit TestRunner(std::vector<std::string> options = {}) {
    place.program = runner_program();
    place.state = temp.path() / "state";
    place.options = std::move(options);
    place.options.push_back("--no-gpus");
    connect();
  }
  ~TestRunner() {
    client.reset();
    kill(pid, SIGTERM);
    CHECK(eventually([&] { return process_gone(pid); }));
  }

  // To the runner that is there, or a new one; hears of all results again.
  void connect() {
    client.reset();
    client = std::make_unique<RunnerClient>(reach_runner(place), [this](const Json& event) {
      std::lock_guard guard(mutex);
      ++told[event["attempt"].get<std::string>()];
      results[event["attempt"].get<std::string>()] = event["result"];
      changed.notify_all();
    });
    Frame hello = client->call({{"op", "hello"}, {"protocol", 1}});
    pid = hello.header["pid"].get<pid_t>();
    client->subscribe();
  }
  void kill_runner() {
    client.reset();
    kill(pid, SIGKILL);
    REQUIRE(eventually([&] { return process_gone(pid); }));
    std::lock_guard guard(mutex);
    results.clear();
  }

  // "running", "missing" or how it ended.
  std::string start(const Json& order) {
    return client->call({{"op", "start"}, {"attempt", order}}).header["state"];
  }
  Json wait(const std::string& id) {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, 30s, [&] { return results.contains(id); }));
    return results[id];
  }
  Json run(const Json& order) {
    REQUIRE(start(order) == "running");
    return wait(order["id"]);
  }
  std::string log(const std::string& id) {
    return client->call({{"op", "log"}, {"attempt", id}}).payload;
  }
  std::string output(const Json& result, const std::string& name) {
    Digest digest = Digest::parse(result["outputs"][name]["digest"].get<std::string>());
    return client->get(digest, 1 << 30);
  }
  Digest put(std::string_view bytes) {
    client->put(sha256(bytes), bytes);
    return sha256(bytes);
  }
  // Waits until the attempt's program has written `file` below its output folder.
  std::string appears(const std::string& id, const std::string& file) {
    fs::path path = place.state / "attempts" / id / "out" / file;
    std::string text;
    REQUIRE(eventually([&] {
      std::error_code ignored;
      if (!fs::exists(path, ignored)) return false;
      text = real_files().read(path);
      return text.ends_with('\n');
    }));
    return text;
  }

  TempFolder temp;
  RunnerPlace place;
  pid_t pid = 0;
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, Json> results;
  std::map<std::string, int> told;
  std::unique_ptr<RunnerClient> client;
};

inline Json shell(const std::string& id, const std::string& script) {
  return {{"id", id}, {"step", "s"}, {"shell", script}};
}

}  // namespace lockstep
