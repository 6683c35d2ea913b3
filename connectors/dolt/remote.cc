#include "connectors/dolt/remote.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>

#include "connectors/dolt/link.h"
#include "connectors/sql/quote.h"
#include "pipeline/base/files.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr std::string_view kFile = "file://";
constexpr const char* kDoltHub = "https://doltremoteapi.dolthub.com/";
constexpr const char* kManifest = "manifest";
constexpr const char* kJournal = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv";
constexpr uint64_t kMaxManifest_bytes = 1 << 20;
constexpr int kFirstWait_s = 5;  // of who would make do with what was fetched before
constexpr int64_t kFirstPause_ms = 1'000, kLongestPause_ms = 30'000;
// Dolt 1.x opens a connection for each fetch and closes none; a remote of this machine it opens
// once, and never sees what was pushed later.
constexpr uint64_t kFetchesOfOneServer = 200, kFetchesOfLocal = 1;

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

bool begins(std::string_view text, std::string_view part) {
  return text.substr(0, part.size()) == part;
}

std::string address_of(const std::string& remote) {
  if (begins(remote, kFile)) {
    std::string path = std::filesystem::path(remote.substr(kFile.size())).lexically_normal();
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return std::string(kFile) + path;
  }
  return remote.find("://") == remote.npos ? kDoltHub + remote : remote;
}

void signal_on(int fd) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(fd, &one, sizeof one);
}

bool drain(int fd) {
  char buffer[4096];
  bool any = false;
  while (read(fd, buffer, sizeof buffer) > 0) any = true;
  return any;
}

}  // namespace

class DoltRemote::Watch : public SourceWatch {
 public:
  explicit Watch(std::shared_ptr<DoltRemote> remote)
      : remote_(std::move(remote)), fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!fd_.open()) throw Error(ErrorCode::kUnavailable, "no eventfd to be had");
    std::lock_guard<std::mutex> lock(remote_->mutex_);
    remote_->watches_.insert(fd_.get());
  }
  ~Watch() override {
    std::lock_guard<std::mutex> lock(remote_->mutex_);
    remote_->watches_.erase(fd_.get());
  }
  int fd() const override { return fd_.get(); }
  bool take() override { return drain(fd_.get()); }

 private:
  std::shared_ptr<DoltRemote> remote_;
  Fd fd_;
};

DoltRemote::DoltRemote(DoltRemoteConfig config)
    : config_(std::move(config)),
      server_({config_.name, config_.folder, config_.program,
               [this] {
                 Environment more;
                 if (config_.password)
                   more.emplace_back("DOLT_REMOTE_PASSWORD", config_.password());
                 if (!config_.ca_file.empty()) {
                   more.emplace_back("SSL_CERT_FILE", config_.ca_file.string());
                 }
                 return more;
               },
               config_.warn}),
      address_(address_of(config_.remote)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!wake_.open()) throw Error(ErrorCode::kUnavailable, "no eventfd to be had");
  if (begins(address_, kFile)) local_ = address_.substr(kFile.size());
}

DoltRemote::~DoltRemote() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake();
  server_.end();  // and with it a fetch that hangs
  if (thread_.joinable()) thread_.join();
}

void DoltRemote::wake() const {
  signal_on(wake_.get());
}

uint64_t DoltRemote::ask() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
  wake();
  return ++asked_;
}

bool DoltRemote::wait_for(uint64_t ticket, int limit_s) {
  std::unique_lock<std::mutex> lock(mutex_);
  return done_.wait_for(lock, std::chrono::seconds(limit_s),
                        [&] { return served_ >= ticket || stop_; });
}

void DoltRemote::look() {
  const bool in_time = wait_for(ask(), config_.look_limit_s);
  std::lock_guard<std::mutex> lock(mutex_);
  if (in_time && !last_.error) return;
  if (in_time) throw *last_.error;
  throw Error(ErrorCode::kUnavailable,
              fmt::format("source {}: {} is still being fetched after {} s", config_.name,
                          config_.remote, config_.look_limit_s),
              "it goes on while lockstep serves; is the remote slow, or very large?");
}

