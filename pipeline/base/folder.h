// A folder as a value: the listing of its files, whose SHA-256 is the folder's digest.
// Knows nothing of where the listed bytes are kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/base/text.h"

namespace lockstep {

struct FolderEntry {
  std::string path;  // relative, '/' between parts
  Digest digest;
  bool executable = false;
  uint64_t size = 0;  // of the file; not part of the listing

  bool operator==(const FolderEntry&) const = default;
};

// Relative, valid UTF-8, at most 4,096 bytes, no empty part, no ".", "..", ".git", no control
// characters, parts of at most 255 bytes.
bool valid_relative_path(std::string_view path);

// Canonical JSON [[path, "sha256:…", executable], …] sorted by the bytes of the path.
std::string folder_listing(std::vector<FolderEntry> entries);
// Reads it back; throws invalid unless it is exactly what folder_listing writes, with valid paths
// of which none is inside another.
std::vector<FolderEntry> parse_folder_listing(std::string_view bytes);

struct FileDigest {
  Digest digest;
  uint64_t size = 0;
  bool executable = false;
};
// Reads a regular file in pieces; throws invalid for a link or a special file.
FileDigest hash_file(const std::filesystem::path& file);

// Every file below `folder`, hashed, sorted; empty folders are not part of it. Throws invalid for
// links, special files and names outside the rule above. Nothing else may write to it meanwhile.
std::vector<FolderEntry> scan_folder(const std::filesystem::path& folder);

}  // namespace lockstep
