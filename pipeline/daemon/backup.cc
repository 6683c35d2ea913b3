#include "pipeline/daemon/backup.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>

#include "pipeline/base/clock.h"
#include "pipeline/base/error.h"
#include "pipeline/daemon/backup_archive.h"
#include "pipeline/daemon/needed.h"
#include "pipeline/store/sqlite_store.h"
#include "registry/ledger/ledger.h"

namespace lockstep {
namespace {

Digest digest_of(const fs::path& file, uint64_t* bytes) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(ErrorCode::kUnavailable, "cannot read " + file.string());
  Sha256 hash;
  *bytes = 0;
  std::string buffer(1 << 20, '\0');
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
    hash.update({buffer.data(), static_cast<size_t>(in.gcount())});
    *bytes += static_cast<uint64_t>(in.gcount());
  }
  return hash.finish();
}

// "lockstep-20260303T140000Z.tar"
std::string name_now() {
  std::string time = rfc3339(SystemClock().now_ms() / 1000 * 1000);
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  return "lockstep-" + time + ".tar";
}

// A file that others append lines to: its whole lines.
std::string whole_lines(const fs::path& file) {
  std::string text = real_files().read(file);
  return text.substr(0, text.rfind('\n') + 1);  // npos + 1: nothing
}

// What the store's copy says must be there, and its kept rows forgotten: they may be lost, and
// their bytes are not in a backup.
std::set<Digest> prepare_copy(const fs::path& file, ArtifactStore& artifacts, size_t keep,
                              Json& about) {
  Database db(file);
  db.begin();
  db.execute("DELETE FROM snapshots");
  db.commit();
  SqliteStore store(db);
  const Registry registry = Ledger(db).load();
  about["ledger"] = registry.last_seq;
  std::set<Digest> all = needed_bytes(registry, store, keep);
  add_listed(std::set<Digest>(all), artifacts, all);
  return all;
}

}  // namespace

Backups::~Backups() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

std::unique_lock<std::mutex> Backups::alone() {
  std::unique_lock<std::mutex> lock(bytes_, std::try_to_lock);
  if (!lock.owns_lock()) {
    throw Error(ErrorCode::kConflict, "a backup is under way", "try again when it is done");
  }
  return lock;
}

Json Backups::start(const BackupWanted& wanted) {
  fs::path file = wanted.to.lexically_normal();
  if (!file.is_absolute()) throw Error(ErrorCode::kInvalid, "a backup goes to an absolute path");
  std::error_code ignored;
  if (!file.has_filename() || fs::is_directory(file, ignored)) file /= name_now();
  if (!fs::is_directory(file.parent_path(), ignored)) {
    throw Error(ErrorCode::kNotFound, "there is no folder " + file.parent_path().string());
  }
  if (fs::exists(fs::symlink_status(file, ignored))) {
    throw Error(ErrorCode::kConflict, file.string() + " is there already", "name another file");
  }
  std::lock_guard<std::mutex> lock(mutex_);
  if (state_["state"] == "running") {
    throw Error(ErrorCode::kConflict,
                "a backup to " + state_["file"].get<std::string>() + " is under way");
  }
  if (thread_.joinable()) thread_.join();
  state_ = {{"state", "running"}, {"file", file.string()}, {"done", 0},     {"bytes", nullptr},
            {"revision", 1},      {"error", nullptr},      {"seconds", 0.0}};
  thread_ = std::thread([this, file, all = wanted.artifacts] { work(file, all); });
  return {{"file", file.string()}};
}

Json Backups::progress(int64_t seen, int64_t wait_ms, const std::function<bool()>& gone) {
  constexpr auto kLook = std::chrono::milliseconds(100);
  const int64_t until_ms = SystemClock().now_ms() + wait_ms;
  std::unique_lock<std::mutex> lock(mutex_);
  while (state_["state"] == "running" && state_["revision"] == seen && !(gone && gone()) &&
         SystemClock().now_ms() < until_ms) {
    changed_.wait_for(lock, kLook);
  }
  return state_;
}

void Backups::tell(const Json& news) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    state_.update(news);
    state_["revision"] = state_["revision"].get<int64_t>() + 1;
    if (stop_) throw Error(ErrorCode::kUnavailable, "lockstep is ending; no backup was made");
  }
  changed_.notify_all();
}

void Backups::work(const fs::path& file, bool artifacts) {
  const int64_t began_ms = SystemClock().now_ms();
  Json end;
  try {
    end = make(file, artifacts);
    end["state"] = "done";
    spdlog::info("backup {} is made", file.string());
  } catch (const Error& error) {
    end = {{"state", "failed"},
           {"error",
            {{"code", word(error.code)},
             {"message", error.message},
             {"hint", error.hint},
             {"where", ""}}}};
    spdlog::warn("no backup {}: {}", file.string(), error.what());
  } catch (const std::exception& error) {
    end = {{"state", "failed"},
           {"error",
            {{"code", "unavailable"}, {"message", error.what()}, {"hint", ""}, {"where", ""}}}};
  }
  end["seconds"] = double(SystemClock().now_ms() - began_ms) / 1000;
  std::lock_guard<std::mutex> lock(mutex_);
  state_.update(end);
  state_["revision"] = state_["revision"].get<int64_t>() + 1;
  changed_.notify_all();
}

// One turn is one transaction, so the copy is the state between two turns.
Json Backups::make(const fs::path& file, bool artifacts) {
  std::lock_guard<std::mutex> bytes_stay(bytes_);
  TempFolder temp(file.parent_path());
  const size_t keep = parts_.workspace().policies.keep_releases;
  Json about = {{"created", rfc3339(SystemClock().now_ms())},
                {"lockstep", LOCKSTEP_VERSION},
                {"artifacts", artifacts},
                {"keep_releases", keep}};
  std::vector<BackupEntry> entries;
  auto add = [&](const std::string& name, const fs::path& from) {
    BackupEntry entry{name, 0, {}, from};
    entry.sha256 = digest_of(from, &entry.bytes);
    entries.push_back(std::move(entry));
  };
  Database(parts_.state() / "state.db").copy_to(temp.path() / "state.db");
  const std::set<Digest> needed = prepare_copy(temp.path() / "state.db", artifacts_, keep, about);
  add("state.db", temp.path() / "state.db");
  for (const char* name : {"tokens.json", "audit.jsonl"}) {
    if (!fs::exists(parts_.state() / name)) continue;
    real_files().write_atomic(temp.path() / name, whole_lines(parts_.state() / name), 0600);
    add(name, temp.path() / name);
  }
  add("lockstep.yaml", parts_.workspace().folder / "lockstep.yaml");
  Json missing = Json::array();
  size_t held = 0;
  for (const Digest& digest : artifacts ? needed : std::set<Digest>()) {
    const std::string hex = digest.hex();
    if (!artifacts_.has(digest)) {
      missing.push_back(hex);
      continue;
    }
    entries.push_back({"artifacts/sha256/" + hex.substr(0, 2) + "/" + hex, artifacts_.size(digest),
                       digest, artifacts_.path(digest)});
    ++held;
  }
  const uint64_t bytes = archive_bytes(about, entries);
  tell({{"bytes", bytes}});
  write_archive(file, about, entries, [&](uint64_t done) { tell({{"done", done}}); });
  return {{"done", bytes},
          {"files", entries.size()},
          {"artifacts", held},
          {"missing", missing},
          {"size", fs::file_size(file)}};
}

}  // namespace lockstep
