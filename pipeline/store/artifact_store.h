// Artifacts as files: <folder>/sha256/<first two hex digits>/<hex>, read-only, whole or absent.
// Knows nothing of what refers to them.
#pragma once

#include <functional>

#include "pipeline/base/files.h"
#include "pipeline/core/artifacts.h"

namespace lockstep {

class ArtifactStore : public Artifacts {
 public:
  explicit ArtifactStore(fs::path folder, Files& files = real_files());

  Digest put(std::string_view bytes) override;
  Digest put_file(const fs::path& file) override;
  std::string get(const Digest& digest) override;
  bool has(const Digest& digest) override;
  uint64_t size(const Digest& digest) override;
  bool drop_damaged(const Digest& digest) override;
  fs::path path(const Digest& digest) override;

  // Every artifact and its size in bytes.
  void each(const std::function<void(const Digest&, uint64_t)>& visit);
  void remove(const Digest& digest);

  // Another text after every artifact that came or went, by whatever program, and the time in ns
  // since 1970 of the newest of these changes. One within a tick of that time may be missed.
  std::string stamp(int64_t* newest_ns);

 private:
  fs::path place(const Digest& digest) const;

  fs::path folder_;
  Files& files_;
};

}  // namespace lockstep
