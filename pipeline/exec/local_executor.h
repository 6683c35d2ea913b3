// The executor that runs attempts through this machine's runner and keeps that runner alive.
// Knows nothing of plans, gates or what the attempts compute.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "pipeline/core/artifacts.h"
#include "pipeline/core/executor.h"
#include "pipeline/exec/reach_runner.h"
#include "pipeline/exec/runner_client.h"

namespace lockstep {

struct LocalExecutorOptions {
  RunnerPlace runner;
  // Private folder for bytes on their way into the artifact store, best on its file system.
  std::filesystem::path scratch;
};

// Thread-safe. One thread of its own reconnects (and restarts the runner), fetches what finished
// attempts left into the artifact store and then delivers their results; the results of a runner
// that was away come again by themselves.
class LocalExecutor : public Executor {
 public:
  // Reaches the runner, starting it where needed; throws unavailable when that fails.
  LocalExecutor(LocalExecutorOptions options, Artifacts& artifacts);
  ~LocalExecutor() override;
  LocalExecutor(const LocalExecutor&) = delete;
  LocalExecutor& operator=(const LocalExecutor&) = delete;

  // Sends the bytes the runner lacks along. Throws not_found when the artifact store lacks them
  // too, invalid for a spec that a runner refuses.
  void start(const AttemptSpec& spec) override;
  // Several at once, one outcome each: null, or what start() or collected() would throw.
  std::vector<std::exception_ptr> start_all(const std::vector<AttemptSpec>& specs);
  std::vector<std::exception_ptr> collected_all(const std::vector<std::string>& ids);
  void cancel(const std::string& id) override;
  void collected(const std::string& id) override;
  std::vector<std::string> known() override;
  std::string log(const std::string& id, uint64_t offset, uint64_t max_bytes) override;
  std::string live_metrics(const std::string& id, uint64_t offset) override;
  void on_result(ResultSink sink) override;

  // What the runner's machine offers.
  std::vector<SlotInfo> slots(const std::string& pool);

 private:
  using Client = std::shared_ptr<RunnerClient>;
  Client first_connection();
  Client connect();
  Client client();  // waits a little for a connection that is being restored
  void keep_up();
  void reconnect();
  template <class T, class Ask, class Take>
  std::vector<std::exception_ptr> each_of(const std::vector<T>& items, Ask ask, Take take);
  void send_missing(RunnerClient& runner, const Frame& reply);
  void deliver(const Json& result);
  AttemptResult fetch(RunnerClient& from, const Json& result);
  void fetch_blob(RunnerClient& from, const Digest& digest);
  void fetch_folder(RunnerClient& from, const Digest& listing);
  std::string read(const char* what, const std::string& id, uint64_t offset, uint64_t max_bytes);

  LocalExecutorOptions options_;
  Artifacts& artifacts_;
  std::mutex send_mutex_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Client client_;
  std::deque<Json> finished_;
  struct Delivered {
    bool succeeded = false, silent = false;  // silent: it left no log
  };
  std::unordered_map<std::string, Delivered> delivered_;  // and not collected
  ResultSink sink_;
  bool lost_ = false, stop_ = false;
  std::thread keeper_;
};

}  // namespace lockstep
