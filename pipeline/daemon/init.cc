#include "pipeline/daemon/init.h"

#include "pipeline/base/error.h"

namespace lockstep {

Json init_workspace(const fs::path& folder, const InitOptions&) {
  if (fs::exists(folder / kWorkspaceFile)) {
    throw Error(ErrorCode::kConflict, (folder / kWorkspaceFile).string() + " is there already",
                "`lockstep check` reads it");
  }
  return {};
}

}  // namespace lockstep
