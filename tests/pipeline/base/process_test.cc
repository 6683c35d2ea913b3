#include "pipeline/base/process.h"

#include <fcntl.h>
#include <unistd.h>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "tests/catch.h"
#include "tests/processes.h"

using namespace lockstep;

namespace {

ProcessRequest shell(const std::string& script) {
  ProcessRequest request;
  request.argv = {"sh", "-c", script};
  return request;
}

}  // namespace

TEST_CASE("a process gives its bytes and status") {
  ProcessRequest request = shell("cat; echo err >&2; echo $X; exit 3");
  request.input = std::string(300'000, 'i');
  request.env = {{{"X", "$(id)"}, {"PATH", "/usr/bin:/bin"}}};
  ProcessResult result = run_process(request);
  CHECK(result.exit_code == 3);
  CHECK(result.out == request.input + "$(id)\n");
  CHECK(result.err == "err\n");
  CHECK_FALSE(result.ok());
  CHECK(run_process(shell("exit 0")).ok());
  CHECK(run_process(shell("kill -9 $$")).signal == SIGKILL);
  CHECK(run_process(shell("kill -9 $$")).exit_code == -1);
}

TEST_CASE("a process sees its folder, its environment and three descriptors, nothing else") {
  TempFolder temp;
  int left_open = open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  REQUIRE(left_open > 2);
  ProcessRequest request = shell("pwd -P; env | grep -c SECRET; ls /proc/self/fd | wc -l; cat");
  request.folder = fs::canonical(temp.path());
  request.env = {{{"PATH", "/usr/bin:/bin"}}};
  setenv("SECRET_OF_PARENT", "hush", 1);
  ProcessResult result = run_process(request);
  unsetenv("SECRET_OF_PARENT");
  close(left_open);
  CHECK(result.out == request.folder + "\n0\n4\n");  // the fourth is the listing's own
  CHECK(result.ok());
}

TEST_CASE("a process that takes too long is ended with all it started") {
  ProcessRequest request = shell("sleep 1000 & echo $! $$; wait");
  request.timeout_ms = 200;
  ProcessResult result = run_process(request);
  CHECK(result.timed_out);
  CHECK(result.signal == SIGKILL);
  size_t second = 0;
  CHECK(eventually([pid = std::stoi(result.out, &second)] { return process_gone(pid); }));
  CHECK(process_gone(std::stoi(result.out.substr(second))));

  // With a grace it may tidy up, but not for ever.
  request = shell("trap 'echo tidy; exit 7' TERM; sleep 1000 & wait");
  request.timeout_ms = 200;
  request.grace_ms = 60'000;
  result = run_process(request);
  CHECK(result.timed_out);
  CHECK_FALSE(result.ok());
  CHECK(result.exit_code == 7);
  CHECK(result.out == "tidy\n");
  request = shell("trap '' TERM; while :; do sleep 1000; done");
  request.timeout_ms = 200;
  request.grace_ms = 200;
  CHECK(run_process(request).signal == SIGKILL);
}

TEST_CASE("what a process leaves behind goes with it") {
  ProcessResult result = run_process(shell("sleep 1000 & echo $!"));
  CHECK(result.ok());
  CHECK(eventually([pid = std::stoi(result.out)] { return process_gone(pid); }));
}

TEST_CASE("a process that writes too much is ended, or its oldest bytes are dropped") {
  ProcessRequest request = shell("while :; do echo yyyyyyyyyyyyyyyy; done");
  request.max_output_bytes = 10'000;
  ProcessResult result = run_process(request);
  CHECK(result.cut);
  CHECK_FALSE(result.ok());
  CHECK(result.out.size() == 10'000);

  request = shell("seq 100000 >&2");
  request.max_output_bytes = 14;
  request.keep_newest = true;
  result = run_process(request);
  CHECK(result.ok());
  CHECK(result.err == "\n99999\n100000\n");
  request = shell("yes");
  request.max_output_bytes = 1'000;
  request.keep_newest = true;
  request.timeout_ms = 200;
  result = run_process(request);
  CHECK(result.timed_out);
  CHECK(result.out.size() == 1'000);
}

TEST_CASE("a process that can't be started says why") {
  ProcessRequest request;
  CHECK_THROWS_AS(run_process(request), Error);
  request.argv = {"no-such-program"};
  try {
    run_process(request);
    FAIL("it started");
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::kUnavailable);
    CHECK(e.message == "cannot run no-such-program: No such file or directory");
    CHECK(e.hint == "install no-such-program");
  }
  request.argv = {"/no/such/program"};
  CHECK_THROWS_WITH(run_process(request), "cannot run /no/such/program: No such file or directory");
}

TEST_CASE("a started process leads a session of its own with no signal blocked") {
  sigset_t blocked, before;
  sigfillset(&blocked);
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  ProcessStart start;
  start.argv = {"sh", "-c", "grep SigBlk /proc/self/status; cut -d' ' -f6 /proc/$$/stat; exit 5"};
  start.output = ends[1];
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  pid_t pid = start_process(start);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  CHECK(WEXITSTATUS(status) == 5);
  char text[200];
  ssize_t n = read(ends[0], text, sizeof text);
  close(ends[0]);
  close(ends[1]);
  REQUIRE(n > 0);
  std::string said(text, static_cast<size_t>(n));
  CHECK(said.find("SigBlk:\t0000000000000000\n") == 0);
  CHECK(std::stoi(said.substr(said.find('\n'))) == pid);
}
