#include "connectors/oci_layout/layout.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "pipeline/base/error.h"
#include "pipeline/base/point.h"

namespace lockstep {
namespace {

constexpr const char* kLayoutFile = R"({"imageLayoutVersion":"1.0.0"})";
constexpr const char* kTemporary = ".lockstep-tmp";
constexpr size_t kMostRefs = 10'000;  // as parse_oci_index takes: an index with more can't be read

// A temporary file that hashes what it is given; gone again unless it is published.
class BlobFile {
 public:
  explicit BlobFile(fs::path path)
      : path_(std::move(path)), file_(std::fopen(path_.c_str(), "wbx")) {
    if (!file_) failed("create");
  }
  ~BlobFile() {
    close();
    ::unlink(path_.c_str());
  }
  BlobFile(const BlobFile&) = delete;
  BlobFile& operator=(const BlobFile&) = delete;

  void write(std::string_view bytes) {
    hash_.update(bytes);
    size_ += bytes.size();
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) failed("write");
  }
  Digest finish() {
    if (std::fflush(file_) != 0) failed("write");
    close();
    return hash_.finish();
  }
  uint64_t size() const { return size_; }
  const fs::path& path() const { return path_; }

 private:
  [[noreturn]] void failed(const char* verb) {
    int number = errno;
    std::string hint = number == ENOSPC ? "free some space; nothing was half-written" : "";
    throw Error(ErrorCode::kUnavailable,
                fmt::format("cannot {} {}: {}", verb, path_.string(), std::strerror(number)), hint);
  }
  void close() {
    if (file_) std::fclose(file_);
    file_ = nullptr;
  }

  fs::path path_;
  std::FILE* file_;
  Sha256 hash_;
  uint64_t size_ = 0;
};

void require_layout_version(const fs::path& folder) {
  std::string bytes = real_files().read(folder / "oci-layout", 4096);
  if (bytes.find("\"1.0.0\"") == std::string::npos) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{} is not an OCI image layout of version 1.0.0", folder.string()));
  }
}

[[noreturn]] void unusable(const fs::path& folder, const std::error_code& why) {
  throw Error(ErrorCode::kUnavailable,
              fmt::format("cannot use the image layout {}: {}", folder.string(), why.message()));
}

const fs::path& with_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder / "blobs" / "sha256", failed);
  if (failed) unusable(folder, failed);
  return folder;
}

}  // namespace

// ---- reading --------------------------------------------------------------------------------

fs::path Layout::blob_path(const Digest& digest) const {
  return folder_ / "blobs" / "sha256" / digest.hex();
}

bool Layout::has_blob(const OciDescriptor& descriptor) const {
  std::error_code none;
  uint64_t size = fs::file_size(blob_path(descriptor.digest), none);
  return !none && size == descriptor.size;
}

std::string Layout::read_blob(const Digest& digest, uint64_t max_bytes) const {
  std::string bytes = real_files().read(blob_path(digest), max_bytes);
  if (sha256(bytes) != digest) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("blob {} of {} has other bytes", digest.str(), folder_.string()),
                "remove that file and build the release again");
  }
  return bytes;
}

std::vector<LayoutRef> Layout::refs() const {
  fs::path path = folder_ / "index.json";
  if (!fs::exists(path)) return {};
  std::vector<LayoutRef> refs;
  for (OciDescriptor& d :
       parse_oci_index(real_files().read(path, kOciDocumentLimit), path.string()).manifests) {
    auto name = d.annotations.find(kOciRefName);
    if (name != d.annotations.end()) refs.push_back({name->second, std::move(d)});
  }
  return refs;
}

std::optional<OciDescriptor> Layout::find(const std::string& ref) const {
  for (const LayoutRef& known : refs()) {
    if (known.name == ref) return known.manifest;
  }
  return std::nullopt;
}

OciDescriptor Layout::at(const std::string& ref) const {
  if (auto found = find(ref)) return *found;
  throw Error(ErrorCode::kNotFound,
              fmt::format("{} holds no image '{}'", folder_.string(), printable(ref)));
}

OciManifest Layout::manifest(const OciDescriptor& descriptor) const {
  return parse_oci_manifest(read_blob(descriptor.digest), "manifest " + descriptor.digest.str());
}

// ---- writing --------------------------------------------------------------------------------

LayoutWriter::LayoutWriter(const fs::path& folder)
    : layout_(with_folder(folder)),
      lock_(folder / ".lockstep-lock", "the image layout " + folder.string()) {
  std::error_code failed;
  if (fs::exists(folder / "oci-layout", failed)) {
    require_layout_version(folder);
  } else {
    real_files().write_atomic(folder / "oci-layout", kLayoutFile);
  }
  // Under the lock: what lies there is the rest of a crash.
  fs::remove_all(folder / kTemporary, failed);
  if (!failed) fs::create_directory(folder / kTemporary, failed);
  if (failed) unusable(folder, failed);
}

