// A release of the registry as the image that carries it.
#pragma once

#include "connectors/oci_layout/image.h"
#include "pipeline/engine/engine.h"

namespace lockstep {

// Without its base image and serving code, which are named by the release and are not in memory.
// Throws not_found for an unknown tag, corrupt when a version it names is not in the registry.
ImageSpec release_image(Engine& engine, const std::string& tag);

}  // namespace lockstep
