// What the core and a runner say of an attempt, each in the other's words.
// Knows nothing of connections.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/core/executor.h"

namespace lockstep {

// The document of the runner's `start` (docs/formats/runner.md).
Json order_document(const AttemptSpec& spec);

// Reads the runner's result. A success whose metrics or environment are malformed is a failure:
// metrics.json must be a flat map name → finite number, environment.json an object.
AttemptResult read_result(const Json& result);

// A text of metrics.json, empty: {}. Throws invalid unless it is a flat map name → finite number.
Json metrics_of(const std::string& text);

// What a runner's machine offers, as slots: one per processor ("local-1", device "cpu"), one per
// GPU ("gpu0", device "0", its memory).
std::vector<SlotInfo> machine_slots(const Json& machine, const std::string& pool);

}  // namespace lockstep
