// Tar archives that depend on nothing but their content: the bytes of an image layer.
// Knows nothing of images, models or where the bytes go.
//
// POSIX.1-2001 pax interchange format: ustar headers, and a pax header before an entry whose path
// is over 100 bytes or not ASCII, or whose size is 8 GiB or more. mtime 0, uid and gid 0, no user
// or group names, mode 0644 (executable files and folders 0755), two zero blocks at the end.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace lockstep {

using ByteSink = std::function<void(std::string_view)>;

// Throws invalid unless `path` is relative, valid UTF-8 without control characters or backslashes,
// at most 4,096 bytes, and has no empty, "." or ".." part and none that starts with ".wh." (which
// image tools read as "delete this").
void check_tar_path(std::string_view path);

// Writes files in ascending order of their paths (by bytes); missing parent folders are written
// before their first file. Equal calls give equal bytes.
class TarWriter {
 public:
  explicit TarWriter(ByteSink sink) : sink_(std::move(sink)) {}
  // Starts a file of exactly `size` bytes, which then come through write(). Throws invalid on a
  // refused path, one that is out of order, or a file where a folder is.
  void begin_file(const std::string& path, uint64_t size, bool executable);
  void write(std::string_view bytes);
  // A whole small file.
  void file(const std::string& path, std::string_view bytes, bool executable = false);
  // Ends the archive; once, after the last file.
  void finish();

 private:
  void end_file();
  void folders_of(const std::string& path);
  void header(const std::string& path, char type, uint64_t size, int mode);

  ByteSink sink_;
  std::string last_;
  std::set<std::string> files_, folders_;
  uint64_t left_ = 0;     // bytes still to come of the open file
  uint64_t padding_ = 0;  // zero bytes after it
};

struct TarEntry {
  std::string path;         // as it stands there: not checked
  std::string_view bytes;   // of a regular file
  char type = '0';          // '0': a regular file, '5': a folder; others as ustar has them
  bool executable = false;  // for its owner
};
// Every entry in its order; `visit` gives false to stop. Reads what TarWriter writes and ustar or
// pax archives of other tools. Throws corrupt on a broken archive.
void each_in_tar(std::string_view tar, const std::function<bool(const TarEntry&)>& visit);
// The bytes of the first regular file called `path` (a view into `tar`), or nothing.
std::optional<std::string_view> find_in_tar(std::string_view tar, std::string_view path);

}  // namespace lockstep
