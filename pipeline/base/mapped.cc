#include "pipeline/base/mapped.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "pipeline/base/error.h"
#include "pipeline/base/fd.h"

namespace lockstep {
namespace {

[[noreturn]] void failed(const std::filesystem::path& file) {
  ErrorCode code = errno == ENOENT   ? ErrorCode::kNotFound
                   : errno == EACCES ? ErrorCode::kDenied
                                     : ErrorCode::kUnavailable;
  throw Error(code, fmt::format("cannot map {}: {}", file.string(), std::strerror(errno)));
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& file) {
  Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!fd.open() || fstat(fd.get(), &info) != 0) failed(file);
  if (info.st_size == 0) return;  // nothing can't be mapped
  auto size = static_cast<size_t>(info.st_size);
  void* memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (memory == MAP_FAILED) failed(file);
  bytes_ = {static_cast<const char*>(memory), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace lockstep
