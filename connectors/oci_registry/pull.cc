#include "connectors/oci_registry/pull.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <map>

#include "connectors/oci_layout/image.h"
#include "connectors/oci_layout/layers.h"
#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"
#include "pipeline/base/mapped.h"

namespace lockstep {
namespace {

constexpr size_t kMaxBaseLayers = 118;  // with one bin and the release's own layer they are 120
constexpr uint64_t kMaxBase_bytes = 64ull << 30;  // a workflow names it, and it fills our disk

[[noreturn]] void corrupt(const std::string& why) {
  throw Error(ErrorCode::kCorrupt, why,
              "pull it again; `lockstep release verify` where it is made");
}

void write_to(std::ofstream& out, std::string_view bytes, const fs::path& file) {
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (out) return;
  throw Error(ErrorCode::kUnavailable, "cannot write " + file.string(), "is the disk full?");
}

// A folder beside `to`; its `rootfs` becomes `to`, the rest is gone again.
class Beside {
 public:
  explicit Beside(const fs::path& to) : to_(to.has_filename() ? to : to.parent_path()) {
    std::error_code failed;
    const bool there = fs::exists(to_, failed);
    if (there && !(fs::is_directory(to_, failed) && fs::is_empty(to_, failed))) {
      throw Error(ErrorCode::kConflict, to_.string() + " is there and not an empty folder",
                  "name another folder with --to");
    }
    if (!to_.parent_path().empty()) fs::create_directories(to_.parent_path(), failed);
    // A new one, whatever a pull that was killed has left: nothing of that one may get into `to`.
    std::string name =
        (to_.parent_path() / fmt::format(".{}.pull-XXXXXX", to_.filename().string())).string();
    if (!failed && !::mkdtemp(name.data())) failed.assign(errno, std::generic_category());
    folder_ = name;
    if (failed) unusable(folder_, failed);
  }
  ~Beside() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;

  const fs::path& folder() const { return folder_; }
  void publish() {
    std::error_code failed;
    fs::rename(folder_ / "rootfs", to_, failed);
    if (failed) unusable(to_, failed);
  }

 private:
  [[noreturn]] static void unusable(const fs::path& path, const std::error_code& why) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("cannot make {}: {}", path.string(), why.message()));
  }

  fs::path to_, folder_;
};

using Unpacked = std::map<std::string, FolderEntry>;  // by their path in the image

void unpack_file(const TarEntry& entry, const fs::path& root, Unpacked& files) {
  check_tar_path(entry.path);
  if (files.count(entry.path)) corrupt("/" + entry.path + " is in the image twice");
  const fs::path path = root / entry.path;
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  write_to(out, entry.bytes, path);
  out.close();
  if (!out) throw Error(ErrorCode::kUnavailable, "cannot write " + path.string());
  if (entry.executable) fs::permissions(path, fs::perms::owner_exec, fs::perm_options::add);
  files[entry.path] = {entry.path, sha256(entry.bytes), entry.executable, entry.bytes.size()};
}

void unpack(RegistryClient& registry, const OciDescriptor& layer, const fs::path& folder,
            Unpacked& files) {
  if (layer.media_type != kOciLayerType) {
    corrupt(fmt::format("layer {} is {}, not {}", layer.digest.str(), printable(layer.media_type),
                        kOciLayerType));
  }
  const fs::path whole = folder / "layer";
  std::ofstream out(whole, std::ios::binary);
  registry.read_blob(layer, [&](std::string_view part) { write_to(out, part, whole); });
  out.close();
  MappedFile tar(whole);
  each_in_tar(tar.bytes(), [&](const TarEntry& entry) {
    if (entry.type != '0' && entry.type != '5') {
      corrupt(fmt::format("/{} is neither a file nor a folder", printable(entry.path)));
    }
    if (entry.type == '0') unpack_file(entry, folder / "rootfs", files);
    return true;
  });
  fs::remove(whole);
}

// The digest of what is at `path`: a file, or a folder as its listing; what it took is named.
Digest digest_at(const std::string& path, const Unpacked& files, std::set<std::string>& named) {
  auto file = files.find(path);
  if (file != files.end()) {
    named.insert(path);
    return file->second.digest;
  }
  std::vector<FolderEntry> inside;
  const std::string prefix = path + "/";
  for (auto at = files.lower_bound(prefix); at != files.end(); ++at) {
    if (at->first.substr(0, prefix.size()) != prefix) break;
    named.insert(at->first);
    inside.push_back(at->second);
    inside.back().path = at->first.substr(prefix.size());
  }
  if (inside.empty()) corrupt("the image has no /" + printable(path));
  return sha256(folder_listing(std::move(inside)));
}

void check_at(const std::string& what, const std::string& path, const std::string& digest,
              const Unpacked& files, std::set<std::string>& named) {
  const std::string is = digest_at(path, files, named).str();
  if (is != digest) {
    corrupt(fmt::format("{} (/{}) is {}, not {}", printable(what), printable(path), is,
                        printable(digest)));
  }
}

