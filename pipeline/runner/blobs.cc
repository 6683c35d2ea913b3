#include "pipeline/runner/blobs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"
#include "pipeline/base/point.h"

namespace lockstep {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void io_failed(const char* verb, const Digest& digest) {
  std::string hint = errno == ENOSPC ? "free some space on the runner's disk" : "";
  throw Error(ErrorCode::kUnavailable,
              fmt::format("cannot {} {}: {}", verb, digest.str(), std::strerror(errno)), hint);
}

}  // namespace

Blobs::Blobs(const fs::path& folder, uint64_t cache_bytes, bool verify)
    : folder_(folder), cache_bytes_(cache_bytes) {
  fs::create_directories(folder_);
  scan(verify);
}

void Blobs::scan(bool verify) {
  for (const auto& item : fs::directory_iterator(folder_)) {
    Digest digest;
    bool good = item.symlink_status().type() == fs::file_type::regular;
    try {
      digest = Digest::parse(item.path().filename().string());
      if (good && verify) good = hash_file(item.path()).digest == digest;
    } catch (const Error&) {
      good = false;
    }
    if (!good) {
      fs::remove(item.path());
      continue;
    }
    Blob& blob = blobs_[digest];
    blob.size = item.file_size();
    blob.turn = ++turn_;
    cached_ += blob.size;
    released_[blob.turn] = digest;
  }
}

uint64_t Blobs::size(const Digest& digest) const {
  auto it = blobs_.find(digest);
  if (it == blobs_.end()) {
    throw Error(ErrorCode::kNotFound, "the runner does not hold " + digest.str(), "put it first");
  }
  return it->second.size;
}

void Blobs::adopt(const fs::path& file, const Digest& digest, uint64_t size_bytes) {
  if (has(digest)) {
    unlink(file.c_str());
    return;
  }
  point("runner.blob.received");
  chmod(file.c_str(), 0400);
  if (rename(file.c_str(), path(digest).c_str()) != 0) io_failed("keep", digest);
  point("runner.blob.kept");
  blobs_[digest].size = size_bytes;
}

void Blobs::hold(const Digest& digest) {
  size(digest);
  Blob& blob = blobs_[digest];
  if (blob.turn != 0) {
    cached_ -= blob.size;
    released_.erase(blob.turn);
    blob.turn = 0;
  }
  ++blob.holds;
}

void Blobs::release(const Digest& digest) {
  auto it = blobs_.find(digest);
  if (it == blobs_.end() || it->second.holds == 0 || --it->second.holds > 0) return;
  it->second.turn = ++turn_;
  cached_ += it->second.size;
  released_[it->second.turn] = digest;
  trim();
}

void Blobs::trim() {
  while (cached_ > cache_bytes_ && !released_.empty()) {
    Digest oldest = released_.begin()->second;
    released_.erase(released_.begin());
    cached_ -= blobs_[oldest].size;
    blobs_.erase(oldest);
    unlink(path(oldest).c_str());
  }
}

Upload::Upload(const fs::path& folder, const Digest& digest, uint64_t size_bytes)
    : digest_(digest), size_(size_bytes) {
  static uint64_t counter = 0;
  file_ = folder / fmt::format("{}-{}", getpid(), counter++);
  fd_.reset(open(file_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd_.open()) io_failed("receive", digest);
}

Upload::~Upload() {
  unlink(file_.c_str());
}

bool Upload::add(uint64_t offset, std::string_view bytes, Blobs& blobs) {
  if (offset != at_ || bytes.size() > size_ - at_) {
    throw Error(ErrorCode::kInvalid, fmt::format("{}: {} bytes at {} do not follow on {} of {}",
                                                 digest_.str(), bytes.size(), offset, at_, size_));
  }
  hash_.update(bytes);
  at_ += bytes.size();
  while (!bytes.empty()) {
    ssize_t n = write(fd_.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) io_failed("receive", digest_);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  if (at_ < size_) return false;
  if (Digest seen = hash_.finish(); seen != digest_) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("bytes sent as {} have {}", digest_.str(), seen.str()), "send again");
  }
  blobs.adopt(file_, digest_, size_);
  return true;
}

}  // namespace lockstep
