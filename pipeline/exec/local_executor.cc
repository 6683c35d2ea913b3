#include "pipeline/exec/local_executor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"
#include "pipeline/base/point.h"
#include "pipeline/exec/results.h"

namespace lockstep {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kSmallBytes = 4 << 20;  // taken through memory, not through a scratch file
constexpr uint64_t kMaxListing = 256ull << 20;
constexpr int kMaxRounds = 6;  // of sending missing bytes: listings first, then what they list
constexpr auto kReconnectPatience = std::chrono::seconds(5);
constexpr auto kRetryPause = std::chrono::seconds(1);
constexpr auto kFirstPatience = std::chrono::seconds(5);
constexpr auto kFirstPause = std::chrono::milliseconds(100);

}  // namespace

LocalExecutor::LocalExecutor(LocalExecutorOptions options, Artifacts& artifacts)
    : options_(std::move(options)), artifacts_(artifacts) {
  fs::remove_all(options_.scratch);
  fs::create_directories(options_.scratch);
  client_ = first_connection();
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

// A runner that dies while it is greeted would be started again a moment later: so it is now.
LocalExecutor::Client LocalExecutor::first_connection() {
  const auto deadline = std::chrono::steady_clock::now() + kFirstPatience;
  while (true) {
    try {
      return connect();
    } catch (const Error& error) {
      bool late = std::chrono::steady_clock::now() + kFirstPause > deadline;
      if (error.code != ErrorCode::kUnavailable || options_.runner.program.empty() || late) throw;
    }
    std::this_thread::sleep_for(kFirstPause);
  }
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
    point("exec.result.told");
    result = fetch(*client(), json);
    point("exec.result.fetched");
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
    bool silent = json.value("log_bytes", int64_t{1}) == 0 && json.value("end", "") != "lost";
    delivered_[result.id] = {result.end == AttemptEnd::kSucceeded, silent};
    sink = sink_;
  }
  sink(std::move(result));
  point("exec.result.handed");
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

// Asks for all of `items`, then has `take` await each reply in turn.
template <class T, class Ask, class Take>
std::vector<std::exception_ptr> LocalExecutor::each_of(const std::vector<T>& items, Ask ask,
                                                       Take take) {
  std::vector<std::exception_ptr> outcomes(items.size());
  std::vector<uint64_t> requests(items.size());
  Client runner;
  for (size_t i = 0; i < items.size(); ++i) {
    try {
      if (!runner) runner = client();
      requests[i] = runner->post(ask(items[i]));
    } catch (...) {
      outcomes[i] = std::current_exception();
    }
  }
  for (size_t i = 0; i < items.size(); ++i) {
    if (outcomes[i]) continue;
    try {
      take(*runner, i, requests[i]);
    } catch (...) {
      outcomes[i] = std::current_exception();
    }
  }
  return outcomes;
}

void LocalExecutor::start(const AttemptSpec& spec) {
  std::exception_ptr failure = start_all({spec}).front();
  if (failure) std::rethrow_exception(failure);
}

// Most attempts lack nothing, so their requests are answered in one go.
std::vector<std::exception_ptr> LocalExecutor::start_all(const std::vector<AttemptSpec>& specs) {
  auto ask = [&](const AttemptSpec& spec) -> Json {
    return {{"op", "start"}, {"attempt", order_document(spec)}};
  };
  return each_of<AttemptSpec>(specs, ask, [&](RunnerClient& runner, size_t i, uint64_t request) {
    Frame reply = runner.await(request);
    for (int round = 0; reply.header.value("state", "") == "missing"; ++round) {
      if (round == kMaxRounds) {
        throw Error(ErrorCode::kUnavailable,
                    "the runner does not keep the bytes of attempt " + specs[i].id,
                    "is its disk full?");
      }
      send_missing(runner, reply);
      reply = runner.call(ask(specs[i]));
    }
  });
}

void LocalExecutor::send_missing(RunnerClient& runner, const Frame& reply) {
  std::vector<Digest> missing;
  for (const Json& name : reply.header.at("missing")) {
    missing.push_back(Digest::parse(name.get<std::string>()));
  }
  // One sender at a time: pieces of one blob may not mix, and what the other sent is there then.
  std::lock_guard sending(send_mutex_);
  for (const Digest& digest : runner.missing(missing)) {
    runner.put_file(digest, artifacts_.path(digest));
    point("exec.bytes.sent");
  }
}

void LocalExecutor::cancel(const std::string& id) {
  try {
    client()->call({{"op", "cancel"}, {"attempt", id}});
  } catch (const Error& e) {
    if (e.code != ErrorCode::kNotFound) throw;
  }
}

void LocalExecutor::collected(const std::string& id) {
  std::exception_ptr failure = collected_all({id}).front();
  if (failure) std::rethrow_exception(failure);
}

std::vector<std::exception_ptr> LocalExecutor::collected_all(const std::vector<std::string>& ids) {
  auto ask = [&](const std::string& id) -> Json {
    std::lock_guard guard(mutex_);
    auto known = delivered_.find(id);
    bool final = known != delivered_.end() && known->second.succeeded;
    return {{"op", "forget"}, {"attempt", id}, {"final", final}};
  };
  auto take = [](RunnerClient& runner, size_t, uint64_t request) {
    try {
      runner.await(request);
    } catch (const Error& e) {
      if (e.code != ErrorCode::kNotFound) throw;
    }
  };
  std::vector<std::exception_ptr> outcomes = each_of<std::string>(ids, ask, take);
  std::lock_guard guard(mutex_);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!outcomes[i]) delivered_.erase(ids[i]);
  }
  return outcomes;
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
  {
    std::lock_guard guard(mutex_);
    auto known = delivered_.find(id);
    if (known != delivered_.end() && known->second.silent) return "";
  }
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
