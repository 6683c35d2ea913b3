// `lockstep init`: a workspace to begin with.
#pragma once

#include "pipeline/cli/cli.h"

namespace lockstep {

// Writes lockstep.yaml, and where there is none a table, its schema and a workflow in two git
// repositories `tables` and `code`. Throws conflict where lockstep.yaml is there already.
Json init_workspace(const fs::path& folder, const InitOptions& options);

}  // namespace lockstep
