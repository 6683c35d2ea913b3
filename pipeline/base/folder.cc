#include "pipeline/base/folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <strings.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "pipeline/base/error.h"
#include "pipeline/base/fd.h"
#include "pipeline/base/frames.h"

namespace lockstep {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxEntries = 1'000'000;

bool valid_part(std::string_view part) {
  if (part.empty() || part.size() > 255 || part == "." || part == "..") return false;
  if (part.size() == 4 && strncasecmp(part.data(), ".git", 4) == 0) return false;
  return std::none_of(part.begin(), part.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

[[noreturn]] void bad_entry(const std::string& path) {
  throw Error(ErrorCode::kInvalid, "not a path a folder may hold: " + printable(path),
              "links, special files, control characters, '..' and '.git' are refused");
}

void check_paths(const std::vector<FolderEntry>& entries) {
  std::set<std::string_view> files;
  for (const FolderEntry& entry : entries) {
    if (!valid_relative_path(entry.path) || !files.insert(entry.path).second) {
      bad_entry(entry.path);
    }
  }
  for (std::string_view path : files) {
    for (size_t at = path.find('/'); at != path.npos; at = path.find('/', at + 1)) {
      if (files.contains(path.substr(0, at))) bad_entry(std::string(path));
    }
  }
}

}  // namespace

bool valid_relative_path(std::string_view path) {
  if (path.empty() || path.size() > 4096 || !valid_utf8(path)) return false;
  while (true) {
    size_t end = path.find('/');
    if (!valid_part(path.substr(0, end))) return false;
    if (end == path.npos) return true;
    path.remove_prefix(end + 1);
  }
}

std::string folder_listing(std::vector<FolderEntry> entries) {
  std::sort(entries.begin(), entries.end(),
            [](const FolderEntry& a, const FolderEntry& b) { return a.path < b.path; });
  check_paths(entries);
  Json listing = Json::array();
  for (const FolderEntry& e : entries) {
    listing.push_back(Json::array({e.path, e.digest.str(), e.executable}));
  }
  return canonical_json(listing);
}

std::vector<FolderEntry> parse_folder_listing(std::string_view bytes) {
  Json listing = parse_bounded_json(bytes, "a folder listing", 3);
  std::vector<FolderEntry> entries;
  bool good = listing.is_array() && listing.size() <= kMaxEntries;
  for (size_t i = 0; good && i < listing.size(); ++i) {
    const Json& item = listing[i];
    good = item.is_array() && item.size() == 3 && item[0].is_string() && item[1].is_string() &&
           item[2].is_boolean();
    if (!good) break;
    entries.push_back({item[0], Digest::parse(item[1].get_ref<const std::string&>()), item[2]});
  }
  if (!good || folder_listing(entries) != bytes) {
    throw Error(ErrorCode::kInvalid, "a folder listing is not in its canonical form",
                "write [[path, digest, executable], …] as canonical JSON, sorted by path");
  }
  return entries;
}

FileDigest hash_file(const fs::path& file) {
  Fd fd(open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (!fd.open() && errno == ELOOP) bad_entry(file.filename().string());
  if (!fd.open() || fstat(fd.get(), &info) != 0) {
    throw Error(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
                fmt::format("cannot read {}: {}", printable(file.string()), std::strerror(errno)));
  }
  if (!S_ISREG(info.st_mode)) bad_entry(file.filename().string());
  Sha256 hash;
  FileDigest result;
  result.executable = (info.st_mode & S_IXUSR) != 0;
  std::string buffer(1 << 18, '\0');
  while (true) {
    ssize_t n = read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      throw Error(
          ErrorCode::kUnavailable,
          fmt::format("cannot read {}: {}", printable(file.string()), std::strerror(errno)));
    }
    if (n == 0) break;
    hash.update(std::string_view(buffer.data(), static_cast<size_t>(n)));
    result.size += static_cast<uint64_t>(n);
  }
  result.digest = hash.finish();
  return result;
}

std::vector<FolderEntry> scan_folder(const fs::path& folder) {
  std::vector<FolderEntry> entries;
  try {
    if (!fs::is_directory(fs::symlink_status(folder))) bad_entry(folder.filename().string());
    for (const auto& item : fs::recursive_directory_iterator(folder)) {
      fs::file_status status = item.symlink_status();
      std::string path = item.path().lexically_relative(folder).generic_string();
      if (!valid_relative_path(path)) bad_entry(path);
      if (fs::is_directory(status)) continue;
      FileDigest file = hash_file(item.path());
      if (entries.size() == kMaxEntries) {
        throw Error(ErrorCode::kInvalid, "a folder of more than 1,000,000 files");
      }
      entries.push_back({path, file.digest, file.executable, file.size});
    }
  } catch (const fs::filesystem_error& e) {
    throw Error(ErrorCode::kUnavailable,
                std::string("cannot read a folder: ") + printable(e.code().message()));
  }
  std::sort(entries.begin(), entries.end(),
            [](const FolderEntry& a, const FolderEntry& b) { return a.path < b.path; });
  return entries;
}

}  // namespace lockstep
