// What an image of a layout says about itself, read back and checked against its own digests.
// Knows nothing of registries or of how images are built.
#pragma once

#include <string>
#include <vector>

#include "connectors/oci_layout/layout.h"

namespace lockstep {

// The two documents of a release, as its image carries them.
struct ReleaseFiles {
  std::string manifest;  // exact bytes
  std::string release;   // canonical JSON, see docs/formats/images.md
};

// Out of the bytes of an image's last layer; throws corrupt.
ReleaseFiles release_files(std::string_view last_layer);
// Without reading model bytes; throws not_found, corrupt.
ReleaseFiles read_release(const fs::path& folder, const std::string& tag);
// The last layer of a release is small; a reader refuses more. Bytes.
inline constexpr uint64_t kReleaseLayerLimit = 256u << 20;

// Do the two documents say what `tag` means? Adds a sentence per contradiction.
void check_release_files(const ReleaseFiles& files, const std::string& tag,
                         std::vector<std::string>& problems);
// Is the content that release.json names what follows from the rest (docs/formats/registry.md), and
// does a tag with 8 digits of it agree?
void check_content(const ReleaseFiles& files, const std::string& tag,
                   std::vector<std::string>& problems);

// Everything that is wrong with an image, one sentence each; empty: every blob is there with its
// size and digest, the configuration names the layers, and the manifest's MD5 is the tag.
std::vector<std::string> verify_layout(const fs::path& folder, const std::string& tag);

}  // namespace lockstep
