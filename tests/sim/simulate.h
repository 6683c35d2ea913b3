// Runs stories, and makes those that break a rule short.
// Knows nothing of how results are shown.
#pragma once

#include <optional>

#include "tests/sim/check.h"
#include "tests/sim/story.h"
#include "tests/sim/wrong.h"

namespace lockstep::sim {

struct Broken {
  Violation violation;
  size_t event = 0;  // from 0, of the story's events; their number: at rest, after all
};

struct Outcome {
  size_t happened = 0;  // events that found something to happen to
  std::optional<Broken> broken;
  std::string digest;  // of what the world was at its end: equal for equal stories
};

// Ends with a look at rest, whatever the last event is.
Outcome run(const Story& story, Wrong wrong = Wrong::kNone);

// A shorter story that breaks the same rule (delta debugging, Zeller and Hildebrandt 2002; then
// smaller numbers and a plainer shape). The story itself must break one.
Story shrink(const Story& story, Wrong wrong = Wrong::kNone);

// The events that happened, each with its number, and what was wrong: for people to read.
std::string report(const Story& story, const Outcome& outcome);

}  // namespace lockstep::sim
