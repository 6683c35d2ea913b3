// What is counted and measured of a running daemon, for Prometheus: names, units and labels by its
// rules (docs/OPERATING.md lists them). Labels are names of lockstep.yaml and words of this
// program, never names from rows, so their number is bounded.
// Knows nothing of HTTP or of the engine.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/core/store.h"

namespace lockstep {

// The engine's state at one moment.
struct EngineNumbers {
  std::map<std::string, int64_t> intents;                      // by kind
  int64_t oldest_intent_ms = 0;                                // age; 0: there is none
  std::map<std::string, std::pair<uint32_t, uint32_t>> slots;  // pool → busy, all
  std::map<std::string, int64_t> steps;                        // state → steps of the newest plan
  int64_t models_in_step = 0, models_behind = 0;
  int64_t unreleased_ms = 0;  // age of the oldest alias move that no release holds; 0: none
};

struct ProcessNumbers {
  std::optional<EngineNumbers> engine;  // nothing: it did not answer in time
  size_t inbox = 0;
  std::map<std::string, size_t> connections;  // by door
  size_t followers = 0;
  uint64_t store_bytes = 0;  // the file, its log beside it included
  int64_t now_ms = 0;
};

// Safe from several threads.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  void turned(double seconds);
  void happened(const std::vector<Event>& events);
  void intended(const std::vector<Intent>& intents, int64_t now_ms);
  // Ages of intents that are still there; forgets the others.
  int64_t oldest_intent_ms(const std::vector<Intent>& there, int64_t now_ms);
  void commit_seen(const std::string& source, const std::string& commit);
  void looked(const std::string& source, bool good, int64_t now_ms);
  void delivered(const std::string& hook, const std::string& verdict);
  void reloaded(bool good);
  // In the text format 0.0.4.
  std::string text(const ProcessNumbers& now);

 private:
  void commits_planned(const std::map<std::string, std::string>& commits);

  struct Families;
  std::unique_ptr<Families> families_;
  std::mutex mutex_;
  std::map<int64_t, int64_t> since_ms_;                // of intents, by id
  std::map<std::string, int64_t> looked_ms_;           // source → its last reading that went well
  std::map<std::string, std::string> seen_, planned_;  // source → commit
};

// Resident memory, open descriptors and the like of this process, in bytes, numbers and seconds.
struct OwnProcess {
  double resident_bytes = 0, open_fds = 0, max_fds = 0, cpu_seconds = 0, start_seconds = 0;
  static OwnProcess now();
};

}  // namespace lockstep
