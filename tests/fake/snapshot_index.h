// Which snapshots of slices there are, in memory. Knows nothing of what is in them.
#pragma once

#include "pipeline/core/store.h"

namespace lockstep {

class FakeSnapshotIndex : public SnapshotIndex {
 public:
  std::map<Digest, std::vector<KeptSnapshot>> all;  // the newest delivery first

  std::vector<KeptSnapshot> snapshots(const Digest& slice) override { return all[slice]; }
  void remember(const Digest& slice, const KeptSnapshot& kept, size_t most) override {
    forget(slice, kept.commit);
    auto& there = all[slice];
    there.insert(there.begin(), kept);
    if (there.size() > most) there.resize(most);
  }
  std::vector<std::pair<Digest, KeptSnapshot>> every_snapshot() override {
    std::vector<std::pair<Digest, KeptSnapshot>> out;
    for (const auto& [slice, there] : all) {
      for (const KeptSnapshot& one : there) out.emplace_back(slice, one);
    }
    return out;
  }
  void forget(const Digest& slice, const std::string& commit) override {
    std::erase_if(all[slice], [&](const KeptSnapshot& one) { return one.commit == commit; });
  }
};

}  // namespace lockstep
