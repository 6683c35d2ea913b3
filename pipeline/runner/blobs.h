// The bytes a runner holds: files named by SHA-256, counted by the attempts that need them.
// Knows nothing of what the bytes are. Only the runner's one thread changes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "pipeline/base/digest.h"
#include "pipeline/base/fd.h"

namespace lockstep {

class Blobs {
 public:
  // What no attempt refers to any more stays as a cache, oldest out first, up to `cache_bytes`.
  // `verify`: hash everything that is there (after a power loss) and drop what does not match.
  Blobs(const std::filesystem::path& folder, uint64_t cache_bytes, bool verify);

  bool has(const Digest& digest) const { return blobs_.contains(digest); }
  std::filesystem::path path(const Digest& digest) const { return folder_ / digest.hex(); }
  uint64_t size(const Digest& digest) const;  // throws not_found
  // Moves a file of this file system in. Its bytes are known to match.
  void adopt(const std::filesystem::path& file, const Digest& digest, uint64_t size_bytes);
  void hold(const Digest& digest);     // throws not_found
  void release(const Digest& digest);  // once per hold

 private:
  struct Blob {
    uint64_t size = 0;
    uint64_t holds = 0;
    uint64_t turn = 0;  // when it was released; 0: held, or new and not yet asked for
  };
  void scan(bool verify);
  void trim();

  std::filesystem::path folder_;
  uint64_t cache_bytes_;
  uint64_t cached_ = 0, turn_ = 0;
  std::unordered_map<Digest, Blob, DigestHash> blobs_;
  std::map<uint64_t, Digest> released_;
};

// A blob that arrives in pieces, in order. Dropped with the object unless it became whole.
class Upload {
 public:
  Upload(const std::filesystem::path& folder, const Digest& digest, uint64_t size_bytes);
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;
  // True when the last byte is there, checked, and the blob in `blobs`. Throws invalid for a gap
  // or too many bytes, corrupt when the digest differs, unavailable when the disk is full.
  bool add(uint64_t offset, std::string_view bytes, Blobs& blobs);

 private:
  std::filesystem::path file_;
  Fd fd_;
  Digest digest_;
  uint64_t size_, at_ = 0;
  Sha256 hash_;
};

}  // namespace lockstep
