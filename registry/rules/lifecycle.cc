#include "pipeline/base/error.h"
#include "registry/rules/rules.h"

namespace lockstep {

std::vector<Fact> retire(const Registry& registry, const std::set<std::string>& produced,
                         const std::string& why) {
  std::vector<Fact> facts;
  for (const auto& [name, model] : registry.models) {
    bool gone = produced.count(name) == 0;
    if (gone && model.only_previews()) continue;
    if (gone != model.retired) facts.push_back(Retired{name, gone, gone ? why : "produced again"});
  }
  return facts;
}

std::vector<Fact> rename(const Registry& registry, const std::string& from, const std::string& to) {
  auto done = registry.renamed.find(from);
  if (done != registry.renamed.end() && done->second == to) return {};
  if (from == to || !registry.model(from)) return {};
  if (registry.model(to)) {
    throw Error(ErrorCode::kConflict,
                to + " can't take over " + from + " (renamed-from): both have versions",
                "remove `renamed-from`, or register under a name that is not used yet");
  }
  return {Renamed{from, to}};
}

}  // namespace lockstep
