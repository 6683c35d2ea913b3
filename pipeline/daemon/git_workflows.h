// Workflow files of the code repositories, read at commits and checked together.
// Knows nothing of which steps the data asks for.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/core/workflows.h"
#include "pipeline/daemon/parts.h"

namespace lockstep {

class GitWorkflows : public Workflows {
 public:
  GitWorkflows(const Parts& parts, SourceSet& sources) : parts_(parts), sources_(sources) {}

  std::vector<Workflow> load(const std::map<std::string, std::string>& commits) override;
  // What the last load() warned about.
  const std::vector<Error>& warnings() const { return warnings_; }

 private:
  const Parts& parts_;
  SourceSet& sources_;
  std::vector<Error> warnings_;
  // The last commits and what they gave: commits never change.
  std::map<std::string, std::string> known_;
  std::vector<Workflow> workflows_;
};

}  // namespace lockstep
