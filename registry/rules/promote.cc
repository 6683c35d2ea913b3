#include "pipeline/base/error.h"
#include "registry/rules/rules.h"
#include "registry/rules/words.h"

namespace lockstep {

Promotion promote(const Registry& registry, const PromoteRequest& request, const HasBytes& has) {
  const ModelState* model = registry.model(request.model);
  if (!model) throw Error(ErrorCode::kNotFound, "no model is called " + request.model);
  const std::string name = version_text(request.model, request.version);
  const Version* version = model->version(request.version);
  if (!version) throw Error(ErrorCode::kNotFound, name + " does not exist");
  if (request.reason.empty()) {
    throw Error(ErrorCode::kInvalid, "a promotion needs a reason", "--reason …");
  }
  Promotion out;
  const std::string alias = request.channel.empty() ? kChampion : request.channel;
  out.from = model->alias(alias);
  if (out.from == request.version) {
    throw Error(ErrorCode::kConflict, name + " is " + alias + " already");
  }
  if (const Withdrawal* mark = model->withdrawn(request.version, alias)) {
    throw Error(ErrorCode::kDenied, name + " is " + withdrawn_text(*mark),
                "`lockstep rollback --to` lifts the mark of one that was champion");
  }
  auto gate = model->gates.find(request.version);
  if (gate != model->gates.end() && !gate->second.passed && !model->approved(request.version)) {
    throw Error(ErrorCode::kDenied, name + " failed its gate: " + gate->second.verdict,
                "only what passed is promoted");
  }
  if (!has(version->digest)) {
    throw Error(ErrorCode::kConflict, name + " can't be taken: its bytes are missing",
                "ask for the experiment again");
  }
  const Pin* pin = model->pin(alias);
  if (pin && pin->kind == PinKind::kHand && !request.override_pins) {
    throw Error(ErrorCode::kDenied, alias + " of " + request.model + " is " + pin_text(*pin),
                "`lockstep unpin`, or `--override-pins`");
  }
  out.facts.push_back(AliasMove{request.model, alias, out.from, request.version, request.who,
                                "promoted: " + request.reason});
  if (!request.pinned && !pin) return out;
  out.facts.push_back(
      Pin{request.model, alias, request.version, PinKind::kHand, request.who, request.reason});
  return out;
}

}  // namespace lockstep
