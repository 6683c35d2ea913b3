#include "connectors/dolt/watch.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "connectors/sql/quote.h"

namespace lockstep {
namespace {

// Every write ends in this file, Dolt's journal. `manifest` is what a push or a gc renames.
constexpr std::string_view kJournal = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv";
constexpr std::string_view kManifest = "manifest";
constexpr unsigned kMask = IN_MODIFY | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR;
constexpr int kSlowest_ms = 5'000;  // between questions to a server that is away
constexpr int kPollTimeout_s = 2;

}  // namespace

DoltWatch::DoltWatch(const std::filesystem::path& database)
    : folder_(database / ".dolt" / "noms"),
      fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      wd_(watched()) {
  if (wd_ >= 0) return;
  const int reason = errno;
  const bool missing = fd_.open() && (reason == ENOENT || reason == ENOTDIR);
  throw Error(missing ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
              fmt::format("cannot watch {}: {}", folder_.string(), std::strerror(reason)),
              missing ? "is data-folder the server's data_dir?"
                      : "may this user read it? else raise fs.inotify.max_user_watches");
}

// The same number while the same folder is there.
int DoltWatch::watched() const {
  return fd_.open() ? inotify_add_watch(fd_.get(), folder_.c_str(), kMask) : -1;
}

bool DoltWatch::take() {
  alignas(inotify_event) char buffer[16384];
  const int now = watched();
  bool changed = now >= 0 && now != wd_;
  if (now >= 0) wd_ = now;
  while (true) {
    const ssize_t n = read(fd_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return changed;
    for (const char* at = buffer; at < buffer + n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      const std::string_view name = event->len ? event->name : "";
      changed = changed || (event->mask & (IN_Q_OVERFLOW | IN_IGNORED)) != 0 || name == kJournal ||
                name == kManifest;
    }
  }
}

DoltPoll::DoltPoll(DoltConfig config, int every_ms)
    : config_(std::move(config)), every_ms_(every_ms), fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!fd_.open()) throw Error(ErrorCode::kUnavailable, "no eventfd to be had");
  config_.server.connect_timeout_s = kPollTimeout_s;
  config_.server.read_timeout_s = kPollTimeout_s;
  thread_ = std::thread([this] { ask(); });
}

DoltPoll::~DoltPoll() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void DoltPoll::ask() {
  SqlConnection sql(config_.server);
  const std::string question = "SELECT dolt_hashof(" + quote_text(config_.branch) + ")";
  std::string last;
  int pause_ms = every_ms_;
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_) {
    lock.unlock();
    std::string now;
    try {
      now = sql.value(question).value_or("");
      pause_ms = every_ms_;
    } catch (const Error&) {
      // Who looks at the head after the signal says what is wrong.
      pause_ms = std::min(pause_ms * 2, kSlowest_ms);
    }
    if (now != last) {
      last = now;
      const uint64_t one = 1;
      [[maybe_unused]] const ssize_t n = write(fd_.get(), &one, sizeof one);
    }
    lock.lock();
    wake_.wait_for(lock, std::chrono::milliseconds(pause_ms), [this] { return stop_; });
  }
}

bool DoltPoll::take() {
  uint64_t count = 0;
  return read(fd_.get(), &count, sizeof count) > 0;
}

}  // namespace lockstep
