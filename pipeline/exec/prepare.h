// Turns what the engine decided about an attempt into what a runner needs: slices read at their
// commits and written as files, code exported by id, everything named by digest.
// Knows nothing of plans, slots or how the attempt is run.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "pipeline/core/artifacts.h"
#include "pipeline/core/executor.h"
#include "pipeline/core/source.h"
#include "pipeline/exec/slice_snapshots.h"

namespace lockstep {

struct PrepareFrom {
  std::map<std::string, TableStore*> tables;
  std::map<std::string, CodeRepo*> code;
  std::function<std::string(const std::string& name)> secret;  // throws not_found
  // So that Arrow inputs of tables with a key cost what changed. Null: all rows are read.
  const SnapshotUse* snapshots = nullptr;
};

// `context` as the engine writes it, with "slot" and "device". Puts every input into `artifacts`.
// Throws what the sources throw; the attempt then fails with that message.
AttemptSpec prepare_attempt(const std::string& id, const Json& context, const PrepareFrom& from,
                            Artifacts& artifacts);

}  // namespace lockstep
