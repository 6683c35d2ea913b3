#include "pipeline/runner/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/base/point.h"
#include "pipeline/base/sockets.h"

namespace lockstep {
namespace {

constexpr size_t kMaxConnections = 256;
constexpr size_t kPauseAtBytes = 16u << 20;  // unsent replies; further requests wait
constexpr size_t kDropAtBytes = 256u << 20;  // unsent events: the peer does not read
constexpr size_t kReadBytes = 1 << 18;

[[noreturn]] void failed(const std::string& what) {
  throw Error(errno == EACCES || errno == EPERM ? ErrorCode::kDenied : ErrorCode::kUnavailable,
              fmt::format("{}: {}", what, std::strerror(errno)));
}

int64_t monotonic_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void make_private_folder(const fs::path& folder) {
  fs::create_directories(folder);
  struct stat info {};
  if (stat(folder.c_str(), &info) != 0) failed("cannot look at " + folder.string());
  if (info.st_uid != geteuid()) {
    throw Error(ErrorCode::kDenied, folder.string() + " belongs to another user",
                "give the runner a folder of its own");
  }
  if (chmod(folder.c_str(), 0700) != 0) failed("cannot protect " + folder.string());
}

// True when the machine was started anew since the folder was last used: written bytes may then be
// missing, and no process of an attempt is left.
bool machine_restarted(const fs::path& state) {
  std::string boot = "unknown\n", last;
  try {
    boot = real_files().read("/proc/sys/kernel/random/boot_id", 4096);
    last = real_files().read(state / "boot", 4096);
  } catch (const Error&) {
    // No file yet: nothing was kept either.
  }
  if (boot == last) return false;
  real_files().write_atomic(state / "boot", boot, 0600);
  return true;
}

// SIGUSR1 is for shims: one that was just forked must find it blocked.
Fd blocked_signals() {
  sigset_t set, blocked;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  blocked = set;
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  return Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Server::Server(const RunnerOptions& options) : options_(options), paths_{options.state} {
  make_private_folder(paths_.state);
  if (options_.socket.empty()) options_.socket = paths_.state / "runner.sock";
  lock_ = std::make_unique<FileLock>(paths_.state / "lock", "the runner's folder");
  signals_ = blocked_signals();
  raise_file_limit();
  fs::remove_all(paths_.incoming());
  fs::create_directories(paths_.incoming());
  bool verify = machine_restarted(paths_.state);
  blobs_ = std::make_unique<Blobs>(paths_.blobs(), options_.cache_bytes, verify);
  ShimSettings settings{paths_, options_.torch, options_.quality, options_.log_bytes,
                        options_.warm_workers};
  attempts_ = std::make_unique<Attempts>(settings, *blobs_);
  service_ = std::make_unique<Service>(paths_, *attempts_, *blobs_, machine_json(options_.machine),
                                       [this](Attempt& attempt) { watch_attempt(attempt); });
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.open() || !signals_.open()) failed("cannot make the runner's loop");
  watch(signals_.get(), EPOLLIN);
  for (Attempt* attempt : attempts_->recover()) watch_attempt(*attempt);
  listen();
  idle_since_ms_ = monotonic_ms();
}

Server::~Server() {
  if (listener_.open()) unlink(options_.socket.c_str());
}

void Server::listen() {
  listener_ = listen_unix(options_.socket, 0600);
  watch(listener_.get(), EPOLLIN);
}

void Server::watch(int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) failed("cannot watch a descriptor");
}

// Closing alone is not enough: a shim that was just forked may still hold the same open file.
void Server::unwatch(int fd) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Server::watch_attempt(Attempt& attempt) {
  shims_[attempt.shim.get()] = attempt.id;
  watch(attempt.shim.get(), EPOLLIN);
}

void Server::run() {
  notify_ready("serving " + options_.socket.string());
  while (!stop_ && !idle_too_long()) turn();
  notify_stopping("attempts go on; the next runner takes them up");
}

void Server::turn() {
  epoll_event events[64];
  int wait_ms = options_.idle_exit_s > 0 ? 500 : 60'000;
  watchdog_.alive();
  const int64_t patience_ms = watchdog_.patience_ms();
  if (patience_ms >= 0) wait_ms = static_cast<int>(std::min<int64_t>(wait_ms, patience_ms));
  int count = epoll_wait(epoll_.get(), events, 64, wait_ms);
  if (count < 0 && errno != EINTR) failed("epoll");
  for (int i = 0; i < count; ++i) on_event(events[i].data.fd, events[i].events);
  drop_broken();
  attempts_->tidy();
}

void Server::on_event(int fd, uint32_t events) {
  if (fd == listener_.get()) return accept_all();
  if (fd == signals_.get()) {
    stop_ = true;
    return;
  }
  if (shims_.contains(fd)) return on_finished(fd);
  auto it = connections_.find(fd);
  if (it == connections_.end()) return;
  Connection& connection = *it->second;
  if (events & EPOLLOUT) flush(connection);
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(connection);
  serve(connection);
}

void Server::accept_all() {
  while (true) {
    Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.open()) return;
    if (peer_uid(fd) != geteuid() || connections_.size() >= kMaxConnections) {
      std::string refusal = encode_frame(
          {{"error", {{"code", "denied"}, {"message", "this runner serves its own user only"}}}});
      send(fd.get(), refusal.data(), refusal.size(), MSG_NOSIGNAL);
      continue;
    }
    auto connection = std::make_unique<Connection>();
    int number = fd.get();
    connection->fd = std::move(fd);
    watch(number, EPOLLIN);
    connections_[number] = std::move(connection);
  }
}

