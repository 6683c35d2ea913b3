// What a survey asks for: the state of every step, and how it moves while attempts come and go.
// Pure: asks a World about the past and tells it which results to take. Knows nothing of slots,
// clocks, storage or how a step is run.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pipeline/core/conditions.h"
#include "pipeline/core/recipe.h"
#include "pipeline/core/store.h"

namespace lockstep {

// The eight states, as preconditions:
enum class StepState : uint8_t {
  kWaiting,  // an input is undecided: a step above has neither a result nor a failure yet
  kRun,      // all inputs known, the fingerprint has no result, no attempt is live
  kRunning,  // an attempt of this fingerprint is live, or its gate looks at the result
  kCurrent,  // the fingerprint had a result before this plan; the plan has decided about it
  kDone,     // an attempt succeeded within this plan; the plan has decided about it
  kFailed,   // attempts used up; starts again only by hand or with another fingerprint
  kBlocked,  // an input can't be had: a table that can't be read, a failed step, a missing model
  kDeferred  // stale, but what changed does not count by its `if:`; its last result stands
};
std::string_view word(StepState state);
inline bool decided(StepState s) {
  return s >= StepState::kCurrent;
}

struct ModelRef {
  int64_t version = 0;
  Digest digest;
  bool operator==(const ModelRef&) const = default;
};

struct UsedModel {
  std::string input, model;
  ModelRef ref;
};

struct PlannedStep {
  StepState state = StepState::kWaiting;
  std::shared_ptr<const Recipe> recipe;  // null while waiting or blocked
  InputDigests inputs;                   // beside `recipe`
  std::vector<UsedModel> used;           // models among the inputs
  // Of the kPrevious ones: the commit of those rows, by name; empty: there are none.
  std::map<std::string, std::string> previous;
  std::string note;  // why blocked, failed or deferred; one line
  std::vector<StepId> waits_for;
  bool early = false;   // went ahead on a champion whose producer was undecided
  bool forced = false;  // runs although a result is known
};

// Earlier rows of an input; of no commit, and with no rows, where there are none.
struct PreviousRows {
  Digest digest = SliceState().digest();
  std::string commit;
};

// What a plan asks about the past, and the one thing it tells: take this result.
class World {
 public:
  virtual ~World() = default;
  // What make_recipe() gives, which somebody may have kept.
  virtual std::shared_ptr<const Recipe> recipe(const Survey& survey, StepId step,
                                               const InputDigests& inputs) {
    return std::make_shared<const Recipe>(make_recipe(survey, step, inputs));
  }
  // A known result whose bytes are present, or null. Valid until the next call.
  virtual const ResultRecord* result(const Digest& fingerprint) = 0;
  virtual bool live(const Digest& fingerprint) = 0;
  // `asked`: the step is one of those the plan is for.
  virtual bool used_up(const Digest& fingerprint, bool asked) = 0;
  virtual std::optional<ModelRef> champion(const std::string& model) = 0;
  // Recipe document of the step's last accepted result; empty: none.
  virtual std::string last_recipe(const Step& step) = 0;
  // That result, where its bytes are present, else null (valid until the next call); and the
  // commits at which it read its inputs, as far as they are known.
  virtual const ResultRecord* last_result(const Step& step) = 0;
  virtual LastRead last_read(const Step& step) = 0;
  // For a kPrevious input: the rows that its input had when the step's last accepted result was
  // made; while they are the same as now, those that that result had here.
  virtual PreviousRows previous(const Survey&, StepId, const StepInput&) { return {}; }
  // An attempt is live, of whatever fingerprint, whose result would be the step's last one.
  virtual bool busy(const Step& step) = 0;
  // The step's fingerprint has this result: its version is registered, gated, its alias moved.
  // False: its gate looks at it first; nothing is decided until judge().
  virtual bool accept(StepId step, const PlannedStep& planned, const ResultRecord& result) = 0;
};

class Plan {
 public:
  // Selected steps (asked for by hand) and what they need; empty: all. Forced steps run although
  // they are current. No `if:` defers those that somebody named.
  Plan(std::shared_ptr<const Survey> survey, World& world, std::set<StepId> selected = {},
       std::set<StepId> forced = {}, std::set<StepId> named = {});

  const Survey& survey() const { return *survey_; }
  const Graph& graph() const { return *survey_->graph; }
  const PlannedStep& at(StepId id) const { return steps_[id.value]; }
  bool selected(StepId id) const { return selected_.empty() || selected_.count(id) > 0; }

  // Steps that are ready to start.
  const std::set<StepId>& ready() const { return ready_; }
  // No selected step is waiting, to be run or running.
  bool finished() const { return open_ == 0; }
  size_t count(StepState state) const;  // of selected steps
  // Steps whose state was set since the last call, in that order, some perhaps more than once.
  std::vector<StepId> take_changed() { return std::exchange(changed_, {}); }
  // Steps whose present fingerprint this is.
  std::vector<StepId> wanting(const Digest& fingerprint) const;

  void started(StepId id);  // with every other step of the same fingerprint
  void succeeded(const Digest& fingerprint, const ResultRecord& result);
  // `final`: no attempt is left; otherwise the step is to be run again.
  void failed(const Digest& fingerprint, const std::string& error, bool final);
  // This step alone, for good: nothing here can run it. Another step's result of the same
  // fingerprint is its result all the same.
  void impossible(StepId id, const std::string& why);
  // What the step's gate waited for may be there.
  void judge(StepId id);
  // The step's last accepted result may be another one than before, or it is no longer busy.
  void reconsider(StepId id);

 private:
  void settle_all();
  void settle(StepId id);
  bool gather(StepId id, PlannedStep& next) const;
  bool gather_model(StepId id, const StepInput& input, PlannedStep& next, Digest* digest) const;
  bool gather_input(StepId id, const StepInput& input, PlannedStep& next, Digest* digest) const;
  StepState by_condition(StepId id, PlannedStep& next);
  void enter(StepId id, PlannedStep next);
  void set(StepId id, StepState state);
  void touch_dependents(StepId id);
  void drain();

  std::shared_ptr<const Survey> survey_;
  World& world_;
  std::set<StepId> asked_;     // by name; empty: all
  std::set<StepId> selected_;  // and what they need
  std::set<StepId> named_;     // somebody wants these
  std::vector<PlannedStep> steps_;
  std::vector<uint32_t> rank_;  // position in Graph::order
  std::set<StepId> ready_;
  std::set<std::pair<uint32_t, StepId>> touched_;  // (rank, step): looked at in graph order
  std::unordered_map<Digest, std::vector<StepId>, DigestHash> by_fingerprint_;
  // What each step's accepted result gave, for those that read its outputs.
  std::vector<std::map<std::string, Digest>> outputs_;
  size_t open_ = 0;
  std::vector<StepId> changed_;
};

}  // namespace lockstep
