// What is said of a run outside: one line for a commit's status, a comment for a pull request.
// Pure, from the run's document. Knows nothing of forges, and of who reads it.
#pragma once

#include <string>

#include "connectors/forge/status.h"
#include "pipeline/base/json.h"

namespace lockstep {

struct Verdict {
  StatusState state = StatusState::kPending;
  std::string line;
};

// Of a run's document as the store has it; null: nothing was to be done at that commit. A version
// that its gate rejects is a result, so the run stays a success; a preview, which asks whether to
// merge, is then a failure.
Verdict verdict_of(const Json& run);

// Markdown: the verdict, a link, what was retrained and why, the gates. `link` may be empty. Names
// and texts come from data: nothing in them is markup or calls anybody.
std::string comment_of(const Json& run, const std::string& link);

}  // namespace lockstep
