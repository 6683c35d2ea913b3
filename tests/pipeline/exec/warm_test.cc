#include <sys/stat.h>

#include "tests/pipeline/exec/fixture.h"

using namespace lockstep;

namespace {

// Stands in for lockstep-torch: cold ("run") and warm ("serve") it writes the action, and which of
// the two it was, with its pid, to the log.
constexpr char kFakeTorch[] = R"SH(#!/bin/sh
act() {
  echo "$3 $$ secret is $4"
  echo "model of $1" > "$2/m"
  case "$1" in
    torch/fail) return 1 ;;
    torch/hang) echo $$ > "$2/up"; sleep 1000 ;;
    torch/die) kill -KILL $$ ;;
  esac
}
if [ "$1" = run ]; then
  act "$2" "$LOCKSTEP_OUTPUT" cold "$TOKEN"
  exit $?
fi
field() { printf '%s' "$line" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
while read -r line; do
  action=$(printf '%s' "$line" | sed -n 's/.*"args":\["run","\([^"]*\)"\].*/\1/p')
  act "$action" "$(field LOCKSTEP_OUTPUT)" warm "$(field TOKEN)" > "$(field log)"
  echo "{\"id\":\"$(field id)\",\"exit\":$?,\"message\":\"it failed\"}"
done
)SH";

struct WarmRunner {
  WarmRunner() {
    fs::path torch = folder.path() / "torch";
    real_files().write_atomic(torch, kFakeTorch, 0755);
    runner = std::make_unique<TestRunner>(
        std::vector<std::string>{"--torch", torch.string(), "--cpus", "1", "--warm", "1"});
  }
  Json order(const std::string& id, const std::string& action) {
    return {{"id", id},
            {"uses", action},
            {"outputs", {{"model", "m"}}},
            {"secrets", {{"TOKEN", "hush"}}}};
  }
  Json run(const std::string& id, const std::string& action) {
    return runner->run(order(id, action));
  }
  TempFolder folder;
  std::unique_ptr<TestRunner> runner;
};

}  // namespace

TEST_CASE("the second attempt finds a warm worker and leaves the same bytes") {
  WarmRunner warm;
  Json cold = warm.run("a", "torch/x"), second = warm.run("b", "torch/x");
  Json third = warm.run("c", "torch/x");
  CHECK(cold["warm"] == false);
  CHECK(second["warm"] == true);
  CHECK(third["warm"] == true);
  CHECK(second["end"] == "succeeded");
  CHECK(second["outputs"] == cold["outputs"]);
  CHECK(warm.runner->log("a").starts_with("cold "));
  CHECK(warm.runner->log("a").ends_with("secret is ***\n"));
  CHECK(warm.runner->log("b").ends_with("secret is ***\n"));
  CHECK(warm.runner->log("b") == warm.runner->log("c"));  // the same process
}

TEST_CASE("a failure in a warm worker is a failure, and the worker stays") {
  WarmRunner warm;
  warm.run("a", "torch/x");
  Json result = warm.run("b", "torch/fail");
  CHECK(result["end"] == "failed");
  CHECK(result["error"] == "exited with 1: it failed");
  CHECK(warm.run("c", "torch/x")["warm"] == true);
  CHECK(warm.runner->log("b") == warm.runner->log("c"));
}

TEST_CASE("an attempt in a warm worker can be ended, and takes the worker along") {
  WarmRunner warm;
  warm.run("a", "torch/x");
  Json order = warm.order("b", "torch/hang");
  bool by_time = GENERATE(true, false);
  if (by_time) order["timeout_ms"] = 300;
  REQUIRE(warm.runner->start(order) == "running");
  pid_t worker = std::stoi(warm.runner->appears("b", "up"));
  if (!by_time) warm.runner->client->call({{"op", "cancel"}, {"attempt", "b"}});
  Json result = warm.runner->wait("b");
  CHECK(result["end"] == (by_time ? "failed" : "cancelled"));
  CHECK(eventually([&] { return process_gone(worker); }));
  CHECK(warm.run("c", "torch/x")["warm"] == false);
  CHECK(warm.run("d", "torch/x")["warm"] == true);
}

TEST_CASE("a warm worker that dies loses its attempt, a killed runner does not") {
  WarmRunner warm;
  warm.run("a", "torch/x");
  CHECK(warm.run("b", "torch/die")["end"] == "lost");
  warm.run("c", "torch/x");
  REQUIRE(warm.runner->start(warm.order("d", "torch/hang")) == "running");
  pid_t worker = std::stoi(warm.runner->appears("d", "up"));
  warm.runner->kill_runner();
  warm.runner->connect();
  CHECK_FALSE(process_gone(worker));
  CHECK(warm.runner->client->call({{"op", "list"}}).header["attempts"]["d"] == "running");
  warm.runner->client->call({{"op", "cancel"}, {"attempt", "d"}});
  CHECK(warm.runner->wait("d")["end"] == "cancelled");
  CHECK(eventually([&] { return process_gone(worker); }));
}
