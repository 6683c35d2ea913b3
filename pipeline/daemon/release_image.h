// A release of the registry as the image that carries it.
#pragma once

#include "connectors/oci_layout/image.h"
#include "pipeline/engine/engine.h"
#include "pipeline/store/artifact_store.h"

namespace lockstep {

// Without its base image and serving code, which are named by the release and are not in memory.
// An imported model's file is called by its bytes: model.safetensors, a folder, or `model`.
// The engine must know its channels (Engine::know), as an image says its name. Throws not_found for
// an unknown tag, corrupt when a version it names is not in the registry.
ImageSpec release_image(Engine& engine, const std::string& tag, ArtifactStore& artifacts);

}  // namespace lockstep
