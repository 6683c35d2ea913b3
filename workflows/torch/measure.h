// What libtorch says about itself: threads, kernels, BLAS, device.
// Knows nothing of training.
#pragma once

#include "workflows/torch/trainer.h"

namespace lockstep {

Measured measure_torch(bool cuda);

}  // namespace lockstep
