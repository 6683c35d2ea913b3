// What the images of channels stand on beside their models: a base image in some registry, and
// serving code of a code repository. Found out where a plan is made or somebody waits for it, and
// brought here where an image is built. Knows nothing of when releases are cut.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "connectors/oci_layout/image.h"
#include "pipeline/core/survey.h"
#include "pipeline/daemon/parts.h"
#include "pipeline/store/artifact_store.h"
#include "registry/rules/rules.h"

namespace lockstep {

class ImageParts {
 public:
  ImageParts(const Parts& parts, ArtifactStore& artifacts) : parts_(parts), artifacts_(artifacts) {}

  // Asks registries, reads repositories at the survey's commits and keeps the code's bytes. A base
  // image that can't be had is as in `known`: quietly, with a note, where its reference is the
  // same; else with an error. Throws what repositories throw.
  void look(Survey& survey, const SourceSet& sources,
            const std::map<std::string, ImageGround>& known) const;
  // Asks what `ref` means now, unless it says so itself; fills `base` and `place`. Throws as
  // RegistryClient does.
  void resolve(const std::string& ref, ImageGround& ground) const;

  // Brings the base image into the layout and says so in `spec`. Throws as pull_base does.
  void bring_base(const std::string& digest, const std::string& place, ImageSpec& spec) const;
  // Of the code's digest. Throws not_found where its bytes are gone.
  std::vector<ImageFile> code_files(const std::string& digest) const;
  // Why the channels' images could never be made, of those whose base image can be asked about.
  std::vector<std::string> problems(const Graph& graph) const;
  // Why no image can be made of a release, and the way out: bytes of its models are not here, or it
  // would have too many layers, as far as its base image has been seen. Empty: it can.
  std::string unbuildable(const Registry& registry, const Release& release) const;
  // The repository that layers can be mounted from when a release goes to the workspace's registry;
  // empty: `place` is at another one, or nowhere.
  std::string mount_from(const std::string& place) const;

 private:
  void look_at_base(const std::string& ref, ImageGround& ground, Survey& survey) const;
  std::string keep_code(const ChannelSpec& channel, const Survey& survey,
                        const SourceSet& sources) const;

  void see_base(const std::string& digest, size_t layers) const;
  std::optional<size_t> base_layers(const std::string& digest) const;
  std::string too_many(const ChannelSpec& channel, const std::string& base,
                       const Graph& graph) const;

  const Parts& parts_;
  ArtifactStore& artifacts_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, size_t> base_layers_;  // of base images seen so far, by digest
};

}  // namespace lockstep
