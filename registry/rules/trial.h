// A move tried on the registry itself: facts are applied, the cut is looked at, and all is as it
// was when the trial ends. Costs what is moved, however much the registry holds. Knows nothing of
// ledgers: what is tried is written nowhere.
#pragma once

#include <functional>
#include <vector>

#include "registry/rules/registry.h"

namespace lockstep {

// Nobody else may look at the registry while it lives.
class Trial {
 public:
  explicit Trial(Registry& registry);
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  // Throws as Registry::apply(), or invalid for a kind that no command moves by: a version, a
  // gate's report, what is built or signed, a rename, a remark.
  void apply(const std::vector<Fact>& facts);

 private:
  Registry& registry_;
  const int64_t seq_, time_ms_;
  std::vector<std::function<void()>> back_;  // in the order of the facts
};

}  // namespace lockstep
