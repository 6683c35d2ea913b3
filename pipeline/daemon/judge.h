// The one who reads what evaluations wrote and says a gate's word, for the engine.
// Knows nothing of aliases or of what becomes of the word.
#pragma once

#include "pipeline/core/artifacts.h"
#include "pipeline/engine/engine.h"

namespace lockstep {

// Reads predictions and keeps the whole report as an artifact {"json", "markdown"}. `artifacts`
// outlives it.
GateJudge make_judge(Artifacts& artifacts);

// {"version","passed","verdict","checks","action"|null,"champion"|null,"basis"|null,
//  "approved":{"who","reason"}|null}
Json gate_document(const ModelState& model, const GateReport& report);

}  // namespace lockstep
