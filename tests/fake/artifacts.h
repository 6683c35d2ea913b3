// Artifacts in memory. Knows nothing of files: path() is not to be had.
#pragma once

#include <map>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/core/artifacts.h"

namespace lockstep {

class FakeArtifacts : public Artifacts {
 public:
  std::map<Digest, std::string> all;

  Digest put(std::string_view bytes) override {
    Digest digest = sha256(bytes);
    all[digest] = bytes;
    return digest;
  }
  Digest put_file(const std::filesystem::path& file) override {
    return put(real_files().read(file));
  }
  std::string get(const Digest& digest) override { return at(digest); }
  bool has(const Digest& digest) override { return all.count(digest) > 0; }
  uint64_t size(const Digest& digest) override { return at(digest).size(); }
  bool drop_damaged(const Digest& digest) override {
    if (has(digest) && sha256(at(digest)) == digest) return false;
    all.erase(digest);
    return true;
  }
  std::filesystem::path path(const Digest& digest) override {
    throw Error(ErrorCode::kNotFound, digest.hex() + " is not a file");
  }

 private:
  const std::string& at(const Digest& digest) const {
    auto found = all.find(digest);
    if (found == all.end()) throw Error(ErrorCode::kNotFound, "no artifact " + digest.hex());
    return found->second;
  }
};

}  // namespace lockstep
