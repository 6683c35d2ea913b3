// Where threads stop: sources, executor, effects and API push messages; the engine drains them.
// Knows nothing of what a message does.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "pipeline/core/executor.h"
#include "pipeline/core/survey.h"
#include "pipeline/engine/variant.h"

namespace lockstep {

class Engine;

// What asked for a plan.
struct Trigger {
  std::string kind;  // "data", "code", "manual", "approval", "retry", "first", "preview",
                     // "schedule", "workflow"
  std::string who;
  std::vector<std::string> steps;  // names or patterns of steps or models; empty: all
  bool force = false;
  bool once = false;  // asked for by a person who waits: a run is recorded even if all is current
  Variant variant;    // of a preview: what is planned
  bool code_too = false;            // of "data": code has moved as well
  std::string workflow;             // of "schedule" and "workflow": which one is asked for
  int64_t tick_ms = 0;              // and of when
  Json inputs = Json::object();     // of a preview of inputs: name → value, all of the workflow
  std::set<std::string> workflows;  // of a preview of a tag: those that ask for it today
};

struct SurveyDone {
  std::shared_ptr<const Survey> survey;
  Trigger trigger;
  // Called once, when the turn is durable, with the run's id ("" when there was nothing to do), or
  // with what was wrong.
  std::function<void(const std::string& run, const Error* error)> started;
};

struct EffectDone {
  int64_t intent = 0;
  std::string kind, target;
  bool ok = false;
  std::string error;
  Json data = Json::object();  // build: {"image"}; publish: {"pushed":[…]}
};

// Runs inside a turn's transaction; must throw before it changes anything, or not at all.
// `done` is called when the turn is durable: nobody is told of what could still be undone.
struct Command {
  std::function<void(Engine&)> act;
  std::function<void()> done;
};

using Message = std::variant<SurveyDone, AttemptResult, EffectDone, Command>;

class Inbox {
 public:
  void push(Message message);
  // Everything that is there, in order; waits up to `wait_ms` for the first.
  std::vector<Message> drain(int64_t wait_ms);
  size_t size() const;
  // Waits up to `wait_ms` for a message, and leaves it there.
  void wait(int64_t wait_ms);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Message> messages_;
};

}  // namespace lockstep
