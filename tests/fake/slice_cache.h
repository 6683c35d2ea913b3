// Slice states remembered in memory. Knows nothing of what they are states of.
#pragma once

#include "pipeline/core/store.h"

namespace lockstep {

class FakeSliceCache : public SliceCache {
 public:
  struct Group {
    std::string tip;
    std::map<std::string, RememberedSlice> slices;
  };
  std::map<std::string, Group> groups;

  std::string tip(const std::string& group) override { return groups[group].tip; }
  std::map<std::string, SliceSummary> summaries(const std::string& group) override {
    std::map<std::string, SliceSummary> all;
    for (const auto& [value, slice] : groups[group].slices) all[value] = slice.summary;
    return all;
  }
  std::string state(const std::string& group, const std::string& value) override {
    auto found = groups[group].slices.find(value);
    return found == groups[group].slices.end() ? "" : found->second.state;
  }
  void update(const std::string& group, const std::string& tip,
              const std::map<std::string, RememberedSlice>& changed, bool replace_all) override {
    Group& kept = groups[group];
    kept.tip = tip;
    if (replace_all) kept.slices.clear();
    for (const auto& [value, slice] : changed) {
      slice.state.empty() ? void(kept.slices.erase(value)) : void(kept.slices[value] = slice);
    }
  }
};

}  // namespace lockstep
