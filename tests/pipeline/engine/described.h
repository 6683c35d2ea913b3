// A registry as text, for comparing two of them. Knows nothing of where they come from.
#pragma once

#include <string>

#include "registry/rules/registry.h"

namespace lockstep {

// Without times: what memory and ledger must agree on.
inline std::string described(const Registry& registry) {
  Json all = Json::object();
  for (const auto& [name, model] : registry.models) {
    Json one = {{"aliases", model.aliases}, {"retired", model.retired}, {"highest", model.highest}};
    for (const Version& version : model.versions) one["versions"].push_back(fact_json(version));
    for (const Moved& moved : model.moves) one["moves"].push_back(fact_json(moved.move));
    for (const auto& [alias, pin] : model.pins) one["pins"].push_back(fact_json(pin));
    for (const auto& [number, gate] : model.gates) one["gates"].push_back(fact_json(gate));
    for (const Withdrawal& mark : model.withdrawals) one["marks"].push_back(fact_json(mark));
    all["models"][name] = one;
  }
  std::map<std::string, std::vector<ReleaseState>> releases(registry.releases.begin(),
                                                            registry.releases.end());
  for (const auto& [md5, states] : releases) {
    for (const ReleaseState& state : states) {
      all["releases"].push_back(fact_json(state.release));
      all["images"].push_back(state.image ? Json(state.image->hex()) : Json());
    }
  }
  for (const auto& [channel, moves] : registry.channels) {
    for (const ChannelMoved& moved : moves) all["channels"].push_back(fact_json(moved.move));
  }
  all["last"] = {registry.last_seq, registry.last_time_ms};
  return all.dump(1);
}

}  // namespace lockstep
