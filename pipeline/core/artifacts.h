// The port to the content-addressed store: bytes named by their SHA-256.
// Knows nothing of what the bytes are or who refers to them. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "pipeline/base/digest.h"

namespace lockstep {

class Artifacts {
 public:
  virtual ~Artifacts() = default;
  // Durable when it returns. Putting known bytes again costs one look.
  virtual Digest put(std::string_view bytes) = 0;
  // Takes a file over (moved or copied); verifies that it has the digest when one is given.
  virtual Digest put_file(const std::filesystem::path& file) = 0;
  // Verified on read: throws not_found, or corrupt when the bytes do not match.
  virtual std::string get(const Digest& digest) = 0;
  virtual bool has(const Digest& digest) = 0;
  // Size in bytes; throws not_found.
  virtual uint64_t size(const Digest& digest) = 0;
  // Takes damaged bytes away, so that they can be put again. True: there are none.
  virtual bool drop_damaged(const Digest& digest) = 0;
  // The file that holds the bytes (read-only for the caller); throws not_found.
  virtual std::filesystem::path path(const Digest& digest) = 0;
};

}  // namespace lockstep