void Server::on_readable(Connection& connection) {
  if (connection.unsent() > kPauseAtBytes) return;
  char buffer[kReadBytes];
  ssize_t n = recv(connection.fd.get(), buffer, sizeof buffer, 0);
  if (n > 0) {
    connection.reader.add({buffer, static_cast<size_t>(n)});
  } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
    connection.broken = true;
  }
}

void Server::serve(Connection& connection) {
  bool paused = true;
  // Where all replies go out at once nothing else wakes those requests that are read already.
  while (paused && !connection.broken && connection.unsent() <= kPauseAtBytes) {
    paused = answer(connection);
    flush(connection);
  }
}

// True when it left off because too much is unsent.
bool Server::answer(Connection& connection) {
  try {
    while (!connection.broken && !connection.session.closing) {
      if (connection.unsent() > kPauseAtBytes) return true;
      std::optional<Frame> request = connection.reader.next();
      if (!request) break;
      bool subscribed = connection.session.subscribed;
      connection.out += service_->handle(connection.session, *request);
      if (!subscribed && connection.session.subscribed) send_finished(connection);
    }
  } catch (const Error& e) {
    // The stream is out of step: say why, then end it.
    connection.out += encode_frame(
        {{"error",
          {{"code", std::string(word(e.code))}, {"message", e.message}, {"hint", e.hint}}}});
    connection.session.closing = true;
  }
  return false;
}

void Server::flush(Connection& connection) {
  std::string& out = connection.out;
  while (connection.unsent() > 0 && !connection.broken) {
    ssize_t n =
        send(connection.fd.get(), out.data() + connection.sent, connection.unsent(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) connection.broken = true;
    if (n < 0) break;
    connection.sent += static_cast<size_t>(n);
  }
  if (connection.sent > out.size() / 2) {
    out.erase(0, connection.sent);
    connection.sent = 0;
  }
  bool writing = !out.empty();
  if (connection.session.closing && !writing) connection.broken = true;
  if (connection.unsent() > kDropAtBytes) connection.broken = true;
  if (writing == connection.writing || connection.broken) return;
  connection.writing = writing;
  epoll_event event{};
  // While replies wait, no further requests are taken in: level-triggered input would spin.
  event.events = writing ? static_cast<uint32_t>(EPOLLOUT) : static_cast<uint32_t>(EPOLLIN);
  event.data.fd = connection.fd.get();
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.fd.get(), &event);
}

void Server::send_finished(Connection& connection) {
  for (const auto& [id, attempt] : attempts_->all()) {
    if (!attempt->running()) connection.out += Service::finished_event(*attempt);
  }
}

void Server::on_finished(int pidfd) {
  Attempt& attempt = attempts_->get(shims_.at(pidfd));
  shims_.erase(pidfd);
  unwatch(pidfd);
  attempts_->finish(attempt);
  point("runner.result.before");
  std::string event = Service::finished_event(attempt);
  for (auto& [fd, connection] : connections_) {
    if (!connection->session.subscribed) continue;
    connection->out += event;
    flush(*connection);
  }
}

void Server::drop_broken() {
  std::erase_if(connections_, [this](const auto& item) {
    if (item.second->broken) unwatch(item.first);
    return item.second->broken;
  });
}

bool Server::idle_too_long() {
  if (options_.idle_exit_s <= 0) return false;
  int64_t now = monotonic_ms();
  if (!connections_.empty() || !shims_.empty()) idle_since_ms_ = now;
  return now - idle_since_ms_ >= options_.idle_exit_s * 1000;
}

}  // namespace lockstep
