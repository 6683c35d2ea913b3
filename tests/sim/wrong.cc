#include "tests/sim/wrong.h"

#include "pipeline/base/error.h"

namespace lockstep::sim {

const std::vector<WrongEngine>& wrong_engines() {
  static const std::vector<WrongEngine> kAll = {
      {Wrong::kForgetsCursor, "forgets-cursor", "the commit of a plan is not kept", 5},
      {Wrong::kCursorTooEarly, "cursor-too-early", "the cursor outlives a turn that did not", 20},
      {Wrong::kSkipsSync, "skips-sync", "a commit is durable only with the next turn", 20},
      {Wrong::kLosesIntent, "loses-intent", "every seventh intent is not written", 5},
      {Wrong::kActsTooSoon, "acts-too-soon", "effects begin before the turn is durable", 5},
      {Wrong::kForgetsLive, "forgets-live", "a new process does not know what runs", 5},
      {Wrong::kForgetsResult, "forgets-result", "every fifth look at a result finds none", 20},
      {Wrong::kCountsLost, "counts-lost", "what the machine lost counts as a try", 5},
      {Wrong::kKeepsIntents, "keeps-intents", "a confirmed intent is not deleted", 5},
      {Wrong::kLosesFact, "loses-fact", "every ninth fact is not written to the ledger", 5},
      {Wrong::kClockGoesBack, "clock-goes-back", "recorded time follows a clock that jumps", 5},
      {Wrong::kReusesIds, "reuses-ids", "a new process counts runs from one again", 5},
      {Wrong::kHalfTurn, "half-turn", "a turn is committed in two halves", 5},
      {Wrong::kKeepsHalf, "keeps-half", "a turn that threw is committed as far as it came", 5},
      {Wrong::kTrustsBytes, "trusts-bytes", "a result counts although its bytes are gone", 10},
      {Wrong::kStaleSurvey, "stale-survey", "slices keep the digest they had first", 5},
      {Wrong::kPublishesOld, "publishes-old", "what is published is what was live when asked", 10},
      {Wrong::kSkipsBuild, "skips-build", "a release is said to be built, and is not", 5},
      {Wrong::kIgnoresGate, "ignores-gate", "every version is said to be perfect", 5},
      {Wrong::kPreviewIsWatched, "preview-is-watched", "a branch is planned as the watched one", 5},
      {Wrong::kForces, "forces", "known results are made again", 5},
      {Wrong::kForgetsEvent, "forgets-event", "every eleventh event is told and not kept", 5},
      {Wrong::kIgnoresWord, "ignores-word", "every gate is said to let its version pass", 10},
  };
  return kAll;
}

const WrongEngine& wrong_engine(const std::string& name) {
  std::string names;
  for (const WrongEngine& one : wrong_engines()) {
    if (one.name == name) return one;
    names += " " + one.name;
  }
  throw Error(ErrorCode::kNotFound, "no wrong engine is called " + name, "there are:" + names);
}

}  // namespace lockstep::sim