std::optional<Error> DoltRemote::away() {
  bool first = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    first = served_ == 0;
  }
  if (first) wait_for(ask(), kFirstWait_s);
  std::lock_guard<std::mutex> lock(mutex_);
  if (served_ == 0) {
    return Error(ErrorCode::kUnavailable,
                 fmt::format("source {}: {} is being fetched", config_.name, config_.remote));
  }
  if (last_.error && last_.error->code != ErrorCode::kUnavailable) throw *last_.error;
  return last_.error;
}

std::unique_ptr<SourceWatch> DoltRemote::watch(std::shared_ptr<DoltRemote> remote) {
  auto watch = std::make_unique<Watch>(remote);
  remote->ask();
  return watch;
}

int DoltRemote::pause_ms() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (stop_ || asked_ > served_) return 0;
  if (watches_.empty()) return -1;
  if (stale_) return 0;
  return static_cast<int>(std::clamp<int64_t>(next_ms_ - now_ms(), 0, 3'600'000));
}

// Until there is something to do: a question, a signal of the remote's folder, or the time.
void DoltRemote::await_work() {
  while (const int pause = pause_ms()) {
    pollfd fds[2] = {{wake_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    poll(fds, signals_.open() ? 2 : 1, pause);
    drain(wake_.get());
    if (!signals_.open() || !drain(signals_.get())) continue;
    std::lock_guard<std::mutex> lock(mutex_);
    stale_ = true;
  }
}

void DoltRemote::loop() {
  while (true) {
    await_work();
    uint64_t ticket = 0;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (stop_) return;
      ticket = asked_;
      stale_ = false;
    }
    watch_remote();
    Done done = fetch();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (stop_) return;
      note(done);
      served_ = ticket;
    }
    done_.notify_all();
  }
}

// Under the lock.
void DoltRemote::note(const Done& done) {
  const bool away = done.error && done.error->code == ErrorCode::kUnavailable;
  const bool was_away = last_.error && last_.error->code == ErrorCode::kUnavailable;
  if (!watches_.empty() && config_.warn && away != was_away) {
    config_.warn(away ? fmt::format("{}; what was fetched before is used", done.error->what())
                      : fmt::format("source {}: {} is back", config_.name, config_.remote));
  }
  failures_ = done.error ? failures_ + 1 : 0;
  const int64_t longest = std::max(kLongestPause_ms, config_.every_ms);
  next_ms_ = now_ms() + (done.error ? std::min(longest, kFirstPause_ms << std::min(failures_, 10))
                                    : config_.every_ms);
  const bool moved =
      done.branches != last_.branches || done.error.has_value() != last_.error.has_value();
  last_ = done;
  for (int fd : moved ? watches_ : std::set<int>()) signal_on(fd);
}

// Again before each fetch: the folder may be another one by now. A push renames its manifest.
void DoltRemote::watch_remote() {
  if (local_.empty()) return;
  if (!signals_.open()) signals_.reset(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!signals_.open()) return;  // then at intervals only
  inotify_add_watch(signals_.get(), local_.c_str(),
                    IN_MOVED_TO | IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR);
}

// What a file:// remote looks like from outside; equal: nothing was pushed.
std::string DoltRemote::stamp() const {
  if (local_.empty()) return "";
  struct stat journal {};
  std::string out;
  try {
    out = real_files().read(local_ / kManifest, kMaxManifest_bytes);
  } catch (const Error& error) {
    throw Error(ErrorCode::kUnavailable, fmt::format("there is no Dolt remote: {}", error.message),
                "is its folder there, and may this user read it?");
  }
  if (stat((local_ / kJournal).c_str(), &journal) == 0) {
    out +=
        fmt::format(" {} {}.{}", journal.st_size, journal.st_mtim.tv_sec, journal.st_mtim.tv_nsec);
  }
  return out;
}

