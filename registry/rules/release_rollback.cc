#include <algorithm>

#include "pipeline/base/error.h"
#include "registry/rules/queries.h"
#include "registry/rules/rules.h"
#include "registry/rules/words.h"

namespace lockstep {
namespace {

struct Request {
  const Registry& registry;
  const ReleaseRollbackRequest& asked;
  const HasBytes& has;
  const std::vector<ChannelMoved>& history;  // of the channel, not empty
  const ReleaseState& live;
};

const std::vector<ChannelMoved>& history_of(const Registry& registry, const std::string& channel) {
  auto it = registry.channels.find(channel);
  if (it == registry.channels.end()) {
    throw Error(ErrorCode::kNotFound, "channel " + channel + " has no release");
  }
  return it->second;
}

// Names the first model whose bytes or record are gone; empty: complete.
std::string incomplete(const Request& request, const Release& release) {
  for (const auto& [name, entry] : release.models) {
    const std::string what = version_text(name, entry.version);
    if (!request.registry.holder(name, entry)) return what + " is not in the registry";
    if (!request.has(entry.digest)) return "the bytes of " + what + " are missing";
  }
  return "";
}

const ReleaseState& newest_earlier(const Request& request) {
  std::string tried;
  std::set<std::string> seen = {request.live.release.tag};
  for (auto it = request.history.rbegin(); it != request.history.rend(); ++it) {
    if (!seen.insert(it->move.to).second) continue;
    const ReleaseState& release = *request.registry.release(it->move.to);
    std::string wrong = withdrawn_because(request.registry, release, request.asked.channel);
    if (wrong.empty()) wrong = incomplete(request, release.release);
    if (wrong.empty()) return release;
    tried += (tried.empty() ? ": " : "; ") + it->move.to + ": " + wrong;
  }
  throw Error(ErrorCode::kConflict,
              "channel " + request.asked.channel + " has no earlier release to go back to" +
                  (tried.empty() ? ": " + request.live.release.tag + " is the first" : tried),
              "`--to TAG` goes to a withdrawn release and lifts its mark");
}

const ReleaseState& named_target(const Request& request) {
  const std::string& tag = request.asked.to;
  const ReleaseState* release = request.registry.release(tag);
  if (!release) throw Error(ErrorCode::kNotFound, "no release has the tag " + tag);
  bool was_live = std::any_of(request.history.begin(), request.history.end(),
                              [&](const ChannelMoved& moved) { return moved.move.to == tag; });
  if (!was_live) {
    throw Error(ErrorCode::kConflict,
                "release " + tag + " was never live in " + request.asked.channel,
                "a rollback goes only to releases that were");
  }
  return *release;
}

const ReleaseState& target_at(const Request& request, int64_t time_ms) {
  const std::string& channel = request.asked.channel;
  const ReleaseState* release = live_release_at(request.registry, channel, time_ms);
  if (!release) throw Error(ErrorCode::kNotFound, "channel " + channel + " had no release then");
  std::string wrong = withdrawn_because(request.registry, *release, channel);
  if (!wrong.empty()) {
    throw Error(ErrorCode::kConflict,
                "release " + release->release.tag + " was live then, but " +
                    (wrong.starts_with("withdrawn") ? "is " : "") + wrong,
                "`--to " + release->release.tag + "` goes there and lifts the mark");
  }
  return *release;
}

const ReleaseState& target_of(const Request& request) {
  if (request.asked.to.empty() && !request.asked.at_ms) return newest_earlier(request);
  const ReleaseState& target =
      request.asked.at_ms ? target_at(request, *request.asked.at_ms) : named_target(request);
  if (&target == &request.live) {
    throw Error(ErrorCode::kConflict, "release " + target.release.tag + " is live already");
  }
  std::string wrong = incomplete(request, target.release);
  if (!wrong.empty()) {
    throw Error(ErrorCode::kConflict,
                "release " + target.release.tag + " can't be taken: " + wrong);
  }
  return target;
}

// The versions of a release under the names the models have today.
std::map<std::string, int64_t> versions_today(const Registry& registry, const Release& release) {
  std::map<std::string, int64_t> versions;
  for (const auto& [name, entry] : release.models) {
    versions[registry.holder_name(name, entry)] = entry.version;
  }
  return versions;
}

// Model → version in the channel (0: absent) for all that must move, join or leave.
std::map<std::string, int64_t> differences(const Request& request, const Release& target) {
  auto before = versions_today(request.registry, request.live.release);
  auto after = versions_today(request.registry, target);
  std::map<std::string, int64_t> changes;
  for (const auto& [name, version] : after) {
    bool same = before.count(name) && before[name] == version &&
                request.registry.alias(name, request.asked.channel) == version;
    if (!same) changes[name] = version;
  }
  for (const auto& [name, version] : before) {
    if (after.count(name) == 0 && request.registry.model(name)) changes[name] = 0;
  }
  return changes;
}

void check_pin(const Request& request, const std::string& name) {
  const Pin* pin = request.registry.model(name)->pin(request.asked.channel);
  if (!pin || pin->kind != PinKind::kHand || request.asked.override_pins) return;
  throw Error(ErrorCode::kDenied, request.asked.channel + " of " + name + " is " + pin_text(*pin),
              "`lockstep unpin`, or `--override-pins`");
}

// Only a target that was named can carry marks.
void lift_marks(const Request& request, const ReleaseState& target, std::vector<Fact>& facts) {
  const ReleaseRollbackRequest& asked = request.asked;
  if (target.withdrawn.count(asked.channel)) {
    facts.push_back(
        ReleaseWithdrawn{target.release.tag, asked.channel, asked.who, asked.reason, true});
  }
  for (const auto& [name, version] : versions_today(request.registry, target.release)) {
    for (const Withdrawal& mark : request.registry.model(name)->withdrawals) {
      bool here = mark.channel.empty() || mark.channel == asked.channel;
      if (mark.version != version || !here) continue;
      facts.push_back(Withdrawal{name, version, mark.channel, asked.who, asked.reason, true});
    }
  }
}

// Moves one model's channel alias where it differs, and pins it.
void move_and_pin(const Request& request, const std::string& name, int64_t to,
                  ReleaseRollback& out) {
  const ReleaseRollbackRequest& asked = request.asked;
  check_pin(request, name);
  int64_t now = request.registry.alias(name, asked.channel);
  if (now != to) {
    out.facts.push_back(
        AliasMove{name, asked.channel, now, to, asked.who, "rollback: " + asked.reason});
  }
  out.facts.push_back(
      Pin{name, asked.channel, to, PinKind::kReleaseRollback, asked.who, asked.reason});
  out.pinned.push_back(name);
}

}  // namespace

ReleaseRollback roll_back_release(const Registry& registry, const ReleaseRollbackRequest& asked,
                                  const HasBytes& has) {
  if (asked.reason.empty()) {
    throw Error(ErrorCode::kInvalid, "a rollback needs a reason", "--reason …");
  }
  if (!asked.to.empty() && asked.at_ms) {
    throw Error(ErrorCode::kInvalid, "--to and --at exclude each other");
  }
  const auto& history = history_of(registry, asked.channel);
  Request request{registry, asked, has, history, *registry.release(history.back().move.to)};
  const ReleaseState& target = target_of(request);
  check_trusted(registry, target, asked.distrust);
  ReleaseRollback out;
  out.from = request.live.release.tag;
  out.to = target.release.tag;
  lift_marks(request, target, out.facts);
  for (const auto& [name, version] : differences(request, target.release)) {
    move_and_pin(request, name, version, out);
  }
  out.facts.push_back(ReleaseWithdrawn{out.from, asked.channel, asked.who, asked.reason, false});
  out.facts.push_back(
      ChannelMove{asked.channel, out.from, out.to, asked.who, "rollback: " + asked.reason, true});
  return out;
}

}  // namespace lockstep
