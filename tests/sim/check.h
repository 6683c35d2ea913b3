// What must hold after every turn, when a process begins, and at rest. Keeps a registry of its own,
// fed from the ledger alone, and remembers what it has seen of attempts and plans.
// Knows nothing of what caused a turn.
#pragma once

#include <fmt/format.h>

#include <set>
#include <string>

#include "pipeline/core/plan.h"
#include "registry/rules/rules.h"

namespace lockstep::sim {

class World;

// A rule that was broken: its name, and what is wrong.
struct Violation {
  std::string rule, what;
};

template <class... Args>
void must(bool holds, const char* rule, fmt::format_string<Args...> what, Args&&... args) {
  if (!holds) throw Violation{rule, fmt::format(what, std::forward<Args>(args)...)};
}

// A move as it is compared with what is told of it.
std::string told_as(const AliasMove& move);
std::string told_as(const ChannelMove& move);

class Checks {
 public:
  void after_turn(World& world);
  // `heard`: the turn before the process ended was durable, but nobody had heard of it.
  void after_restart(World& world, bool unheard);
  // check_rest.cc: when nothing is left to do, and when after that all was planned once more.
  void at_rest(World& world);
  void at_rest_after_plan(World& world);

 private:
  void attempts(World& world);
  void ended(World& world, const AttemptRecord& attempt);
  void current(World& world, const Plan& plan);
  void new_attempt(World& world, const AttemptRecord& attempt);
  void intents(World& world);
  void facts(World& world, bool heard);
  void moved(World& world, const AliasMove& move);
  void made(World& world, const Version& version);
  void same_registry(World& world);
  void cursors(World& world);
  void runs(World& world);
  void told(World& world, bool heard);  // check_told.cc
  void remember(World& world);

  void rest_of_channels(World& world, bool planned);
  void rest_of_models(World& world, const Graph& graph);

  Registry shadow_;
  std::set<std::string> seen_, live_;  // attempts: ever, and after the last turn
  std::string run_;                    // the one at work
  int64_t highest_run_ = 0;
  std::set<std::string> forced_;  // runs that were forced
  std::set<Digest> wanted_;       // fingerprints that a plan of the watched branches had
  std::map<std::string, std::string> planned_;  // source → commit of the last plan
  std::string revision_;                        // of the store, after the last turn
  std::vector<int64_t> intents_;                // that were there then
  // What is to be told, and what was.
  std::vector<std::string> moves_, over_;
  int64_t last_event_ = 0;
  std::set<std::string> told_attempts_;
  std::map<std::string, std::string> told_runs_;
  bool fresh_ = true;  // no survey was taken by this process
};

}  // namespace lockstep::sim
