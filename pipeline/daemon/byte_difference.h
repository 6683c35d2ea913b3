// Where two artifacts begin to differ, in words: the file of a folder, the tensor, the byte.
// Knows nothing of versions or of why they should be equal.
#pragma once

#include <string>

#include "pipeline/core/artifacts.h"

namespace lockstep {

// "tensor `classifier.weight` is the first that differs: 12 of 640 bytes, from byte 8", "file
// `weights/a.bin`: byte 0 is the first that differs", "byte 17 of 120 is the first that differs".
// Of bytes that are gone it says so. Both digests differ.
std::string first_difference(Artifacts& artifacts, const Digest& was, const Digest& is);

}  // namespace lockstep