Json check_models(const Json& release, const Unpacked& files) {
  std::set<std::string> named = {kManifestPath, kReleasePath};
  Json models = Json::array();
  for (const auto& [name, model] : release.at("models").items()) {
    const std::string path = model.at("path"), digest = model.at("digest");
    check_at(name, path, digest, files, named);
    for (const Json& used : model.at("upstreams")) {
      check_at(used.at("model"), used.at("path"), used.at("digest"), files, named);
    }
    models.push_back({{"name", name},
                      {"version", model.at("version")},
                      {"sha256", Digest::parse(digest).hex()},
                      {"path", path}});
  }
  if (release.contains("code")) check_at("its code", "code", release.at("code"), files, named);
  for (const auto& [path, file] : files) {
    if (!named.count(path)) corrupt(fmt::format("/{} belongs to no model", printable(path)));
  }
  return models;
}

void check_documents(const ReleaseFiles& documents, const std::string& tag) {
  std::vector<std::string> problems;
  check_release_files(documents, tag, problems);
  check_content(documents, tag, problems);
  if (!problems.empty())
    corrupt("the release " + tag + " is not what it says: " + problems.front());
}

// One layer after the other, each as a whole on the disk before it is read.
OciManifest unpack_all(RegistryClient& registry, const std::string& bytes, const fs::path& folder,
                       Unpacked& files) {
  OciManifest image = parse_oci_manifest(bytes, "the image's manifest");
  if (image.layers.empty()) corrupt("the image has no layers");
  for (const OciDescriptor& layer : image.layers) {
    const bool ours = layer.annotations.count(kLayerRecipe) > 0 || &layer == &image.layers.back();
    if (ours) unpack(registry, layer, folder, files);
  }
  return image;
}

void check_base_size(const std::vector<OciDescriptor>& blobs, const Digest& manifest) {
  uint64_t left = kMaxBase_bytes;
  for (const OciDescriptor& blob : blobs) {
    if (blob.size > left) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("the base image {} says it has over {} GiB", manifest.str(),
                              kMaxBase_bytes >> 30),
                  "use a smaller base image; models are layers of their own");
    }
    left -= blob.size;
  }
}

}  // namespace

ImageReference parse_image_reference(const std::string& text, const std::string& standard) {
  ImageReference out{text, standard};
  const size_t at = text.find('@'), slash = text.rfind('/'), colon = text.rfind(':');
  if (at != std::string::npos) {
    out = {text.substr(0, at), text.substr(at + 1)};
    Digest::parse(out.reference);
  } else if (colon != std::string::npos && slash != std::string::npos && colon > slash) {
    out = {text.substr(0, colon), text.substr(colon + 1)};
    check_tag(out.reference);
  }
  if (out.place.substr(0, 10) == "docker.io/") out.place = "registry-1." + out.place;
  parse_place(out.place);
  return out;
}

std::string base_ref(const Digest& manifest) {
  return "base-" + manifest.hex();
}

void pull_base(RegistryClient& registry, const Digest& manifest, const fs::path& folder) {
  if (Layout(folder).find(base_ref(manifest))) return;
  const std::string bytes = registry.manifest(manifest.str());
  const OciManifest image = parse_oci_manifest(bytes, "the base image " + manifest.str());
  if (image.layers.size() > kMaxBaseLayers) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("the base image {} has {} layers, over {}", manifest.str(),
                            image.layers.size(), kMaxBaseLayers),
                "use a base image with fewer layers (squash it)");
  }
  std::vector<OciDescriptor> blobs = image.layers;
  blobs.push_back(image.config);
  check_base_size(blobs, manifest);
  LayoutWriter writer(folder);
  for (const OciDescriptor& blob : blobs) {
    if (writer.layout().has_blob(blob)) continue;
    writer.stream([&](const ByteSink& sink) { registry.read_blob(blob, sink); }, blob.media_type);
  }
  writer.set_ref(base_ref(manifest), writer.put(bytes, kOciManifestType));
}

Json pull_release(RegistryClient& registry, const std::string& reference, const fs::path& to) {
  const std::string bytes = registry.manifest(reference);
  Beside beside(to);
  Unpacked files;
  const OciManifest image = unpack_all(registry, bytes, beside.folder(), files);
  const fs::path root = beside.folder() / "rootfs";
  if (!files.count(kManifestPath) || !files.count(kReleasePath)) {
    corrupt("the image is none of a release: it has no /" + std::string(kReleasePath));
  }
  const ReleaseFiles documents{real_files().read(root / kManifestPath, kReleaseLayerLimit),
                               real_files().read(root / kReleasePath, kReleaseLayerLimit)};
  Json out;
  try {
    const Json release = parse_json(documents.release, "its release.json");
    const std::string tag = release.at("tag");
    if (fixed_tag(reference) && reference != tag) {
      corrupt(fmt::format("{} holds the release {}", reference, printable(tag)));
    }
    check_documents(documents, tag);
    out = {{"tag", tag}, {"content", release.at("content")}};
    out["models"] = check_models(release, files);
  } catch (const Json::exception& error) {
    corrupt(fmt::format("its release.json can't be read: {}", error.what()));
  }
  uint64_t size = 0;
  for (const auto& [path, file] : files) size += file.size;
  out["image"] = sha256(bytes).str();
  out["files"] = files.size();
  out["bytes"] = size;
  out["layers"] = image.layers.size();
  beside.publish();
  return out;
}

}  // namespace lockstep
