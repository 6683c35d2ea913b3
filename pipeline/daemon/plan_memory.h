// The last plan, remembered beside everything it depends on: while none of that has moved, a new
// process answers with it and makes no plan of its own (docs/FORMATS.md, "The remembered plan").
// Knows nothing of how a plan is made.
#pragma once

#include <optional>
#include <string>

#include "pipeline/base/clock.h"
#include "pipeline/core/survey.h"
#include "pipeline/daemon/parts.h"
#include "pipeline/store/artifact_store.h"
#include "pipeline/store/sqlite_store.h"

namespace lockstep {

// What a plan depends on beside the commits of its sources.
struct PlanGround {
  std::string text;         // program, lockstep.yaml, the store's revision, which artifacts exist
  bool may_change = false;  // within one tick of the clock, unseen: nothing is kept on it
};

class PlanMemory {
 public:
  PlanMemory(const Parts& parts, SqliteStore& store, ArtifactStore& artifacts)
      : parts_(parts), store_(store), artifacts_(artifacts) {}

  // To be taken before the survey and again in the turn that plans. Asks the store.
  PlanGround ground() const;
  // The document (json_text) of the plan that would be made now, or nothing: it has to be made.
  // Looks at the heads of all sources, as a survey does; never throws.
  std::optional<std::string> recall(const SourceSet& sources) const;
  // Keeps a plan that was made of `survey` on `ground`. What can't be kept is left: never throws.
  void keep(const PlanGround& ground, const Survey& survey, const std::string& document) const;

 private:
  fs::path file() const { return parts_.state() / "plan"; }

  const Parts& parts_;
  SqliteStore& store_;
  ArtifactStore& artifacts_;
};

}  // namespace lockstep
