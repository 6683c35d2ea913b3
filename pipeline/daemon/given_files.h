// Files of models that were made elsewhere: which one is whose, by a pattern, a folder or a list,
// and what is in them. Knows nothing of plans, versions or aliases.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "pipeline/base/files.h"
#include "pipeline/engine/adopt.h"
#include "pipeline/store/artifact_store.h"

namespace lockstep {

class GivenFiles {
 public:
  // `from`, absolute: a path with `{model}` in it (and perhaps `{version}`); a folder, which stands
  // for FOLDER/{model} with the ending of what the step writes; or a list of models and files,
  // FILE.json {model: path} or FILE.csv with the columns model,file, paths relative to the list's
  // folder. Throws invalid with the place: a list that is too large, no text, or names a model
  // twice; not_found without the folder or list.
  explicit GivenFiles(const std::string& from);

  // Models that a list names; empty for patterns and folders.
  std::set<std::string> named() const;
  // The file or folder of this model; nothing where there is none. `ending`: ".safetensors" or "".
  // Throws not_found where a list names a file that is not there.
  // Of a version a list may say "MODEL@VERSION".
  std::optional<fs::path> find(const std::string& model, const std::string& ending,
                               int64_t version = 0) const;
  // What find() gives is of this version, not of the model in whatever version.
  bool names_version(const std::string& model, int64_t version) const;

 private:
  void read_list(const fs::path& list);

  fs::path from_;
  bool list_ = false;
  std::map<std::string, fs::path> listed_;
};

// The bytes of a model that was given, with the metrics beside it ({model}.metrics.json, or
// metrics.json beside a file called `model`), taken into the store or only hashed. `outputs`: as
// the step declares them. Throws invalid for links, special files, safetensors and metrics that
// can't be read, with the place.
GivenModel take_given(const fs::path& file, const std::string& model,
                      const std::map<std::string, std::string>& outputs, ArtifactStore* store);

// The digest of a file or folder, whose bytes are then in the store; with none: only hashed.
Digest take_bytes(const fs::path& file, ArtifactStore* store, bool* folder);

}  // namespace lockstep
