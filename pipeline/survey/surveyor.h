// Looks at the outside world once: heads of the sources, workflows at the code commits, the graph,
// and the digest of every slice and code path. Reads through ports only; knows nothing of what was
// run before. One thread at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/core/workflows.h"
#include "pipeline/survey/slices.h"

namespace lockstep {

struct Watched {
  std::map<std::string, TableStore*> tables;  // by source name
  std::map<std::string, CodeRepo*> code;
};

struct SurveyOptions {
  std::map<std::string, std::string> commits;  // fixed ones; the rest at their heads
  std::map<std::string, std::string> cursors;  // source → commit of the last plan
  // Commits at which the workflows loaded last; used, with a note, when today's do not load.
  // Empty: errors in workflow files are thrown.
  std::map<std::string, std::string> last_good;
  std::map<std::string, Json> inputs;  // workflow → values that stand for its inputs' defaults
  std::set<SourceCommit> asked;  // are they still on their branches? Answered by Survey::off_branch
};

// What the names mean that inputs are frozen at (`at:`): (source, name) → commit; "" where it has
// no commit of that name, or where what is there could not be read.
using FrozenNames = std::map<std::pair<std::string, std::string>, std::string>;
FrozenNames frozen_names(const Survey& survey);

class Surveyor {
 public:
  Surveyor(Watched watched, Workflows& workflows, SliceCache& cache);

  // Throws unavailable when a source can't be reached, Errors when workflows do not load.
  std::shared_ptr<Survey> survey(const SurveyOptions& options);

  // The heads alone: source → commit. Sources that can't be reached are left out and named in
  // `errors`.
  std::map<std::string, std::string> heads(std::map<std::string, std::string>* errors);

  // Branches of a table store and their commits.
  std::map<std::string, std::string> branches(const std::string& source);
  // Tags of a code repository and their commits.
  std::map<std::string, std::string> tags(const std::string& source);
  // Is `commit` part of `head`'s history?
  bool merged(const std::string& source, const std::string& head, const std::string& commit) {
    return this->source(source).descends(head, commit);
  }

  // Commits of `head` that are not in `from`, newest first.
  std::vector<CommitInfo> log(const std::string& source, const std::string& from,
                              const std::string& head, size_t limit) {
    return this->source(source).log(from, head, limit);
  }

  // What these names mean now. Throws unavailable when a source can't be reached.
  FrozenNames resolve(const FrozenNames& names);

  // Counts what was asked for into Survey::answers; what can't be counted is left out. Throws
  // unavailable when a source can't be reached.
  void answer(Survey& survey, const Questions& questions);

  SliceReader& slices() { return slices_; }

 private:
  std::vector<Workflow> load(Survey& survey, const SurveyOptions& options);
  const GroupReading& axis_reading(const MatrixAxis& axis, const Survey& survey);
  AxisValues axis_values(const MatrixAxis& axis, const Survey& survey);
  void read_slices(Survey& survey);
  void read_code(Survey& survey);
  void read_history(Survey& survey, const SurveyOptions& options);
  void ask_branches(Survey& survey, const SurveyOptions& options);
  const GroupReading& group(const SliceGroup& group, const Survey& survey);
  Source& source(const std::string& name);

  Watched watched_;
  Workflows& workflows_;
  SliceReader slices_;
  Graphs graphs_;
  std::map<SliceGroup, GroupReading> groups_;     // of the survey under way
  std::map<SliceGroup, std::string> failed_;      // groups that could not be read, and why
  std::map<std::string, SliceGroup> axis_group_;  // "source/table/column" → a group with that cut
};

}  // namespace lockstep
