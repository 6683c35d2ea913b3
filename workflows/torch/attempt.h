// One attempt at a built-in action: reads its environment and inputs, trains (or, for
// torch/evaluate, answers), writes its outputs.
// Knows nothing of who started it or what comes of the result.
#pragma once

#include <iosfwd>
#include <map>
#include <string>
#include <string_view>

#include "workflows/torch/trainer.h"

namespace lockstep {

// The variables an attempt may read; its working folder is the process's.
using Variables = std::map<std::string, std::string>;

// Those of this process.
Variables process_variables();

// Reads LOCKSTEP_WITH, LOCKSTEP_INPUT_*, LOCKSTEP_OUTPUT, LOCKSTEP_OUTPUTS, LOCKSTEP_METRICS,
// LOCKSTEP_SEED and CUDA_VISIBLE_DEVICES (docs/TRAINING.md). Warnings go to `log`. What it writes
// depends on nothing else. `trainer` is asked for only when the inputs are known to be good.
// Throws Error.
void run_attempt(std::string_view action, const Variables& variables, Trainer& (*trainer)(),
                 std::ostream& log);

}  // namespace lockstep
