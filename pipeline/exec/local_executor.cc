#include "pipeline/exec/local_executor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"
#include "pipeline/exec/results.h"

namespace lockstep {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kSmallBytes = 4 << 20;  // taken through memory, not through a scratch file
constexpr uint64_t kMaxListing = 256ull << 20;
constexpr int kMaxRounds = 6;  // of sending missing bytes: listings first, then what they list
constexpr auto kReconnectPatience = std::chrono::seconds(5);
constexpr auto kRetryPause = std::chrono::seconds(1);

}  // namespace

LocalExecutor::LocalExecutor(LocalExecutorOptions options, Artifacts& artifacts)
    : options_(std::move(options)), artifacts_(artifacts) {
  fs::remove_all(options_.scratch);
  fs::create_directories(options_.scratch);
  client_ = connect();
  keeper_ = std::thread([this] { keep_up(); });
}

LocalExecutor::~LocalExecutor() {
  {
    std::lock_guard guard(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  keeper_.join();
}

LocalExecutor::Client LocalExecutor::connect() {
  auto on_event = [this](const Json& event) {
    if (event.value("event", "") != "finished" || !event.contains("result")) return;
    std::lock_guard guard(mutex_);
    finished_.push_back(event["result"]);
    changed_.notify_all();
  };
  auto on_lost = [this] {
    std::lock_guard guard(mutex_);
    lost_ = true;
    changed_.notify_all();
  };
  auto made = std::make_shared<RunnerClient>(reach_runner(options_.runner), on_event, on_lost);
  made->subscribe();
  return made;
}

LocalExecutor::Client LocalExecutor::client() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kReconnectPatience,
                         [this] { return stop_ || (client_ && !lost_); }) ||
      stop_) {
    throw Error(ErrorCode::kUnavailable, "the runner is not there",
                "see runner.log in its folder; it is being started again");
  }
  return client_;
}

void LocalExecutor::keep_up() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || lost_ || (sink_ && !finished_.empty()); });
    if (stop_) return;
    if (lost_) {
      lock.unlock();
      reconnect();
      lock.lock();
      continue;
    }
    Json result = std::move(finished_.front());
    finished_.pop_front();
    lock.unlock();
    bool delivered = true;
    try {
      deliver(result);
    } catch (const std::exception&) {
      // Runner away or disk full: the same result again, until it can be taken over.
      delivered = false;
    }
    lock.lock();
    if (delivered) continue;
    finished_.push_back(std::move(result));
    changed_.wait_for(lock, kRetryPause, [this] { return stop_ || lost_; });
  }
}

// All finished attempts are told again on a new connection, so what waited is dropped.
void LocalExecutor::reconnect() {
  Client old;
  {
    std::lock_guard guard(mutex_);
    old = std::move(client_);
    lost_ = false;
    finished_.clear();
  }
  old.reset();
  try {
    Client made = connect();
    std::lock_guard guard(mutex_);
    client_ = std::move(made);
    changed_.notify_all();
  } catch (const Error&) {
    std::unique_lock lock(mutex_);
    lost_ = true;
    changed_.wait_for(lock, kRetryPause, [this] { return stop_; });
  }
}

void LocalExecutor::deliver(const Json& json) {
  AttemptResult result;
  try {
    result = fetch(*client(), json);
  } catch (const Error& e) {
    if (e.code == ErrorCode::kUnavailable) throw;
    result = AttemptResult();
    result.id = json.value("id", "");
    result.end = AttemptEnd::kLost;
    result.error = e.what();
  }
  ResultSink sink;
  {
    std::lock_guard guard(mutex_);
    if (result.end == AttemptEnd::kSucceeded) succeeded_.insert(result.id);
    sink = sink_;
  }
  sink(std::move(result));
}

AttemptResult LocalExecutor::fetch(RunnerClient& from, const Json& json) {
  AttemptResult result = read_result(json);
  for (const auto& [name, digest] : result.outputs) {
    if (result.folders[name]) fetch_folder(from, digest);
    fetch_blob(from, digest);
  }
  return result;
}

