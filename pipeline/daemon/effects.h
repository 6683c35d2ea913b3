// Brings durable intents about: attempts handed to the runner, images built, registries brought in
// line. Each intent is confirmed when its effect is there; what fails for now is tried again.
// Knows nothing of why an intent was made.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "pipeline/core/executor.h"
#include "pipeline/daemon/hold.h"
#include "pipeline/daemon/outbox.h"
#include "pipeline/daemon/parts.h"
#include "pipeline/engine/engine.h"
#include "pipeline/exec/local_executor.h"
#include "pipeline/store/database.h"

namespace lockstep {

class Daemon;

class Effects {
 public:
  explicit Effects(Daemon& daemon);
  ~Effects();  // stops

  // Ends what is under way and takes nothing new; what is not done stays in the store.
  void stop();

  // Called by the loop, between turns: what an attempt needs is taken from `engine` at once.
  void act(const std::vector<Intent>& intents, Engine& engine);
  // Reaches the runner; from here on intents about attempts are acted upon.
  void work(Inbox& inbox);
  // The runner's side; throws unavailable before work().
  LocalExecutor& executor();
  // Other sources from here on.
  void take_parts();
  bool working() const { return executor_ != nullptr; }
  // Runs one attempt beside the engine, for a replay, and waits for its end.
  AttemptResult run_once(const AttemptSpec& spec);
  // Waits until no intent is under way or waiting for its first try: releases for `wait_ms`, and
  // attempts, once there is a runner, for 10 s of it at most.
  bool settled(int64_t wait_ms);
  // The turn to bring a registry in line; what channels mean is to be asked for while it is held,
  // so that the registry never goes back to what a channel meant before. Throws unavailable where
  // another one keeps it, as beside a registry that stalls.
  std::unique_lock<std::mutex> publishing();
  // The turn to write into the folder of releases.
  std::unique_lock<std::mutex> building() { return std::unique_lock(building_); }
  // What people and forges are told.
  Outbox& outbox() { return outbox_; }

  // Builds a release's image into the folder of releases. Throws as build_image does.
  Json build(const std::string& tag);

 private:
  struct Pending {
    Intent intent;
    Json context;  // of an attempt to be started: as it was when the intent became durable
    int64_t not_before_ms = 0;
    int tries = 0;
  };
  using Lane = std::deque<Pending>;
  using Outcomes = std::vector<std::exception_ptr>;  // null: done
  void lane_loop(Lane& lane);
  std::vector<Pending> due(Lane& lane, size_t most);
  void perform_attempts(std::vector<Pending> due);
  void perform_release(Pending pending);
  void settle_all(const std::vector<Pending*>& due, const Outcomes& outcomes);
  void settle(Pending& pending, Lane& lane, const std::function<Json()>& outcome);
  Outcomes start(const std::vector<Pending*>& due);
  Outcomes collect(const std::vector<Pending*>& due);
  void keep_log(const std::string& attempt);
  Json sign_release(const std::string& tag);
  Json ground(const std::string& channel);
  Json publish(const std::string& channel);
  bool ahead_of_restore(RegistryClient& registry, const std::string& channel,
                        const std::string& tag);
  std::optional<Error> hold_training_rows(const std::string& tag);

  Daemon& daemon_;
  std::unique_ptr<SourceSet> sources_;                        // for the attempts' lane
  std::unique_ptr<SourceSet> release_sources_;                // for the releases' lane
  CommitHolder holder_;                                       // theirs
  std::atomic<bool> reopen_{false}, reopen_releases_{false};  // the lanes' sources, before next use
  std::mutex mutex_, publishing_, building_;                  // a layout has one writer
  std::condition_variable changed_;
  Lane attempts_, releases_;
  Outbox outbox_;
  bool stop_ = false;
  int busy_attempts_ = 0, busy_releases_ = 0;                // performed just now
  std::map<std::string, std::promise<AttemptResult>> once_;  // by attempt id
  std::unique_ptr<Database> snapshots_;                      // of the attempts' lane
  std::set<int64_t> known_;                                  // intents taken and not confirmed
  std::unique_ptr<LocalExecutor> executor_;  // ends before what its results are given to
  std::thread attempts_thread_, releases_thread_;
};

}  // namespace lockstep
