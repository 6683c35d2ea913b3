// What the language's tests share: a workspace's names, files of the project, reading at once.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/files.h"
#include "workflows/language/workspace.h"

namespace lockstep {

inline fs::path project_root() {
  return LOCKSTEP_ROOT;
}

inline std::string project_file(const std::string& path) {
  return real_files().read(project_root() / path);
}

inline WorkspaceSources usual_names() {
  return {{"tables"}, {"code"}, {"local", "gpu"}, {"TOKEN", "HUB_TOKEN"}, "", ""};
}

inline std::vector<std::string> texts(const std::vector<Error>& errors) {
  std::vector<std::string> all;
  for (const Error& error : errors) all.emplace_back(error.what());
  return all;
}

// Parses one workflow and checks it alone.
inline std::optional<Workflow> read_workflow(const std::string& text, Diagnostics& diagnostics,
                                             const WorkspaceSources& names = usual_names()) {
  auto workflow = parse_workflow(text, "w.yaml", names, diagnostics);
  if (workflow) check_workflows({*workflow}, names, diagnostics);
  return workflow;
}

}  // namespace lockstep
