// What a release was made of, as an in-toto statement (Statement v1) with SLSA provenance v1, and
// signed as a DSSE envelope. Knows nothing of where it is sent.
#pragma once

#include <string>

#include "pipeline/base/json.h"
#include "registry/rules/registry.h"

namespace lockstep {

inline constexpr const char* kPayloadType = "application/vnd.in-toto+json";

// https://in-toto.io/Statement/v1, https://slsa.dev/provenance/v1. Subjects: the image, where it is
// built, and the bytes of every model. Resolved dependencies: each commit of code and rows once,
// each slice with the digest of its rows, each upstream model. `places`: source → where it is.
// Throws not_found where a version is not in the registry.
Json provenance_statement(const Registry& registry, const ReleaseState& release,
                          const std::map<std::string, std::string>& places);

// What a DSSE signature is over (Pre-Authentication Encoding, DSSE v1).
std::string dsse_text(const std::string& payload);
// {"payload","payloadType","signatures":[{"keyid","sig"}]}; `key`, `signature` as text.
Json dsse_envelope(const std::string& payload, const std::string& key,
                   const std::string& signature);

}  // namespace lockstep
