// What the engine knows of earlier work: results, live attempts, what was accepted last.
// Knows nothing of the present plan or of the registry.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "pipeline/core/graph.h"
#include "pipeline/core/store.h"
#include "registry/rules/rules.h"

namespace lockstep {

// The name a step's results are accepted under.
inline const std::string& accepted_as(const Step& step) {
  return step.registers.empty() ? step.name : step.registers;
}

class Past {
 public:
  Past(Store& store, HasBytes has);
  // Forgets what it has in memory and reads the store.
  void begin_again();

  // A plan of so many steps is made: as many results are held in memory, and no more than twice
  // that, those that were asked for last.
  void expect(size_t steps) { room_ = std::max(steps, kLeastRoom); }
  size_t in_memory() const { return newer_.size() + older_.size(); }

  // A result counts only if the bytes of every output are present. Valid until the next call.
  const ResultRecord* result(const Digest& fingerprint);
  void put(const ResultRecord& result);

  bool present(const Digest& digest) const { return has_(digest); }

  const std::map<std::string, AttemptRecord>& live() const { return live_; }
  bool is_live(const Digest& fingerprint) const { return live_fingerprints_.count(fingerprint); }
  void put(const AttemptRecord& attempt);  // keeps the live ones in memory

  // Counted failures of the fingerprint have reached what its step allowed.
  bool used_up(const Digest& fingerprint);
  size_t failures(const Digest& fingerprint);
  // Failures count no more, but for those of the run `except`.
  void forgive(const Digest& fingerprint, const std::string& except);

  // The last result accepted for a model or step name.
  std::string last_recipe(const std::string& name);
  // Its fingerprint; nothing where none was accepted.
  std::optional<Digest> accepted(const std::string& name);
  void accept(const std::string& name, const Digest& fingerprint);

 private:
  static constexpr size_t kLeastRoom = 500;
  using Results = std::unordered_map<Digest, ResultRecord, DigestHash>;

  const ResultRecord* known(const Digest& fingerprint);
  const ResultRecord& hold(ResultRecord result);

  Store& store_;
  HasBytes has_;
  std::map<std::string, AttemptRecord> live_;  // by id
  std::multiset<Digest> live_fingerprints_;
  std::unordered_map<std::string, Digest> accepted_;  // as the store has it; asked for so far
  size_t room_ = kLeastRoom;
  Results newer_, older_;  // when `newer_` is full it becomes `older_`, and that is forgotten
};

}  // namespace lockstep
