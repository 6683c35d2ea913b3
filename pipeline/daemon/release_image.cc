#include "pipeline/daemon/release_image.h"

#include <fmt/format.h>

namespace lockstep {
namespace {

struct ModelFile {
  std::string name = "model";
  bool folder = false;
};

// The file a version's bytes were written as: from its recipe's outputs, without the folders.
ModelFile model_file(Engine& engine, const Version& version) {
  ModelFile file;
  Json recipe = parse_json(version.recipe, "the recipe of " + version.model);
  std::string path = recipe.value("outputs", Json::object()).value("model", "model");
  file.name = path.substr(path.rfind('/') + 1);
  const ResultRecord* result = engine.past().result(version.fingerprint);
  if (result && result->folders.count("model")) file.folder = result->folders.at("model");
  return file;
}

ImageModel image_model(Engine& engine, const std::string& name, const Version& version) {
  ModelFile file = model_file(engine, version);
  ImageModel model;
  model.name = name;
  model.version = version.number;
  model.digest = version.digest;
  model.folder = file.folder;
  model.file_name = file.name;
  for (const Json& used : version.upstreams.json()) {
    std::string upstream = used.at("model");
    int64_t number = used.at("version");
    const ModelState* state = engine.registry().model(engine.registry().name_today(upstream));
    const Version* made = state ? state->version(number) : nullptr;
    bool folder = made && model_file(engine, *made).folder;
    model.upstreams.push_back({used.at("input"), upstream, number,
                               Digest::parse(used.at("digest").get<std::string>()), folder});
  }
  return model;
}

}  // namespace

ImageSpec release_image(Engine& engine, const std::string& tag) {
  const ReleaseState* state = engine.registry().release(tag);
  if (!state) throw Error(ErrorCode::kNotFound, "no release is called " + tag);
  ImageSpec spec;
  spec.title = state->release.channel;
  for (const ChannelSpec& channel : engine.channels()) {
    if (channel.name == state->release.channel) spec.title = channel.image;
  }
  spec.tag = tag;
  spec.manifest = manifest_of(state->release);
  spec.content = state->release.content;
  for (const auto& [name, entry] : state->release.models) {
    const ModelState* model = engine.registry().holder(name, entry);
    const Version* version = model ? model->version(entry.version) : nullptr;
    if (!version) {
      throw Error(ErrorCode::kCorrupt,
                  fmt::format("release {} names {} version {}, which the registry does not have",
                              tag, name, entry.version));
    }
    spec.models.push_back(image_model(engine, name, *version));
  }
  return spec;
}

}  // namespace lockstep
