// The image of a release: which bytes lie where in which layer. Built into an image layout.
// Knows nothing of how models came to be, of channels or of registries.
//
// In the image: /models/<name>/<file> (a folder model: its files below that folder),
// /upstreams/sha256/<hex> for what models were trained on, /code/<path> for serving code,
// /lockstep/manifest.json and /lockstep/release.json. See docs/formats/images.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/base/files.h"

namespace lockstep {

// A model version that another one was trained on.
struct ImageUpstream {
  std::string input;  // its name in the workflow: "trunk"
  std::string model;
  int64_t version = 0;
  Digest digest;
  bool folder = false;
};

struct ImageModel {
  std::string name;
  int64_t version = 0;
  Digest digest;  // of the file; of a folder: of its listing [[path,digest,executable],…]
  bool folder = false;
  std::string file_name = "model.safetensors";  // unused for folders
  std::vector<ImageUpstream> upstreams;
};

struct ImageFile {
  std::string path;  // below /code
  Digest digest;
  bool executable = false;
};

// An image in a layout, whose layers and run configuration the release's image starts from.
struct BaseImage {
  fs::path layout;
  Digest manifest;
};

struct ImageSpec {
  std::string title;     // the image's name: "intents"
  std::string tag;       // MD5 of `manifest`, or that, "-" and 8 hex digits of `content`
  std::string manifest;  // exact bytes
  Digest content;
  std::vector<ImageModel> models;  // any order; exactly those of the manifest
  std::optional<BaseImage> base;
  std::vector<ImageFile> code;
};
// What the content calls the code: the digest of its files as a folder; empty where there is none.
std::string code_digest(const std::vector<ImageFile>& code);

// The file that holds the bytes of a digest; throws not_found. Bytes are checked while read.
using BlobPath = std::function<fs::path(const Digest&)>;

// A layer of ours is annotated with its recipe; a base image's are not.
inline constexpr const char* kLayerRecipe = "dev.lockstep.layer";

// Layers of an image in all, of 127 that overlay file systems take. Beside those of its base: one
// for each bin, one for its code, one for the release.
inline constexpr size_t kMostLayers = 120;

// Writes the image below `layout_folder` as `spec.tag` and returns its manifest's digest: the same
// for the same spec, everywhere and always. Layers that an earlier image of the folder has are
// taken from it unread, so one changed model costs its own layer and two small ones.
// Throws invalid (spec, over 120 layers), not_found or corrupt (bytes), conflict (the tag is known
// as another image; another writer), unavailable (disk).
Digest build_image(const ImageSpec& spec, const BlobPath& blobs, const fs::path& layout_folder);

}  // namespace lockstep
