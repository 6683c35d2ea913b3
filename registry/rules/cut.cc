#include <algorithm>
#include <tuple>

#include "pipeline/base/error.h"
#include "pipeline/core/names.h"
#include "registry/rules/rules.h"
#include "registry/rules/words.h"

namespace lockstep {
namespace {

// A cut before it is known what release it arrives at.
struct Draft {
  Cut cut;
  Release release;
};

bool matched(const ChannelSpec& channel, const std::string& model) {
  return std::any_of(channel.models.begin(), channel.models.end(),
                     [&](const std::string& pattern) { return matches(pattern, model); });
}

// Patterns and the present graph decide; what a release rollback pinned into the channel stays.
std::set<std::string> members(const Registry& registry, const CutRequest& request) {
  std::set<std::string> names;
  for (const std::string& name : request.produced) {
    if (matched(request.channel, name)) names.insert(name);
  }
  for (const auto& [name, model] : registry.models) {
    const Pin* pin = model.pin(request.channel.name);
    if (pin && pin->kind == PinKind::kReleaseRollback && pin->version != 0) names.insert(name);
  }
  return names;
}

// Champion → channel alias, unless a pin or a mark holds it back. Gives the alias's version.
int64_t promote(const std::string& name, const ModelState& model, const CutRequest& request,
                Cut& cut) {
  const std::string& channel = request.channel.name;
  int64_t champion = model.alias(kChampion);
  int64_t now = model.alias(channel);
  if (const Pin* pin = model.pin(channel)) {
    bool gone = request.produced.count(name) == 0;
    std::string note = gone ? " (no longer produced)" : "";
    if (gone || now != champion) cut.held_back.push_back(name + ": " + pin_text(*pin) + note);
    return now;
  }
  if (champion == 0 || champion == now || request.as_built || request.by_hand) return now;
  if (const Withdrawal* mark = model.withdrawn(champion, channel)) {
    cut.held_back.push_back(name + ": version " + std::to_string(champion) + " is " +
                            withdrawn_text(*mark));
    return now;
  }
  cut.facts.push_back(AliasMove{name, channel, now, champion, request.who, "promoted"});
  return champion;
}

std::string why_missing(const ModelState* model, const std::string& channel, bool by_hand) {
  if (!model) return "no version yet";
  if (const Pin* pin = model->pin(channel)) return pin_text(*pin);
  if (model->alias(kChampion) != 0) return by_hand ? "not promoted yet" : "held back";
  if (model->gates.empty()) return "no champion yet";
  const GateReport& last = model->gates.rbegin()->second;
  return "no champion yet: version " + std::to_string(last.version) + ": " + last.verdict;
}

Draft draft_release(const Registry& registry, const CutRequest& request) {
  Draft draft;
  Release& release = draft.release;
  Json missing = Json::array();
  for (const std::string& name : members(registry, request)) {
    const ModelState* model = registry.model(name);
    int64_t version = model ? promote(name, *model, request, draft.cut) : 0;
    if (version != 0) {
      release.models.put(name, {version, model->version(version)->digest});
    } else {
      missing.push_back(
          {{"model", name},
           {"why", why_missing(model, request.channel.name, request.channel.promote_by_hand)}});
    }
  }
  release.missing = missing;
  release.channel = request.channel.name;
  release.base = request.base;
  release.code = request.code;
  release.manifest = manifest_of(release);
  release.manifest_sha256 = sha256(release.manifest);
  release.tag = manifest_tag(release.manifest);
  release.content = release_content(release);
  return draft;
}

// Place of the release in the channel's history, from 1; 0: never live there.
size_t last_live(const Registry& registry, const std::string& channel, const std::string& tag) {
  auto it = registry.channels.find(channel);
  if (it == registry.channels.end()) return 0;
  for (size_t i = it->second.size(); i > 0; --i) {
    if (it->second[i - 1].move.to == tag) return i;
  }
  return 0;
}

// The channel was rolled back to this manifest: it stays as it was built.
bool rolled_back_to(const Registry& registry, const std::string& channel, const std::string& md5) {
  auto it = registry.channels.find(channel);
  if (it == registry.channels.end()) return false;
  const ChannelMove& last = it->second.back().move;
  return last.as_built && last.to.starts_with(md5);
}

// Of the kept contents of one manifest, the one to point to; null: none may be. `as_built`: any
// content, the one last live in the channel first. Else only today's; but where that one is
// withdrawn here, another that was live here and is not.
const ReleaseState* pick(const Registry& registry, const std::vector<ReleaseState>& contents,
                         const Release& release, bool as_built) {
  const ReleaseState* best = nullptr;
  auto better = [&](const ReleaseState& a, const ReleaseState& b) {
    auto rank = [&](const ReleaseState& s) {
      return std::tuple(s.withdrawn.count(release.channel) == 0,
                        last_live(registry, release.channel, s.release.tag),
                        s.release.content == release.content);
    };
    return rank(a) > rank(b);
  };
  for (const ReleaseState& state : contents) {
    if (!best || better(state, *best)) best = &state;
  }
  if (as_built) return best;
  for (const ReleaseState& state : contents) {
    if (state.release.content != release.content) continue;
    bool withdrawn = state.withdrawn.count(release.channel) > 0;
    bool other = best->withdrawn.count(release.channel) == 0 &&
                 last_live(registry, release.channel, best->release.tag) > 0;
    return withdrawn && other ? best : &state;
  }
  return nullptr;
}

std::string side(const Release& release) {
  auto or_none = [](const std::string& text) { return text.empty() ? std::string("none") : text; };
  return "content " + release.content.str() + " (base " + or_none(release.base) + ", code " +
         or_none(release.code) + ")";
}

[[noreturn]] void collision(const Release& kept, const Release& now) {
  std::string models;
  for (const auto& [name, entry] : now.models) {
    auto other = kept.models.find(name);
    if (other == kept.models.end() || other->second == entry) continue;
    models = "; " + version_text(name, entry.version) + " is " + other->second.digest.str() +
             " there and " + entry.digest.str() + " now";
    break;
  }
  throw Error(ErrorCode::kConflict,
              "release " + kept.tag + " is known with other content: there " + side(kept) +
                  "; now " + side(now) + models,
              "`lockstep release rebuild --reason …` releases it as " + rebuilt_tag(now));
}

// Points the channel to a known release.
void point_to(const Registry& registry, const ReleaseState& known, const CutRequest& request,
              const Draft& draft, Cut& cut) {
  const std::string& channel = request.channel.name;
  cut.tag = known.release.tag;
  if (known.release.content != draft.release.content) {
    cut.held_back.push_back("release " + cut.tag +
                            " stays as it was built: base image or code differ today "
                            "(`lockstep release rebuild --reason …`)");
  }
  std::string live = registry.live(channel);
  if (live == cut.tag) return;
  check_trusted(registry, known, request.distrust);
  if (known.withdrawn.count(channel)) {
    cut.facts.push_back(ReleaseWithdrawn{cut.tag, channel, request.who, request.why, true});
  }
  cut.facts.push_back(
      ChannelMove{channel, live, cut.tag, request.who, request.why, request.as_built});
  cut.moved = true;
}

void create(const Registry& registry, const CutRequest& request, Draft& draft, Cut& cut) {
  const std::string& channel = request.channel.name;
  cut.tag = draft.release.tag;
  cut.built_new = cut.moved = true;
  cut.facts.push_back(draft.release);
  cut.facts.push_back(
      ChannelMove{channel, registry.live(channel), cut.tag, request.who, request.why, false});
}

Cut held_cut(const Registry& registry, const CutRequest& request, std::string why) {
  Cut cut;
  cut.tag = registry.live(request.channel.name);
  cut.held = std::move(why);
  return cut;
}

// Why nothing is cut now; empty: it is. A rollback is never held.
std::string hold(const Registry& registry, const CutRequest& request, const Draft& draft) {
  if (request.as_built) return "";
  std::string why;
  if (!request.by_hand) why = held_by_policy(registry, request);
  if (!why.empty() || !request.channel.single_upstream) return why;
  why = held_by_upstreams(registry, draft.release.models);
  if (why.empty() || !request.by_hand) return why;
  throw Error(ErrorCode::kConflict, "channel " + request.channel.name + " is not cut: " + why,
              "promote them together, once they agree");
}

// The kept release of this manifest that the cut points to; null: none may be.
const ReleaseState* known_target(const Registry& registry, const CutRequest& request,
                                 const Draft& draft, const std::vector<ReleaseState>& contents) {
  bool as_built =
      request.as_built || rolled_back_to(registry, request.channel.name, draft.release.tag);
  const ReleaseState* same = request.same_as.empty() ? nullptr : registry.release(request.same_as);
  if (same && same->release.models == draft.release.models) return same;
  return pick(registry, contents, draft.release, as_built);
}

// Why no image can be made of it; empty: it can, or is there.
std::string no_image(const Registry& registry, const CutRequest& request, const Release& release) {
  const ReleaseState* known = registry.release(release.tag);
  const bool there = known && (known->image || registry.live(request.channel.name) == release.tag);
  return there || !request.unbuildable ? "" : request.unbuildable(registry, release);
}

[[noreturn]] void refuse_without_image(const CutRequest& request, const std::string& why) {
  throw Error(ErrorCode::kConflict,
              "channel " + request.channel.name + " is not moved: no image can be made: " + why);
}

}  // namespace

Cut cut_release(const Registry& registry, const CutRequest& request) {
  bool by_command = request.as_built || request.by_hand;
  if (request.channel.promote_by_hand && !by_command) return held_cut(registry, request, "");
  Draft draft = draft_release(registry, request);
  if (draft.release.models.empty()) return draft.cut;
  if (std::string why = hold(registry, request, draft); !why.empty()) {
    return held_cut(registry, request, why);
  }
  auto known = registry.releases.find(draft.release.tag);
  const bool fresh = known == registry.releases.end();
  const ReleaseState* target =
      fresh ? nullptr : known_target(registry, request, draft, known->second);
  if (!fresh && !target) collision(known->second.front().release, draft.release);
  std::string why = no_image(registry, request, target ? target->release : draft.release);
  if (!why.empty() && by_command) refuse_without_image(request, why);
  if (!why.empty()) return held_cut(registry, request, why);
  if (fresh) {
    create(registry, request, draft, draft.cut);
  } else {
    point_to(registry, *target, request, draft, draft.cut);
  }
  return draft.cut;
}

Cut rebuild_release(const Registry& registry, const CutRequest& given, const std::string& reason) {
  if (reason.empty()) throw Error(ErrorCode::kInvalid, "a rebuild needs a reason", "--reason …");
  CutRequest request = given;
  request.why = "rebuild: " + reason;
  request.as_built = false;
  Draft draft = draft_release(registry, request);
  if (draft.release.models.empty()) {
    throw Error(ErrorCode::kConflict,
                "channel " + request.channel.name + " has no model that could be released");
  }
  auto known = registry.releases.find(draft.release.tag);
  if (known != registry.releases.end()) {
    for (const ReleaseState& state : known->second) {
      if (state.release.content != draft.release.content) continue;
      std::string why = no_image(registry, request, state.release);
      if (!why.empty()) refuse_without_image(request, why);
      point_to(registry, state, request, draft, draft.cut);
      return draft.cut;
    }
    draft.release.tag = rebuilt_tag(draft.release);
    if (registry.release(draft.release.tag)) {
      collision(registry.release(draft.release.tag)->release, draft.release);
    }
  }
  std::string why = no_image(registry, request, draft.release);
  if (!why.empty()) refuse_without_image(request, why);
  create(registry, request, draft, draft.cut);
  return draft.cut;
}

}  // namespace lockstep
