#include "pipeline/daemon/restore.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "pipeline/base/clock.h"
#include "pipeline/base/error.h"
#include "pipeline/base/fd.h"
#include "pipeline/daemon/backup_archive.h"
#include "pipeline/store/sqlite_store.h"
#include "registry/ledger/ledger.h"
#include "registry/rules/rules.h"

namespace lockstep {
namespace {

constexpr const char* kMarker = "restore-unfinished";
constexpr const char* kCounters[] = {"counter/run", "counter/attempt"};

// Writes the files of an archive below a folder, each whole when it has its name.
class Extractor {
 public:
  // Takes the files for which `where` gives a place.
  explicit Extractor(std::function<fs::path(const BackupEntry&)> where)
      : where_(std::move(where)) {}

  void take(const BackupReader::Piece& piece) {
    if (!open_) begin(piece.entry);
    write(piece.bytes);
    if (piece.whole) finish();
  }

 private:
  void begin(const BackupEntry& entry) {
    open_ = true;
    to_ = where_(entry);
    if (to_.empty()) return;
    fs::create_directories(to_.parent_path());
    incoming_ = to_;
    incoming_ += ".incoming";
    fd_ = Fd(open(incoming_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd_.open()) failed("create");
  }
  void write(std::string_view bytes) {
    while (fd_.open() && !bytes.empty()) {
      const ssize_t n = ::write(fd_.get(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) failed("write");
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  void finish() {
    open_ = false;
    if (!fd_.open()) return;
    fd_.reset();
    const bool artifact = to_.filename().string().size() == 64;
    if (artifact) fs::permissions(incoming_, fs::perms(0444));
    real_files().publish(incoming_, to_);
  }
  [[noreturn]] void failed(const char* verb) {
    const int number = errno;
    throw Error(ErrorCode::kUnavailable,
                fmt::format("cannot {} {}: {}", verb, to_.string(), std::strerror(number)),
                number == ENOSPC ? "free some space" : "");
  }

  std::function<fs::path(const BackupEntry&)> where_;
  fs::path to_, incoming_;
  Fd fd_;
  bool open_ = false;
};

// A number that is no name of anything: each model makes less than one version in a second, so
// whatever was numbered before, here or in a store that is lost, is below the seconds since 1970.
int64_t above_all(const Registry& registry, SqliteStore& store, int64_t now_ms) {
  int64_t above = std::max(now_ms, registry.last_time_ms) / 1000;
  above = std::max(above, registry.restored_above);
  for (const auto& [name, model] : registry.models) above = std::max(above, model.highest);
  for (const auto& [name, number] : registry.former) above = std::max(above, number);
  for (const char* counter : kCounters) {
    const std::string text = store.get(counter);
    if (!text.empty()) above = std::max<int64_t>(above, std::stoll(text));
  }
  return above;
}

// Of the store that is replaced, where it can still be read.
int64_t above_of(const fs::path& file, int64_t now_ms) {
  try {
    Database db(file);
    SqliteStore store(db);
    return above_all(Ledger(db).load(), store, now_ms);
  } catch (const Error&) {
    return now_ms / 1000;  // damaged: it may be why somebody restores
  }
}

// Damage that reading alone does not find.
void check_store(Database& db, const fs::path& file) {
  const std::vector<std::string> problems = db.problems();
  if (problems.empty()) return;
  throw Error(ErrorCode::kCorrupt,
              fmt::format("the store in backup {} is damaged: {}", file.string(), problems[0]),
              "nothing was restored; take another backup");
}

// Images are no part of a backup: those of live releases are built again. Where a registry's
// channels went on meanwhile, publishing finds out (`kRestoredChannel`).
void publish_again(SqliteStore& store, const Registry& registry) {
  for (const auto& [channel, moves] : registry.channels) {
    store.set(kRestoredChannel + channel, registry.live(channel));
    store.add_intent("publish", channel);
  }
}

int64_t number_anew(Database& db, int64_t above, const std::string& backup, int64_t now_ms) {
  Ledger ledger(db);
  SqliteStore store(db);
  const Registry registry = ledger.load();
  above = std::max(above, above_all(registry, store, now_ms));
  db.begin();
  try {
    ledger.append(Restored{above, backup}, now_ms);
    for (const char* counter : kCounters) store.set(counter, std::to_string(above));
    publish_again(store, registry);
  } catch (...) {
    db.rollback();
    throw;
  }
  db.commit();
  return above;
}

struct Published {
  Digest digest;
  std::string of;
};

// What people and clusters may ask for: aliases, and the models of kept releases.
std::vector<Published> published(const Registry& registry, size_t keep) {
  std::vector<Published> all;
  std::set<Digest> seen;
  for (const auto& [name, model] : registry.models) {
    for (const auto& [alias, number] : model.aliases) {
      const Version* version = model.version(number);
      if (!version || !seen.insert(version->digest).second) continue;
      all.push_back({version->digest, fmt::format("{}@{} ({})", name, number, alias)});
    }
  }
  for (const std::string& tag : kept_releases(registry, keep)) {
    for (const auto& [name, model] : registry.release(tag)->release.models) {
      if (!seen.insert(model.digest).second) continue;
      all.push_back({model.digest, fmt::format("{}@{} (release {})", name, model.version, tag)});
    }
  }
  for (const Digest& digest : kept_digests(registry, keep)) {
    if (seen.insert(digest).second) all.push_back({digest, "a version that is kept"});
  }
  return all;
}

void sync_folder(const fs::path& folder) {
  Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.open() || fsync(fd.get()) != 0) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("cannot sync {}: {}", folder.string(), std::strerror(errno)));
  }
}

// One restore into one folder.
class Restoring {
 public:
  Restoring(const fs::path& file, fs::path folder)
      : file_(file), folder_(std::move(folder)), state_(folder_ / ".lockstep") {}

