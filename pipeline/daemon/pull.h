// A release brought from a registry to this machine, where there need be no workspace.
// Knows nothing of daemons or routes.
#pragma once

#include "pipeline/base/json.h"
#include "pipeline/cli/cli.h"

namespace lockstep {

// With what `docker login` keeps, where the registry asks. CliEnvironment::pull says what it gives;
// throws as pull_release does (connectors/oci_registry/pull.h).
Json pull_to(const PullOptions& options);

}  // namespace lockstep
