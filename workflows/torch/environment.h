// The measured environment of a training: what it really ran on and with.
// Knows nothing of what was trained. Equal documents are a reason to expect equal bytes.
#pragma once

#include "pipeline/base/json.h"
#include "workflows/torch/trainer.h"

namespace lockstep {

// {"threads", "interop_threads", "capability", "blas", "torch", "device", "cpu", "pinned": {…},
//  "libraries": {file name: "build-id:<hex>"}} of the libraries that are loaded and compute. The
// build id is read from memory; a library without one is named "sha256:<hex>" of its file, which
// for one of libtorch's size would take most of a second.
Json measured_environment(const Measured& measured);

}  // namespace lockstep
