// The action data/quality: the rows of a step looked at, its report left as the step's outputs.
// Knows nothing of who started it or what waits for it.
#pragma once

#include <iosfwd>
#include <map>
#include <string>

#include "pipeline/base/json.h"

namespace lockstep {

// Raised whenever the report may differ for the same rows, so that what was said counts as stale.
inline constexpr int kQualityRevision = 2;

// Reads LOCKSTEP_INPUT_ROWS, LOCKSTEP_INPUT_ROWS_HOLDOUT and LOCKSTEP_INPUT_BEFORE where they are
// set, LOCKSTEP_WITH, LOCKSTEP_OUTPUT and LOCKSTEP_OUTPUTS (docs/TRAINING.md); writes report,
// suspects and metrics, and the report for people to `log`. Throws Error: as look_at() does, and
// conflict, after all was written, where the score is below `block`.
void run_quality(const std::map<std::string, std::string>& variables, std::ostream& log);

// What `actions --json` prints, in the form that lockstep-torch has for its own.
Json describe_quality();

}  // namespace lockstep
