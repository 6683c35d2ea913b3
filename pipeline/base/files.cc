#include "pipeline/base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "pipeline/base/error.h"
#include "pipeline/base/fd.h"
#include "pipeline/base/point.h"

namespace lockstep {
namespace {

[[noreturn]] void io_failed(const char* verb, const fs::path& path) {
  int number = errno;
  ErrorCode code = number == ENOENT                      ? ErrorCode::kNotFound
                   : number == EACCES || number == EPERM ? ErrorCode::kDenied
                                                         : ErrorCode::kUnavailable;
  std::string hint = number == ENOSPC ? "free some space; nothing was half-written" : "";
  throw Error(code, fmt::format("cannot {} {}: {}", verb, path.string(), std::strerror(number)),
              hint);
}

void write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) io_failed("write", path);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

void make_folders(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (!failed) return;
  errno = failed.value();
  io_failed("make the folder", folder);
}

void sync_folder(const fs::path& folder) {
  Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || fsync(fd.get()) != 0) io_failed("sync", folder);
}

// A lock of the open file, not of the process (fcntl(2), "Open file description locks").
struct flock whole_file(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

// Where the holder was killed while it started a program, the child holds the lock until it has
// become that program: what nobody living owns is waited for.
bool take_lock(int fd, const fs::path& path) {
  constexpr int kTries = 400;
  constexpr timespec kPause{0, 5'000'000};
  struct flock whole = whole_file(F_WRLCK);
  for (int tries = 0; fcntl(fd, F_OFD_SETLK, &whole) != 0; ++tries) {
    const int owner = FileLock::owner(path);
    const bool alive = owner > 0 && (kill(owner, 0) == 0 || errno == EPERM);
    if (alive || owner < 0 || tries == kTries) return false;
    nanosleep(&kPause, nullptr);
  }
  return true;
}

void sync_file(const fs::path& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0 || fsync(fd.get()) != 0) io_failed("sync", path);
}

}  // namespace

std::string Files::read(const fs::path& path, uint64_t max_bytes) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) io_failed("read", path);
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) io_failed("read", path);
  if (S_ISDIR(info.st_mode)) {
    throw Error(ErrorCode::kInvalid, path.string() + " is a folder, not a file");
  }
  std::string bytes;
  bytes.reserve(static_cast<size_t>(info.st_size));
  char buffer[65536];
  while (true) {
    ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) io_failed("read", path);
    if (n == 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(n));
    if (bytes.size() > max_bytes) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("{} is larger than {} bytes", path.string(), max_bytes));
    }
  }
}

void Files::write_atomic(const fs::path& path, std::string_view bytes, int mode) {
  static std::atomic<uint64_t> counter{0};
  if (path.has_parent_path()) make_folders(path.parent_path());
  fs::path temp = path;
  temp += fmt::format(".tmp-{}-{}", getpid(), counter++);
  try {
    Fd fd(open(temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (fd.get() < 0) io_failed("create", temp);
    point("file.temp.created");
    write_all(fd.get(), bytes, path);
    point("file.temp.written");
    if (fsync(fd.get()) != 0) io_failed("sync", path);
    point("file.temp.synced");
    if (::rename(temp.c_str(), path.c_str()) != 0) io_failed("rename into", path);
    point("file.renamed");
  } catch (...) {
    ::unlink(temp.c_str());
    throw;
  }
  sync_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

void Files::publish(const fs::path& from, const fs::path& to) {
  make_folders(to.parent_path());
  sync_file(from);
  point("file.publish.synced");
  if (::rename(from.c_str(), to.c_str()) != 0) io_failed("rename into", to);
  point("file.publish.renamed");
  sync_folder(to.parent_path());
}

void Files::remove(const fs::path& path) {
  point("file.remove.before");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) io_failed("remove", path);
}

Files& real_files() {
  static Files files;
  return files;
}

FileLock::FileLock(const fs::path& path, std::string_view what) {
  make_folders(path.parent_path());
  Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (fd.get() < 0) io_failed("open", path);
  if (!take_lock(fd.get(), path)) {
    throw Error(ErrorCode::kConflict, fmt::format("{} is in use by process {}", what, owner(path)),
                "stop that process, or talk to it: commands reach it through its socket",
                path.string());
  }
  std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(fd.get(), 0) != 0) io_failed("write", path);
  write_all(fd.get(), pid, path);
  fd_ = fd.release();
}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

int FileLock::owner(const fs::path& path) {
  Fd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (fd.get() < 0) return 0;
  struct flock whole = whole_file(F_WRLCK);
  // Asks only: a lock taken to look would disturb those who try to get it.
  if (fcntl(fd.get(), F_OFD_GETLK, &whole) != 0 || whole.l_type == F_UNLCK) return 0;
  char buffer[32] = {};
  ssize_t n = ::read(fd.get(), buffer, sizeof buffer - 1);
  int pid = n > 0 ? std::atoi(buffer) : 0;
  return pid > 0 ? pid : -1;
}

TempFolder::TempFolder(const fs::path& parent) {
  std::string name = (parent / "lockstep-XXXXXX").string();
  if (!mkdtemp(name.data())) io_failed("create a folder in", parent);
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace lockstep
