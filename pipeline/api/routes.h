// The parts of the table of routes, by what they are about. Knows nothing of what they do.
#pragma once

#include "pipeline/api/access.h"
#include "pipeline/api/api.h"

namespace lockstep {

const std::vector<Route>& access_routes();
const std::vector<Route>& gate_routes();
const std::vector<Route>& release_routes();
const std::vector<Route>& ledger_routes();

}  // namespace lockstep
