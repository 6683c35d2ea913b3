#include "pipeline/store/artifact_store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <fstream>

#include "pipeline/base/error.h"
#include "pipeline/base/point.h"

namespace lockstep {
namespace {

Digest digest_of_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(ErrorCode::kNotFound, "cannot read " + file.string());
  Sha256 hash;
  std::string buffer(1 << 20, '\0');
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
    hash.update({buffer.data(), static_cast<size_t>(in.gcount())});
  }
  if (in.bad()) throw Error(ErrorCode::kUnavailable, "cannot read " + file.string());
  return hash.finish();
}

// A folder's change time moves with the names in it, and no program can set it.
std::string stamp_of(const fs::path& folder, int64_t* newest_ns) {
  struct stat info {};
  if (stat(folder.c_str(), &info) != 0) return "";
  int64_t changed_ns = int64_t{info.st_ctim.tv_sec} * 1'000'000'000 + info.st_ctim.tv_nsec;
  *newest_ns = std::max(*newest_ns, changed_ns);
  return fmt::format("{}:{}:{} ", folder.filename().string(), info.st_ino, changed_ns);
}

}  // namespace

ArtifactStore::ArtifactStore(fs::path folder, Files& files)
    : folder_(std::move(folder)), files_(files) {
  fs::create_directories(folder_);
}

fs::path ArtifactStore::place(const Digest& digest) const {
  std::string hex = digest.hex();
  return folder_ / "sha256" / hex.substr(0, 2) / hex;
}

Digest ArtifactStore::put(std::string_view bytes) {
  Digest digest = sha256(bytes);
  if (has(digest)) return digest;
  point("artifact.put.before");
  files_.write_atomic(place(digest), bytes, 0444);
  point("artifact.put.after");
  return digest;
}

Digest ArtifactStore::put_file(const fs::path& file) {
  Digest digest = digest_of_file(file);
  if (has(digest)) return digest;
  fs::path temp = place(digest);
  temp += ".incoming";
  fs::create_directories(temp.parent_path());
  fs::copy_file(file, temp, fs::copy_options::overwrite_existing);
  if (digest_of_file(temp) != digest) {
    throw Error(ErrorCode::kConflict, file.string() + " changed while it was taken over");
  }
  fs::permissions(temp, fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read);
  point("artifact.file.copied");
  files_.publish(temp, place(digest));
  point("artifact.file.after");
  return digest;
}

std::string ArtifactStore::get(const Digest& digest) {
  std::string bytes = files_.read(path(digest));
  if (sha256(bytes) != digest) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("artifact {} is damaged on disk ({})", digest.hex().substr(0, 12),
                            place(digest).string()),
                "delete that file; the next plan makes the bytes again");
  }
  return bytes;
}

bool ArtifactStore::has(const Digest& digest) {
  return fs::exists(place(digest));
}

uint64_t ArtifactStore::size(const Digest& digest) {
  return fs::file_size(path(digest));
}

bool ArtifactStore::drop_damaged(const Digest& digest) {
  if (!has(digest)) return true;
  if (digest_of_file(place(digest)) == digest) return false;
  remove(digest);
  return true;
}

fs::path ArtifactStore::path(const Digest& digest) {
  fs::path file = place(digest);
  if (!fs::exists(file)) {
    throw Error(ErrorCode::kNotFound, "artifact " + digest.hex() + " is not in the store");
  }
  return file;
}

void ArtifactStore::each(const std::function<void(const Digest&, uint64_t)>& visit) {
  fs::path root = folder_ / "sha256";
  if (!fs::exists(root)) return;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    std::string name = entry.path().filename().string();
    if (name.size() == 64) visit(Digest::parse(name), entry.file_size());
  }
}

void ArtifactStore::remove(const Digest& digest) {
  point("artifact.remove.before");
  files_.remove(place(digest));
  point("artifact.remove.after");
}

std::string ArtifactStore::stamp(int64_t* newest_ns) {
  constexpr int kFolders = 256;
  std::string text;
  *newest_ns = 0;
  auto add = [&](const fs::path& folder) { text += stamp_of(folder, newest_ns); };
  add(folder_);
  add(folder_ / "sha256");
  for (int i = 0; i < kFolders; ++i) add(folder_ / "sha256" / fmt::format("{:02x}", i));
  return sha256(text).hex();
}

std::string ArtifactStore::folder_stamp(const Digest& digest, int64_t* newest_ns) const {
  *newest_ns = 0;
  return stamp_of(place(digest).parent_path(), newest_ns);
}

bool SeenArtifacts::has(const Digest& digest) {
  constexpr int64_t kTick_ns = 100'000'000;  // more than a tick of any kernel's file times
  Folder& folder = folders_[digest.bytes[0]];
  if (folder.looked != look_) {
    int64_t changed_ns = 0;
    std::string stamp = artifacts_.folder_stamp(digest, &changed_ns);
    if (stamp.empty() || stamp != folder.stamp) folder.there.clear();
    bool may_change = clock_.now_ms() * 1'000'000 < changed_ns + kTick_ns;
    folder.stamp = may_change ? std::string() : std::move(stamp);
    folder.looked = look_;
  }
  if (folder.there.count(digest)) return true;
  if (!artifacts_.has(digest)) return false;
  folder.there.insert(digest);
  return true;
}

}  // namespace lockstep
