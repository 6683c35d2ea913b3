#include <algorithm>

#include "pipeline/base/error.h"
#include "registry/rules/dependents.h"
#include "registry/rules/words.h"

namespace lockstep {
namespace {

// One rollback under way: the model, the aliases it moves, and the version they leave.
struct Move {
  const ModelState& model;
  const RollbackRequest& request;
  const HasBytes& has;
  std::string lead;                  // the alias whose history decides
  std::vector<std::string> aliases;  // all that carry the bad version, lead first
  int64_t bad = 0;
};

const ModelState& allowed_model(const Registry& registry, const RollbackRequest& request) {
  const ModelState* model = registry.model(request.model);
  if (!model) throw Error(ErrorCode::kNotFound, "no model is called " + request.model);
  if (request.reason.empty()) {
    throw Error(ErrorCode::kInvalid, "a rollback needs a reason", "--reason …");
  }
  if (!request.consumers.empty() && !request.with_dependents) {
    std::string names;
    for (const std::string& name : request.consumers) names += (names.empty() ? "" : ", ") + name;
    throw Error(ErrorCode::kDenied, request.model + " is what others were trained on: " + names,
                "`--with-dependents` moves each to its newest good version on the target, and "
                "trains where there is none");
  }
  return *model;
}

Move start(const Registry& registry, const RollbackRequest& request, const HasBytes& has) {
  Move move{allowed_model(registry, request), request, has, kChampion, {}, 0};
  const auto& channels = request.channels;
  if (!request.channel.empty()) {
    if (std::find(channels.begin(), channels.end(), request.channel) == channels.end()) {
      throw Error(ErrorCode::kNotFound, "no channel is called " + request.channel);
    }
    move.lead = request.channel;
  }
  move.bad = move.model.alias(move.lead);
  if (move.bad == 0) {
    throw Error(ErrorCode::kConflict, request.model + " has no version as " + move.lead);
  }
  move.aliases = {move.lead};
  if (!request.channel.empty()) return move;
  for (const std::string& channel : channels) {
    bool known = std::find(move.aliases.begin(), move.aliases.end(), channel) != move.aliases.end();
    if (!known && move.model.alias(channel) == move.bad) move.aliases.push_back(channel);
  }
  return move;
}

// A mark that keeps the version from any of the aliases that would move to it.
const Withdrawal* marked(const Move& move, int64_t version) {
  for (const std::string& alias : move.aliases) {
    if (const Withdrawal* mark = move.model.withdrawn(version, alias)) return mark;
  }
  return nullptr;
}

// Why a version can't be gone back to; empty: it is good.
std::string obstacle(const Move& move, int64_t version) {
  if (const Withdrawal* mark = marked(move, version)) return withdrawn_text(*mark);
  if (!move.has(move.model.version(version)->digest)) return "its bytes are missing";
  return "";
}

int64_t newest_earlier(const Move& move) {
  std::string tried;
  std::set<int64_t> seen = {0, move.bad};
  const auto& moves = move.model.moves;
  for (auto it = moves.rbegin(); it != moves.rend(); ++it) {
    int64_t version = it->move.to;
    if (it->move.alias != move.lead || !seen.insert(version).second) continue;
    std::string wrong = obstacle(move, version);
    if (wrong.empty()) return version;
    tried += (tried.empty() ? ": version " : "; version ") + std::to_string(version) + " " + wrong;
  }
  throw Error(ErrorCode::kConflict,
              version_text(move.request.model, move.bad) + " has nothing to go back to as " +
                  move.lead + (tried.empty() ? ": it is the first" : tried),
              "`--to V` goes to a withdrawn version and lifts its mark");
}

int64_t named_target(const Move& move, int64_t to) {
  const std::string name = version_text(move.request.model, to);
  const Version* version = move.model.version(to);
  if (!version) throw Error(ErrorCode::kNotFound, name + " does not exist");
  if (to == move.bad) throw Error(ErrorCode::kConflict, name + " is " + move.lead + " already");
  if (!move.model.held(to, move.lead) && !move.model.held(to, kChampion)) {
    throw Error(ErrorCode::kConflict, name + " was never " + move.lead,
                "a rollback goes only to versions that were");
  }
  if (!move.has(version->digest)) {
    throw Error(ErrorCode::kConflict, name + " can't be taken: its bytes are missing",
                "`lockstep replay` or a backup brings them back");
  }
  return to;
}

// Pins of earlier rollbacks are replaced; others refuse.
void check_pins(const Move& move) {
  if (move.request.override_pins) return;
  for (const std::string& alias : move.aliases) {
    const Pin* pin = move.model.pin(alias);
    if (!pin || pin->kind != PinKind::kHand) continue;
    throw Error(ErrorCode::kDenied, alias + " of " + move.request.model + " is " + pin_text(*pin),
                "`lockstep unpin`, or `--override-pins`");
  }
}

void lift_marks(const Move& move, int64_t to, std::vector<Fact>& facts) {
  for (const Withdrawal& mark : move.model.withdrawals) {
    bool here = mark.channel.empty() || std::find(move.aliases.begin(), move.aliases.end(),
                                                  mark.channel) != move.aliases.end();
    if (mark.version != to || !here) continue;
    facts.push_back(Withdrawal{move.request.model, to, mark.channel, move.request.who,
                               move.request.reason, true});
  }
}

}  // namespace

Rollback roll_back_model(const Registry& registry, const RollbackRequest& request,
                         const HasBytes& has) {
  Move move = start(registry, request, has);
  Rollback out;
  out.from = move.bad;
  out.to = request.to ? named_target(move, *request.to) : newest_earlier(move);
  check_pins(move);
  lift_marks(move, out.to, out.facts);
  for (const std::string& alias : move.aliases) {
    out.facts.push_back(AliasMove{request.model, alias, out.from, out.to, request.who,
                                  "rollback: " + request.reason});
    if (alias != kChampion) out.moved_channels.push_back(alias);
  }
  out.facts.push_back(
      Withdrawal{request.model, out.from, request.channel, request.who, request.reason, false});
  for (const std::string& alias : move.aliases) {
    out.facts.push_back(
        Pin{request.model, alias, out.to, PinKind::kRollback, request.who, request.reason});
  }
  if (!request.with_dependents) return out;
  // A channel need not list what its models were trained on.
  std::set<std::string> where(move.aliases.begin(), move.aliases.end());
  if (request.channel.empty()) where.insert(request.channels.begin(), request.channels.end());
  move_dependents(registry, request, has, {where.begin(), where.end()}, out);
  return out;
}

}  // namespace lockstep
