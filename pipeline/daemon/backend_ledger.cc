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
  if (fs::symlink_status(file, none).type() != fs::file_type::regular) {
    throw Error(fs::exists(file, none) ? ErrorCode::kInvalid : ErrorCode::kNotFound,
                "there is no such file that is no link", "", printable(file.string(), 4096));
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

}  // namespace

Json WorkspaceBackend::import_ledger(const Json& body, const Caller& caller) {
  know_graph();
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
    const GivenFiles files(models);
    for (const ForeignRelease& release : request.ledger.releases) {
      for (const ModelVersion& one : release.versions) {
        if (request.files.count(one)) continue;
        std::optional<fs::path> file = files.find(one.first, ".safetensors", one.second);
        if (!file) continue;
        bool folder = false;
        const Digest digest =
            take_bytes(*file, caller.dry_run ? nullptr : &daemon_.artifacts(), &folder);
        request.files[one] = {digest, true};
      }
    }
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
    if (!caller.dry_run) engine.append(import.facts);
    return out;
  });
}

}  // namespace lockstep
