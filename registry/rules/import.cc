#include "registry/rules/import.h"

#include <algorithm>
#include <set>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"
#include "registry/rules/words.h"

namespace lockstep {
namespace {

// A digest that no bytes have: of a version of which nothing else is known.
Digest no_bytes(const ModelVersion& version) {
  return sha256("lockstep.imported.unknown\n" + version.first + "\n" +
                std::to_string(version.second));
}

class Importer {
 public:
  Importer(const Registry& registry, const ImportRequest& request)
      : trial_(registry), request_(request) {}

  Import done() {
    const bool known = known_already();
    if (!known) refuse_moved_channels();
    for (const ForeignRelease& release : request_.ledger.releases) {
      for (const auto& one : release.versions) place_.emplace(one, release.place);
    }
    // By model, numbers rising.
    for (const auto& [version, place] : place_) add_version(version, place);
    std::set<std::string> models;
    for (const auto& [version, place] : place_) models.insert(version.first);
    out_.models = models.size();
    if (!known) {
      for (const ForeignRelease& release : request_.ledger.releases) add_release(release);
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] static void conflict(const std::string& what, const std::string& place,
                                    const std::string& hint) {
    throw Error(ErrorCode::kConflict, what, hint, place);
  }

  // On a copy, so that nothing is half done where a fact can't follow.
  void add(Fact fact) {
    trial_.apply({trial_.last_seq + 1, trial_.last_time_ms, fact});
    out_.facts.push_back(std::move(fact));
  }

  // History goes before what is made here; of a channel that has moved by itself there is no
  // telling where.
  void refuse_moved_channels() const {
    for (const ForeignRelease& release : request_.ledger.releases) {
      auto moves = trial_.channels.find(release.channel);
      if (moves == trial_.channels.end()) continue;
      const ChannelMove& last = moves->second.back().move;
      if (imported(last)) continue;
      conflict("channel " + release.channel + " has releases of its own", release.place,
               "import before the first run, or into another channel: --channel NAME");
    }
  }

  ForeignBytes bytes_of(const ModelVersion& version, const std::string& place) const {
    auto told = request_.ledger.digests.find(version);
    auto file = request_.files.find(version);
    if (file == request_.files.end()) {
      return {told == request_.ledger.digests.end() ? no_bytes(version) : told->second, false};
    }
    if (told != request_.ledger.digests.end() && told->second != file->second.digest) {
      throw Error(ErrorCode::kInvalid,
                  "the file of " + version_text(version.first, version.second) +
                      " has the digest " + file->second.digest.hex() + ", not " +
                      told->second.hex(),
                  "another file, or another version's", place);
    }
    return file->second;
  }

  void add_version(const ModelVersion& one, const std::string& place) {
    const ForeignBytes bytes = bytes_of(one, place);
    const bool unknown = bytes.digest == no_bytes(one);
    out_.with_bytes += bytes.here ? 1 : 0;
    out_.without_digest += unknown ? 1 : 0;
    const std::string& name = one.first;
    const ModelState* model = trial_.model(name);
    if (const Version* there = model ? model->version(one.second) : nullptr) {
      const bool same = there->digest == bytes.digest || (unknown && !there->imported.empty());
      if (!same) {
        conflict(version_text(name, one.second) + " is here with other bytes", place,
                 "versions never change; import into a workspace of its own");
      }
      ++out_.known;
      return;
    }
    if (one.second <= trial_.highest(name)) {
      conflict(name + " has version " + std::to_string(trial_.highest(name)) +
                   " already, and numbers only grow",
               place, "import before the first run");
    }
    Version version;
    version.model = name;
    version.number = one.second;
    version.fingerprint = sha256("lockstep.imported\n" + name + "\n" + std::to_string(one.second));
    version.digest = bytes.digest;
    version.trigger = kImported;
    version.imported = bytes.here ? "file" : unknown ? "nothing" : "digest";
    add(std::move(version));
    ++out_.versions;
  }

  // The same ledger a second time: every release is here, and each channel stands at its last one,
  // or has gone on by itself. It may bring bytes.
  bool known_already() {
    std::map<std::string, std::string> last;
    for (const ForeignRelease& release : request_.ledger.releases) {
      last[release.channel] = release.tag;
      out_.fresh.push_back(trial_.release(release.tag) == nullptr);
    }
    return std::none_of(out_.fresh.begin(), out_.fresh.end(), [](bool fresh) { return fresh; }) &&
           std::all_of(last.begin(), last.end(), [&](const auto& one) {
             auto moves = trial_.channels.find(one.first);
             return moves != trial_.channels.end() && (moves->second.back().move.to == one.second ||
                                                       !imported(moves->second.back().move));
           });
  }

  void add_release(const ForeignRelease& foreign) {
    Release release;
    release.channel = foreign.channel;
    release.tag = foreign.tag;
    release.manifest = foreign.manifest;
    release.manifest_sha256 = sha256(foreign.manifest);
    std::vector<ReleaseModels::value_type> models;
    for (const auto& [name, number] : foreign.versions) {
      models.push_back({name, {number, trial_.model(name)->version(number)->digest}});
    }
    release.models = ReleaseModels(std::move(models));
    release.content = release_content(release);
    const ReleaseState* known = trial_.release(foreign.tag);
    if (known && known->release.content != release.content) {
      conflict("release " + foreign.tag + " is here with another content", foreign.place,
               "its models have other bytes there");
    }
    if (!known) add(release);
    move_aliases(foreign, release.models);
    const std::string live = trial_.live(foreign.channel);
    if (live == foreign.tag) return;
    add(ChannelMove{foreign.channel, live, foreign.tag, request_.who, why(foreign), false,
                    foreign.told_ms});
  }

  void move_aliases(const ForeignRelease& foreign, const ReleaseModels& models) {
    for (const auto& [name, entry] : models) {
      for (const std::string& alias : {std::string(kChampion), foreign.channel}) {
        const int64_t from = trial_.alias(name, alias);
        if (from == entry.version) continue;
        add(AliasMove{name, alias, from, entry.version, request_.who, why(foreign)});
      }
    }
    // What this release names no longer is absent from the channel.
    std::vector<std::string> gone;
    for (const auto& [name, model] : trial_.models) {
      if (model.alias(foreign.channel) > 0 && !models.count(name)) gone.push_back(name);
    }
    for (const std::string& name : gone) {
      add(AliasMove{name, foreign.channel, trial_.alias(name, foreign.channel), 0, request_.who,
                    why(foreign)});
    }
  }

  std::string why(const ForeignRelease& foreign) const {
    std::string text = kImported;
    if (!foreign.said.empty()) text += " (" + foreign.said + ")";
    return request_.reason.empty() ? text : text + ": " + request_.reason;
  }

  Registry trial_;
  const ImportRequest& request_;
  std::map<ModelVersion, std::string> place_;  // where each is named first
  Import out_;
};

}  // namespace

Import import_ledger(const Registry& registry, const ImportRequest& request) {
  return Importer(registry, request).done();
}

}  // namespace lockstep
