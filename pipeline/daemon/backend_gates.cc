// What gates found, and who lets pass what they ask about.
#include <fmt/format.h>

#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/judge.h"

namespace lockstep {

Json WorkspaceBackend::gate(const std::string& name, std::optional<int64_t> number) {
  Json out;
  std::string report;
  daemon_.in_loop([&](Engine& engine) {
    const ModelState& model = find_model(engine.registry(), name);
    std::optional<int64_t> wanted = number;
    if (!wanted && !model.gates.empty()) wanted = model.gates.rbegin()->first;
    const Version& version = find_version(model, name, wanted);
    auto found = model.gates.find(version.number);
    if (found == model.gates.end()) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("no gate has looked at {}@{}", name, version.number),
                  fmt::format("`lockstep model show {}` lists its versions", name));
    }
    out = gate_document(model, found->second);
    out["model"] = version.model;
    report = found->second.report;
    return Json();
  });
  out["report"] = nullptr;
  out["markdown"] = nullptr;
  if (report.empty()) return out;
  try {
    Json kept = parse_json(daemon_.artifacts().get(Digest::parse(report)), "a gate's report");
    out["report"] = kept.at("json");
    out["markdown"] = kept.at("markdown");
  } catch (const Error& error) {
    if (error.code != ErrorCode::kNotFound) throw;
    out["note"] = "the whole report was collected with what else nothing keeps";
  }
  return out;
}

Json WorkspaceBackend::approve(const std::string& name, const Json& body, const Caller& caller) {
  know_graph();
  return daemon_.in_loop([&](Engine& engine) {
    ApproveRequest request;
    request.model = engine.registry().name_today(name);
    find_model(engine.registry(), name);
    request.version = body.value("version", int64_t{0});
    std::optional<Digest> today = engine.past().accepted(request.model);
    if (today) request.today = &*today;
    request.who = caller.user;
    request.reason = caller.reason;
    std::vector<Fact> facts =
        lockstep::approve(engine.registry(), request,
                          [&](const Digest& digest) { return daemon_.artifacts().has(digest); });
    const Approval& approval = std::get<Approval>(facts.front());
    const AliasMove& move = std::get<AliasMove>(facts.back());
    Json out = {
        {"model", approval.model}, {"from", move.from},         {"to", move.to},
        {"basis", approval.basis}, {"dry_run", caller.dry_run}, {"releases", Json::array()}};
    if (caller.dry_run) return out;
    engine.append(facts);
    for (const Json& cut :
         engine.cut_all(caller.user, fmt::format("{}@{} {}", move.model, move.to, move.why))) {
      out["releases"].push_back(
          {{"channel", cut.at("channel")}, {"to", cut.at("tag")}, {"known", cut.at("known")}});
    }
    return out;
  });
}

}  // namespace lockstep
