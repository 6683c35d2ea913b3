// Which bytes of a workspace must stay: what collection leaves, and a backup holds.
// Knows nothing of where it is asked for, and removes nothing.
#pragma once

#include <set>

#include "pipeline/core/store.h"
#include "pipeline/store/artifact_store.h"
#include "registry/rules/rules.h"

namespace lockstep {

// What the registry keeps with all outputs of the attempts that made it, what the steps accepted
// last, and the newest preview of each branch. `keep_releases`: of each channel.
Kept needed_because(const Registry& registry, Store& store, size_t keep_releases);
std::set<Digest> needed_bytes(const Registry& registry, Store& store, size_t keep_releases);
// Of which results are needed for these.
std::set<Digest> needed_fingerprints(const Registry& registry, Store& store, size_t keep_releases);
// Folder outputs are kept with the files that their listings name: adds those to `all`.
void add_listed(const std::set<Digest>& listings, ArtifactStore& artifacts, std::set<Digest>& all);

}  // namespace lockstep
