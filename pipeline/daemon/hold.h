// Holds commits in their sources, for those who will need their rows again.
// Knows nothing of releases or of when.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "pipeline/core/source.h"
#include "pipeline/core/survey.h"

namespace lockstep {

// One thread at a time.
class CommitHolder {
 public:
  using Stores = std::map<std::string, TableStore*>;  // by source name

  // `owner` as Source::keep takes it.
  CommitHolder(std::string owner, std::function<void(const std::string&)> warn);

  // Holds each commit of a known source. What can't be had by trying again is warned about once: a
  // source that is not ours to write to, a commit that is gone. Gives the first error of a source
  // that is away, when all others have been seen to: try again.
  std::optional<Error> hold(const Stores& stores, const std::set<SourceCommit>& commits);

 private:
  std::string owner_;
  std::function<void(const std::string&)> warn_;
  std::set<std::string> said_;
};

}  // namespace lockstep
