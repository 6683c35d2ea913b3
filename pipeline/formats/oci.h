// The documents of the OCI image format, as bytes: descriptor, manifest, index, configuration.
// Knows nothing of folders, registries or models.
//
// Image specification 1.1 (opencontainers/image-spec). Everything is written as canonical JSON,
// so equal values give equal bytes and equal digests.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/base/text.h"

namespace lockstep {

inline constexpr const char* kOciManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* kOciIndexType = "application/vnd.oci.image.index.v1+json";
inline constexpr const char* kOciConfigType = "application/vnd.oci.image.config.v1+json";
inline constexpr const char* kDockerManifestType =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr const char* kDockerListType =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr const char* kOciLayerType = "application/vnd.oci.image.layer.v1.tar";
inline constexpr const char* kOciRefName = "org.opencontainers.image.ref.name";
inline constexpr const char* kOciEpoch = "1970-01-01T00:00:00Z";

// No manifest, index or configuration is larger; a reader refuses more. Bytes.
inline constexpr uint64_t kOciDocumentLimit = 4u << 20;

using StringMap = std::map<std::string, std::string>;

struct OciDescriptor {
  std::string media_type;
  Digest digest;
  uint64_t size = 0;  // bytes
  StringMap annotations;
  std::string platform{};  // in an index: "linux/amd64", "linux/arm64/v8"; only read, never written
  bool operator==(const OciDescriptor&) const = default;
};

struct OciManifest {
  OciDescriptor config;
  std::vector<OciDescriptor> layers;  // lowest first
  StringMap annotations;
};

struct OciIndex {
  std::vector<OciDescriptor> manifests;
};

struct OciConfig {
  std::string architecture = "amd64";
  std::string os = "linux";
  std::vector<Digest> diff_ids;      // of the uncompressed layers
  std::vector<std::string> history;  // "created by" of each layer; empty, or one per layer
  StringMap labels;
  std::string runtime = "{}";  // JSON object: Env, Cmd, … as a base image gives them, no labels
};

std::string oci_bytes(const OciManifest& manifest);
std::string oci_bytes(const OciIndex& index);
std::string oci_bytes(const OciConfig& config);

// `what` names the document in errors ("the manifest of 5179…"). Throw corrupt on anything that is
// not such a document: other schema versions, media types, digests, sizes. What Docker wrote before
// the specification (schema 2) is the same under other media types, and is given under OCI's.
OciManifest parse_oci_manifest(std::string_view bytes, std::string_view what);
OciIndex parse_oci_index(std::string_view bytes, std::string_view what);
OciConfig parse_oci_config(std::string_view bytes, std::string_view what);

// The layer a name's bytes lie in: the first 8 bytes (big-endian) of SHA-256(name) mod 100, so
// that a changed model changes one layer of at most a hundred.
int model_bin(std::string_view name);

// 32 lower-case hex digits, alone or with "-" and 8 more: a tag that never moves.
bool fixed_tag(std::string_view tag);
// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (distribution specification 1.1); throws invalid.
void check_tag(std::string_view tag);

}  // namespace lockstep
