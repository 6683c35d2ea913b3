// What gates found, and who lets pass what they ask about.
#include <fmt/format.h>

#include "pipeline/base/point.h"
#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/judge.h"
#include "pipeline/exec/prepare.h"
#include "registry/gates/predictions.h"

namespace lockstep {
namespace {

// The predictions of one version on the rows that must come out so; made where they are not known.
// It takes no slot: a rollback does not wait behind trainings. The caller has one made at a time.
Digest answered(Daemon& daemon, const Engine::Expectations& asked) {
  if (asked.predictions) return *asked.predictions;
  daemon.work();
  std::unique_ptr<SourceSet> sources = daemon.parts().open_sources();
  Watched watched = sources->watched();
  PrepareFrom from{watched.tables, watched.code,
                   [&](const std::string& name) { return daemon.parts().secret(name); }};
  const std::string id =
      fmt::format("expect-{}-{}", asked.fingerprint.hex().substr(0, 8), SystemClock().now_ms());
  AttemptResult result =
      daemon.effects().run_once(prepare_attempt(id, asked.context, from, daemon.artifacts()));
  auto predictions = result.outputs.find("predictions");
  if (result.end != AttemptEnd::kSucceeded || predictions == result.outputs.end()) {
    throw Error(ErrorCode::kConflict, "its evaluation failed: " + result.error);
  }
  return predictions->second;
}

}  // namespace

Json WorkspaceBackend::expectations(const std::vector<std::pair<std::string, int64_t>>& versions,
                                    bool accept) {
  std::set<std::string> expecting =
      daemon_.in_loop([](Engine& engine) { return engine.expecting(); });
  std::optional<Preview> seen;
  uint64_t checked = 0;
  std::vector<std::string> broken, unknown;
  for (const auto& wanted : versions) {
    if (wanted.second == 0 || !expecting.count(wanted.first)) continue;
    const std::string name = fmt::format("{}@{}", wanted.first, wanted.second);
    try {
      if (!seen) seen = daemon_.preview(Trigger{"manual", "", {}, false, true, {}}, {});
      const Engine::Expectations asked = daemon_.in_loop([&](Engine& engine) {
        return engine.expectations_of(*seen->plan, wanted.first, wanted.second);
      });
      std::unique_lock<std::mutex> one_at_a_time(expectations_mutex_);
      const std::string csv = daemon_.artifacts().get(answered(daemon_, asked));
      one_at_a_time.unlock();
      AnsweredExpectations read = read_expectations(csv, name + "/expectations", asked.rows);
      ExpectationReport report = check_expectations(read.expectations, read.answers);
      checked += report.checked;
      for (const BrokenExpectation& one : report.broken) broken.push_back(name + ": " + one.why);
    } catch (const Error& error) {
      unknown.push_back(name + ": " + error.what());
    }
  }
  if (!seen && unknown.empty()) return nullptr;
  if (!accept && !broken.empty()) {
    throw Error(
        ErrorCode::kDenied,
        fmt::format("{}{}", broken.front(),
                    broken.size() > 1 ? fmt::format("; and {} more", broken.size() - 1) : ""),
        "`--dry-run` names all; `--accept-expectations` goes back all the same");
  }
  if (!accept && !unknown.empty()) {
    throw Error(ErrorCode::kDenied, "what must come out could not be looked at: " + unknown.front(),
                "`--accept-expectations` goes back all the same");
  }
  return {{"checked", checked}, {"broken", broken}, {"unknown", unknown}};
}

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
  daemon_.know_graph();
  Json done = daemon_.in_loop([&](Engine& engine) {
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
    point("approve.before");
    const std::string why = fmt::format("{}@{} {}", move.model, move.to, move.why);
    for (const Json& cut :
         engine.move_and_cut(facts, engine.cuts(), caller.user, why, caller.dry_run)) {
      out["releases"].push_back(
          {{"channel", cut.at("channel")}, {"to", cut.at("tag")}, {"known", cut.at("known")}});
    }
    if (!caller.dry_run) engine.owe_plan();
    point("approve.after");
    return out;
  });
  // What was trained on the champion before is behind now.
  if (!caller.dry_run && daemon_.serving()) {
    daemon_.request({Trigger{"approval", caller.user, {}, false, false, {}}, {}, {}});
  }
  return done;
}

}  // namespace lockstep
