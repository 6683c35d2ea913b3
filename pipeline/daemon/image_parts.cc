#include "pipeline/daemon/image_parts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "connectors/oci_registry/pull.h"
#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"
#include "pipeline/core/names.h"
#include "pipeline/formats/oci.h"

namespace lockstep {
namespace {

constexpr size_t kMostFiles = 10'000;
constexpr uint64_t kMostFile_bytes = 256ull << 20;
constexpr uint64_t kMostListing_bytes = 4 << 20;
constexpr size_t kMostNamed = 3;

std::string too_many_layers(size_t layers) {
  return fmt::format(
      "it would have {} layers, over {}; use a base image with fewer layers (squash it)", layers,
      kMostLayers);
}

// Layers that the models of a release make, with what they were trained on, and the release's own.
size_t model_layers(const Registry& registry, const Release& release) {
  std::set<int> bins;
  for (const auto& [name, entry] : release.models) {
    bins.insert(model_bin(name));
    const ModelState* model = registry.holder(name, entry);
    const Version* version = model ? model->version(entry.version) : nullptr;
    const Json upstreams = version ? version->upstreams.json() : Json::array();
    for (const Json& used : upstreams) {
      bins.insert(model_bin(Digest::parse(used.at("digest").get<std::string>()).str()));
    }
  }
  return bins.size() + 1;
}

// How the bytes of a version that are not here may come.
std::string way_out(const Version* version) {
  const std::string train = "`lockstep run --force STEP` makes another version";
  if (!version || version->imported.empty()) return "restore them from a backup; " + train;
  if (version->imported == "nothing") return "its ledger told no digest of them: " + train;
  return "`lockstep release import LEDGER --models PLACE` brings them; " + train;
}

}  // namespace

void ImageParts::see_base(const std::string& digest, size_t layers) const {
  std::lock_guard<std::mutex> lock(mutex_);
  base_layers_[digest] = layers;
}

// Of an image that was brought here by a process before this one, or that was asked for; else none.
std::optional<size_t> ImageParts::base_layers(const std::string& digest) const {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto seen = base_layers_.find(digest);
    if (seen != base_layers_.end()) return seen->second;
  }
  const Layout layout(parts_.workspace().releases);
  const auto there = layout.find(base_ref(Digest::parse(digest)));
  if (!there) return std::nullopt;
  const size_t layers = layout.manifest(*there).layers.size();
  see_base(digest, layers);
  return layers;
}

std::string ImageParts::unbuildable(const Registry& registry, const Release& release) const {
  std::vector<std::string> missing;
  std::string way;
  for (const auto& [name, entry] : release.models) {
    if (artifacts_.has(entry.digest)) continue;
    const ModelState* model = registry.holder(name, entry);
    if (missing.empty()) way = way_out(model ? model->version(entry.version) : nullptr);
    missing.push_back(fmt::format("{} version {}", name, entry.version));
  }
  if (!missing.empty()) {
    const size_t more = missing.size() - std::min(missing.size(), kMostNamed);
    missing.resize(missing.size() - more);
    return fmt::format("the bytes of {}{} are not here; {}", fmt::join(missing, ", "),
                       more ? fmt::format(" and {} more", more) : "", way);
  }
  if (release.base.empty()) return "";
  const size_t layers = base_layers(release.base).value_or(0) + !release.code.empty() +
                        model_layers(registry, release);
  return layers > kMostLayers ? too_many_layers(layers) : "";
}

// Before anything is trained: of models that are not made yet the names alone are known.
std::string ImageParts::too_many(const ChannelSpec& channel, const std::string& base,
                                 const Graph& graph) const {
  if (base.empty()) return "";
  std::set<int> bins;
  for (const auto& [model, step] : graph.producer) {
    if (std::any_of(channel.models.begin(), channel.models.end(),
                    [&name = model](const std::string& one) { return matches(one, name); })) {
      bins.insert(model_bin(model));
    }
  }
  const size_t layers = base_layers(base).value_or(0) + bins.size() + 1 + !channel.code.empty();
  if (layers <= kMostLayers) return "";
  return fmt::format("channel {} will have no image: {}", channel.name, too_many_layers(layers));
}

std::vector<std::string> ImageParts::problems(const Graph& graph) const {
  std::vector<std::string> found;
  for (const ChannelSpec& channel : graph.channels) {
    if (channel.base.empty()) continue;
    ImageGround ground;
    try {
      resolve(channel.base, ground);
    } catch (const Error& error) {
      const bool wrong = error.code == ErrorCode::kInvalid || error.code == ErrorCode::kNotFound;
      if (!wrong) continue;  // a plan does without it, and says so
      found.push_back(fmt::format("base image {}: {}", channel.base, error.message));
    }
    std::string many = too_many(channel, ground.base, graph);
    if (!many.empty()) found.push_back(std::move(many));
  }
  return found;
}

