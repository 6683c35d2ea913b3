// Brings about what goes out to people and forges: commit statuses, comments on pull requests,
// notifications. Each source and each receiver has a lane of its own, so that one that is slow or
// away holds up nobody else. Knows nothing of why anything is said.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "connectors/forge/api.h"
#include "pipeline/base/json.h"
#include "pipeline/core/store.h"
#include "workflows/language/workspace.h"

namespace lockstep {

class Daemon;

// What a notification is kept under: of the address or command, so that it survives another order.
std::string receiver_name(const NotificationSpec& spec);

class Outbox {
 public:
  explicit Outbox(Daemon& daemon) : daemon_(daemon) {}
  ~Outbox();  // stops

  // Is an intent of this kind brought about here?
  static bool carries(const std::string& kind);
  void act(const Intent& intent);
  // Ends what is under way and takes nothing new; what is not done stays in the store.
  void stop();
  // Waits until everything was tried once.
  bool settled(int64_t wait_ms);
  // [{"what", "target", "error", "tries", "given_up"}]: what was not taken so far, and the last 20
  // that were given up since this process began.
  Json troubles();

 private:
  struct Pending {
    Intent intent;
    int64_t first_ms = 0, not_before_ms = 0;
    int tries = 0;
    std::string error;
  };
  struct Lane {
    std::deque<Pending> waiting;
    int64_t not_before_ms = 0;  // the other side is away: nothing of this lane is tried
    int away = 0;               // how often in a row
    bool busy = false;
    std::thread thread;
  };

  static std::string lane_of(const Intent& intent);
  void loop(Lane& lane);
  std::optional<Pending> due(Lane& lane, int64_t& wait_ms);
  void perform(Pending pending, Lane& lane);
  // Gives the effect's data, or throws what hindered it.
  Json act_on(const Intent& intent);
  void again(Pending pending, Lane& lane, const Error& error);
  void done(const Pending& pending, const std::string& error, Json data);

  const SourceSpec* told(const std::string& source) const;
  ForgeTarget target_of(const SourceSpec& spec) const;
  std::string link_to(const Json& run) const;
  Json set_status(const std::string& source, const std::string& commit);
  Json comment(const std::string& mark);
  Json notify(const std::string& target);
  void run_command(const NotificationSpec& spec, const std::string& id, const std::string& body);

  Daemon& daemon_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::unique_ptr<Lane>> lanes_;
  std::deque<Json> given_up_;
  bool stop_ = false;
};

}  // namespace lockstep