LayoutWriter::~LayoutWriter() {
  std::error_code ignored;
  fs::remove_all(layout_.folder() / kTemporary, ignored);
}

OciDescriptor LayoutWriter::put(std::string_view bytes, const std::string& media_type) {
  OciDescriptor descriptor{media_type, sha256(bytes), bytes.size(), {}};
  if (layout_.has_blob(descriptor) &&
      real_files().read(layout_.blob_path(descriptor.digest)) == bytes) {
    return descriptor;
  }
  return stream([&](const ByteSink& sink) { sink(bytes); }, media_type);
}

OciDescriptor LayoutWriter::stream(const std::function<void(const ByteSink&)>& fill,
                                   const std::string& media_type) {
  BlobFile file(layout_.folder() / kTemporary / "blob");
  fill([&](std::string_view bytes) { file.write(bytes); });
  OciDescriptor descriptor{media_type, file.finish(), file.size(), {}};
  point("image.blob.written");
  real_files().publish(file.path(), layout_.blob_path(descriptor.digest));
  return descriptor;
}

void LayoutWriter::set_ref(const std::string& ref, OciDescriptor manifest) {
  check_tag(ref);
  std::vector<LayoutRef> refs = layout_.refs();
  auto known =
      std::find_if(refs.begin(), refs.end(), [&](const LayoutRef& r) { return r.name == ref; });
  if (known != refs.end()) {
    if (known->manifest.digest == manifest.digest) return;
    if (fixed_tag(ref)) {
      throw Error(ErrorCode::kConflict,
                  fmt::format("tag {} of {} is image {}; it can't become {}", ref,
                              layout_.folder().string(), known->manifest.digest.str(),
                              manifest.digest.str()),
                  "a fixed tag never moves; `lockstep release rebuild --reason` makes another");
    }
    refs.erase(known);
  }
  manifest.annotations[kOciRefName] = ref;
  refs.push_back({ref, std::move(manifest)});
  write_refs(refs);
}

void LayoutWriter::drop_refs(const std::function<bool(const std::string& ref)>& drop) {
  std::vector<LayoutRef> kept;
  std::vector<LayoutRef> refs = layout_.refs();
  for (const LayoutRef& ref : refs) {
    if (!drop(ref.name)) kept.push_back(ref);
  }
  if (kept.size() != refs.size()) write_refs(kept);
}

void LayoutWriter::write_refs(const std::vector<LayoutRef>& refs) {
  OciIndex index;
  for (const LayoutRef& ref : refs) index.manifests.push_back(ref.manifest);
  std::string bytes = oci_bytes(index);
  if (bytes.size() > kOciDocumentLimit || refs.size() > kMostRefs) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("{} holds too many images for one index ({})",
                            layout_.folder().string(), refs.size()),
                "`lockstep gc` drops releases that are not kept");
  }
  point("image.index.before");
  real_files().write_atomic(layout_.folder() / "index.json", bytes);
  point("image.index.after");
}

// ---- the folder as a whole ------------------------------------------------------------------

std::vector<LayoutRef> read_index(const fs::path& folder) {
  return Layout(folder).refs();
}

void set_ref(const fs::path& folder, const std::string& channel, const std::string& tag) {
  if (fixed_tag(channel)) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("'{}' can't be a channel: it looks like a release's tag", channel));
  }
  LayoutWriter writer(folder);
  writer.set_ref(channel, writer.layout().at(tag));
}

namespace {

uint64_t remove_blobs_except(const fs::path& folder, const std::set<std::string>& needed) try {
  uint64_t freed = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / "blobs" / "sha256")) {
    if (needed.count(entry.path().filename().string())) continue;
    uint64_t size = entry.is_regular_file() ? entry.file_size() : 0;
    real_files().remove(entry.path());
    freed += size;
  }
  return freed;
} catch (const fs::filesystem_error& e) {
  unusable(folder, e.code());
}

}  // namespace

uint64_t prune(const fs::path& folder, const std::set<std::string>& keep) {
  LayoutWriter writer(folder);
  writer.drop_refs([&](const std::string& ref) { return keep.count(ref) == 0; });
  std::set<std::string> needed;
  for (const LayoutRef& ref : writer.layout().refs()) {
    if (!needed.insert(ref.manifest.digest.hex()).second) continue;
    OciManifest manifest = writer.layout().manifest(ref.manifest);
    needed.insert(manifest.config.digest.hex());
    for (const OciDescriptor& layer : manifest.layers) needed.insert(layer.digest.hex());
  }
  return remove_blobs_except(folder, needed);
}

}  // namespace lockstep