void ImageParts::resolve(const std::string& ref, ImageGround& ground) const {
  const ImageReference at = parse_image_reference(ref, "latest");
  // A digest may still be that of an index, so it is asked for once; then nothing can change.
  const bool known = at.by_digest() && ground.ref == ref && !ground.base.empty();
  if (known && ground.error.empty() && base_layers(ground.base)) return;
  std::unique_ptr<RegistryClient> registry = parts_.registry_at(at.place);
  const std::string manifest = registry->image_manifest(at.reference);
  ground.base = sha256(manifest).str();
  see_base(ground.base, parse_oci_manifest(manifest, "the manifest of " + ref).layers.size());
  ground.place = at.place;
  ground.ref = ref;
  ground.error.clear();
}

std::string ImageParts::keep_code(const ChannelSpec& channel, const Survey& survey,
                                  const SourceSet& sources) const {
  CodeRepo& repo = *sources.code.at(channel.source);
  const std::vector<CodePath> paths = repo.list(survey.commits.at(channel.source), channel.code);
  if (paths.empty() || paths.size() > kMostFiles) {
    throw Error(
        ErrorCode::kInvalid,
        fmt::format("the code of channel {} is {} files", channel.name, paths.size()),
        fmt::format("its globs should match 1 to {} files of {}", kMostFiles, channel.source));
  }
  std::vector<FolderEntry> entries;
  for (const CodePath& path : paths) {
    if (path.mode != "100644" && path.mode != "100755") {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("{} is neither a file nor a folder: it can't go into an image",
                              printable(path.path)),
                  "links are not followed; name the files themselves");
    }
    const Digest digest = artifacts_.put(repo.blob(path.blob, kMostFile_bytes));
    entries.push_back({path.path, digest, path.mode == "100755", 0});
  }
  return artifacts_.put(folder_listing(std::move(entries))).str();
}

void ImageParts::look_at_base(const std::string& ref, ImageGround& ground, Survey& survey) const {
  try {
    resolve(ref, ground);
  } catch (const Error& error) {
    if (ground.ref == ref && !ground.base.empty() && ground.error.empty()) {
      survey.notes.push_back(fmt::format("base image {}: {}; {} is used, as last time", ref,
                                         error.message, ground.base));
      return;
    }
    ground.ref = ref;
    ground.error = error.message;
  }
}

void ImageParts::look(Survey& survey, const SourceSet& sources,
                      const std::map<std::string, ImageGround>& known) const {
  for (const ChannelSpec& channel : survey.graph->channels) {
    if (channel.base.empty() && channel.code.empty()) continue;
    ImageGround ground;
    auto before = known.find(channel.name);
    if (before != known.end() && !channel.base.empty()) ground = before->second;
    if (!channel.base.empty()) look_at_base(channel.base, ground, survey);
    ground.code.clear();
    ground.code_error.clear();
    try {
      if (!channel.code.empty()) ground.code = keep_code(channel, survey, sources);
    } catch (const Error& error) {
      if (error.code == ErrorCode::kUnavailable) throw;
      ground.code_error = error.what();
    }
    std::string many = too_many(channel, ground.base, *survey.graph);
    if (!many.empty()) survey.notes.push_back(std::move(many));
    survey.images[channel.name] = std::move(ground);
  }
}

void ImageParts::bring_base(const std::string& digest, const std::string& place,
                            ImageSpec& spec) const {
  const fs::path& folder = parts_.workspace().releases;
  const Digest manifest = Digest::parse(digest);
  if (!Layout(folder).find(base_ref(manifest))) {
    std::unique_ptr<RegistryClient> registry = parts_.registry_at(place);
    pull_base(*registry, manifest, folder);
  }
  spec.base = BaseImage{folder, manifest};
}

std::vector<ImageFile> ImageParts::code_files(const std::string& digest) const {
  const Digest listing = Digest::parse(digest);
  if (artifacts_.size(listing) > kMostListing_bytes) {
    throw Error(ErrorCode::kCorrupt, "the listing of serving code " + digest + " is too large");
  }
  std::vector<ImageFile> files;
  for (const FolderEntry& entry : parse_folder_listing(artifacts_.get(listing))) {
    files.push_back({entry.path, entry.digest, entry.executable});
  }
  return files;
}

std::string ImageParts::mount_from(const std::string& place) const {
  if (place.empty() || !parts_.workspace().registry) return "";
  const RegistryPlace there = parse_place(std::string_view(place)),
                      ours = parse_place(std::string_view(parts_.workspace().registry->place));
  const bool same = there.host == ours.host && there.port == ours.port;
  return same && there.repository != ours.repository ? there.repository : "";
}

}  // namespace lockstep
