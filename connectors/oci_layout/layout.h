// An OCI image layout on disk: blobs named by their digest, and an index of references.
// Knows nothing of models, releases or registries.
//
// Image specification 1.1, "Image Layout". Several images share one folder and so their equal
// layers. Blobs are written whole and once, index.json last and atomically: after a crash there
// are at most blobs that nothing refers to, which prune() removes.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/base/files.h"
#include "pipeline/formats/oci.h"
#include "pipeline/formats/tar.h"

namespace lockstep {

struct LayoutRef {
  std::string name;  // a fixed tag, or a channel
  OciDescriptor manifest;
};

// Reads need no lock. Writes take one per folder: a second writer gets conflict.
class Layout {
 public:
  explicit Layout(fs::path folder) : folder_(std::move(folder)) {}

  const fs::path& folder() const { return folder_; }
  fs::path blob_path(const Digest& digest) const;
  // Is a blob of this size there? Its bytes are not read.
  bool has_blob(const OciDescriptor& descriptor) const;
  // A small blob (manifest, configuration, the release's own layer); throws not_found, corrupt
  // when the bytes do not have the digest, invalid over `max_bytes`.
  std::string read_blob(const Digest& digest, uint64_t max_bytes = kOciDocumentLimit) const;
  // In the order of index.json: oldest first. Empty when there is no index yet.
  std::vector<LayoutRef> refs() const;
  std::optional<OciDescriptor> find(const std::string& ref) const;
  // find(), or not_found naming the folder.
  OciDescriptor at(const std::string& ref) const;
  OciManifest manifest(const OciDescriptor& descriptor) const;

 private:
  fs::path folder_;
};

// The right to write to one layout folder, creating it when missing.
class LayoutWriter {
 public:
  explicit LayoutWriter(const fs::path& folder);
  ~LayoutWriter();

  const Layout& layout() const { return layout_; }
  // Durable when it returns; a blob that is there is not written again.
  OciDescriptor put(std::string_view bytes, const std::string& media_type);
  // What `fill` sends to its sink becomes a blob, streamed through a temporary file.
  OciDescriptor stream(const std::function<void(const ByteSink&)>& fill,
                       const std::string& media_type);
  // Points `ref` to a manifest that is there. A fixed tag that means another manifest is refused
  // with conflict, showing both; any other reference moves.
  void set_ref(const std::string& ref, OciDescriptor manifest);
  void drop_refs(const std::function<bool(const std::string& ref)>& drop);

 private:
  void write_refs(const std::vector<LayoutRef>& refs);

  Layout layout_;
  FileLock lock_;
};

std::vector<LayoutRef> read_index(const fs::path& folder);
// Lets `channel` mean what `tag` means; throws not_found, or invalid when `channel` could be a
// fixed tag.
void set_ref(const fs::path& folder, const std::string& channel, const std::string& tag);
// Drops every reference that is not in `keep`, then every blob that none of the rest needs.
// Returns the bytes freed.
uint64_t prune(const fs::path& folder, const std::set<std::string>& keep);

}  // namespace lockstep
