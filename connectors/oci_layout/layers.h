// What lies in which layer of a release's image, decided before any byte is read.
// Knows nothing of the layout the layers go to.
#pragma once

#include <string>
#include <vector>

#include "connectors/oci_layout/image.h"
#include "pipeline/formats/tar.h"

namespace lockstep {

struct LayerFile {
  std::string path;
  Digest digest;
  bool executable = false;
};

struct LayerPlan {
  std::string title;             // "models, bin 37", for people
  std::vector<LayerFile> files;  // sorted by path
  // Names the layer's content without reading it: SHA-256 of canonical JSON
  // ["lockstep.layer.1",[[path,digest,executable],…]].
  Digest recipe;
};

// Code first (if any), then the bins in order. Throws invalid on names that can't be paths or that
// meet twice, not_found and corrupt on listings of folders.
std::vector<LayerPlan> plan_layers(const ImageSpec& spec, const BlobPath& blobs);

// The layer's bytes; throws corrupt when a file does not have its digest.
void write_layer(const LayerPlan& plan, const BlobPath& blobs, const ByteSink& sink);

// The last layer: /lockstep/manifest.json and /lockstep/release.json.
std::string release_layer(const ImageSpec& spec);
inline constexpr const char* kManifestPath = "lockstep/manifest.json";
inline constexpr const char* kReleasePath = "lockstep/release.json";

}  // namespace lockstep
