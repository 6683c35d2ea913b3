// The workflows and settings of a simulated workspace, from the bits of one number: which steps
// there are, what they read of each other, their gates, channels, slots and policies.
// Knows nothing of what happens in the world.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/core/workflow.h"
#include "pipeline/engine/engine.h"
#include "tests/fake/code.h"
#include "tests/fake/tables.h"

namespace lockstep::sim {

// Bits below this one may be flipped by a commit of code; the others hold for the world's life.
inline constexpr uint32_t kFlowBits = 20;

std::vector<Workflow> workflows_of(uint64_t shape);
EngineOptions options_of(uint64_t shape);
FakeCommit first_tables(uint64_t shape);
FakeTree first_code();

// What the gates of such a world say, by what was answered: move, hold or ask.
GateWord word_of(const GateCase& asked);

inline constexpr uint32_t kClients = 8;  // that there may ever be
std::string client_name(uint32_t number);

// The models that this shape makes of these clients: said again, without `expand`.
std::set<std::string> models_of(uint64_t shape, const std::set<std::string>& clients);

}  // namespace lockstep::sim
