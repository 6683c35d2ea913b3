// Workflow files: text in, workflow values out, and every error of every file with its place.
// Knows nothing of commits, of which rows exist, or of running anything.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/core/workflow.h"
#include "pipeline/yaml/diagnostics.h"

namespace lockstep {

// What a workflow may refer to: the names in its workspace.
struct WorkspaceSources {
  std::vector<std::string> tables;  // sources that hold tables
  std::vector<std::string> code;    // sources that hold code
  std::vector<std::string> pools;
  std::vector<std::string> secrets;
  std::string channel;        // the default channel, or empty: the only one
  std::string channel_place;  // file:line:column
};

// Reads one file. Steps' table and code inputs come out with their source resolved. nullopt when
// an error of this file was added to `diagnostics`; warnings do not count. `file` names it in
// messages and in Workflow::file; Workflow::source is left to the caller.
std::optional<Workflow> parse_workflow(std::string_view text, std::string_view file,
                                       const WorkspaceSources& sources, Diagnostics& diagnostics);

// What only shows between steps and files: cycles (through needs, outputs and models), two
// producers of a model, models nobody produces, two workflows or channels of one name.
void check_workflows(const std::vector<Workflow>& workflows, const WorkspaceSources& sources,
                     Diagnostics& diagnostics);

}  // namespace lockstep
