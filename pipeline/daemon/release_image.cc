#include "pipeline/daemon/release_image.h"

#include <fmt/format.h>

#include <fstream>

#include "pipeline/base/folder.h"

namespace lockstep {
namespace {

struct ModelFile {
  std::string name = "model";
  bool folder = false;
};

// Of bytes that nothing is recorded of: what they are says it.
ModelFile by_its_bytes(const Digest& digest, ArtifactStore& artifacts) {
  constexpr uint64_t kMostListing_bytes = 64 << 20;
  ModelFile file;
  if (!artifacts.has(digest)) return file;
  std::ifstream in(artifacts.path(digest), std::ios::binary);
  std::string head(9, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(in.gcount()));
  // A safetensors file begins with the length of its header, 8 bytes, and the header, an object.
  if (head.size() == 9 && head.back() == '{' && head[6] == 0 && head[7] == 0) {
    file.name = "model.safetensors";
  }
  if (!head.starts_with("[[\"") || artifacts.size(digest) > kMostListing_bytes) return file;
  try {
    file.folder = !parse_folder_listing(artifacts.get(digest)).empty();
  } catch (const Error& error) {
    if (error.code != ErrorCode::kInvalid) throw;  // else: a file that only begins like one
  }
  return file;
}

// The file a version's bytes were written as: from its recipe's outputs, without the folders.
ModelFile model_file(Engine& engine, const Version& version, ArtifactStore& artifacts) {
  if (version.recipe.empty()) return by_its_bytes(version.digest, artifacts);
  ModelFile file;
  Json recipe = parse_json(version.recipe, "the recipe of " + version.model);
  std::string path = recipe.value("outputs", Json::object()).value("model", "model");
  file.name = path.substr(path.rfind('/') + 1);
  const ResultRecord* result = engine.past().result(version.fingerprint);
  if (result && result->folders.count("model")) file.folder = result->folders.at("model");
  return file;
}

ImageModel image_model(Engine& engine, const std::string& name, const Version& version,
                       ArtifactStore& artifacts) {
  ModelFile file = model_file(engine, version, artifacts);
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
    bool folder = made && model_file(engine, *made, artifacts).folder;
    model.upstreams.push_back({used.at("input"), upstream, number,
                               Digest::parse(used.at("digest").get<std::string>()), folder});
  }
  return model;
}

}  // namespace

ImageSpec release_image(Engine& engine, const std::string& tag, ArtifactStore& artifacts) {
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
    spec.models.push_back(image_model(engine, name, *version, artifacts));
  }
  return spec;
}

}  // namespace lockstep
