#include "pipeline/daemon/git_workflows.h"

#include <fmt/format.h>

#include "pipeline/yaml/diagnostics.h"
#include "workflows/language/parse.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxWorkflowFile_bytes = 1 << 20;

}  // namespace

std::vector<Workflow> GitWorkflows::load(const std::map<std::string, std::string>& commits) {
  if (!known_.empty() && known_ == commits) return workflows_;
  Diagnostics diagnostics;
  std::vector<Workflow> workflows;
  size_t files = 0;
  for (const SourceSpec& spec : parts_.workspace().sources) {
    if (spec.kind != SourceKind::kGitRepo) continue;
    CodeRepo& repo = *sources_.code.at(spec.name);
    for (const CodePath& path : repo.list(commits.at(spec.name), {spec.workflows})) {
      ++files;
      std::optional<Workflow> workflow = parse_workflow(
          repo.blob(path.blob, kMaxWorkflowFile_bytes), path.path, parts_.names(), diagnostics);
      if (!workflow) continue;
      workflow->source = spec.name;
      workflows.push_back(std::move(*workflow));
    }
  }
  if (files == 0) {
    throw Error(ErrorCode::kNotFound, "no code repository has a workflow file",
                "commit one, such as workflows/train.yaml (docs/WORKFLOWS.md)");
  }
  if (diagnostics.ok()) check_workflows(workflows, parts_.names(), diagnostics);
  diagnostics.throw_if_any();
  warnings_ = diagnostics.warnings();
  known_ = commits;
  workflows_ = workflows;
  return workflows;
}

}  // namespace lockstep
