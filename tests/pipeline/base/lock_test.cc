// A lock whose holder was killed while it started a program; folders that can't be made.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <ctime>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

// A process that takes the lock, leaves a child of `child_ms` that has it, too, and is killed.
void leave_child(const fs::path& lock, long child_ms) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t holder = fork();
  if (holder == 0) {
    FileLock held(lock, "the test");
    if (fork() == 0) {
      const timespec pause{child_ms / 1000, child_ms % 1000 * 1'000'000};
      nanosleep(&pause, nullptr);
      _exit(0);
    }
    (void)!write(ends[1], "x", 1);
    pause();
  }
  char said = 0;
  REQUIRE(read(ends[0], &said, 1) == 1);
  close(ends[0]);
  close(ends[1]);
  kill(holder, SIGKILL);
  REQUIRE(waitpid(holder, nullptr, 0) == holder);
}

}  // namespace

TEST_CASE("lock: what a killed holder was about to start is waited for") {
  TempFolder folder;
  const fs::path lock = folder.path() / "lock";
  leave_child(lock, 200);
  CHECK(FileLock::owner(lock) > 0);  // somebody holds it, in the name of one who is gone
  FileLock mine(lock, "the test");
  CHECK(FileLock::owner(lock) == getpid());
}

TEST_CASE("lock: a holder that lives is not waited for") {
  TempFolder folder;
  const fs::path lock = folder.path() / "lock";
  FileLock held(lock, "the test");
  const auto began = std::chrono::steady_clock::now();
  CHECK_THROWS_AS(FileLock(lock, "the test"), Error);
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(1));
}

TEST_CASE("files: a folder that can't be made is an error of ours") {
  TempFolder folder;
  const fs::path file = folder.path() / "file";
  real_files().write_atomic(file, "bytes");
  CHECK_THROWS_AS(real_files().write_atomic(file / "below/it", "bytes"), Error);
  CHECK_THROWS_AS(real_files().publish(file, file / "below/it"), Error);
  CHECK_THROWS_AS(FileLock(file / "below/it", "the test"), Error);
}

TEST_CASE("lock: where the pid can't be written the lock is not kept either") {
  TempFolder folder;
  const fs::path lock = folder.path() / "lock";
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit none{0, before.rlim_max};
  auto* handler = signal(SIGXFSZ, SIG_IGN);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &none) == 0);
  std::string error;
  try {
    FileLock failed(lock, "the test");
  } catch (const Error& caught) {
    error = caught.what();
  }
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  signal(SIGXFSZ, handler);
  CHECK_THAT(error, Catch::Contains("cannot write"));
  FileLock mine(lock, "the test");
  CHECK(FileLock::owner(lock) == getpid());
}
