// What happened, as lines of the daemon's log.
// Knows nothing of who follows the events, and decides nothing.
#pragma once

#include <vector>

#include "pipeline/core/store.h"

namespace lockstep {

// Runs, releases, moves of aliases, and what failed or is blocked; of many alike the first ten and
// their number.
void log_events(const std::vector<Event>& events);

}  // namespace lockstep
