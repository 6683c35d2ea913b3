#include "connectors/git_repo/export.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "connectors/git/names.h"
#include "pipeline/base/error.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxLinkBytes = 4096;

[[noreturn]] void write_failed(const std::filesystem::path& path) {
  const int number = errno;
  const bool clash = number == EEXIST || number == ENOTDIR || number == EISDIR;
  throw Error(clash ? ErrorCode::kInvalid : ErrorCode::kUnavailable,
              fmt::format("cannot write {}: {}", path.string(), std::strerror(number)),
              number == ENOSPC ? "free some space" : "");
}

// The folders of `path`, one by one and never through a link: links are made after all files, so
// anything but a folder here is a clash in the tree itself.
void make_folders(const std::filesystem::path& root, const std::string& path) {
  for (size_t end = path.find('/'); end != path.npos; end = path.find('/', end + 1)) {
    const std::filesystem::path folder = root / path.substr(0, end);
    if (mkdir(folder.c_str(), 0755) == 0) continue;
    struct stat info {};
    const int number = errno;
    if (lstat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) continue;
    errno = number;
    write_failed(folder);
  }
}

void write_file(const std::filesystem::path& path, std::string_view bytes, mode_t mode) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0) write_failed(path);
  bool good = fchmod(fd, mode) == 0;  // whatever the umask
  while (good && !bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    good = n >= 0;
    if (good) bytes.remove_prefix(static_cast<size_t>(n));
  }
  const int number = errno;
  close(fd);
  errno = number;
  if (!good) write_failed(path);
}

void export_link(CodeRepo& repo, const CodePath& code, const std::filesystem::path& root) {
  const std::string target = repo.blob(code.blob, kMaxLinkBytes);
  link_destination(code.path, target, "");
  make_folders(root, code.path);
  if (symlink(target.c_str(), (root / code.path).c_str()) != 0) write_failed(root / code.path);
}

}  // namespace

void export_code(CodeRepo& repo, const std::vector<CodePath>& paths,
                 const std::filesystem::path& folder, ExportLimits limits) {
  std::filesystem::create_directories(folder);
  if (!std::filesystem::is_empty(folder)) {
    throw Error(ErrorCode::kConflict, fmt::format("{} is not empty", folder.string()),
                "code is exported into a new folder");
  }
  uint64_t total = 0;
  for (const CodePath& code : paths) {
    check_path(code.path, "");
    if (code.mode == "120000") continue;
    if (code.mode != "100644" && code.mode != "100755") {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("path \"{}\" has the mode {}, which is no file's", code.path,
                              printable(code.mode)));
    }
    const std::string bytes = repo.blob(code.blob, limits.max_file_bytes);
    total += bytes.size();
    if (total > limits.max_total_bytes) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("the code is larger than {} bytes in all", limits.max_total_bytes));
    }
    make_folders(folder, code.path);
    write_file(folder / code.path, bytes, code.mode == "100755" ? 0755 : 0644);
  }
  // Links with folders of their own come last too: a folder is never made through a link, because
  // make_folders takes nothing but real folders.
  for (const CodePath& code : paths) {
    if (code.mode == "120000") export_link(repo, code, folder);
  }
}

}  // namespace lockstep
