#include "registry/rules/adopt.h"

#include "pipeline/base/error.h"
#include "registry/rules/words.h"

namespace lockstep {

std::string not_adoptable(const Registry& registry, const std::string& name) {
  const ModelState* model = registry.model(name);
  if (!model) return "";
  if (const Pin* pin = model->pin(kChampion)) return "it is " + pin_text(*pin);
  const Version* champion = model->version(model->alias(kChampion));
  if (!champion || !champion->imported.empty()) return "";
  return "it has a champion, version " + std::to_string(champion->number);
}

Adoption adopt(const Registry& registry, const Version& version, const std::string& who,
               const std::string& reason) {
  if (std::string why = not_adoptable(registry, version.model); !why.empty()) {
    throw Error(ErrorCode::kConflict, version.model + " can't be adopted: " + why);
  }
  Adoption out;
  const ModelState* model = registry.model(version.model);
  if (model && model->retired) {
    out.facts.push_back(Retired{version.model, false, "produced again"});
  }
  const Version* known = model ? model->find(version.fingerprint, version.digest) : nullptr;
  out.version = known ? known->number : registry.highest(version.model) + 1;
  if (!known) {
    Version fresh = version;
    fresh.number = out.version;
    out.facts.push_back(std::move(fresh));
  } else if (const Withdrawal* mark = model->withdrawn(known->number, kChampion)) {
    Withdrawal lift = *mark;  // asked for by hand: as an explicit `rollback --to`
    lift.lifted = true;
    out.facts.push_back(lift);
  }
  const int64_t from = model ? model->alias(kChampion) : 0;
  const std::string why = reason.empty() ? "adopted" : "adopted: " + reason;
  out.facts.push_back(AliasMove{version.model, kChampion, from, out.version, who, why});
  return out;
}

}  // namespace lockstep
