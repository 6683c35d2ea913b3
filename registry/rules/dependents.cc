// A model that others were trained on goes back, and they go with it.
#include "registry/rules/dependents.h"

#include <algorithm>
#include <deque>

#include "pipeline/base/error.h"
#include "registry/rules/queries.h"
#include "registry/rules/words.h"

namespace lockstep {
namespace {

// A model that was moved, and where.
struct Upstream {
  std::string model;
  int64_t to = 0;
  std::vector<std::string> aliases;
};

struct Consumers {
  const Registry& registry;
  const RollbackRequest& request;
  const HasBytes& has;
  Rollback& out;
  std::deque<Upstream> queue;
  // Model and alias that were looked at: who was trained on two that go back follows the nearer
  // one, and the next plan says what is still to be trained.
  std::set<std::pair<std::string, std::string>> seen;
};

// The version of `upstream` that this one was trained on; 0: none.
int64_t trained_on(const Registry& registry, const Version& version, const std::string& upstream) {
  auto all = upstreams_of(registry, version);
  auto used = all.find(upstream);
  return used == all.end() ? 0 : used->second;
}

// What a mark of ours says, so that going forward again can lift it and no other.
std::string mark_reason(const std::string& upstream, int64_t version) {
  return "trained on " + version_text(upstream, version) + ": ";
}

bool ours(const Withdrawal& mark, const std::string& upstream, int64_t version) {
  return mark.reason.starts_with(mark_reason(upstream, version));
}

// Good = has held that alias or champion, is not withdrawn (but by a rollback that is undone now),
// and its bytes are present.
bool good(const Consumers& all, const ModelState& model, const std::string& alias, int64_t number,
          const Upstream& upstream) {
  for (const Withdrawal& mark : model.withdrawals) {
    bool here = mark.channel.empty() || mark.channel == alias;
    bool lifted = all.request.to && ours(mark, upstream.model, upstream.to);
    if (mark.version == number && here && !lifted) return false;
  }
  return all.has(model.version(number)->digest);
}

// The newest good version on the upstream's target, in the order of the alias's history; 0: none.
int64_t newest_on(const Consumers& all, const ModelState& model, const std::string& alias,
                  const Upstream& upstream) {
  for (auto it = model.moves.rbegin(); it != model.moves.rend(); ++it) {
    int64_t number = it->move.to;
    bool held = it->move.alias == alias || it->move.alias == kChampion;
    if (!held || number == 0) continue;
    const Version& version = *model.version(number);
    if (trained_on(all.registry, version, upstream.model) != upstream.to) continue;
    if (good(all, model, alias, number, upstream)) return number;
  }
  return 0;
}

void check_pin(const Consumers& all, const std::string& name, const ModelState& model,
               const std::string& alias) {
  const Pin* pin = model.pin(alias);
  if (!pin || pin->kind != PinKind::kHand || all.request.override_pins) return;
  throw Error(ErrorCode::kDenied,
              alias + " of " + name + ", which would follow, is " + pin_text(*pin),
              "`lockstep unpin`, or `--override-pins`");
}

void withdraw(Consumers& all, const std::string& name, int64_t number, const Upstream& upstream,
              int64_t was_on) {
  const RollbackRequest& request = all.request;
  std::string reason = mark_reason(upstream.model, was_on) + request.reason;
  Withdrawal mark{name, number, request.channel, request.who, reason, false};
  bool again = std::any_of(all.out.facts.begin(), all.out.facts.end(), [&](const Fact& fact) {
    const Withdrawal* one = std::get_if<Withdrawal>(&fact);
    return one && !one->lifted && one->model == name && one->version == number;
  });
  if (!again) all.out.facts.push_back(std::move(mark));
}

void lift(Consumers& all, const std::string& name, const ModelState& model, int64_t number,
          const Upstream& upstream) {
  for (const Withdrawal& mark : model.withdrawals) {
    if (mark.version != number || !ours(mark, upstream.model, upstream.to)) continue;
    Withdrawal lifted = mark;
    lifted.model = name;
    lifted.who = all.request.who;
    lifted.lifted = true;
    all.out.facts.push_back(std::move(lifted));
  }
}

// An alias that a pin of an earlier rollback holds is let go: it follows its upstream from here on.
void move_alias(Consumers& all, const std::string& name, const ModelState& model,
                const std::string& alias, int64_t to, const Upstream& upstream) {
  const RollbackRequest& request = all.request;
  int64_t from = model.alias(alias);
  if (model.pin(alias)) {
    all.out.facts.push_back(Unpin{name, alias, request.who, "follows " + upstream.model});
  }
  all.out.facts.push_back(AliasMove{name, alias, from, to, request.who,
                                    "rollback with " + upstream.model + ": " + request.reason});
  all.out.dependents.push_back({name, alias, from, to});
  auto& channels = all.out.moved_channels;
  bool known = std::find(channels.begin(), channels.end(), alias) != channels.end();
  if (alias != kChampion && !known) channels.push_back(alias);
}

// One consumer in every alias that its upstream moved in.
void follow(Consumers& all, const std::string& name, const ModelState& model,
            const Upstream& upstream) {
  std::map<int64_t, std::vector<std::string>> moved;  // target → aliases
  std::set<int64_t> lifted;
  for (const std::string& alias : upstream.aliases) {
    int64_t now = model.alias(alias);
    int64_t was_on = now ? trained_on(all.registry, *model.version(now), upstream.model) : 0;
    if (was_on == 0 || was_on == upstream.to) continue;
    // In a channel only what stands on the version that goes back; older ones are its own affair.
    bool first = upstream.model == all.request.model;
    if (first && alias != kChampion && was_on != all.out.from) continue;
    if (!all.seen.emplace(name, alias).second) continue;
    check_pin(all, name, model, alias);
    int64_t target = newest_on(all, model, alias, upstream);
    withdraw(all, name, now, upstream, was_on);
    if (target == 0) {
      all.out.to_train.insert(name);
      continue;
    }
    if (lifted.insert(target).second) lift(all, name, model, target, upstream);
    move_alias(all, name, model, alias, target, upstream);
    moved[target].push_back(alias);
  }
  for (const auto& [target, aliases] : moved) all.queue.push_back({name, target, aliases});
}

}  // namespace

void move_dependents(const Registry& registry, const RollbackRequest& request, const HasBytes& has,
                     const std::vector<std::string>& aliases, Rollback& out) {
  Consumers all{registry, request, has, out, {}};
  all.queue.push_back({request.model, out.to, aliases});
  while (!all.queue.empty()) {
    Upstream upstream = std::move(all.queue.front());
    all.queue.pop_front();
    for (const auto& [name, model] : registry.models) {
      if (!model.retired && name != request.model) follow(all, name, model, upstream);
    }
  }
  if (request.channel.empty() || out.to_train.empty()) return;
  std::string names;
  for (const std::string& name : out.to_train) names += (names.empty() ? "" : ", ") + name;
  throw Error(ErrorCode::kConflict,
              "no version of " + names + " was trained on " + version_text(request.model, out.to) +
                  ", and none is trained for one channel",
              "roll back without --channel");
}

}  // namespace lockstep
