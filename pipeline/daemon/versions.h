// What lies between two versions, or between a version and the heads: rows, code, commits.
// Reads the sources; knows nothing of aliases or plans.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/daemon/parts.h"
#include "registry/rules/registry.h"

namespace lockstep {

// The slice that `version` recorded for the same input; null: none.
Json recorded_slice(const Version& version, const Json& slice);

// The commits whose rows the models of these releases were trained on.
std::set<SourceCommit> training_commits(const Registry& registry,
                                        const std::set<std::string>& tags);

// Rows of a recorded slice that differ from an earlier recording of it; from nothing all are new.
// Where the old commit is gone, or an old record does not say what cuts it, the counts stay 0.
RowCounts slice_changes(SourceSet& sources, const Json& slice, const Json& before,
                        const Version& version);

struct CodeChange {
  std::string source;
  std::vector<std::string> paths;
  std::string from, to;
  size_t files = 0;  // that differ
  std::vector<CommitInfo> by;
};
// Code commits of two versions: empty where both were made of the same commits.
std::vector<CodeChange> code_changes(SourceSet& sources, const Version& version,
                                     const std::optional<Version>& before);

// How far a recorded slice is behind the same slice at the heads.
struct Distance {
  uint64_t rows = 0, commits = 0;
  int64_t since_ms = 0;  // time of the oldest commit that is missing
};
void add_distance(SourceSet& sources, const Json& slice, const Survey& seen,
                  const std::vector<SliceId>& now, Distance& distance);

}  // namespace lockstep
