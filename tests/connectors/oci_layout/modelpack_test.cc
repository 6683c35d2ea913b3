#include "connectors/oci_layout/modelpack.h"

#include <algorithm>
#include <set>

#include "connectors/oci_layout/image.h"
#include "connectors/oci_layout/layout.h"
#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "tests/catch.h"
#include "tests/connectors/oci_layout/sample.h"

using namespace lockstep;

namespace {

std::set<std::string> keys(const Json& object) {
  std::set<std::string> names;
  for (const auto& [name, value] : object.items()) names.insert(name);
  return names;
}

bool within(const std::set<std::string>& some, const std::set<std::string>& all) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

// The rules of the published schema (config-schema.json of modelpack/model-spec), in our words.
void check_config(const Json& config) {
  CHECK(keys(config) == std::set<std::string>{"config", "descriptor", "modelfs"});
  CHECK(within(keys(config["descriptor"]),
               {"createdAt", "authors", "family", "name", "docURL", "sourceURL", "datasetsURL",
                "version", "revision", "vendor", "licenses", "title", "description"}));
  CHECK_FALSE(config["descriptor"]["name"].get<std::string>().empty());
  CHECK(config["descriptor"]["version"].is_string());
  CHECK(within(keys(config["config"]), {"architecture", "format", "paramSize", "precision",
                                        "quantization", "transformerConfig", "capabilities"}));
  CHECK(keys(config["modelfs"]) == std::set<std::string>{"diffIds", "type"});
  CHECK(config["modelfs"]["type"] == "layers");
  REQUIRE(config["modelfs"]["diffIds"].size() >= 1);
  for (const Json& id : config["modelfs"]["diffIds"]) {
    CHECK_NOTHROW(Digest::parse(id.get<std::string>()));
  }
}

}  // namespace

TEST_CASE("modelpack: the image's own blobs under the specification's types") {
  SampleStore store;
  TempFolder folder;
  ImageSpec spec = sample_release(store, 8);
  spec.code = {{"serve.py", store.put("print()"), false}};
  build_image(spec, store.reader(), folder.path());
  Layout layout(folder.path());
  const OciManifest image = layout.manifest(layout.at(spec.tag));
  const OciConfig config = parse_oci_config(layout.read_blob(image.config.digest), "c");
  const ModelPack pack = modelpack_of(image, config);
  check_config(parse_json(pack.config, "config"));
  const Json manifest = parse_json(pack.manifest, "manifest");
  CHECK(manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json");
  CHECK(manifest["mediaType"] == kOciManifestType);
  CHECK(manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json");
  CHECK(manifest["config"]["digest"] == sha256(pack.config).str());
  REQUIRE(manifest["layers"].size() == image.layers.size());
  std::set<std::string> folders;
  for (size_t i = 0; i < image.layers.size(); ++i) {
    const Json& layer = manifest["layers"][i];
    CHECK(layer["digest"] == image.layers[i].digest.str());
    CHECK(layer["size"] == image.layers[i].size);
    CHECK(layer["mediaType"].get<std::string>().rfind("application/vnd.cncf.model.", 0) == 0);
    folders.insert(layer["annotations"]["org.cncf.model.filepath"].get<std::string>());
  }
  CHECK(folders == std::set<std::string>{"code", "lockstep", "models"});
  CHECK(manifest["layers"][0]["mediaType"] == "application/vnd.cncf.model.code.v1.tar");
  CHECK(manifest["layers"].back()["mediaType"] == "application/vnd.cncf.model.doc.v1.tar");
  CHECK(modelpack_of(image, config).manifest == pack.manifest);
  CHECK_NOTHROW(parse_oci_manifest(pack.manifest, "as an image's"));
}

TEST_CASE("modelpack: a base image's layers are no part of it, and other images are refused") {
  OciManifest image;
  OciConfig config;
  for (const char* by : {"base image sha256:1", "lockstep: models, bin 7", "lockstep: release"}) {
    image.layers.push_back({kOciLayerType, sha256(by), 5, {}});
    config.diff_ids.push_back(sha256(by));
    config.history.push_back(by);
  }
  CHECK_THROWS_AS(modelpack_of(image, config), Error);
  image.annotations = {{"org.opencontainers.image.title", "intents"},
                       {"org.opencontainers.image.version", std::string(32, 'a')}};
  const Json manifest = parse_json(modelpack_of(image, config).manifest, "manifest");
  REQUIRE(manifest["layers"].size() == 2);
  CHECK(manifest["layers"][0]["digest"] == image.layers[1].digest.str());
  config.history.pop_back();
  CHECK_THROWS_AS(modelpack_of(image, config), Error);
  config.history = {"x", "y", "z"};
  CHECK_THROWS_AS(modelpack_of(image, config), Error);
}
