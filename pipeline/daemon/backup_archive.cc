#include "pipeline/daemon/backup_archive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"
#include "pipeline/formats/tar.h"

namespace lockstep {
namespace {

constexpr const char* kManifest = "MANIFEST.json";  // capitals come before all other names
constexpr const char* kManifestDigest = "MANIFEST.sha256";
constexpr int64_t kFormat = 1;
constexpr uint64_t kMaxManifest_bytes = 1ull << 29;
constexpr size_t kPiece_bytes = 1 << 20;

[[noreturn]] void io_failed(const char* verb, const fs::path& path) {
  const int number = errno;
  throw Error(ErrorCode::kUnavailable,
              fmt::format("cannot {} {}: {}", verb, path.string(), std::strerror(number)),
              number == ENOSPC ? "free some space; nothing was half-written" : "");
}

std::string manifest_of(const Json& about, const std::vector<BackupEntry>& entries) {
  Json manifest = about;
  manifest["format"] = kFormat;
  manifest["files"] = Json::array();
  for (const BackupEntry& entry : entries) {
    manifest["files"].push_back(
        {{"path", entry.path}, {"bytes", entry.bytes}, {"sha256", entry.sha256.hex()}});
  }
  return manifest.dump() + "\n";
}

class FileSink {
 public:
  explicit FileSink(const fs::path& file)
      : file_(file), fd_(open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {
    if (!fd_.open()) io_failed("create", file);
  }
  void write(std::string_view bytes) {
    buffer_.append(bytes);
    if (buffer_.size() >= kPiece_bytes) flush();
  }
  void finish() {
    flush();
    if (fsync(fd_.get()) != 0) io_failed("sync", file_);
  }

 private:
  void flush() {
    for (std::string_view left = buffer_; !left.empty();) {
      const ssize_t n = ::write(fd_.get(), left.data(), left.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) io_failed("write", file_);
      left.remove_prefix(static_cast<size_t>(n));
    }
    buffer_.clear();
  }

  fs::path file_;
  Fd fd_;
  std::string buffer_;
};

void add_file(TarWriter& tar, const BackupEntry& entry, const std::function<void(size_t)>& done) {
  Fd fd(open(entry.from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.open()) io_failed("read", entry.from);
  tar.begin_file(entry.path, entry.bytes, false);
  Sha256 hash;
  std::string buffer(kPiece_bytes, '\0');
  for (uint64_t left = entry.bytes; left > 0;) {
    const ssize_t n = ::read(fd.get(), buffer.data(), std::min<uint64_t>(left, buffer.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) io_failed("read", entry.from);
    if (n == 0) break;  // the digest tells
    const std::string_view piece(buffer.data(), static_cast<size_t>(n));
    hash.update(piece);
    tar.write(piece);
    left -= static_cast<uint64_t>(n);
    done(piece.size());
    if (left == 0) break;
  }
  if (hash.finish() != entry.sha256) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{} is damaged on disk, so no backup was made", entry.from.string()),
                "`lockstep doctor` tells how to mend it");
  }
}

}  // namespace

bool backup_path_allowed(const std::string& path) {
  for (const char* known : {"state.db", "tokens.json", "audit.jsonl", "lockstep.yaml"}) {
    if (path == known) return true;
  }
  constexpr std::string_view kArtifacts = "artifacts/sha256/";
  constexpr size_t kHex = 64;
  if (!path.starts_with(kArtifacts) || path.size() != kArtifacts.size() + 3 + kHex) return false;
  const std::string folder = path.substr(kArtifacts.size(), 3);
  const std::string name = path.substr(kArtifacts.size() + 3);
  const bool hex = name.find_first_not_of("0123456789abcdef") == name.npos;
  return hex && folder == name.substr(0, 2) + "/";
}

uint64_t archive_bytes(const Json& about, const std::vector<BackupEntry>& entries) {
  uint64_t bytes = manifest_of(about, entries).size();
  for (const BackupEntry& entry : entries) bytes += entry.bytes;
  return bytes;
}

void write_archive(const fs::path& file, const Json& about, std::vector<BackupEntry> entries,
                   const BackupProgress& progress) {
  std::sort(entries.begin(), entries.end(),
            [](const BackupEntry& a, const BackupEntry& b) { return a.path < b.path; });
  if (fs::exists(file)) {
    throw Error(ErrorCode::kConflict, file.string() + " is there already", "name another file");
  }
  fs::path incoming = file;
  incoming += fmt::format(".part-{}", getpid());
  try {
    FileSink sink(incoming);
    TarWriter tar([&](std::string_view bytes) { sink.write(bytes); });
    const std::string manifest = manifest_of(about, entries);
    tar.file(kManifest, manifest);
    tar.file(kManifestDigest, sha256(manifest).hex() + "\n");
    uint64_t done = manifest.size();
    for (const BackupEntry& entry : entries) {
      add_file(tar, entry, [&](size_t bytes) { progress(done += bytes); });
    }
    tar.finish();
    sink.finish();
  } catch (...) {
    ::unlink(incoming.c_str());
    throw;
  }
  real_files().publish(incoming, file);
}

BackupReader::BackupReader(const fs::path& file)
    : file_(file), fd_(open(file.c_str(), O_RDONLY | O_CLOEXEC)) {
  struct stat info {};
  if (!fd_.open() || fstat(fd_.get(), &info) != 0) {
    throw Error(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
                fmt::format("cannot read {}: {}", file.string(), std::strerror(errno)));
  }
  if (!S_ISREG(info.st_mode)) throw Error(ErrorCode::kInvalid, file.string() + " is not a file");
  size_ = static_cast<uint64_t>(info.st_size);
  read_manifest();
}

void BackupReader::damaged(const std::string& why) const {
  throw Error(ErrorCode::kCorrupt, fmt::format("backup {} is damaged: {}", file_.string(), why),
              "nothing was restored; take another backup");
}

const BackupEntry* BackupReader::find(const std::string& path) const {
  auto it = std::find_if(entries_.begin(), entries_.end(),
                         [&](const BackupEntry& entry) { return entry.path == path; });
  return it == entries_.end() ? nullptr : &*it;
}

std::string BackupReader::take(size_t bytes, const std::string& inside) {
  std::string out(bytes, '\0');
  for (size_t have = 0; have < bytes;) {
    const ssize_t n = ::pread(fd_.get(), out.data() + have, bytes - have, static_cast<off_t>(at_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) io_failed("read", file_);
    if (n == 0) damaged(fmt::format("it ends at byte {}, inside {}", at_, inside));
    have += static_cast<size_t>(n);
    at_ += static_cast<uint64_t>(n);
  }
  return out;
}

void BackupReader::expect(std::string_view bytes, const std::string& inside) {
  const uint64_t before = at_;
  if (take(bytes.size(), inside) != bytes) {
    damaged(fmt::format("what stands around {} at byte {} is not what a backup has there", inside,
                        before));
  }
}

// The first header tells how long the manifest is; it is compared like all others.
void BackupReader::read_manifest() {
  constexpr size_t kHeader_bytes = 512, kSizeAt = 124, kSizeDigits = 11;
  const std::string header = size_ < kHeader_bytes ? "" : take(kHeader_bytes, kManifest);
  if (!header.starts_with(std::string(kManifest) + '\0')) {
    throw Error(ErrorCode::kInvalid, file_.string() + " is not a backup of a workspace",
                "`lockstep backup` makes one");
  }
  uint64_t length = 0;
  const char* digits = header.data() + kSizeAt;
  const auto [end, error] = std::from_chars(digits, digits + kSizeDigits, length, 8);
  if (error != std::errc() || end != digits + kSizeDigits || length > kMaxManifest_bytes ||
      length > size_) {
    damaged("the manifest has no size");
  }
  at_ = 0;
  TarWriter tar([&](std::string_view bytes) { expect(bytes, kManifest); });
  tar.begin_file(kManifest, length, false);
  manifest_ = take(length, kManifest);
  const uint64_t behind = at_ + (kHeader_bytes - length % kHeader_bytes) % kHeader_bytes;
  at_ = behind + kHeader_bytes;
  if (take(64, kManifestDigest) != sha256(manifest_).hex()) {
    damaged("the manifest is not the one that was written");
  }
  const Json document = parse_json(manifest_, "the manifest of " + file_.string());
  if (!document.is_object() || document.value("format", Json()) != kFormat) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("backup {} is of format {}, this Lockstep reads {}", file_.string(),
                            document.value("format", Json()).dump().substr(0, 20), kFormat),
                "restore it with the version that made it, or a newer one");
  }
  for (const auto& [name, value] : document.items()) {
    if (name != "files" && name != "format") about_[name] = value;
  }
  try {
    for (const Json& one : document.at("files")) read_entry(one);
  } catch (const Json::exception&) {
    damaged("the manifest does not list its files");
  }
}

// Names decide where bytes go, so only those that a backup has are taken.
void BackupReader::read_entry(const Json& one) {
  BackupEntry entry{
      one.at("path"), one.at("bytes"), Digest::parse(one.at("sha256").get<std::string>()), {}};
  const bool artifact = entry.path.find('/') != entry.path.npos;
  const bool follows = entries_.empty() || entries_.back().path < entry.path;
  if (!backup_path_allowed(entry.path) || entry.bytes > size_ || !follows ||
      (artifact && !entry.path.ends_with(entry.sha256.hex()))) {
    damaged("no backup has a file " + printable(entry.path, 120) + " there");
  }
  entries_.push_back(std::move(entry));
}

void BackupReader::read(const std::function<void(const Piece&)>& take_piece,
                        const BackupProgress& progress) {
  at_ = 0;
  std::string inside = kManifest;
  bool content = false;
  TarWriter tar([&](std::string_view bytes) {
    if (!content) expect(bytes, inside);
  });
  tar.file(kManifest, manifest_);
  inside = kManifestDigest;
  tar.file(kManifestDigest, sha256(manifest_).hex() + "\n");
  for (const BackupEntry& entry : entries_) {
    inside = entry.path;
    tar.begin_file(entry.path, entry.bytes, false);
    Sha256 hash;
    content = true;
    for (uint64_t left = entry.bytes; left > 0;) {
      const std::string piece = take(std::min<uint64_t>(left, kPiece_bytes), inside);
      hash.update(piece);
      tar.write(piece);
      take_piece({entry, piece, false});
      left -= piece.size();
      progress(at_);
    }
    content = false;
    if (hash.finish() != entry.sha256) damaged("the bytes of " + entry.path + " are not its own");
    take_piece({entry, "", true});
  }
  tar.finish();
  if (at_ != size_) damaged(fmt::format("something stands behind its end at byte {}", at_));
}

}  // namespace lockstep
