#include <unordered_set>

#include "registry/rules/rules.h"

namespace lockstep {
namespace {

struct Pinned {
  std::string name;  // as releases may name it: today's name or a former one
  int64_t version = 0;
};

std::vector<Pinned> pinned_versions(const Registry& registry) {
  std::multimap<std::string, std::string> former;  // today's name → names it had
  for (const auto& [old, next] : registry.renamed) former.emplace(registry.name_today(old), old);
  std::vector<Pinned> out;
  for (const auto& [name, model] : registry.models) {
    for (const auto& [alias, pin] : model.pins) {
      if (pin.version == 0) continue;
      out.push_back({name, pin.version});
      auto [begin, end] = former.equal_range(name);
      for (auto it = begin; it != end; ++it) out.push_back({it->second, pin.version});
    }
  }
  return out;
}

bool names_any(const Release& release, const std::vector<Pinned>& pinned) {
  for (const Pinned& pin : pinned) {
    auto entry = release.models.find(pin.name);
    if (entry != release.models.end() && entry->second.version == pin.version) return true;
  }
  return false;
}

class Keeper {
 public:
  // What a version's gate said.
  void report(const ModelState& model, int64_t number) {
    auto said = model.gates.find(number);
    if (said == model.gates.end() || said->second.report.empty()) return;
    kept.emplace(Digest::parse(said->second.report), "what a gate said");
  }

  // A version, what its gate said and what it was trained on.
  void version(const ModelState& model, int64_t number, std::string_view why) {
    const Version* version = model.version(number);
    if (!version || !seen_.insert(version).second) return;
    report(model, number);
    kept.emplace(version->digest, why);
    const Json upstreams = version->upstreams.json();
    if (!upstreams.is_array()) return;
    for (const Json& upstream : upstreams) {
      if (!upstream.is_object()) continue;
      Json digest = upstream.value("digest", Json());
      if (!digest.is_string()) continue;
      kept.emplace(Digest::parse(digest.get<std::string>()), "a kept version was trained on it");
    }
  }

  Kept kept;

 private:
  std::unordered_set<const Version*> seen_;
};

}  // namespace

std::set<std::string> kept_releases(const Registry& registry, size_t keep) {
  std::set<std::string> kept;
  for (const auto& [channel, history] : registry.channels) {
    std::set<std::string> last = {history.back().move.to};
    for (auto it = history.rbegin(); it != history.rend() && last.size() < keep; ++it) {
      last.insert(it->move.to);
    }
    kept.merge(last);
  }
  std::vector<Pinned> pinned = pinned_versions(registry);
  for (const auto& [md5, contents] : registry.releases) {
    for (const ReleaseState& state : contents) {
      if (state.kept) kept.insert(state.release.tag);
    }
    // Contents of one manifest name the same versions.
    if (!names_any(contents.front().release, pinned)) continue;
    for (const ReleaseState& state : contents) kept.insert(state.release.tag);
  }
  return kept;
}

Kept kept_because(const Registry& registry, size_t keep) {
  Keeper keeper;
  for (const auto& [name, model] : registry.models) {
    if (!model.gates.empty()) keeper.report(model, model.gates.rbegin()->first);
    for (const auto& [alias, number] : model.aliases) {
      keeper.version(model, number, "champion or live in a channel");
    }
    for (const auto& [alias, pin] : model.pins) keeper.version(model, pin.version, "pinned");
  }
  for (const std::string& tag : kept_releases(registry, keep)) {
    const ReleaseState* release = registry.release(tag);
    const std::string_view why =
        release->kept ? "in a release marked to be kept" : "in a kept release";
    const std::string& code = release->release.code;
    if (!code.empty()) keeper.kept.emplace(Digest::parse(code), why);
    for (const auto& [name, entry] : release->release.models) {
      const ModelState* model = registry.holder(name, entry);
      if (model) keeper.version(*model, entry.version, why);
      keeper.kept.emplace(entry.digest, why);
    }
  }
  for (const auto& [name, model] : registry.models) {
    for (const Moved& moved : model.moves) {
      if (model.withdrawn(moved.move.to, moved.move.alias)) continue;
      keeper.version(model, moved.move.to, "a rollback may go back to it");
    }
  }
  return std::move(keeper.kept);
}

std::set<Digest> kept_digests(const Registry& registry, size_t keep) {
  std::set<Digest> all;
  for (const auto& [digest, why] : kept_because(registry, keep)) all.insert(all.end(), digest);
  return all;
}

}  // namespace lockstep
