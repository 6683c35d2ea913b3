#include "connectors/oci_layout/verify.h"

#include <fmt/format.h>

#include <fstream>

#include "connectors/oci_layout/layers.h"
#include "pipeline/base/error.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

std::string tar_file(std::string_view tar, const char* path) {
  if (auto bytes = find_in_tar(tar, path)) return std::string(*bytes);
  throw Error(ErrorCode::kCorrupt, fmt::format("the image's last layer has no /{}", path),
              "only images of releases carry it");
}

void check_blob(const Layout& layout, const OciDescriptor& blob, const std::string& what,
                std::vector<std::string>& problems) {
  std::ifstream in(layout.blob_path(blob.digest), std::ios::binary);
  if (!in) {
    problems.push_back(fmt::format("{} {} is missing", what, blob.digest.str()));
    return;
  }
  Sha256 hash;
  uint64_t size = 0;
  std::string buffer(1 << 20, '\0');
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), in.gcount() > 0) {
    hash.update(std::string_view(buffer).substr(0, static_cast<size_t>(in.gcount())));
    size += static_cast<uint64_t>(in.gcount());
  }
  if (size != blob.size) {
    problems.push_back(
        fmt::format("{} {} has {} bytes, not {}", what, blob.digest.str(), size, blob.size));
  } else if (hash.finish() != blob.digest) {
    problems.push_back(fmt::format("{} {} has other bytes", what, blob.digest.str()));
  }
}

void check_config(const Layout& layout, const OciManifest& manifest,
                  std::vector<std::string>& problems) {
  OciConfig config = parse_oci_config(layout.read_blob(manifest.config.digest), "configuration");
  if (config.diff_ids.size() != manifest.layers.size()) {
    problems.push_back(fmt::format("the configuration names {} layers, the manifest {}",
                                   config.diff_ids.size(), manifest.layers.size()));
    return;
  }
  for (size_t i = 0; i < manifest.layers.size(); ++i) {
    const OciDescriptor& layer = manifest.layers[i];
    // A compressed layer's diff_id is of its unpacked bytes, which are not looked at here.
    if (layer.media_type == kOciLayerType && layer.digest != config.diff_ids[i]) {
      problems.push_back(fmt::format("the configuration names layer {} as {}, the manifest as {}",
                                     i, config.diff_ids[i].str(), layer.digest.str()));
    }
  }
}

std::string last_layer(const Layout& layout, const OciManifest& manifest) {
  if (manifest.layers.empty()) throw Error(ErrorCode::kCorrupt, "the image has no layers");
  return layout.read_blob(manifest.layers.back().digest, kReleaseLayerLimit);
}

}  // namespace

ReleaseFiles release_files(std::string_view last_layer) {
  return {tar_file(last_layer, kManifestPath), tar_file(last_layer, kReleasePath)};
}

ReleaseFiles read_release(const fs::path& folder, const std::string& tag) {
  Layout layout(folder);
  return release_files(last_layer(layout, layout.manifest(layout.at(tag))));
}

void check_release_files(const ReleaseFiles& files, const std::string& tag,
                         std::vector<std::string>& problems) {
  std::string md5 = md5_hex(files.manifest);
  if (md5 != tag.substr(0, 32)) {
    problems.push_back(fmt::format("its manifest has the MD5 {}, not {}", md5, printable(tag)));
  }
  try {
    Json manifest = parse_json(files.manifest, "its manifest.json");
    Json release = parse_json(files.release, "its release.json");
    if (release.at("tag") != tag) problems.push_back("its release.json names another tag");
    Json versions = Json::object();
    for (const auto& [name, model] : release.at("models").items()) {
      versions[name] = std::to_string(model.at("version").get<int64_t>());
    }
    if (versions != manifest) problems.push_back("its release.json names other versions");
  } catch (const Json::exception& e) {
    problems.push_back(fmt::format("its release.json can't be read: {}", e.what()));
  } catch (const Error& e) {
    problems.push_back(e.message);
  }
}

void check_content(const ReleaseFiles& files, const std::string& tag,
                   std::vector<std::string>& problems) try {
  const Json release = parse_json(files.release, "its release.json");
  Json models = Json::object();
  for (const auto& [name, model] : release.at("models").items()) models[name] = model.at("digest");
  const std::string content = sha256(canonical_json({{"format", 1},
                                                     {"manifest", files.manifest},
                                                     {"models", std::move(models)},
                                                     {"base", release.value("base", Json())},
                                                     {"code", release.value("code", Json())}}))
                                  .str();
  const std::string said = release.at("content").get<std::string>();
  if (said != content) {
    problems.push_back(fmt::format("its release.json calls its content {}, which is {}",
                                   printable(said), content));
  }
  if (tag.size() > 33 && tag.substr(33) != content.substr(7, 8)) {
    problems.push_back(fmt::format("its content {} is not that of {}", content, printable(tag)));
  }
} catch (const Json::exception& e) {
  problems.push_back(fmt::format("its release.json can't be read: {}", e.what()));
} catch (const Error& e) {
  problems.push_back(e.message);
}

std::vector<std::string> verify_layout(const fs::path& folder, const std::string& tag) {
  Layout layout(folder);
  std::vector<std::string> problems;
  // What is wrong with one part becomes a sentence; the other parts are looked at all the same.
  auto checked = [&](auto check) {
    try {
      check();
    } catch (const Error& e) {
      problems.push_back(e.message);
    }
  };
  checked([&] {
    OciDescriptor image = layout.at(tag);
    check_blob(layout, image, "manifest", problems);
    if (!problems.empty()) return;
    OciManifest manifest = layout.manifest(image);
    check_blob(layout, manifest.config, "configuration", problems);
    bool config = problems.empty();
    for (const OciDescriptor& layer : manifest.layers) {
      check_blob(layout, layer, "layer", problems);
    }
    if (config) checked([&] { check_config(layout, manifest, problems); });
    std::vector<std::string> last;
    if (!manifest.layers.empty()) check_blob(layout, manifest.layers.back(), "layer", last);
    if (!fixed_tag(tag) || !last.empty()) return;
    checked(
        [&] { check_release_files(release_files(last_layer(layout, manifest)), tag, problems); });
  });
  return problems;
}

}  // namespace lockstep
