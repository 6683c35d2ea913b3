#include "tests/pipeline/exec/fixture.h"

using namespace lockstep;

TEST_CASE("a program that hangs is ended, politely and then not") {
  TestRunner runner;
  Json order =
      shell("polite", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done");
  order["timeout_ms"] = 300;
  Json result = runner.run(order);
  CHECK(result["end"] == "failed");
  CHECK(result["error"] == "ran past 300 ms");
  CHECK(runner.log("polite").starts_with("up\n"));
  CHECK(runner.log("polite").ends_with("bye\n"));
  order = shell("deaf", "trap '' TERM; while :; do sleep 0.01; done");
  order["timeout_ms"] = 100;
  order["grace_ms"] = 100;
  result = runner.run(order);
  CHECK(result["end"] == "failed");
  CHECK(result["error"] == "ran past 100 ms");
  CHECK(result["signal"] == SIGKILL);
}

TEST_CASE("descendants do not outlive their attempt") {
  TestRunner runner;
  // One in the group, one that left it for a session of its own.
  Json result = runner.run(shell("g", R"(
    sleep 1000 & echo $!
    setsid sh -c 'trap "" TERM; echo $$; exec sleep 1000' &
    sleep 0.2)"));
  CHECK(result["end"] == "succeeded");
  std::istringstream pids(runner.log("g"));
  pid_t one = 0, two = 0;
  pids >> one >> two;
  REQUIRE(one > 0);
  REQUIRE(two > 0);
  CHECK(process_gone(one));
  CHECK(process_gone(two));
}

TEST_CASE("an attempt can be cancelled") {
  TestRunner runner;
  Json order = shell("c", "echo up > $LOCKSTEP_OUTPUT/up; sleep 1000");
  REQUIRE(runner.start(order) == "running");
  runner.appears("c", "up");
  CHECK(runner.client->call({{"op", "cancel"}, {"attempt", "c"}}).header["state"] == "running");
  Json result = runner.wait("c");
  CHECK(result["end"] == "cancelled");
  CHECK(runner.client->call({{"op", "cancel"}, {"attempt", "c"}}).header["state"] == "cancelled");
}

TEST_CASE("a program that prints without end neither blocks nor fills the disk") {
  TestRunner runner({"--log-bytes", "100000"});
  Json result = runner.run(shell("p", "head -c 300000000 /dev/zero; echo done >&2"));
  CHECK(result["end"] == "succeeded");
  CHECK(result["log_bytes"] == 300'000'005);
  std::string log = runner.log("p");
  CHECK(log.size() < 100'100);
  CHECK(log.ends_with("… log cut at 100000 bytes\n"));
}

TEST_CASE("an attempt is started once") {
  TestRunner runner;
  Json order = shell("once", "echo x >> $LOCKSTEP_CHECKPOINT/n; cat $LOCKSTEP_CHECKPOINT/n");
  order["checkpoint"] = "k";
  REQUIRE(runner.run(order)["end"] == "succeeded");
  Frame again = runner.client->call({{"op", "start"}, {"attempt", order}});
  CHECK(again.header["state"] == "succeeded");
  CHECK(again.header["new"] == false);
  CHECK(runner.log("once") == "x\n");
  runner.client->call({{"op", "forget"}, {"attempt", "once"}});
  CHECK_THROWS_WITH(runner.start(order), Catch::Contains("forgotten"));
  runner.kill_runner();
  runner.connect();
  CHECK_THROWS_WITH(runner.start(order), Catch::Contains("forgotten"));
}

TEST_CASE("a killed runner's attempts go on and the next one takes them up") {
  TestRunner runner;
  Json order = shell("long", R"(
    echo started >> $LOCKSTEP_CHECKPOINT/n
    echo $$ > $LOCKSTEP_OUTPUT/pid
    while [ ! -e $LOCKSTEP_CHECKPOINT/go ]; do sleep 0.01; done
    cp $LOCKSTEP_CHECKPOINT/n $LOCKSTEP_OUTPUT/n
    exit 0)");
  order["checkpoint"] = "k";
  order["outputs"] = {{"n", "n"}};
  REQUIRE(runner.start(order) == "running");
  REQUIRE(runner.run(shell("ended", "echo result; exit 4"))["exit"] == 4);
  pid_t program = std::stoi(runner.appears("long", "pid"));
  pid_t first = runner.pid;
  runner.kill_runner();
  CHECK(kill(program, 0) == 0);
  fs::path checkpoint = runner.place.state / "checkpoints" / sha256("k").hex();
  SECTION("it ends under the next runner") {
    runner.connect();
    CHECK(runner.pid != first);
    CHECK(runner.start(order) == "running");
    real_files().write_atomic(checkpoint / "go", "");
  }
  SECTION("it ends while no runner is there") {
    real_files().write_atomic(checkpoint / "go", "");
    CHECK(eventually([&] { return process_gone(program); }));
    runner.connect();
  }
  Json result = runner.wait("long");
  CHECK(result["end"] == "succeeded");
  CHECK(runner.output(result, "n") == "started\n");
  CHECK(runner.wait("ended")["exit"] == 4);
  CHECK(runner.log("ended") == "result\n");
}

TEST_CASE("an attempt whose supervisor died is lost and leaves no process") {
  TestRunner runner;
  Json order = shell("l", R"(
    sh -c 'echo $$ > $LOCKSTEP_OUTPUT/child; exec sleep 1000' &
    wait)");
  REQUIRE(runner.start(order) == "running");
  pid_t child = std::stoi(runner.appears("l", "child"));
  pid_t shim = std::stoi(real_files().read(runner.place.state / "attempts/l/pid"));
  bool runner_there = GENERATE(true, false);
  if (!runner_there) runner.kill_runner();
  kill(shim, SIGKILL);
  if (!runner_there) runner.connect();
  Json result = runner.wait("l");
  CHECK(result["end"] == "lost");
  CHECK(eventually([&] { return process_gone(child); }));
  CHECK(runner.client->call({{"op", "list"}}).header["attempts"]["l"] == "lost");
}

TEST_CASE("a stopped machine loses attempts, it does not fail them") {
  TestRunner runner;
  REQUIRE(runner.start(shell("t", "echo up > $LOCKSTEP_OUTPUT/up; sleep 1000")) == "running");
  runner.appears("t", "up");
  kill(std::stoi(real_files().read(runner.place.state / "attempts/t/pid")), SIGTERM);
  CHECK(runner.wait("t")["end"] == "lost");
}

TEST_CASE("a client may die at any moment") {
  TestRunner runner;
  REQUIRE(runner.start(shell("d", "sleep 0.2; echo still here")) == "running");
  pid_t stranger = fork();
  if (stranger == 0) {
    Fd fd = reach_runner(runner.place);
    kill(getpid(), SIGKILL);
  }
  waitpid(stranger, nullptr, 0);
  runner.connect();
  CHECK(runner.wait("d")["end"] == "succeeded");
  CHECK(runner.log("d") == "still here\n");
}

TEST_CASE("forgetting frees the folder and the bytes nobody needs") {
  TestRunner runner({"--cache-bytes", "0"});
  Json order = shell("f", "cat $LOCKSTEP_INPUT_A > $LOCKSTEP_OUTPUT/o; echo >> $LOCKSTEP_OUTPUT/o");
  order["inputs"] = {{{"name", "a"}, {"digest", runner.put("input").str()}}};
  order["outputs"] = {{"o", "o"}};
  REQUIRE(runner.run(order)["end"] == "succeeded");
  order["id"] = "g";
  REQUIRE(runner.run(order)["end"] == "succeeded");
  runner.client->call({{"op", "forget"}, {"attempt", "f"}});
  CHECK(runner.client->missing({sha256("input"), sha256("input\n")}).empty());
  runner.client->call({{"op", "forget"}, {"attempt", "g"}});
  CHECK(runner.client->missing({sha256("input"), sha256("input\n")}).size() == 2);
  CHECK(fs::is_empty(runner.place.state / "blobs"));
  CHECK(fs::is_empty(runner.place.state / "attempts"));
  CHECK_THROWS_AS(runner.client->call({{"op", "forget"}, {"attempt", "g"}}), Error);
}
