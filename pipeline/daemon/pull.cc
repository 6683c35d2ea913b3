#include "pipeline/daemon/pull.h"

#include "connectors/oci_registry/docker_config.h"
#include "connectors/oci_registry/pull.h"
#include "pipeline/base/error.h"

namespace lockstep {

Json pull_to(const PullOptions& options) try {
  const ImageReference from = parse_image_reference(options.from, "production");
  const std::string host = from.place.substr(0, from.place.find('/'));
  RegistryOptions how;
  if (options.plain_http) how.plain_http = true;
  how.http.ca_file = options.ca_file;
  how.find_credentials = [host] { return docker_credentials(docker_config_file(), host); };
  RegistryClient registry(from.place, how);
  Json pulled = pull_release(registry, from.reference, options.to);
  pulled["from"] = options.from;
  pulled["to"] = options.to.string();
  return pulled;
} catch (const fs::filesystem_error& error) {
  throw Error(ErrorCode::kUnavailable, error.what());
}

}  // namespace lockstep
