// Slice states remembered in memory. Knows nothing of what they are states of.
#pragma once

#include "pipeline/core/store.h"

namespace lockstep {

class FakeSliceCache : public SliceCache {
 public:
  struct Group {
    std::string tip;
    std::map<std::string, std::string> states;
  };
  std::map<std::string, Group> groups;

  std::string tip(const std::string& group) override { return groups[group].tip; }
  std::map<std::string, std::string> states(const std::string& group) override {
    return groups[group].states;
  }
  void update(const std::string& group, const std::string& tip,
              const std::map<std::string, std::string>& changed, bool replace_all) override {
    Group& kept = groups[group];
    kept.tip = tip;
    if (replace_all) kept.states.clear();
    for (const auto& [value, state] : changed) {
      state.empty() ? void(kept.states.erase(value)) : void(kept.states[value] = state);
    }
  }
};

}  // namespace lockstep
