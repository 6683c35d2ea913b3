// One channel gets what another one has: by digest, nothing trained, nothing gated again.
#include <algorithm>

#include "pipeline/base/error.h"
#include "pipeline/core/names.h"
#include "registry/rules/queries.h"
#include "registry/rules/rules.h"
#include "registry/rules/words.h"

namespace lockstep {
namespace {

// What the target is to have, before its patterns, pins and marks are looked at.
struct Offer {
  std::map<std::string, int64_t> versions;  // by the names of today
  std::string tag;                          // empty: the champions
  const ChannelSpec* from = nullptr;        // null: not a channel of today
};

bool names(const ChannelSpec& channel, const std::string& model) {
  return std::any_of(channel.models.begin(), channel.models.end(),
                     [&](const std::string& pattern) { return matches(pattern, model); });
}

Offer champions(const Registry& registry) {
  Offer offer;
  for (const auto& [name, model] : registry.models) {
    if (!model.retired && model.alias(kChampion) != 0) {
      offer.versions[name] = model.alias(kChampion);
    }
  }
  return offer;
}

const ReleaseState& release_of(const Registry& registry, const ReleasePromoteRequest& asked,
                               const ChannelSpec* from) {
  if (!from) return find_release(registry, asked.from);
  std::string live = registry.live(from->name);
  if (!live.empty()) return *registry.release(live);
  throw Error(ErrorCode::kConflict, "channel " + from->name + " has no release to promote");
}

void check_release(const Registry& registry, const ReleasePromoteRequest& asked,
                   const ReleaseState& release, const HasBytes& has) {
  std::string wrong = withdrawn_because(registry, release, asked.to.name);
  for (const auto& [name, entry] : release.release.models) {
    if (!wrong.empty()) break;
    const std::string what = version_text(name, entry.version);
    if (!registry.holder(name, entry)) wrong = what + " is not in the registry";
    if (!has(entry.digest)) wrong = "the bytes of " + what + " are missing";
  }
  if (wrong.empty()) return;
  throw Error(
      ErrorCode::kConflict,
      "release " + release.release.tag + " is not promoted to " + asked.to.name + ": " + wrong,
      "`lockstep release rollback --to` goes to a withdrawn one and lifts its mark");
}

Offer offer_of(const Registry& registry, const ReleasePromoteRequest& asked, const HasBytes& has) {
  if (asked.from == kChampion) return champions(registry);
  Offer offer;
  auto known = std::find_if(asked.channels.begin(), asked.channels.end(),
                            [&](const ChannelSpec& one) { return one.name == asked.from; });
  if (known != asked.channels.end()) offer.from = &*known;
  const ReleaseState& release = release_of(registry, asked, offer.from);
  check_release(registry, asked, release, has);
  check_trusted(registry, release, asked.distrust);
  offer.tag = release.release.tag;
  for (const auto& [name, entry] : release.release.models) {
    offer.versions[registry.holder_name(name, entry)] = entry.version;
  }
  return offer;
}

// Why the model does not get this version (0: does not leave); empty: it does.
std::string obstacle(const ReleasePromoteRequest& asked, const std::string& name,
                     const ModelState& model, int64_t version, const HasBytes& has) {
  if (const Pin* pin = model.pin(asked.to.name)) return pin_text(*pin);
  if (version == 0) return "";
  if (!names(asked.to, name)) return "not named by channel " + asked.to.name;
  if (!asked.produced.count(name)) return "no longer produced";
  if (const Withdrawal* mark = model.withdrawn(version, asked.to.name)) {
    return "version " + std::to_string(version) + " is " + withdrawn_text(*mark);
  }
  return has(model.version(version)->digest) ? "" : "its bytes are missing";
}

void move(const Registry& registry, const ReleasePromoteRequest& asked, const std::string& name,
          int64_t version, const HasBytes& has, ReleasePromotion& out) {
  const ModelState& model = *registry.model(name);
  int64_t now = model.alias(asked.to.name);
  bool named = names(asked.to, name);
  if (now == version && (named || version == 0)) return;
  std::string why = obstacle(asked, name, model, version, has);
  if (!why.empty()) {
    // Of the champions only those count that the channel names; of a release all do.
    if (named || !out.tag.empty()) out.held_back.push_back(name + ": " + why);
    return;
  }
  out.facts.push_back(AliasMove{name, asked.to.name, now, version, asked.who,
                                "promoted from " + asked.from + ": " + asked.reason});
}

}  // namespace

ReleasePromotion promote_release(const Registry& registry, const ReleasePromoteRequest& asked,
                                 const HasBytes& has) {
  if (asked.reason.empty()) {
    throw Error(ErrorCode::kInvalid, "a promotion needs a reason", "--reason …");
  }
  if (asked.from == asked.to.name) {
    throw Error(ErrorCode::kInvalid, "a channel is not promoted to itself");
  }
  if (!asked.to.promote_by_hand) {
    throw Error(ErrorCode::kConflict,
                "channel " + asked.to.name + " promotes by itself: the next cut would undo it",
                "`promote: manual` makes the channel wait for this command");
  }
  Offer offer = offer_of(registry, asked, has);
  ReleasePromotion out;
  out.tag = offer.tag;
  for (const auto& [name, model] : registry.models) {
    auto offered = offer.versions.find(name);
    if (offered != offer.versions.end()) {
      move(registry, asked, name, offered->second, has, out);
    } else if (model.alias(asked.to.name) != 0 && (!offer.from || names(*offer.from, name))) {
      move(registry, asked, name, 0, has, out);
    }
  }
  return out;
}

}  // namespace lockstep
