#include <sys/socket.h>
#include <sys/stat.h>

#include "pipeline/base/sockets.h"
#include "tests/pipeline/exec/fixture.h"

using namespace lockstep;

TEST_CASE("of several starters one runner remains") {
  TempFolder temp;
  RunnerPlace place{runner_program(), temp.path() / "state", "", {"--no-gpus"}, 30'000};
  // One that was started late may take over when the first has gone: all leave by themselves.
  place.options.insert(place.options.end(), {"--idle-exit", "1"});
  std::vector<std::thread> starters;
  std::mutex mutex;
  std::map<pid_t, int> pids;
  for (int i = 0; i < 4; ++i) {
    starters.emplace_back([&] {
      RunnerClient client(reach_runner(place), nullptr);
      pid_t pid = client.call({{"op", "hello"}, {"protocol", 1}}).header["pid"];
      std::lock_guard guard(mutex);
      ++pids[pid];
    });
  }
  for (std::thread& starter : starters) starter.join();
  REQUIRE(pids.size() == 1);
  CHECK(pids.begin()->second == 4);
  CHECK(eventually([&] { return process_gone(pids.begin()->first); }));
  CHECK(eventually([&] { return !fs::exists(place.socket_path()); }));
}

TEST_CASE("a stale socket does not disturb, a long path neither") {
  TempFolder temp;
  fs::path deep = temp.path() / std::string(100, 'd') / std::string(100, 'e');
  fs::create_directories(deep);
  { Fd stale = listen_unix(deep / "runner.sock", 0600); }
  REQUIRE(fs::exists(deep / "runner.sock"));
  RunnerPlace place{runner_program(), deep, "", {"--no-gpus", "--idle-exit", "1"}, 30'000};
  pid_t pid = 0;
  {
    RunnerClient client(reach_runner(place), nullptr);
    pid = client.call({{"op", "hello"}, {"protocol", 1}}).header["pid"];
  }
  CHECK(eventually([&] { return process_gone(pid); }));  // it had nothing to do
}

TEST_CASE("a runner that was about to end is not waited for") {
  TempFolder temp;
  RunnerPlace place{
      runner_program(), temp.path() / "s", "", {"--no-gpus", "--idle-exit", "1"}, 30'000};
  fs::create_directories(place.state);
  auto ending = std::make_unique<FileLock>(place.state / "lock", "the runner's folder");
  std::thread soon([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ending.reset();
  });
  pid_t pid = 0;
  {
    RunnerClient client(reach_runner(place), nullptr);
    pid = client.call({{"op", "hello"}, {"protocol", 1}}).header["pid"];
  }
  soon.join();
  CHECK(eventually([&] { return process_gone(pid); }));
}

TEST_CASE("a runner that can't start says why") {
  TempFolder temp;
  RunnerPlace place{runner_program(), temp.path() / "s", "", {"--nonsense", "1"}, 30'000};
  CHECK_THROWS_WITH(reach_runner(place), Catch::Contains("--nonsense"));
  place.program = temp.path() / "absent";
  CHECK_THROWS_AS(reach_runner(place), Error);
  place.program.clear();
  CHECK_THROWS_WITH(reach_runner(place), Catch::Contains("no runner serves"));
}

TEST_CASE("a started runner leads a session of its own and lacks the daemon's secrets") {
  setenv("SECRET_OF_DAEMON", "hush", 1);
  TestRunner runner;
  CHECK(getsid(runner.pid) == runner.pid);
  std::string env = real_files().read("/proc/" + std::to_string(runner.pid) + "/environ");
  CHECK(env.find("PATH=") != std::string::npos);
  CHECK(env.find("SECRET_OF_DAEMON") == std::string::npos);
  unsetenv("SECRET_OF_DAEMON");
}
