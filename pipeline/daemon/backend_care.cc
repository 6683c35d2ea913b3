// Replay, collection, and what could be wrong.
#include "pipeline/daemon/backend.h"

namespace lockstep {

std::unique_ptr<Backend> make_backend(Daemon& daemon) {
  return std::make_unique<WorkspaceBackend>(daemon);
}

void WorkspaceBackend::know_graph() {
  bool known = daemon_.in_loop([](Engine& engine) { return !engine.channels().empty(); });
  if (known) return;
  std::map<std::string, std::string> commits =
      daemon_.in_loop([](Engine& engine) { return engine.cursors(); });
  std::shared_ptr<Survey> seen =
      daemon_.look(Trigger{"manual", "", {}, false, true}, commits);
  daemon_.in_loop([&](Engine& engine) { engine.know(*seen->graph); });
}

Json WorkspaceBackend::replay(const std::string&, std::optional<int64_t>) { return {}; }
Json WorkspaceBackend::gc(const Caller&) { return {}; }
Json WorkspaceBackend::doctor() { return {}; }

}  // namespace lockstep
