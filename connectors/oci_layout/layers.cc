#include "connectors/oci_layout/layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "pipeline/formats/oci.h"

namespace lockstep {
namespace {

constexpr uint64_t kListingLimit = 64u << 20;

std::string model_path(const ImageModel& model) {
  std::string folder = "models/" + model.name;
  return model.folder ? folder : folder + "/" + model.file_name;
}

std::string upstream_path(const Digest& digest) {
  return "upstreams/sha256/" + digest.hex();
}

// The files of a folder, from its listing: canonical JSON [[path, digest, executable], …].
std::vector<LayerFile> folder_files(const std::string& root, const Digest& listing,
                                    const BlobPath& blobs) {
  std::string what = fmt::format("the listing {} of {}", listing.str(), root);
  std::string bytes = real_files().read(blobs(listing), kListingLimit);
  if (sha256(bytes) != listing) throw Error(ErrorCode::kCorrupt, what + " has other bytes");
  std::vector<LayerFile> files;
  try {
    for (const Json& entry : parse_json(bytes, what)) {
      files.push_back({fmt::format("{}/{}", root, entry.at(0).get<std::string>()),
                       Digest::parse(entry.at(1).get<std::string>()), entry.at(2).get<bool>()});
    }
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::kCorrupt, fmt::format("{} can't be read: {}", what, e.what()));
  }
  return files;
}

void add(std::vector<LayerFile>& files, const std::string& path, const Digest& digest, bool folder,
         const BlobPath& blobs) {
  if (!folder) {
    files.push_back({path, digest, false});
    return;
  }
  std::vector<LayerFile> inside = folder_files(path, digest, blobs);
  files.insert(files.end(), inside.begin(), inside.end());
}

LayerPlan finished(std::string title, std::vector<LayerFile> files) {
  std::sort(files.begin(), files.end(),
            [](const LayerFile& a, const LayerFile& b) { return a.path < b.path; });
  Json list = Json::array();
  for (size_t i = 0; i < files.size(); ++i) {
    check_tar_path(files[i].path);
    if (i > 0 && files[i].path == files[i - 1].path) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("/{} would be in the image twice", printable(files[i].path)));
    }
    list.push_back({files[i].path, files[i].digest.hex(), files[i].executable});
  }
  Digest recipe = sha256(canonical_json({"lockstep.layer.1", list}));
  return {std::move(title), std::move(files), recipe};
}

void copy_checked(const LayerFile& file, const fs::path& source, TarWriter& tar) {
  std::error_code none;
  uint64_t size = fs::file_size(source, none);
  std::ifstream in(source, std::ios::binary);
  if (none || !in) {
    throw Error(ErrorCode::kUnavailable, fmt::format("cannot read the bytes of /{} ({})",
                                                     printable(file.path), file.digest.str()));
  }
  tar.begin_file(file.path, size, file.executable);
  Sha256 hash;
  std::string buffer(1 << 20, '\0');
  for (uint64_t left = size; left > 0;) {
    in.read(buffer.data(), static_cast<std::streamsize>(std::min<uint64_t>(left, buffer.size())));
    std::string_view part(buffer.data(), static_cast<size_t>(in.gcount()));
    if (part.empty()) break;
    hash.update(part);
    tar.write(part);
    left -= part.size();
  }
  if (hash.finish() != file.digest) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("the bytes of /{} are not {}", printable(file.path), file.digest.str()),
                "the stored file has changed; train the model again or restore it");
  }
}

Json model_json(const ImageModel& model) {
  Json upstreams = Json::array();
  for (const ImageUpstream& up : model.upstreams) {
    upstreams.push_back({{"input", up.input},
                         {"model", up.model},
                         {"version", up.version},
                         {"digest", up.digest.str()},
                         {"path", upstream_path(up.digest)}});
  }
  return {{"version", model.version},
          {"digest", model.digest.str()},
          {"path", model_path(model)},
          {"upstreams", upstreams}};
}

}  // namespace

std::vector<LayerPlan> plan_layers(const ImageSpec& spec, const BlobPath& blobs) {
  std::map<int, std::vector<LayerFile>> bins;
  std::map<Digest, bool> upstreams;  // → is it a folder
  for (const ImageModel& model : spec.models) {
    add(bins[model_bin(model.name)], model_path(model), model.digest, model.folder, blobs);
    for (const ImageUpstream& up : model.upstreams) upstreams.emplace(up.digest, up.folder);
  }
  for (const auto& [digest, folder] : upstreams) {
    add(bins[model_bin(digest.str())], upstream_path(digest), digest, folder, blobs);
  }
  std::vector<LayerPlan> plans;
  if (!spec.code.empty()) {
    std::vector<LayerFile> files;
    for (const ImageFile& f : spec.code)
      files.push_back({"code/" + f.path, f.digest, f.executable});
    plans.push_back(finished("code", std::move(files)));
  }
  for (auto& [bin, files] : bins) {
    if (files.empty()) continue;
    plans.push_back(finished(fmt::format("models, bin {}", bin), std::move(files)));
  }
  return plans;
}

void write_layer(const LayerPlan& plan, const BlobPath& blobs, const ByteSink& sink) {
  TarWriter tar(sink);
  for (const LayerFile& file : plan.files) copy_checked(file, blobs(file.digest), tar);
  tar.finish();
}

std::string release_layer(const ImageSpec& spec) {
  Json models = Json::object();
  for (const ImageModel& model : spec.models) models[model.name] = model_json(model);
  Json release = {
      {"format", 1}, {"tag", spec.tag}, {"content", spec.content.str()}, {"models", models}};
  // Beside the rest all that the content is made of; left out where there is none.
  if (spec.base) release["base"] = spec.base->manifest.str();
  if (!spec.code.empty()) release["code"] = code_digest(spec.code);
  std::string bytes;
  TarWriter tar([&](std::string_view part) { bytes += part; });
  tar.file(kManifestPath, spec.manifest);
  tar.file(kReleasePath, canonical_json(release));
  tar.finish();
  return bytes;
}

}  // namespace lockstep
