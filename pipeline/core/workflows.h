// The port to workflow definitions: what the files say at given code commits.
// Knows nothing of YAML or git.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/core/workflow.h"

namespace lockstep {

class Workflows {
 public:
  virtual ~Workflows() = default;
  // All workflows at these commits (code source → commit), checked against each other.
  // Throws Errors with everything that is wrong in any file.
  virtual std::vector<Workflow> load(const std::map<std::string, std::string>& commits) = 0;
};

}  // namespace lockstep
