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

void keep_report(const ModelState& model, int64_t number, std::set<Digest>& kept) {
  auto report = model.gates.find(number);
  if (report == model.gates.end() || report->second.report.empty()) return;
  kept.insert(Digest::parse(report->second.report));
}

// A version, what its gate said and what it was trained on.
void keep_version(const ModelState& model, int64_t number, std::set<Digest>& kept) {
  const Version* version = model.version(number);
  if (!version) return;
  keep_report(model, number, kept);
  if (!kept.insert(version->digest).second) return;
  const Json upstreams = version->upstreams.json();
  if (!upstreams.is_array()) return;
  for (const Json& upstream : upstreams) {
    if (!upstream.is_object()) continue;
    Json digest = upstream.value("digest", Json());
    if (digest.is_string()) kept.insert(Digest::parse(digest.get<std::string>()));
  }
}

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
    // Contents of one manifest name the same versions.
    if (!names_any(contents.front().release, pinned)) continue;
    for (const ReleaseState& state : contents) kept.insert(state.release.tag);
  }
  return kept;
}

std::set<Digest> kept_digests(const Registry& registry, size_t keep) {
  std::set<Digest> kept;
  for (const auto& [name, model] : registry.models) {
    if (!model.gates.empty()) keep_report(model, model.gates.rbegin()->first, kept);
    for (const auto& [alias, number] : model.aliases) keep_version(model, number, kept);
    for (const auto& [alias, pin] : model.pins) keep_version(model, pin.version, kept);
    for (const Moved& moved : model.moves) {
      if (model.withdrawn(moved.move.to, moved.move.alias)) continue;
      keep_version(model, moved.move.to, kept);
    }
  }
  for (const std::string& tag : kept_releases(registry, keep)) {
    const std::string& code = registry.release(tag)->release.code;
    if (!code.empty()) kept.insert(Digest::parse(code));
    for (const auto& [name, entry] : registry.release(tag)->release.models) {
      kept.insert(entry.digest);
      const ModelState* model = registry.holder(name, entry);
      if (model) keep_version(*model, entry.version, kept);
    }
  }
  return kept;
}

}  // namespace lockstep
