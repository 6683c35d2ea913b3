// What a plan reads of the outside world, at fixed commits: the graph and the digest of every
// slice and code path in it. Plain values. Knows nothing of how they were read.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/core/graph.h"
#include "pipeline/core/source.h"

namespace lockstep {

struct SliceReading {
  Digest digest;
  uint64_t rows = 0;
  std::string commit;  // the commit it was read at
  std::string error;   // not empty: could not be read; blocks the steps that need it
  // Of a slice that names no columns: all of its table, sorted by name. Else null.
  std::shared_ptr<const std::vector<std::string>> columns;
};

struct CodeReading {
  Digest digest;
  uint64_t files = 0;
  std::string commit;
  std::string error;
};

using SourceCommit = std::pair<std::string, std::string>;

struct RowCounts {
  uint64_t added = 0, removed = 0, changed = 0;
  uint64_t all() const { return added + removed + changed; }
};

// How a slice differs from the one a step last ran on.
struct SliceDelta {
  std::string from;  // the commit it last ran on
  RowCounts rows;
  std::vector<CommitInfo> by;  // commits between that touched the slice, newest first
};

// How many rows of a slice, or files of a code input that match some globs, differ from an earlier
// commit.
struct RowQuestion {
  SliceId slice;
  std::string from;
  auto operator<=>(const RowQuestion&) const = default;
};
struct FileQuestion {
  CodeId code;
  std::string from;
  std::vector<std::string> paths;
  auto operator<=>(const FileQuestion&) const = default;
};
struct Questions {
  std::set<RowQuestion> rows;
  std::set<FileQuestion> files;
  std::set<SourceCommit> commits;  // are they still on the branch? Answered in Survey::off_branch
};
// What can't be counted (a commit that is gone, another key) has no answer.
struct Answers {
  std::map<RowQuestion, uint64_t> rows;
  std::map<FileQuestion, uint64_t> files;
};

// What a channel's image stands on beside its models, as it is now.
struct ImageGround {
  std::string ref;         // the base image as the channel writes it
  std::string base;        // its digest, or empty
  std::string place;       // the repository where that digest is
  std::string code;        // digest of the serving code as a folder, or empty
  std::string error;       // not empty: `base` is not what `ref` means now, but what was known last
  std::string code_error;  // not empty: why there is no `code`
  bool operator==(const ImageGround&) const = default;
};

struct Survey {
  std::map<std::string, std::string> commits;  // source → commit
  std::shared_ptr<const Graph> graph;
  std::vector<SliceReading> slices;  // by SliceId
  std::vector<CodeReading> code;     // by CodeId
  // Commits since the cursor, newest first, bounded: who committed what.
  std::map<std::string, std::vector<CommitInfo>> recent;
  // Counted for steps with `if:`, which are decided by it.
  Answers answers;
  // Filled for the slices of stale steps, for people to read; no decision looks at it.
  std::map<SliceId, SliceDelta> deltas;
  // Of the commits that were asked about (SurveyOptions): those no longer on the watched branch.
  std::set<SourceCommit> off_branch;
  // By channel, of those whose image has a base or code. Only where the survey is to be planned.
  std::map<std::string, ImageGround> images;
  bool kept_old_workflows = false;  // today's do not load; these are the last that did
  std::vector<std::string> notes;   // rewritten history, a workflow that kept its old definition
};

}  // namespace lockstep
