#include "connectors/oci_layout/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "connectors/oci_layout/layers.h"
#include "connectors/oci_layout/layout.h"
#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"
#include "pipeline/base/json.h"
#include "pipeline/base/point.h"

namespace lockstep {
namespace {

// Layers are looked for in this many images, newest first: what an older one has is read again.
constexpr int kImagesSearched = 32;

[[noreturn]] void refuse(const std::string& why, const std::string& hint = "") {
  throw Error(ErrorCode::kInvalid, "the image can't be built: " + why, hint);
}

void check_manifest(const ImageSpec& spec) {
  Json manifest = parse_json(spec.manifest, "the release's manifest");
  bool same = manifest.is_object() && manifest.size() == spec.models.size();
  for (const ImageModel& model : spec.models) {
    same = same && manifest.contains(model.name) &&
           manifest[model.name] == std::to_string(model.version);
  }
  if (!same) refuse("its models are not those of its manifest");
}

void check_spec(const ImageSpec& spec) {
  std::string md5 = md5_hex(spec.manifest);
  if (spec.tag != md5 && spec.tag != md5 + "-" + spec.content.hex().substr(0, 8)) {
    refuse(
        fmt::format("tag '{}' does not follow from its manifest ({})", printable(spec.tag), md5));
  }
  if (spec.title.empty() || spec.title.size() > 255 || !valid_utf8(spec.title)) {
    refuse("its name is empty, too long or not UTF-8");
  }
  for (const ImageModel& model : spec.models) {
    for (const std::string& part : {model.name, model.file_name}) {
      if (part.find('/') != std::string::npos) {
        refuse(fmt::format("'{}' of model {} has a slash", printable(part), printable(model.name)));
      }
    }
  }
  check_manifest(spec);
}

// recipe → layer, from the newest images of the folder.
std::map<std::string, OciDescriptor> known_layers(const Layout& layout) {
  std::map<std::string, OciDescriptor> known;
  std::vector<LayoutRef> refs = layout.refs();
  std::set<Digest> seen;
  for (auto ref = refs.rbegin(); ref != refs.rend() && seen.size() < kImagesSearched; ++ref) {
    if (!seen.insert(ref->manifest.digest).second) continue;
    try {
      for (const OciDescriptor& layer : layout.manifest(ref->manifest).layers) {
        auto recipe = layer.annotations.find(kLayerRecipe);
        if (recipe != layer.annotations.end() && layout.has_blob(layer)) {
          known.emplace(recipe->second, layer);
        }
      }
    } catch (const Error&) {
      // A broken image of the folder costs only its layers; `release verify` names it.
    }
  }
  return known;
}

struct Build {
  OciManifest manifest;
  OciConfig config;

  void layer(OciDescriptor descriptor, const Digest& diff_id, const std::string& by) {
    manifest.layers.push_back(std::move(descriptor));
    config.diff_ids.push_back(diff_id);
    config.history.push_back(by);
  }
};

void copy_blob(const Layout& from, const OciDescriptor& blob, LayoutWriter& writer) {
  if (writer.layout().has_blob(blob)) return;
  std::ifstream in(from.blob_path(blob.digest), std::ios::binary);
  OciDescriptor copied = writer.stream(
      [&](const ByteSink& sink) {
        std::string buffer(1 << 20, '\0');
        while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())),
               in.gcount() > 0) {
          sink(std::string_view(buffer).substr(0, static_cast<size_t>(in.gcount())));
        }
      },
      blob.media_type);
  if (copied.digest != blob.digest) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("layer {} of the base image in {} is missing or "
                            "has other bytes",
                            blob.digest.str(), from.folder().string()),
                "remove that file: the base image is then pulled again");
  }
}

// The base image's layers and run configuration. Its own history is not kept: tools want exactly
// one entry per layer, and not every image has that.
void start_from(const BaseImage& base, LayoutWriter& writer, Build& build) {
  Layout from(base.layout);
  OciManifest manifest = parse_oci_manifest(from.read_blob(base.manifest), "the base image");
  OciConfig config =
      parse_oci_config(from.read_blob(manifest.config.digest), "the base image's configuration");
  if (config.diff_ids.size() != manifest.layers.size()) {
    throw Error(ErrorCode::kCorrupt, "the base image's configuration names other layers");
  }
  build.config = config;
  build.config.diff_ids.clear();
  build.config.history.clear();
  for (size_t i = 0; i < manifest.layers.size(); ++i) {
    copy_blob(from, manifest.layers[i], writer);
    build.layer(manifest.layers[i], config.diff_ids[i], "base image " + base.manifest.str());
  }
}

void add_layers(const std::vector<LayerPlan>& plans, const BlobPath& blobs, LayoutWriter& writer,
                Build& build) {
  std::map<std::string, OciDescriptor> known = known_layers(writer.layout());
  for (const LayerPlan& plan : plans) {
    auto found = known.find(plan.recipe.hex());
    OciDescriptor layer =
        found != known.end()
            ? found->second
            : writer.stream([&](const ByteSink& sink) { write_layer(plan, blobs, sink); },
                            kOciLayerType);
    layer.annotations = {{kLayerRecipe, plan.recipe.hex()}};
    build.layer(layer, layer.digest, "lockstep: " + plan.title);
  }
}

StringMap labels(const ImageSpec& spec) {
  return {{"org.opencontainers.image.title", spec.title},
          {"org.opencontainers.image.version", spec.tag},
          {"dev.lockstep.manifest.sha256", sha256(spec.manifest).hex()},
          {"dev.lockstep.content", spec.content.hex()}};
}

}  // namespace

std::string code_digest(const std::vector<ImageFile>& code) {
  if (code.empty()) return "";
  std::vector<FolderEntry> entries;
  for (const ImageFile& file : code)
    entries.push_back({file.path, file.digest, file.executable, 0});
  return sha256(folder_listing(std::move(entries))).str();
}

Digest build_image(const ImageSpec& spec, const BlobPath& blobs, const fs::path& layout_folder) {
  check_spec(spec);
  std::vector<LayerPlan> plans = plan_layers(spec, blobs);
  LayoutWriter writer(layout_folder);
  Build build;
  if (spec.base) start_from(*spec.base, writer, build);
  size_t layers = build.manifest.layers.size() + plans.size() + 1;
  if (layers > kMostLayers) {
    refuse(fmt::format("it would have {} layers, over {}", layers, kMostLayers),
           "use a base image with fewer layers (squash it)");
  }
  add_layers(plans, blobs, writer, build);
  OciDescriptor last = writer.put(release_layer(spec), kOciLayerType);
  build.layer(last, last.digest, "lockstep: release");
  for (const auto& [key, value] : labels(spec)) build.config.labels[key] = value;
  build.manifest.annotations = labels(spec);
  build.manifest.config = writer.put(oci_bytes(build.config), kOciConfigType);
  OciDescriptor image = writer.put(oci_bytes(build.manifest), kOciManifestType);
  point("image.manifest.written");
  writer.set_ref(spec.tag, image);
  return image.digest;
}

}  // namespace lockstep
