#include "registry/rules/queries.h"

#include <algorithm>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"
#include "registry/rules/words.h"

namespace lockstep {
namespace {

constexpr size_t kShortestPrefix = 4, kMostNamed = 8;

std::vector<const ReleaseState*> with_prefix(const Registry& registry, const std::string& prefix) {
  std::vector<const ReleaseState*> found;
  for (const auto& [md5, contents] : registry.releases) {
    for (const ReleaseState& state : contents) {
      if (state.release.tag.starts_with(prefix)) found.push_back(&state);
    }
  }
  std::sort(found.begin(), found.end(), [](const ReleaseState* a, const ReleaseState* b) {
    return a->release.tag < b->release.tag;
  });
  return found;
}

bool trained_on(const Registry& registry, const Version& version, const std::string& model) {
  const Json upstreams = version.upstreams.json();
  if (!upstreams.is_array()) return false;
  for (const Json& upstream : upstreams) {
    if (!upstream.is_object()) continue;
    Json name = upstream.value("model", Json());
    if (!name.is_string()) continue;
    if (name == model) return true;
    if (registry.name_today(name.get<std::string>()) == model) return true;
  }
  return false;
}

}  // namespace

int64_t alias_at(const Registry& registry, const std::string& model, const std::string& alias,
                 int64_t time_ms) {
  const ModelState* state = registry.model(model);
  if (!state) return 0;
  int64_t version = 0;
  for (const Moved& moved : state->moves) {
    if (moved.time_ms > time_ms) break;
    if (moved.move.alias == alias) version = moved.move.to;
  }
  return version;
}

const ReleaseState* live_release_at(const Registry& registry, const std::string& channel,
                                    int64_t time_ms) {
  const ChannelMoved* moved = registry.move_at(channel, time_ms);
  return moved ? registry.release(moved->move.to) : nullptr;
}

const ReleaseState& find_release(const Registry& registry, const std::string& text) {
  if (const ReleaseState* exact = registry.release(text)) return *exact;
  if (std::string live = registry.live(text); !live.empty()) return *registry.release(live);
  std::vector<const ReleaseState*> found;
  if (text.size() >= kShortestPrefix) found = with_prefix(registry, text);
  if (found.empty()) {
    throw Error(ErrorCode::kNotFound,
                "no release or channel is called " + printable(text.substr(0, 128)),
                "`lockstep release list` shows them");
  }
  if (found.size() > 1) {
    std::string all;
    for (size_t i = 0; i < found.size() && i < kMostNamed; ++i) {
      all += " " + found[i]->release.tag;
    }
    if (found.size() > kMostNamed) {
      all += " and " + std::to_string(found.size() - kMostNamed) + " more";
    }
    throw Error(ErrorCode::kConflict, text + " may mean several releases:" + all,
                "write more of the tag");
  }
  return *found[0];
}

std::string withdrawn_because(const Registry& registry, const ReleaseState& release,
                              const std::string& channel) {
  auto mark = release.withdrawn.find(channel);
  if (mark != release.withdrawn.end()) return withdrawn_text(mark->second);
  for (const auto& [name, entry] : release.release.models) {
    const ModelState* model = registry.holder(name, entry);
    const Withdrawal* bad = model ? model->withdrawn(entry.version, channel) : nullptr;
    if (bad) return version_text(name, entry.version) + " is " + withdrawn_text(*bad);
  }
  return "";
}

ReleaseDifference release_difference(const Release& from, const Release& to) {
  ReleaseDifference out;
  for (const auto& [name, entry] : from.models) {
    auto other = to.models.find(name);
    if (other == to.models.end()) {
      out.removed.push_back(name);
    } else if (other->second.version != entry.version) {
      out.moved.push_back({name, entry.version, other->second.version});
    }
  }
  for (const auto& [name, entry] : to.models) {
    if (from.models.count(name) == 0) out.added.push_back(name);
  }
  return out;
}

std::vector<std::string> releases_naming(const Registry& registry, const std::string& model,
                                         int64_t version) {
  const ModelState* state = registry.model(model);
  const Version* wanted = state ? state->version(version) : nullptr;
  if (!wanted) return {};
  std::vector<std::string> names = {model};
  for (const auto& [old, to] : registry.renamed) names.push_back(old);
  std::vector<std::pair<int64_t, std::string>> found;
  for (const auto& [md5, contents] : registry.releases) {
    for (const ReleaseState& release : contents) {
      for (const std::string& name : names) {
        auto entry = release.release.models.find(name);
        if (entry == release.release.models.end() || entry->second.version != version) continue;
        if (registry.holder_name(name, entry->second) != model) continue;
        found.emplace_back(release.seq, release.release.tag);
        break;
      }
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> tags;
  for (auto& [seq, tag] : found) tags.push_back(std::move(tag));
  return tags;
}

std::map<std::string, int64_t> upstreams_of(const Registry& registry, const Version& version) {
  std::map<std::string, int64_t> found;
  const Json upstreams = version.upstreams.json();
  if (!upstreams.is_array()) return found;
  for (const Json& upstream : upstreams) {
    if (!upstream.is_object()) continue;
    Json name = upstream.value("model", Json()), number = upstream.value("version", Json());
    if (!name.is_string() || !number.is_number_integer()) continue;
    found[registry.name_today(name.get<std::string>())] = number.get<int64_t>();
  }
  return found;
}

std::set<std::string> consumers_of(const Registry& registry, const std::string& model) {
  std::set<std::string> found;
  for (const auto& [name, state] : registry.models) {
    if (state.retired || name == model) continue;
    for (const auto& [alias, number] : state.aliases) {
      if (trained_on(registry, *state.version(number), model)) found.insert(name);
    }
  }
  return found;
}

}  // namespace lockstep
