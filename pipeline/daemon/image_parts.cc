#include "pipeline/daemon/image_parts.h"

#include <fmt/format.h>

#include "connectors/oci_registry/pull.h"
#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"

namespace lockstep {
namespace {

constexpr size_t kMostFiles = 10'000;
constexpr uint64_t kMostFile_bytes = 256ull << 20;
constexpr uint64_t kMostListing_bytes = 4 << 20;

}  // namespace

void ImageParts::resolve(const std::string& ref, ImageGround& ground) const {
  const ImageReference at = parse_image_reference(ref, "latest");
  // A digest may still be that of an index, so it is asked for once; then nothing can change.
  if (at.by_digest() && ground.ref == ref && !ground.base.empty() && ground.error.empty()) return;
  std::unique_ptr<RegistryClient> registry = parts_.registry_at(at.place);
  ground.base = sha256(registry->image_manifest(at.reference)).str();
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
