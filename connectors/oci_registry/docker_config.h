// What `docker login`, podman or skopeo keep for a registry: its user and password, from a file or
// from a helper program. Knows nothing of what they are sent to.
//
// The format is that of Docker's config.json; helpers speak the protocol of
// docker/docker-credential-helpers: `docker-credential-NAME get`, the registry on stdin.
#pragma once

#include <string>

#include "connectors/oci_registry/auth.h"
#include "pipeline/base/files.h"

namespace lockstep {

// $DOCKER_CONFIG/config.json, else ~/.docker/config.json; empty where neither is named.
fs::path docker_config_file();

// `registry`: "registry.example.org:5000". Its own helper (`credHelpers`), then what stands in the
// file (`auths`), then the helper of all (`credsStore`). Empty credentials: there are none.
// No shell takes part, and a helper has 10 s. Throws invalid where the file or a helper's answer
// can't be read, denied where a helper fails; neither ever shows a secret.
Credentials docker_credentials(const fs::path& config, const std::string& registry);

}  // namespace lockstep
