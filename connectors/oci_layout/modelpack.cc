#include "connectors/oci_layout/modelpack.h"

#include "connectors/oci_layout/image.h"
#include "pipeline/base/error.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

struct Part {
  const char* media_type;
  const char* folder;
};

// By what the image's history says of the layer.
Part part_of(const std::string& made_by) {
  if (made_by == "lockstep: code") return {"application/vnd.cncf.model.code.v1.tar", "code"};
  if (made_by == "lockstep: release") return {"application/vnd.cncf.model.doc.v1.tar", "lockstep"};
  return {"application/vnd.cncf.model.weight.v1.tar", "models"};
}

std::string annotation(const OciManifest& image, const char* name) {
  auto found = image.annotations.find(name);
  return found == image.annotations.end() ? "" : found->second;
}

}  // namespace

ModelPack modelpack_of(const OciManifest& image, const OciConfig& config) {
  const std::string title = annotation(image, "org.opencontainers.image.title");
  const std::string tag = annotation(image, "org.opencontainers.image.version");
  const bool fits =
      config.history.size() == image.layers.size() && config.diff_ids.size() == image.layers.size();
  if (title.empty() || !fits) {
    throw Error(ErrorCode::kCorrupt, "the image is none of a release: it can't be a ModelPack");
  }
  Json layers = Json::array(), diff_ids = Json::array();
  for (size_t i = 0; i < image.layers.size(); ++i) {
    if (config.history[i].rfind("lockstep: ", 0) != 0) continue;
    const Part part = part_of(config.history[i]);
    layers.push_back({{"mediaType", part.media_type},
                      {"digest", image.layers[i].digest.str()},
                      {"size", image.layers[i].size},
                      {"annotations", {{"org.cncf.model.filepath", part.folder}}}});
    diff_ids.push_back(config.diff_ids[i].str());
  }
  if (layers.empty()) throw Error(ErrorCode::kCorrupt, "the image has no layer of ours");
  ModelPack pack;
  pack.config = canonical_json({{"descriptor", {{"name", title}, {"version", tag}}},
                                {"config", Json::object()},
                                {"modelfs", {{"type", "layers"}, {"diffIds", diff_ids}}}});
  pack.config_blob = {kModelPackConfig, sha256(pack.config), pack.config.size(), {}};
  pack.manifest = canonical_json({{"schemaVersion", 2},
                                  {"mediaType", kOciManifestType},
                                  {"artifactType", kModelPackManifest},
                                  {"config",
                                   {{"mediaType", kModelPackConfig},
                                    {"digest", pack.config_blob.digest.str()},
                                    {"size", pack.config_blob.size}}},
                                  {"layers", layers},
                                  {"annotations", image.annotations}});
  return pack;
}

}  // namespace lockstep
