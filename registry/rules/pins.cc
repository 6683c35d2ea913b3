#include "pipeline/base/error.h"
#include "registry/rules/rules.h"
#include "registry/rules/words.h"

namespace lockstep {
namespace {

const ModelState& known_model(const Registry& registry, const std::string& name) {
  const ModelState* model = registry.model(name);
  if (!model) throw Error(ErrorCode::kNotFound, "no model is called " + name);
  return *model;
}

}  // namespace

std::vector<Fact> pin(const Registry& registry, const Pin& pin) {
  int64_t now = known_model(registry, pin.model).alias(pin.alias);
  if (pin.version != now) {
    std::string at = now == 0 ? "no version" : "version " + std::to_string(now);
    throw Error(ErrorCode::kConflict,
                pin.alias + " of " + pin.model + " is at " + at + ", not at version " +
                    std::to_string(pin.version),
                "`lockstep rollback " + pin.model + " --to V --reason …` moves and pins it");
  }
  return {pin};
}

std::vector<Fact> unpin(const Registry& registry, const std::string& model,
                        const std::string& alias, const std::string& who,
                        const std::string& reason) {
  std::vector<Fact> facts;
  for (const auto& [name, pin] : known_model(registry, model).pins) {
    if (alias.empty() || alias == name) facts.push_back(Unpin{model, name, who, reason});
  }
  if (facts.empty()) {
    throw Error(ErrorCode::kNotFound,
                model + " is not pinned" + (alias.empty() ? "" : " as " + alias));
  }
  return facts;
}

std::vector<Fact> unpin_channel(const Registry& registry, const std::string& channel,
                                const std::string& who, const std::string& reason) {
  std::vector<Fact> facts;
  for (const auto& [name, model] : registry.models) {
    if (model.pin(channel)) facts.push_back(Unpin{name, channel, who, reason});
  }
  if (facts.empty()) throw Error(ErrorCode::kNotFound, "nothing is pinned in channel " + channel);
  return facts;
}

}  // namespace lockstep
