// The environment that decides bits, set before libtorch is loaded.
// Knows nothing of what runs under it.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace lockstep {

// One thread everywhere, the lowest common instruction set, reproducible GPU libraries.
const std::vector<std::pair<std::string, std::string>>& pinned_environment();

// Returns when this process was started under the pinned environment; else starts itself again
// under it and does not return. Throws unavailable when the environment does not stay.
void ensure_pinned(char** arguments);

}  // namespace lockstep
