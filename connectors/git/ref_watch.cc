#include "connectors/git/ref_watch.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "connectors/git/repository.h"
#include "pipeline/base/error.h"

namespace lockstep {
namespace {

constexpr unsigned kMask = IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_CLOSE_WRITE |
                           IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW;

bool is_lock(const std::string& name) {
  return name.size() > 5 && name.compare(name.size() - 5, 5, ".lock") == 0;
}

}  // namespace

RefWatch::RefWatch(const std::filesystem::path& repository)
    : root_(GitRepository(repository).common_folder()),
      fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (fd_ < 0) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("cannot watch {}: {}", root_.string(), std::strerror(errno)),
                "raise fs.inotify.max_user_instances");
  }
  try {
    watch_all();
  } catch (...) {
    close(fd_);
    throw;
  }
}

RefWatch::~RefWatch() {
  close(fd_);
}

void RefWatch::watch_all() {
  watch_folder(root_);
  watch_below(root_ / "refs");
}

// False where the folder is not there (any more).
bool RefWatch::watch_folder(const std::filesystem::path& folder) {
  const int id = inotify_add_watch(fd_, folder.c_str(), kMask);
  if (id >= 0) {
    folders_[id] = folder;
    return true;
  }
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw Error(ErrorCode::kUnavailable,
              fmt::format("cannot watch {}: {}", folder.string(), std::strerror(errno)),
              errno == ENOSPC ? "raise fs.inotify.max_user_watches" : "");
}

bool RefWatch::watch_below(const std::filesystem::path& folder) {
  if (!watch_folder(folder)) return false;
  // The watch comes first: what is made while the folder is listed is either listed or signalled.
  std::error_code ignored;
  for (std::filesystem::directory_iterator at(folder, ignored), end; at != end;
       at.increment(ignored)) {
    if (at->is_directory(ignored) && !at->is_symlink(ignored)) watch_below(at->path());
  }
  return true;
}

bool RefWatch::handle(int id, unsigned mask, const std::string& name) {
  if (mask & IN_Q_OVERFLOW) {
    watch_all();
    return true;
  }
  const auto found = folders_.find(id);
  if (found == folders_.end()) return false;
  const std::filesystem::path folder = found->second;
  if (mask & IN_IGNORED) {
    folders_.erase(found);
    return true;
  }
  if (folder == root_) {
    if (name == "refs" && (mask & IN_ISDIR)) watch_below(folder / name);
    return name == "packed-refs" || name == "HEAD" || name == "refs";
  }
  if ((mask & IN_ISDIR) && (mask & (IN_CREATE | IN_MOVED_TO))) return watch_below(folder / name);
  return !is_lock(name);
}

bool RefWatch::take() {
  alignas(inotify_event) char buffer[16384];
  bool changed = false;
  while (true) {
    const ssize_t n = read(fd_, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return changed;
    for (const char* at = buffer; at < buffer + n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      if (handle(event->wd, event->mask, event->len ? event->name : "")) changed = true;
    }
  }
}

bool RefWatch::wait(int timeout_ms) {
  using namespace std::chrono;
  const auto until = steady_clock::now() + milliseconds(timeout_ms);
  while (true) {
    if (take()) return true;
    const auto left = duration_cast<milliseconds>(until - steady_clock::now()).count();
    if (left <= 0) return false;
    pollfd ready{fd_, POLLIN, 0};
    poll(&ready, 1, static_cast<int>(left));
  }
}

}  // namespace lockstep