  Json run(bool force, const RestoreProgress& progress) {
    BackupReader reader(file_);
    const bool had = fs::exists(state_ / "state.db") || fs::exists(state_ / kMarker);
    if (had && !force) {
      throw Error(ErrorCode::kConflict, folder_.string() + " has a state already",
                  "restore into another folder; `--force` keeps the old state beside the new one");
    }
    fs::create_directories(state_);
    fs::permissions(state_, fs::perms::owner_all);
    FileLock lock(state_ / "lock", "the workspace " + folder_.string());
    const fs::path staging = state_ / "restoring";
    fs::remove_all(staging);
    bring(reader, staging, progress);
    const std::string created = reader.about().value("created", "");
    const int64_t now_ms = SystemClock().now_ms();
    int64_t above = fs::exists(state_ / "state.db") ? above_of(state_ / "state.db", now_ms) : 0;
    {
      Database db(staging / "state.db");
      check_store(db, file_);
      above = number_anew(db, above, created, now_ms);
    }
    const fs::path kept = had ? replace(staging, now_ms) : take(staging);
    return {{"workspace", folder_.string()},
            {"file", file_.string()},
            {"created", created},
            {"above", above},
            {"files", reader.entries().size()},
            {"bytes", reader.size()},
            {"kept", kept.empty() ? Json() : Json(kept.string())},
            {"notes", notes_},
            {"next", {"lockstep doctor", "lockstep plan", "lockstep release verify"}}};
  }

 private:
  // Artifacts go where they belong: their names are their bytes, so nothing there is replaced.
  void bring(BackupReader& reader, const fs::path& staging, const RestoreProgress& progress) {
    Extractor extractor([&](const BackupEntry& entry) {
      return (entry.path.starts_with("artifacts/") ? state_ : staging) / entry.path;
    });
    reader.read([&](const BackupReader::Piece& piece) { extractor.take(piece); },
                [&](uint64_t done) { progress(done, reader.size()); });
    if (!fs::exists(staging / "state.db")) {
      throw Error(ErrorCode::kCorrupt, "backup " + file_.string() + " has no store",
                  "take another backup");
    }
    if (!reader.about().value("artifacts", true)) {
      notes_.push_back("the backup was made without artifacts: models are trained again");
    }
  }

