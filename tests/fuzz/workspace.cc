// lockstep.yaml: a workspace, or at least one error with its place.
#include "workflows/language/workspace.h"

#include "tests/fuzz/fuzz.h"

using namespace lockstep;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Diagnostics diagnostics;
  std::optional<Workspace> workspace;
  fuzz::reads([&] {
    workspace = parse_workspace(fuzz::text_of(data, size), "/fuzz/lockstep.yaml", diagnostics);
    fuzz::claim(workspace.has_value() == diagnostics.ok(), "a workspace or what is wrong with it");
  });
  if (!workspace) return 0;
  const WorkspaceSources names = workspace_sources(*workspace);
  fuzz::claim(names.tables.size() + names.code.size() == workspace->sources.size(),
              "a source has tables or code");
  fuzz::claim(!workspace->pools.empty(), "there is a pool");
  return 0;
}
