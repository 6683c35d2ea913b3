// Artifacts as files: <folder>/sha256/<first two hex digits>/<hex>, read-only, whole or absent.
// Knows nothing of what refers to them.
#pragma once

#include <array>
#include <functional>
#include <unordered_set>

#include "pipeline/base/clock.h"
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
  // The same of the folder that this digest's bytes are in; empty: there is none.
  std::string folder_stamp(const Digest& digest, int64_t* newest_ns) const;

 private:
  fs::path place(const Digest& digest) const;

  fs::path folder_;
  Files& files_;
};

// Which artifacts are there, for who asks about thousands again and again: what was seen in a
// folder holds while that folder stays as it is, whatever program changes it. One thread at a time.
class SeenArtifacts {
 public:
  SeenArtifacts(ArtifactStore& artifacts, Clock& clock) : artifacts_(artifacts), clock_(clock) {}

  // As ArtifactStore::has() at this moment, or at some since the last look_again().
  bool has(const Digest& digest);
  // Folders are looked at anew, each when it is next asked for.
  void look_again() { ++look_; }

 private:
  struct Folder {
    uint64_t looked = 0;  // in which look
    std::string stamp;    // empty: it may have changed unseen
    std::unordered_set<Digest, DigestHash> there;
  };

  ArtifactStore& artifacts_;
  Clock& clock_;
  uint64_t look_ = 1;
  std::array<Folder, 256> folders_;  // by the first byte of the digest
};

}  // namespace lockstep
