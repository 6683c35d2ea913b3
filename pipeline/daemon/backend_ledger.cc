// A ledger that was begun elsewhere is taken in, whole or not at all.
#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "pipeline/base/folder.h"
#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/given_files.h"
#include "registry/rules/import.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxLedger_bytes = 8ull << 20, kMaxFolder_bytes = 512ull << 20;
constexpr const char* kHistory = "history";

std::string read_bounded(const fs::path& file) {
  std::error_code none;
  const fs::file_type type = fs::symlink_status(file, none).type();
  if (type == fs::file_type::not_found) {
    throw Error(ErrorCode::kNotFound, "there is no such file",
                "a ledger is a .json, or a folder of manifests TAG.json with a file `history`",
                printable(file.string(), 4096));
  }
  if (type != fs::file_type::regular) {
    throw Error(ErrorCode::kInvalid, "a link, or no regular file", "name the file itself",
                printable(file.string(), 4096));
  }
  if (fs::file_size(file, none) > kMaxLedger_bytes) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("the file has {} bytes, more than {} MiB", fs::file_size(file, none),
                            kMaxLedger_bytes >> 20),
                "part it into several ledgers, oldest first, or into a folder of manifests",
                printable(file.string(), 4096));
  }
  return real_files().read(file, kMaxLedger_bytes);
}

// FOLDER/TAG.json each, and FOLDER/history with a line for each time one went live: [CHANNEL] TAG
// [what is known of it].
ForeignLedger read_folder(const fs::path& folder, std::optional<ManifestStyle> style,
                          const std::string& channel) {
  const fs::path history = folder / kHistory;
  const std::string text = read_bounded(history), place = printable(history.string(), 4096);
  if (!valid_utf8(text)) throw Error(ErrorCode::kInvalid, "not UTF-8", "", place);
  ForeignLedger ledger;
  uint64_t bytes = 0;
  size_t number = 0;
  for (size_t begin = 0, end; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    std::istringstream line(text.substr(begin, end - begin));
    const std::string where = fmt::format("{}:{}", place, ++number);
    std::string first, tag, said;
    if (!(line >> first) || first[0] == '#') continue;
    const bool tag_alone =
        first.size() == 32 && first.find_first_not_of("0123456789abcdef") == first.npos;
    if (tag_alone) tag = first;
    if (!tag_alone && !(line >> tag)) {
      throw Error(ErrorCode::kInvalid, "not `[CHANNEL] TAG [what is known of it]`", "", where);
    }
    std::getline(line >> std::ws, said);
    const fs::path file = folder / (tag + ".json");
    if (!valid_relative_path(tag) || tag.find('/') != tag.npos) {
      throw Error(ErrorCode::kInvalid, "`" + printable(tag) + "` is no tag", "", where);
    }
    const std::string manifest = read_bounded(file);
    bytes += manifest.size();
    if (bytes > kMaxFolder_bytes) {
      throw Error(ErrorCode::kInvalid, "the manifests have more than 512 MiB", "", where);
    }
    ForeignRelease release =
        read_foreign_manifest(manifest, tag, printable(file.string(), 4096), style);
    release.channel = tag_alone ? channel : first;
    release.said = printable(said, 500);
    release.told_ms = told_time(said);
    ledger.releases.push_back(std::move(release));
  }
  if (ledger.releases.empty()) {
    throw Error(ErrorCode::kInvalid, "the history names no release", "", place);
  }
  return ledger;
}

ForeignLedger read_ledger(const fs::path& from, const Json& body, const std::string& channel) {
  const std::string word = body.value("style", "");
  std::optional<ManifestStyle> style = manifest_style(word);
  if (!style && !word.empty()) {
    throw Error(ErrorCode::kInvalid, "no style of manifests is called " + printable(word),
                "canonical, python-json or python-json-sorted");
  }
  if (from.is_relative()) throw Error(ErrorCode::kInvalid, "`from` is not an absolute path");
  std::error_code none;
  if (fs::is_directory(from, none)) return read_folder(from, style, channel);
  return read_foreign_ledger(read_bounded(from), printable(from.string(), 4096), style, channel);
}

Json imported_json(const Import& import, const ForeignLedger& ledger) {
  Json releases = Json::array();
  for (size_t i = 0; i < ledger.releases.size(); ++i) {
    const ForeignRelease& one = ledger.releases[i];
    releases.push_back({{"tag", one.tag},
                        {"channel", one.channel},
                        {"models", one.versions.size()},
                        {"style", word(one.style)},
                        {"new", bool(import.fresh[i])}});
  }
  return {{"models", import.models},
          {"versions", import.versions},
          {"known", import.known},
          {"with_bytes", import.with_bytes},
          {"without_digest", import.without_digest},
          {"releases", releases}};
}

// Files of the versions that the ledger names, taken into the store or only hashed. A file that
// says a model and no version is of the version whose digest it has; where no digest is told, of
// the one version there is.
void take_files(const GivenFiles& files, ArtifactStore* store, ImportRequest& request) {
  std::map<std::string, std::set<int64_t>> numbers;
  for (const ForeignRelease& release : request.ledger.releases) {
    for (const auto& [name, number] : release.versions) numbers[name].insert(number);
  }
  for (const auto& [name, all] : numbers) {
    for (int64_t number : all) {
      std::optional<fs::path> file = files.find(name, ".safetensors", number);
      if (!file) continue;
      bool folder = false;
      const bool exact = files.names_version(name, number) || all.size() == 1;
      auto told = request.ledger.digests.find({name, number});
      const Digest digest = take_bytes(*file, exact ? store : nullptr, &folder);
      if (!exact && told == request.ledger.digests.end()) {
        throw Error(ErrorCode::kInvalid,
                    fmt::format("{} has {} versions in the ledger, and nothing says whose file "
                                "this is",
                                printable(name), all.size()),
                    "a path with {model} and {version} in it", printable(file->string(), 4096));
      }
      if (!exact && told->second != digest) continue;
      if (!exact && store) take_bytes(*file, store, &folder);
      request.files[{name, number}] = {digest, true};
    }
  }
}

}  // namespace

Json WorkspaceBackend::import_ledger(const Json& body, const Caller& caller) {
  daemon_.know_graph();
  const std::unique_lock<std::mutex> alone = daemon_.backups().alone();
  std::string channel = body.value("channel", "");
  if (channel.empty()) {
    channel = daemon_.in_loop([&](Engine& engine) { return channel_or_default(engine, ""); });
  }
  ImportRequest request;
  request.ledger = read_ledger(body.value("from", ""), body, channel);
  request.who = caller.user;
  request.reason = caller.reason;
  const std::string models = body.value("models_from", "");
  if (!models.empty()) {
    take_files(GivenFiles(models), caller.dry_run ? nullptr : &daemon_.artifacts(), request);
  }
  return daemon_.in_loop([&](Engine& engine) {
    if (engine.active()) {
      throw Error(ErrorCode::kConflict, "a run is at work", "import when it has finished");
    }
    for (const ForeignRelease& release : request.ledger.releases) {
      channel_or_default(engine, release.channel);  // must be one
    }
    const Import import = lockstep::import_ledger(engine.registry(), request);
    Json out = imported_json(import, request.ledger);
    out["dry_run"] = caller.dry_run;
    if (caller.dry_run) return out;
    engine.append(import.facts);
    engine.cut_again(caller.user, "the bytes of imported versions came");
    return out;
  });
}

}  // namespace lockstep
