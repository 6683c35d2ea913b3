#include "pipeline/cli/pager.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <streambuf>

#include "pipeline/base/error.h"

extern char** environ;

namespace lockstep {
namespace {

// Writes to a descriptor, which it owns.
class FdBuffer : public std::streambuf {
 public:
  explicit FdBuffer(Fd fd) : fd_(std::move(fd)) { setp(bytes_.data(), bytes_.data() + kRoom); }
  ~FdBuffer() override { FdBuffer::sync(); }

 protected:
  int_type overflow(int_type c) override {
    if (sync() != 0) return traits_type::eof();
    if (!traits_type::eq_int_type(c, traits_type::eof())) {
      *pptr() = traits_type::to_char_type(c);
      pbump(1);
    }
    return traits_type::not_eof(c);
  }
  int sync() override {
    const char* at = pbase();
    while (at < pptr()) {
      const ssize_t n = write(fd_.get(), at, static_cast<size_t>(pptr() - at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return -1;
      at += n;
    }
    setp(bytes_.data(), bytes_.data() + kRoom);
    return 0;
  }

 private:
  static constexpr size_t kRoom = 16384;
  Fd fd_;
  std::array<char, kRoom> bytes_;
};

bool on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::string rest = path ? path : "";
  while (!rest.empty()) {
    const size_t colon = rest.find(':');
    const std::filesystem::path file = std::filesystem::path(rest.substr(0, colon)) / program;
    if (access(file.c_str(), X_OK) == 0) return true;
    rest = colon == rest.npos ? "" : rest.substr(colon + 1);
  }
  return false;
}

}  // namespace

std::string pager_command() {
  for (const char* name : {"LOCKSTEP_PAGER", "PAGER"}) {
    const char* value = std::getenv(name);
    if (value) return std::string_view(value) == "cat" ? "" : value;
  }
  return on_path("less") ? "less" : "";
}

Pager::Pager(const std::string& command) : out_(nullptr) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw Error(ErrorCode::kUnavailable, "no pipe to be had");
  Fd reading(ends[0]), writing(ends[1]);
  setenv("LESS", "FRX", 0);  // leave when it fits the screen, show colours, keep the screen
  setenv("LV", "-c", 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, reading.get(), STDIN_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t standard;
  sigemptyset(&standard);
  sigaddset(&standard, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &standard);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  const char* argv[] = {"sh", "-c", command.c_str(), nullptr};
  const int failed =
      posix_spawn(&pid_, "/bin/sh", &actions, &attributes, const_cast<char* const*>(argv), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw Error(ErrorCode::kUnavailable, "the pager can't be started");
  buffer_ = std::make_unique<FdBuffer>(std::move(writing));
  out_.rdbuf(buffer_.get());
}

// Ctrl-C is the pager's own while it shows something.
Pager::~Pager() {
  auto before = std::signal(SIGINT, SIG_IGN);
  out_.rdbuf(nullptr);
  buffer_.reset();
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  std::signal(SIGINT, before);
}

}  // namespace lockstep
