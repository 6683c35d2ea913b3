// What runs attempts in a simulated world. It "trains" by reading what the attempt names, at the
// commits it names, so that equal bytes mean equal inputs whatever any digest says.
// Knows nothing of plans, fingerprints or the registry.
#pragma once

#include <map>
#include <set>
#include <string>

#include "pipeline/core/executor.h"
#include "tests/fake/code.h"
#include "tests/fake/tables.h"

namespace lockstep::sim {

// What the sources hold, read past whatever is damaged or away just now.
class Contents {
 public:
  Contents(FakeTables& tables, FakeCode& code) : tables_(tables), code_(code) {}

  // `columns` empty: all of the table.
  std::string rows(const std::string& commit, const std::string& table,
                   const std::vector<std::string>& columns,
                   const std::map<std::string, std::string>& where);
  std::string files(const std::string& commit, const std::vector<std::string>& paths);

 private:
  FakeTables& tables_;
  FakeCode& code_;
};

struct Training {
  std::string key;  // of all that it is made from
  std::set<std::string> outputs;
  bool running = false;
  AttemptResult result;  // once it has ended
};

class FakeRunner {
 public:
  explicit FakeRunner(Contents& contents) : contents_(contents) {}

  // Starts nothing for an id that it knows. `context` is the attempt's.
  void start(const std::string& id, const Json& context);
  bool knows(const std::string& id) const { return known_.count(id) > 0; }
  std::vector<std::string> running() const;
  std::vector<std::string> uncollected() const;  // ended, and not collected
  // Ends it; the result waits until it is collected. `odd` makes other bytes from the same inputs.
  const AttemptResult& end(const std::string& id, AttemptEnd how, uint32_t odd);
  AttemptResult& result(const std::string& id) { return known_.at(id).result; }
  void collected(const std::string& id) { known_.erase(id); }
  // What ran is gone. `folder_too`: so is what ended, and no id is known.
  void lose_all(bool folder_too);

  // All that was ever started, and how it ended.
  const std::map<std::string, Training>& ever() const { return ever_; }
  // Were these bytes ever made from what has this key?
  bool made(const std::string& key, const Digest& digest) const {
    auto found = made_.find(key);
    return found != made_.end() && found->second.count(digest) > 0;
  }
  const std::set<Digest>& made(const std::string& key) { return made_[key]; }

 private:
  Contents& contents_;
  std::map<std::string, Training> known_, ever_;
  std::map<std::string, std::set<Digest>> made_;
};

// The key of a step that runs `run` with these inputs, each by its text.
std::string training_key(const std::string& run, const Json& with,
                         const std::map<std::string, std::string>& inputs);
Digest output_of_training(const std::string& key, const std::string& output, uint32_t odd);
double accuracy_of(const Digest& model);  // 0.005 … 0.995

}  // namespace lockstep::sim
