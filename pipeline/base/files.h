// The seam for durable files: reading with a limit, and writes that are whole or absent.
// Knows nothing of what the bytes mean. A fault injector may wrap it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace lockstep {

namespace fs = std::filesystem;

class Files {
 public:
  virtual ~Files() = default;
  // Whole file. Throws not_found, unavailable (I/O), invalid (larger than `max_bytes`).
  virtual std::string read(const fs::path& path, uint64_t max_bytes = 1ull << 31);
  // temp + fsync + rename + fsync of the folder: after a crash the old or the new file is there,
  // whole. Throws unavailable (disk full is named as such). Creates missing folders.
  virtual void write_atomic(const fs::path& path, std::string_view bytes, int mode = 0644);
  // Moves a finished file into place with the same promise; both on one file system.
  virtual void publish(const fs::path& from, const fs::path& to);
  virtual void remove(const fs::path& path);
};

// The process-wide real one.
Files& real_files();

// A file that is held locked while the object lives; one holder per path.
class FileLock {
 public:
  // Throws conflict when another process holds it, naming the pid it wrote into the file.
  FileLock(const fs::path& path, std::string_view what);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  // The pid written by the holder of `path`, -1 before it has written one, 0: nobody holds it.
  static int owner(const fs::path& path);

 private:
  int fd_ = -1;
};

// A private folder that disappears with the object.
class TempFolder {
 public:
  explicit TempFolder(const fs::path& parent = fs::temp_directory_path());
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace lockstep
