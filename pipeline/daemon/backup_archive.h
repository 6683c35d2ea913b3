// The file of a backup: a tar archive (formats/tar.h) whose first entries, MANIFEST.json and
// MANIFEST.sha256, say which files follow, with size and SHA-256. Knows nothing of where the files
// come from or go to. What is read must be, byte for byte, what the writer writes.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/base/fd.h"
#include "pipeline/base/files.h"
#include "pipeline/base/json.h"

namespace lockstep {

struct BackupEntry {
  std::string path;  // one of those that backup_path_allowed() knows
  uint64_t bytes = 0;
  Digest sha256;
  fs::path from;  // when writing
};

// Called with the bytes done so far, now and then; what it throws ends the work.
using BackupProgress = std::function<void(uint64_t done)>;

// "state.db", "tokens.json", "audit.jsonl", "lockstep.yaml", "artifacts/sha256/00/<64 hex digits>".
bool backup_path_allowed(const std::string& path);

// Size of the archive of these files.
uint64_t archive_bytes(const Json& about, const std::vector<BackupEntry>& entries);
// Whole or not at all: written beside `file`, synced, renamed; mode 0600. `about`: fields of the
// manifest besides "format" and "files". Throws conflict (the file is there), corrupt (a file's
// bytes are not those that `entries` say), unavailable.
void write_archive(const fs::path& file, const Json& about, std::vector<BackupEntry> entries,
                   const BackupProgress& progress);

class BackupReader {
 public:
  // Reads the manifest. Throws corrupt or invalid (no backup, or of a newer format), naming `file`.
  explicit BackupReader(const fs::path& file);

  const Json& about() const { return about_; }
  const std::vector<BackupEntry>& entries() const { return entries_; }
  const BackupEntry* find(const std::string& path) const;
  uint64_t size() const { return size_; }

  // Every file in order, in pieces; then once with `whole` when its SHA-256 was found right.
  // Throws corrupt at the first byte that is not as it must be.
  struct Piece {
    const BackupEntry& entry;
    std::string_view bytes;
    bool whole = false;
  };
  void read(const std::function<void(const Piece&)>& take, const BackupProgress& progress);

 private:
  void read_manifest();
  void read_entry(const Json& one);
  std::string take(size_t bytes, const std::string& inside);
  void expect(std::string_view bytes, const std::string& inside);
  [[noreturn]] void damaged(const std::string& why) const;

  fs::path file_;
  Fd fd_;
  uint64_t size_ = 0, at_ = 0;
  std::string manifest_;
  Json about_;
  std::vector<BackupEntry> entries_;
};

}  // namespace lockstep
