// Engines that are wrong on purpose: each is the real one behind ports or messages that do one
// thing badly. The simulation must find every one of them, else its checks are worth nothing. Knows
// nothing of how they are found.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace lockstep::sim {

enum class Wrong {
  kNone,
  kForgetsCursor,
  kCursorTooEarly,
  kSkipsSync,
  kLosesIntent,
  kActsTooSoon,
  kForgetsLive,
  kForgetsResult,
  kCountsLost,
  kKeepsIntents,
  kLosesFact,
  kClockGoesBack,
  kReusesIds,
  kHalfTurn,
  kKeepsHalf,
  kTrustsBytes,
  kStaleSurvey,
  kPublishesOld,
  kSkipsBuild,
  kIgnoresGate,
  kPreviewIsWatched,
  kForces,
  kForgetsEvent,
  kIgnoresWord,
};

struct WrongEngine {
  Wrong wrong = Wrong::kNone;
  std::string name;
  std::string what;
  size_t seeds = 0;  // of 1, 2, 3 … within which it is found
};

const std::vector<WrongEngine>& wrong_engines();
// Throws not_found, listing the names.
const WrongEngine& wrong_engine(const std::string& name);

}  // namespace lockstep::sim
