// Images brought from a registry to this machine: a base image into a layout, or the models of a
// release into a folder, every byte of them checked.
// Knows nothing of workspaces, of what is built on a base image, or of who asks.
#pragma once

#include <string>

#include "connectors/oci_registry/registry.h"
#include "pipeline/base/json.h"

namespace lockstep {

// "HOST[:PORT]/REPOSITORY[:TAG|@sha256:…]".
struct ImageReference {
  std::string place;      // host[:port]/repository
  std::string reference;  // a tag, or a digest
  bool by_digest() const { return reference.substr(0, 7) == "sha256:"; }
};
// `standard`: the tag where none is written. docker.io means its registry, registry-1.docker.io.
// Throws invalid.
ImageReference parse_image_reference(const std::string& text, const std::string& standard);

// Brings the image's layers, configuration and manifest to the layout, under a reference of its
// own (base_ref). What is there is not asked for. Throws as RegistryClient does, and invalid where
// its layers are nothing an image of ours can start from.
void pull_base(RegistryClient& registry, const Digest& manifest, const fs::path& layout);
// The reference under which a layout holds a base image.
std::string base_ref(const Digest& manifest);

// Brings models, upstreams, code and the two documents of a release into `to`, a folder that is not
// there yet or empty; a base image's layers are left out. Checked are: each layer against its
// digest, the manifest's MD5 against the tag (where a tag was asked for that is one), the content
// that the documents name, and each model, upstream and the code against the digest named there.
// Only then is anything in `to`.
// {"tag","image":"sha256:…","content","models":[{"name","version","sha256","path"}],"files":N,
//  "bytes":N,"layers":N}
// Throws as RegistryClient does; corrupt where any of that does not agree, naming it; conflict
// where `to` holds something.
Json pull_release(RegistryClient& registry, const std::string& reference, const fs::path& to);

}  // namespace lockstep
