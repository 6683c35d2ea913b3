// Signatures of releases: who is trusted, and what a release's signatures are worth.
// Knows nothing of where releases go.
#pragma once

#include <set>
#include <string>

#include "pipeline/daemon/parts.h"
#include "registry/rules/rules.h"

namespace lockstep {

// Public keys as text: those of `trusted`, and the own one where its secret can be read now.
std::set<std::string> trusted_keys(const Parts& parts);

// Why a release can't be trusted; empty where it is signed by one of these keys, or was cut before
// any release was signed: then only its digest speaks for it.
std::string distrust(const Registry& registry, const ReleaseState& release,
                     const std::set<std::string>& keys);

// [{"key","trusted":bool,"valid":bool}]
Json signatures_json(const ReleaseState& release, const std::set<std::string>& keys);

// {"key","signature"} of these bytes by the workspace's key; null where it has none.
Json sign(const Parts& parts, const std::string& bytes);

}  // namespace lockstep
