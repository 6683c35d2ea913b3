// A small release and the store of bytes it is built from, for the tests of images.
// Knows nothing of layouts or registries.
#pragma once

#include <fmt/format.h>

#include <map>
#include <string>

#include "connectors/oci_layout/image.h"
#include "pipeline/base/error.h"
#include "pipeline/base/json.h"

namespace lockstep {

class SampleStore {
 public:
  Digest put(const std::string& bytes) {
    Digest digest = sha256(bytes);
    real_files().write_atomic(folder_.path() / digest.hex(), bytes);
    return digest;
  }
  BlobPath reader() {
    return [this](const Digest& digest) {
      ++reads[digest];
      fs::path path = folder_.path() / digest.hex();
      if (!fs::exists(path)) throw Error(ErrorCode::kNotFound, digest.str() + " is not stored");
      return path;
    };
  }
  fs::path path(const Digest& digest) const { return folder_.path() / digest.hex(); }

  std::map<Digest, int> reads;

 private:
  TempFolder folder_;
};

// intent-client-1 … `count`, all at version 1 unless `versions` says otherwise, each trained on
// one trunk that is not listed.
inline ImageSpec sample_release(SampleStore& store, int count = 8,
                                const std::map<int, int64_t>& versions = {}) {
  ImageSpec spec;
  spec.title = "intents";
  Json manifest = Json::object();
  Digest trunk = store.put("trunk weights");
  for (int i = 1; i <= count; ++i) {
    auto other = versions.find(i);
    ImageModel model;
    model.name = fmt::format("intent-client-{}", i);
    model.version = other == versions.end() ? 1 : other->second;
    model.digest = store.put(fmt::format("weights of {} at {}", model.name, model.version));
    model.upstreams = {{"trunk", "trunk", 1, trunk, false}};
    manifest[model.name] = std::to_string(model.version);
    spec.models.push_back(model);
  }
  spec.manifest = canonical_json(manifest);
  spec.tag = md5_hex(spec.manifest);
  spec.content = sha256("content of " + spec.manifest);
  return spec;
}

}  // namespace lockstep
