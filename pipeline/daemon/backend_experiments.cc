// Previews and experiments: branches, tags and other inputs by hand, and taking one of their
// versions.
#include <fmt/format.h>

#include "pipeline/core/inputs.h"
#include "pipeline/daemon/backend.h"

namespace lockstep {

// `[SOURCE@]BRANCH` of a table store, and its commit.
std::pair<Variant, std::string> WorkspaceBackend::find_branch(const std::string& text) {
  std::vector<std::pair<Variant, std::string>> found;
  std::lock_guard<std::mutex> lock(daemon_.sources_mutex());
  for (const SourceSpec& spec : daemon_.parts().workspace().sources) {
    auto store = daemon_.sources().tables.find(spec.name);
    if (store == daemon_.sources().tables.end()) continue;
    store->second->look();
    for (const auto& [name, commit] : store->second->branches()) {
      Variant branch{spec.name, name};
      if (name != text && branch.mark() != text) continue;
      if (name == spec.branch) {
        throw Error(ErrorCode::kInvalid, "branch " + name + " is the one that is watched",
                    "`lockstep run` plans it");
      }
      found.emplace_back(branch, commit);
    }
  }
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    throw Error(ErrorCode::kNotFound, "no table store has a branch " + printable(text));
  }
  throw Error(ErrorCode::kConflict, "several sources have a branch " + printable(text),
              "name one, as " + found[0].first.mark());
}

// `[SOURCE@]TAG` of a code repository, and its commit.
std::pair<Variant, std::string> WorkspaceBackend::find_tag(const std::string& text) {
  std::vector<std::pair<Variant, std::string>> found;
  std::lock_guard<std::mutex> lock(daemon_.sources_mutex());
  for (const auto& [source, repo] : daemon_.sources().code) {
    repo->look();
    for (const auto& [name, commit] : repo->tags()) {
      if (name != text && source + "@" + name != text) continue;
      found.emplace_back(Variant{source, name, VariantKind::kTag}, commit);
    }
  }
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    throw Error(ErrorCode::kNotFound, "no code repository has a tag " + printable(text));
  }
  throw Error(ErrorCode::kConflict, "several sources have a tag " + printable(text),
              "name one, as " + found[0].first.source + "@" + printable(text));
}

// What became of the newest preview of each branch, tag and set of inputs.
Json WorkspaceBackend::previews() {
  return daemon_.in_loop([](Engine& engine) {
    Json all = Json::array();
    for (const auto& [mark, kept] : engine.previews()) {
      Json one = variant_json(Variant::parse(mark), kept.value("inputs", Json::object()));
      one.update({{"commit", kept.at("commit")},
                  {"run", nullptr},
                  {"result", nullptr},
                  {"models", Json::array()}});
      std::optional<RunRecord> run = engine.store().run(kept.at("run").get<std::string>());
      if (run) {
        one["run"] = run->id;
        one["result"] = run->result;
        Json preview = run->document.value("preview", Json());
        if (preview.is_object()) one["models"] = preview.at("models");
      }
      all.push_back(std::move(one));
    }
    return all;
  });
}

// A workflow with the defaults of its inputs is what the plans are made of; with other values it is
// an experiment.
Json WorkspaceBackend::trigger(const std::string& workflow, const Json& inputs,
                               const Caller& caller) {
  std::shared_ptr<Survey> seen = daemon_.look(Trigger{"manual", "", {}, false, true}, {});
  const Graph& graph = *seen->graph;
  if (!graph.home.count(workflow)) {
    throw Error(ErrorCode::kNotFound, "no workflow is called " + printable(workflow),
                "`lockstep check` lists the workflows");
  }
  auto declared = graph.inputs.find(workflow);
  static const std::vector<WorkflowInput> kNone;
  const auto& own = declared == graph.inputs.end() ? kNone : declared->second;
  Json values = given_inputs(workflow, own, inputs);
  Trigger trigger;
  trigger.who = caller.user;
  trigger.once = true;
  if (values != standard_inputs(own)) {
    trigger.kind = "preview";
    trigger.variant = Variant::inputs(workflow, values);
    trigger.inputs = values;
    return start(std::move(trigger), seen->commits);
  }
  trigger.kind = "manual";
  for (const Step& step : graph.steps) {
    if (step.workflow == workflow) trigger.steps.push_back(step.name);
  }
  if (trigger.steps.empty()) {
    throw Error(ErrorCode::kNotFound, "workflow " + workflow + " has no step to run",
                "its matrix has no values");
  }
  return start(std::move(trigger), seen->commits);
}

}  // namespace lockstep
