// Models that were made elsewhere become versions under today's fingerprints.
#include <fmt/format.h>

#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/given_files.h"

namespace lockstep {
namespace {

// Throws not_found, naming all that no step registers.
void need_models(const Graph& graph, const std::set<std::string>& names, const std::string& where) {
  std::string unknown;
  for (const std::string& name : names) {
    if (!graph.producer.count(name)) unknown += (unknown.empty() ? "" : ", ") + printable(name);
  }
  if (unknown.empty()) return;
  throw Error(ErrorCode::kNotFound, "no step of the present plan registers " + unknown,
              "`lockstep plan --all` lists the steps and their models", where);
}

std::string ending_of(const StepTemplate& tmpl) {
  auto model = tmpl.outputs.find("model");
  return model == tmpl.outputs.end() ? "" : fs::path(model->second).extension().string();
}

Json adopted_json(const Adoptions& done, const std::map<std::string, GivenModel>& given,
                  const std::map<std::string, fs::path>& files) {
  Json adopted = Json::array(), left = Json::array();
  for (const AdoptedModel& one : done.adopted) {
    adopted.push_back({{"model", one.model},
                       {"version", one.version},
                       {"sha256", one.digest.hex()},
                       {"step", one.step},
                       {"file", printable(files.at(one.model).string(), 4096)},
                       {"metrics", given.at(one.model).metrics}});
  }
  for (const LeftModel& one : done.left) {
    left.push_back({{"model", one.model}, {"step", one.step}, {"why", one.why}});
  }
  return {{"adopted", adopted}, {"left", left}};
}

void refuse_while_busy(Engine& engine) {
  if (!engine.active() && engine.past().live().empty()) return;
  throw Error(ErrorCode::kConflict, "a run is at work",
              "adopt when it has finished, or before `lockstep serve` starts the first one");
}

}  // namespace

Json WorkspaceBackend::adopt(const Json& body, const Caller& caller) {
  GivenFiles files(body.value("from", ""));
  std::set<std::string> wanted = body.value("models", std::set<std::string>());
  // Nothing is collected between the taking of bytes and the facts that hold them.
  const std::unique_lock<std::mutex> alone = daemon_.backups().alone();
  daemon_.in_loop(refuse_while_busy);
  const Trigger trigger{"manual", caller.user, {}, false, true};
  std::shared_ptr<const Survey> survey = daemon_.look(trigger, {});
  const Graph& graph = *survey->graph;
  need_models(graph, wanted, "");
  need_models(graph, files.named(), printable(body.value("from", "")));
  std::map<std::string, GivenModel> given;
  std::map<std::string, fs::path> taken;
  for (const auto& [model, id] : graph.producer) {
    if (!wanted.empty() && !wanted.count(model)) continue;
    const StepTemplate& tmpl = graph.tmpl(id);
    if (!tmpl.outputs.count("model")) continue;
    std::optional<fs::path> file = files.find(model, ending_of(tmpl));
    if (!file) continue;
    given[model] =
        take_given(*file, model, tmpl.outputs, caller.dry_run ? nullptr : &daemon_.artifacts());
    taken[model] = *file;
  }
  return daemon_.in_loop([&](Engine& engine) {
    refuse_while_busy(engine);
    Adoptions done = plan_adoptions(engine, survey, given, caller.user, caller.reason);
    if (!wanted.empty()) {
      std::erase_if(done.left, [&](const LeftModel& one) { return !wanted.count(one.model); });
    }
    Json out = adopted_json(done, given, taken);
    out["dry_run"] = caller.dry_run;
    if (caller.dry_run) return out;
    for (const ResultRecord& result : done.results) engine.past().put(result);
    for (const auto& [name, fingerprint] : done.accepted) {
      engine.past().accept(name, fingerprint);
    }
    engine.append(done.facts);
    return out;
  });
}

}  // namespace lockstep
