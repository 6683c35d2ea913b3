// What holds a channel's cut as a whole: its policy, and `single-upstream`.
#include <algorithm>

#include "pipeline/core/names.h"
#include "registry/rules/queries.h"
#include "registry/rules/rules.h"
#include "registry/rules/words.h"

namespace lockstep {
namespace {

constexpr size_t kMostNamed = 5;

// "a: x; b: y; and 3 more"
std::string listed(const std::vector<std::string>& all) {
  std::string text;
  for (size_t i = 0; i < all.size() && i < kMostNamed; ++i) text += (i ? "; " : "") + all[i];
  if (all.size() > kMostNamed) text += "; and " + std::to_string(all.size() - kMostNamed) + " more";
  return text;
}

std::vector<std::string> named(const CutRequest& request) {
  std::vector<std::string> names;
  for (const std::string& model : request.produced) {
    const auto& patterns = request.channel.models;
    if (std::any_of(patterns.begin(), patterns.end(),
                    [&](const std::string& pattern) { return matches(pattern, model); })) {
      names.push_back(model);
    }
  }
  return names;
}

// The one that the newest plan decided for, else the newest that no preview alone asked for.
const Version* newest_candidate(const ModelState& model, const CutRequest& request,
                                const std::string& name) {
  auto decided = request.candidates.find(name);
  if (decided != request.candidates.end()) return model.version(decided->second);
  auto at = std::find_if(model.versions.rbegin(), model.versions.rend(),
                         [](const Version& version) { return version.preview.empty(); });
  return at == model.versions.rend() ? nullptr : &*at;
}

// Why the model's candidate has not passed; empty: it has.
std::string not_passed(const Registry& registry, const CutRequest& request,
                       const std::string& name) {
  auto without = request.without.find(name);
  if (without != request.without.end()) return without->second;
  const ModelState* model = registry.model(name);
  const Version* candidate = model ? newest_candidate(*model, request, name) : nullptr;
  if (!candidate) return "no version yet";
  auto gate = model->gates.find(candidate->number);
  if (gate == model->gates.end() || gate->second.passed) return "";
  if (model->approved(candidate->number)) return "";
  return "version " + std::to_string(candidate->number) + ": " + gate->second.verdict;
}

size_t needed(const ChannelSpec& channel, size_t all) {
  if (channel.policy == CutPolicy::kAll) return all;
  if (!channel.quorum_percent) return channel.quorum;
  return (all * channel.quorum + 99) / 100;
}

using Users = std::map<int64_t, std::vector<std::string>>;  // version → who was trained on it

// Upstream → who of the release was trained on which of its versions.
std::map<std::string, Users> users_of(const Registry& registry, const ReleaseModels& models) {
  std::map<std::string, Users> all;
  for (const auto& [name, entry] : models) {
    const ModelState* model = registry.holder(name, entry);
    const Version* version = model ? model->version(entry.version) : nullptr;
    if (!version) continue;
    for (const auto& [upstream, number] : upstreams_of(registry, *version)) {
      all[upstream][number].push_back(name);
    }
  }
  return all;
}

}  // namespace

std::string held_by_policy(const Registry& registry, const CutRequest& request) {
  if (request.channel.policy == CutPolicy::kPassedOnly) return "";
  std::vector<std::string> waits, names = named(request);
  for (const std::string& name : names) {
    std::string why = not_passed(registry, request, name);
    if (!why.empty()) waits.push_back(name + ": " + why);
  }
  size_t passed = names.size() - waits.size(), enough = needed(request.channel, names.size());
  if (passed >= enough) return "";
  std::string count = std::to_string(passed) + " of " + std::to_string(names.size()) + " passed";
  if (request.channel.policy == CutPolicy::kAll)
    return "policy all: " + count + "; " + listed(waits);
  return "policy quorum: " + count + ", " + std::to_string(enough) + " needed; " + listed(waits);
}

std::string held_by_upstreams(const Registry& registry, const ReleaseModels& models) {
  std::vector<std::string> waits;
  for (const auto& [upstream, users] : users_of(registry, models)) {
    if (users.size() < 2) continue;
    for (auto older = users.begin(); older != std::prev(users.end()); ++older) {
      for (const std::string& name : older->second) {
        waits.push_back(name + " (" + version_text(upstream, older->first) + ", others " +
                        std::to_string(users.rbegin()->first) + ")");
      }
    }
  }
  return waits.empty() ? "" : "single-upstream: waits for " + listed(waits);
}

std::vector<std::string> unpromoted(const Registry& registry, const CutRequest& request) {
  std::vector<std::string> names;
  for (const std::string& name : named(request)) {
    const ModelState* model = registry.model(name);
    int64_t champion = model ? model->alias(kChampion) : 0;
    bool free = model && !model->pin(request.channel.name) &&
                !model->withdrawn(champion, request.channel.name);
    if (free && champion != 0 && champion != model->alias(request.channel.name)) {
      names.push_back(name);
    }
  }
  return names;
}

}  // namespace lockstep
