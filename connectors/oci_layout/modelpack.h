// A release's image said once more as a ModelPack artifact, over the same blobs.
// Knows nothing of registries, and writes nothing.
//
// CNCF ModelPack model specification (modelpack/model-spec, docs/spec.md and docs/config.md):
// artifactType application/vnd.cncf.model.manifest.v1+json, a configuration of
// application/vnd.cncf.model.config.v1+json, layers that are uncompressed tar archives.
#pragma once

#include <string>

#include "pipeline/formats/oci.h"

namespace lockstep {

struct ModelPack {
  std::string config, manifest;  // canonical JSON
  OciDescriptor config_blob;
};

inline constexpr const char* kModelPackSuffix = "-modelpack";  // behind the release's tag
inline constexpr const char* kModelPackManifest = "application/vnd.cncf.model.manifest.v1+json";
inline constexpr const char* kModelPackConfig = "application/vnd.cncf.model.config.v1+json";

// Of an image of ours: its bins of models, serving code and documents; a base image's layers are no
// part of it. The same for the same image. Throws corrupt where it is no image of ours.
ModelPack modelpack_of(const OciManifest& image, const OciConfig& config);

}  // namespace lockstep
