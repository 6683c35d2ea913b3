// The workspace's answers about backups.
#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/backup.h"

namespace lockstep {

Json WorkspaceBackend::start_backup(const std::string& to, bool artifacts) {
  return daemon_.backups().start({to, artifacts});
}

Json WorkspaceBackend::backup(int64_t seen, const Patience& patience) {
  return daemon_.backups().progress(seen, patience.wait_ms, patience.gone);
}

}  // namespace lockstep