DoltRemote::Done DoltRemote::fetch() {
  Done done;
  const int64_t began_ms = now_ms();
  try {
    const std::string seen = stamp();
    const uint64_t most = local_.empty() ? kFetchesOfOneServer : kFetchesOfLocal;
    const bool same_server = server_start_ == server_.starts();
    if (same_server && fetched_ >= most && (seen.empty() || seen != fetched_stamp_)) {
      server_.restart();
    }
    server_.ensure();
    if (server_start_ != server_.starts()) fetched_ = 0;
    server_start_ = server_.starts();
    SqlServer place = server_.place();
    place.read_timeout_s = config_.fetch_limit_s;
    SqlConnection sql(place);
    done.branches = fetch_with(sql, seen);
  } catch (const Error& error) {
    done.error = translated(error);
  } catch (const std::exception& error) {
    done.error = translated(Error(ErrorCode::kUnavailable, error.what()));
  }
  bool stopping = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping = stop_;
  }
  if (done.error && !stopping && now_ms() - began_ms >= config_.fetch_limit_s * 1'000LL) {
    server_.end();  // the fetch would go on there for ever
  }
  return done;
}

std::string DoltRemote::fetch_with(SqlConnection& sql, const std::string& seen) {
  if (!pointed_) point_at_remote(sql);
  if (seen.empty() || seen != fetched_stamp_) {
    ++fetched_;
    const std::string user =
        config_.username.empty() ? "" : "'--user', " + quote_text(config_.username) + ", ";
    sql.execute(fmt::format("CALL dolt_fetch({}'--prune', 'origin')", user));
    fetched_stamp_ = seen;
  }
  sql.execute("SELECT dolt_hashof(" + quote_text(tracked()) + ")");  // is it there?
  std::string all;
  for (const SqlCells& row : sql.rows("SELECT name, hash FROM dolt_remote_branches")) {
    all += row.at(0).value_or("") + " " + row.at(1).value_or("") + "\n";
  }
  return all;
}

void DoltRemote::point_at_remote(SqlConnection& sql) {
  const auto known = sql.value("SELECT url FROM dolt_remotes WHERE name = 'origin'");
  if (known != address_) {
    if (known) sql.execute("CALL dolt_remote('remove', 'origin')");
    sql.execute("CALL dolt_remote('add', 'origin', " + quote_text(address_) + ")");
  }
  pointed_ = true;
}

// Dolt gives all its answers one number.
Error DoltRemote::translated(const Error& error) const {
  struct Symptom {
    std::string_view text;
    ErrorCode code;
    std::string_view hint;
  };
  static constexpr Symptom kSymptoms[] = {
      {"invalid ref spec", ErrorCode::kNotFound, "is the branch there?"},
      {"database not found", ErrorCode::kNotFound, "check the source's remote"},
      {"NotFound", ErrorCode::kNotFound, "check the source's remote"},
      {"Unauthenticated", ErrorCode::kDenied, "check the source's credentials"},
      {"PermissionDenied", ErrorCode::kDenied, "check the source's credentials"},
      {"Access denied", ErrorCode::kDenied, "check the source's credentials"},
      {"x509", ErrorCode::kDenied, "give the source the certificate authority's file"},
  };
  const std::string own = fmt::format("source {}: ", config_.name);
  if (begins(error.message, own)) return error;  // of the server that we keep
  std::string said = error.message;
  const std::string place = server_.place().shown() + ": ";
  if (begins(said, place)) said.erase(0, place.size());
  ErrorCode code = error.code == ErrorCode::kInvalid ? ErrorCode::kUnavailable : error.code;
  std::string hint = error.hint;
  for (const Symptom& symptom : kSymptoms) {
    if (said.find(symptom.text) == said.npos) continue;
    code = symptom.code;
    hint = symptom.hint;
    if (symptom.code == ErrorCode::kNotFound && begins(symptom.text, "invalid")) {
      said = "it has no branch " + printable(config_.branch);
    }
    break;
  }
  return Error(code, fmt::format("{}{}: {}", own, config_.remote, said), hint);
}

}  // namespace lockstep
