// A repository of an OCI registry: releases are pushed to it, read back and verified.
// Knows nothing of channels' rules, of retries over time or of how images are built.
//
// Distribution specification 1.1. Manifests and blobs go over as they are: digests never change.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connectors/http/http.h"
#include "connectors/oci_layout/layout.h"
#include "connectors/oci_layout/verify.h"
#include "connectors/oci_registry/auth.h"
#include "connectors/oci_registry/upload.h"

namespace lockstep {

struct RegistryOptions {
  // Not set: http for loopback addresses, https for all others.
  std::optional<bool> plain_http;
  Credentials credentials;
  // Asked once, when the registry wants some and `credentials` are empty.
  std::function<Credentials()> find_credentials;
  HttpOptions http;
  // The place is the operator's own: an address there is meant as it stands (http/network.h).
  bool own = true;
  bool modelpack = false;  // push() also brings a ModelPack artifact, as <tag>-modelpack
  // A blob up to this size goes up in one piece. Bytes; at least 1.
  uint64_t chunk_bytes = 16u << 20;
};

struct PushReport {
  Digest image;
  bool was_there = false;  // the tag already was this image
  bool moved = false;      // the channel's tag was not this image before
  int blobs_sent = 0;
  int blobs_mounted = 0;    // taken over from another repository there
  uint64_t bytes_sent = 0;  // of blobs
  int requests = 0;         // in all
};

// Used by one thread at a time. Every call throws unavailable (no answer, 429, 5xx), denied
// (401, 403, certificate), not_found or corrupt, naming the registry and the way out.
class RegistryClient {
 public:
  // `place`: "registry.example.org:5000/team/intents"; throws invalid.
  RegistryClient(const std::string& place, RegistryOptions options);

  // Brings the image of a fixed tag to the registry: blobs it lacks, then the tag, then `channel`
  // (if not empty); each manifest is read back and compared. Blobs of the image that `channel` was
  // are there and not asked for. Where RegistryOptions say so, the same as a ModelPack artifact
  // goes up between tag and channel. `mount_from`: another repository of this registry (or empty)
  // that layers without a recipe of ours may be taken from. Harmless to repeat. Throws conflict,
  // showing both digests, when the tag is there as another image.
  PushReport push(const fs::path& layout, const std::string& tag, const std::string& channel = "",
                  const std::string& mount_from = "");
  // Lets `channel` mean the release `tag`, which is there already. True: it did not before.
  bool point(const std::string& channel, const std::string& tag);

  // What a tag or digest means now, from the bytes of its manifest; nothing: it is not there.
  std::optional<Digest> resolve(const std::string& reference);
  // The manifest's exact bytes; throws not_found.
  std::string manifest(const std::string& reference);
  // Of an image, or of the one for linux/amd64 where `reference` means several (an index).
  std::string image_manifest(const std::string& reference);
  // The blob's bytes, piece by piece; throws corrupt at their end when they are not the blob's.
  void read_blob(const OciDescriptor& blob, const ByteSink& sink);
  // The documents of a release, without reading any model.
  ReleaseFiles release(const std::string& tag);
  // Everything that is wrong with `tag`, which should be `image`; empty: the manifest and every
  // blob are there with their digests. `read_blobs` false asks only for their presence and size.
  std::vector<std::string> verify(const std::string& tag, const Digest& image,
                                  bool read_blobs = true);

 private:
  Url url(const std::string& path) const;
  HttpResponse ask(HttpRequest request);
  HttpResponse ask_authorized(HttpRequest& request);
  [[noreturn]] void refused(const HttpResponse& answer, const std::string& what) const;
  std::optional<std::string> find_manifest(const std::string& reference);
  void put_manifest(const std::string& reference, const std::string& bytes, const Digest& digest);
  bool has_blob(const OciDescriptor& blob);
  UploadDoor upload_door();
  void send_blob(const Layout& layout, const OciDescriptor& blob, const std::string& mount_from,
                 PushReport& report);
  void send_missing(const Layout& layout, const OciManifest& manifest, std::set<Digest> there,
                    const std::string& mount_from, PushReport& report);
  void send_modelpack(const Layout& layout, const std::string& tag, const std::string& image);
  void send_image(const Layout& layout, const std::string& tag, const std::string& bytes,
                  const std::set<Digest>& there, const std::string& mount_from, PushReport& report);
  std::string get_blob(const OciDescriptor& blob, uint64_t max_bytes);
  void check_blob(const OciDescriptor& blob, const std::string& what, bool read_blobs,
                  std::vector<std::string>& problems);

  std::string place_;
  std::string repository_;
  Url base_;
  RegistryOptions options_;
  HttpClient http_;
  std::string authorization_;  // the header's value, once the registry asked for one
  int requests_ = 0;
};

}  // namespace lockstep
