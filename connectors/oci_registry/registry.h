// A repository of an OCI registry: releases are pushed to it, read back and verified.
// Knows nothing of channels' rules, of retries over time or of how images are built.
//
// Distribution specification 1.1. Manifests and blobs go over as they are: digests never change.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "connectors/http/http.h"
#include "connectors/oci_layout/layout.h"
#include "connectors/oci_layout/verify.h"
#include "connectors/oci_registry/auth.h"

namespace lockstep {

struct RegistryOptions {
  // Not set: http for loopback addresses, https for all others.
  std::optional<bool> plain_http;
  Credentials credentials;
  HttpOptions http;
};

struct PushReport {
  Digest image;
  bool was_there = false;  // the tag already was this image
  bool moved = false;      // the channel's tag was not this image before
  int blobs_sent = 0;
  uint64_t bytes_sent = 0;  // of blobs
};

// Used by one thread at a time. Every call throws unavailable (no answer, 429, 5xx), denied
// (401, 403, certificate), not_found or corrupt, naming the registry and the way out.
class RegistryClient {
 public:
  // `place`: "registry.example.org:5000/team/intents"; throws invalid.
  RegistryClient(const std::string& place, RegistryOptions options);

  // Brings the image of a fixed tag to the registry: blobs it lacks, then the manifest, then the
  // tag, then `channel` (if not empty); each manifest is read back and compared. Harmless to
  // repeat. Throws conflict, showing both digests, when the tag is there as another image.
  PushReport push(const fs::path& layout, const std::string& tag, const std::string& channel = "");
  // Lets `channel` mean the release `tag`, which is there already. True: it did not before.
  bool point(const std::string& channel, const std::string& tag);

  // What a tag or digest means now, from the bytes of its manifest; nothing: it is not there.
  std::optional<Digest> resolve(const std::string& reference);
  // The manifest's exact bytes; throws not_found.
  std::string manifest(const std::string& reference);
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
  void send_blob(const Layout& layout, const OciDescriptor& blob);
  void send_missing(const Layout& layout, const OciManifest& manifest, PushReport& report);
  std::string get_blob(const OciDescriptor& blob, uint64_t max_bytes);
  void check_blob(const OciDescriptor& blob, const std::string& what, bool read_blobs,
                  std::vector<std::string>& problems);

  std::string place_;
  std::string repository_;
  Url base_;
  RegistryOptions options_;
  HttpClient http_;
  std::string authorization_;  // the header's value, once the registry asked for one
};

}  // namespace lockstep
