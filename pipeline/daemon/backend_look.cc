// Questions about why, how far behind, and what the rows are.
#include "pipeline/daemon/backend.h"

namespace lockstep {

Json WorkspaceBackend::why(const std::string&) { return {}; }
Json WorkspaceBackend::lag() { return {}; }
Json WorkspaceBackend::tables() { return {}; }
Json WorkspaceBackend::diff(const std::string&, const std::string&, const std::string&,
                            const std::string&, size_t) {
  return {};
}
Json WorkspaceBackend::release_diff(const std::string&, const std::string&) { return {}; }

}  // namespace lockstep