void LocalExecutor::fetch_folder(RunnerClient& from, const Digest& listing) {
  for (const FolderEntry& entry : parse_folder_listing(from.get(listing, kMaxListing))) {
    fetch_blob(from, entry.digest);
  }
}

void LocalExecutor::fetch_blob(RunnerClient& from, const Digest& digest) {
  static std::atomic<uint64_t> counter{0};
  if (artifacts_.has(digest)) return;
  Frame first =
      from.call({{"op", "get"}, {"digest", digest.str()}, {"offset", 0}, {"length", kSmallBytes}});
  if (first.header.value("size", uint64_t{0}) == first.payload.size()) {
    if (sha256(first.payload) != digest) {
      throw Error(ErrorCode::kCorrupt, "the runner sent other bytes than " + digest.str());
    }
    artifacts_.put(first.payload);
    return;
  }
  fs::path file = options_.scratch / fmt::format("{}-{}", getpid(), counter++);
  from.get_file(digest, file);
  artifacts_.put_file(file);
  std::error_code moved_already;
  fs::remove(file, moved_already);
}

void LocalExecutor::start(const AttemptSpec& spec) {
  Client runner = client();
  Json request = {{"op", "start"}, {"attempt", order_document(spec)}};
  for (int round = 0; round < kMaxRounds; ++round) {
    Frame reply = runner->call(request);
    if (reply.header.value("state", "") != "missing") return;
    std::vector<Digest> missing;
    for (const Json& name : reply.header.at("missing")) {
      missing.push_back(Digest::parse(name.get<std::string>()));
    }
    // One sender at a time: pieces of one blob may not mix, and what the other sent is there then.
    std::lock_guard sending(send_mutex_);
    for (const Digest& digest : runner->missing(missing)) {
      runner->put_file(digest, artifacts_.path(digest));
    }
  }
  throw Error(ErrorCode::kUnavailable, "the runner does not keep the bytes of attempt " + spec.id,
              "is its disk full?");
}

void LocalExecutor::cancel(const std::string& id) {
  try {
    client()->call({{"op", "cancel"}, {"attempt", id}});
  } catch (const Error& e) {
    if (e.code != ErrorCode::kNotFound) throw;
  }
}

void LocalExecutor::collected(const std::string& id) {
  bool final = false;
  {
    std::lock_guard guard(mutex_);
    final = succeeded_.contains(id);
  }
  try {
    client()->call({{"op", "forget"}, {"attempt", id}, {"final", final}});
  } catch (const Error& e) {
    if (e.code != ErrorCode::kNotFound) throw;
  }
  std::lock_guard guard(mutex_);
  succeeded_.erase(id);
}

std::vector<std::string> LocalExecutor::known() {
  std::vector<std::string> ids;
  Frame reply = client()->call({{"op", "list"}});
  for (const auto& [id, state] : reply.header.at("attempts").items()) ids.push_back(id);
  return ids;
}

std::string LocalExecutor::read(const char* what, const std::string& id, uint64_t offset,
                                uint64_t max_bytes) {
  return client()
      ->call({{"op", "log"},
              {"attempt", id},
              {"what", what},
              {"offset", offset},
              {"length", max_bytes}})
      .payload;
}

std::string LocalExecutor::log(const std::string& id, uint64_t offset, uint64_t max_bytes) {
  return read("log", id, offset, max_bytes);
}

std::string LocalExecutor::live_metrics(const std::string& id, uint64_t offset) {
  std::string text = read("metrics", id, offset, kSmallBytes);
  size_t end = text.rfind('\n');  // the line being written is not there yet
  return text.substr(0, end == text.npos ? 0 : end + 1);
}

void LocalExecutor::on_result(ResultSink sink) {
  std::lock_guard guard(mutex_);
  sink_ = std::move(sink);
  changed_.notify_all();
}

std::vector<SlotInfo> LocalExecutor::slots(const std::string& pool) {
  Frame reply = client()->call({{"op", "slots"}});
  return machine_slots(reply.header.at("machine"), pool);
}

}  // namespace lockstep