  // While the marker is there nobody opens the workspace: it may be between two states.
  fs::path replace(const fs::path& staging, int64_t now_ms) {
    std::string time = rfc3339(now_ms);
    std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
    const fs::path kept = state_ / ("before-restore-" + time);
    real_files().write_atomic(state_ / kMarker, "by " + file_.string() + "\n");
    fs::create_directories(kept);
    for (const char* name : {"state.db", "state.db-wal", "state.db-shm", "plan"}) {
      if (fs::exists(state_ / name)) fs::rename(state_ / name, kept / name);
    }
    take(staging);
    real_files().remove(state_ / kMarker);
    sync_folder(kept);
    sync_folder(state_);
    return kept;
  }

  // The store last: without it there is no state.
  fs::path take(const fs::path& staging) {
    keep_or_take(staging / "lockstep.yaml", folder_ / "lockstep.yaml",
                 "lockstep.yaml was there and stays; the backup's differs");
    keep_or_take(staging / "tokens.json", state_ / "tokens.json",
                 "the tokens that were there stay, so that none which was revoked lives again");
    keep_or_take(staging / "audit.jsonl", state_ / "audit.jsonl",
                 "the audit log that was there stays");
    sync_folder(folder_);
    real_files().publish(staging / "state.db", state_ / "state.db");
    fs::remove_all(staging);
    return {};
  }

  void keep_or_take(const fs::path& from, const fs::path& to, const std::string& note) {
    if (!fs::exists(from)) return;
    if (!fs::exists(fs::symlink_status(to))) {
      if (to.filename() == "tokens.json") {
        notes_.push_back("tokens are those of the backup: revoke again what was revoked since");
      }
      return real_files().publish(from, to);
    }
    if (real_files().read(from) != real_files().read(to)) notes_.push_back(note);
  }

  fs::path file_, folder_, state_;
  std::vector<std::string> notes_;
};

}  // namespace

void refuse_half_restored(const fs::path& state) {
  if (!fs::exists(state / kMarker)) return;
  throw Error(ErrorCode::kConflict,
              "a restore of " + state.parent_path().string() + " was interrupted",
              "give the same `lockstep restore … --force` again; what was there before is in " +
                  (state / "before-restore-…").string());
}

Json verify_backup(const fs::path& file, const RestoreProgress& progress) {
  BackupReader reader(file);
  TempFolder temp;
  std::set<std::string> there;
  Extractor extractor([&](const BackupEntry& entry) {
    there.insert(entry.path);
    return entry.path == "state.db" ? temp.path() / "state.db" : fs::path();
  });
  reader.read([&](const BackupReader::Piece& piece) { extractor.take(piece); },
              [&](uint64_t done) { progress(done, reader.size()); });
  Json problems = Json::array(), missing = Json::array();
  Json out = {{"file", file.string()},
              {"created", reader.about().value("created", "")},
              {"lockstep", reader.about().value("lockstep", "")},
              {"artifacts", reader.about().value("artifacts", true)},
              {"files", reader.entries().size()},
              {"bytes", reader.size()}};
  if (!there.count("state.db")) {
    throw Error(ErrorCode::kCorrupt, "backup " + file.string() + " has no store");
  }
  Database db(temp.path() / "state.db");
  for (const std::string& problem : db.problems()) problems.push_back("state.db: " + problem);
  SqliteStore store(db);
  const Registry registry = Ledger(db).load();
  for (const Published& one :
       published(registry, reader.about().value("keep_releases", size_t{10}))) {
    const std::string hex = one.digest.hex();
    if (there.count("artifacts/sha256/" + hex.substr(0, 2) + "/" + hex)) continue;
    missing.push_back({{"sha256", hex}, {"of", one.of}});
  }
  size_t releases = 0;
  for (const auto& [md5, contents] : registry.releases) releases += contents.size();
  // Who left the artifacts out knows that they are not there.
  const bool meant = !out["artifacts"].get<bool>();
  if (!missing.empty() && !meant) {
    problems.push_back(fmt::format("the bytes of {} digests are missing", missing.size()));
  }
  out.update({{"ok", problems.empty()},
              {"problems", problems},
              {"missing", missing},
              {"runs", store.count_runs()},
              {"models", registry.models.size()},
              {"releases", releases}});
  return out;
}

Json restore_backup(const fs::path& file, const fs::path& into, bool force,
                    const RestoreProgress& progress) {
  return Restoring(file, fs::absolute(into).lexically_normal()).run(force, progress);
}

}  // namespace lockstep
