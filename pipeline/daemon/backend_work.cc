// Plans, runs and their logs.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "pipeline/base/steady.h"
#include "pipeline/core/names.h"
#include "pipeline/daemon/backend.h"
#include "pipeline/engine/world.h"

namespace lockstep {
namespace {

Json slots_json(const Engine& engine, Past& past) {
  Json all = Json::array();
  for (const Slot& slot : engine.slots()) {
    Json attempts = Json::array();
    for (const auto& [id, attempt] : past.live()) {
      if (attempt.slot != slot.info.name) continue;
      attempts.push_back({{"step", attempt.step},
                          {"run", attempt.run},
                          {"attempt", id},
                          {"since", rfc3339(attempt.started_ms)}});
    }
    Json first = attempts.empty() ? Json::object() : attempts[0];
    all.push_back({{"name", slot.info.name},
                   {"pool", slot.info.pool},
                   {"device", slot.info.device},
                   {"memory_bytes", slot.info.memory_bytes},
                   {"capacity", slot.capacity},
                   {"running", attempts},
                   {"step", first.value("step", Json())},
                   {"run", first.value("run", Json())},
                   {"since", first.value("since", Json())}});
  }
  return all;
}

// The runner that serves this workspace now: it may outlive the daemon that started it.
Json runner_json(const fs::path& state) {
  int pid = FileLock::owner(state / "lock");
  if (pid == 0) return nullptr;
  return {{"pid", pid > 0 ? Json(pid) : Json()}};
}

Json queue_json(const Run* run) {
  Json all = Json::array();
  if (!run || !run->plan) return all;
  for (StepId id : run->plan->ready()) {
    auto step = run->steps.find(id);
    all.push_back({{"step", run->survey->graph->step(id).name},
                   {"priority", step == run->steps.end() ? "code" : step->second.trigger},
                   {"why", "waits for a slot"}});
  }
  return all;
}

void add(Json& list, const Error& error) {
  list.push_back({{"code", word(error.code)},
                  {"message", error.message},
                  {"hint", error.hint},
                  {"where", error.where}});
}

using TableAtCommit = std::tuple<std::string, std::string, std::string>;  // source, table, at

// The tables that the workflows read, matrices included.
std::set<TableAtCommit> tables_read(const std::vector<Workflow>& workflows) {
  std::set<TableAtCommit> all;
  for (const Workflow& workflow : workflows) {
    for (const StepTemplate& step : workflow.steps) {
      for (const InputTemplate& input : step.inputs) {
        if (input.kind == InputKind::kRows) all.emplace(input.source, input.table, input.at);
      }
      for (const MatrixAxis& axis : step.matrix) {
        if (!axis.table.empty()) all.emplace(axis.source, axis.table, "");
      }
    }
  }
  return all;
}

// Everything that is wrong with rows that some workflow reads, each with file and line: a plan says
// the first only. Gives the tables ("source/table") that have any.
std::set<std::string> add_row_problems(SourceSet& sources, const std::vector<Workflow>& workflows,
                                       const std::map<std::string, std::string>& commits,
                                       Json& errors) {
  constexpr size_t kMostOfATable = 50;
  std::set<std::string> broken;
  for (const auto& [source, table, at] : tables_read(workflows)) {
    auto store = sources.tables.find(source);
    auto head = commits.find(source);
    if (store == sources.tables.end() || head == commits.end()) continue;
    try {
      std::string commit = at.empty() ? head->second : store->second->resolve(at);
      std::vector<Error> found = store->second->problems(commit, table, kMostOfATable + 1);
      if (!found.empty()) broken.insert(source + "/" + table);
      bool more = found.size() > kMostOfATable;
      if (more) found.pop_back();
      for (const Error& one : found) add(errors, one);
      if (more) {
        add(errors, Error(ErrorCode::kInvalid, fmt::format("{}/{}: there is more than these {}",
                                                           source, table, kMostOfATable)));
      }
    } catch (const Error& error) {
      // No such table or commit, a schema that is wrong: the steps that read it say so.
      if (error.code == ErrorCode::kUnavailable) throw;
    }
  }
  return broken;
}

// What a preview is of, without its models; null: the run is none.
Json preview_name(const Json& document) {
  Json preview = document.value("preview", Json());
  if (preview.is_object()) preview.erase("models");
  return preview;
}

Json held_json(const Json& held) {
  if (held.is_null()) return held;
  size_t gone = held.at("retired").size(), fresh = held.at("added").size();
  std::string why = gone > 0 ? fmt::format("{} models would be retired", gone)
                             : fmt::format("{} models would be added", fresh);
  return {{"why", why}, {"added", held.at("added")}, {"retired", held.at("retired")}};
}

}  // namespace

Json WorkspaceBackend::status() {
  const Workspace& workspace = daemon_.parts().workspace();
  Json sources = sources_json(daemon_);
  const std::optional<Error> trouble = daemon_.trouble();
  return daemon_.in_loop([&](Engine& engine) {
    size_t live = 0;
    for (const auto& [name, model] : engine.registry().models) {
      live += !model.retired && model.alias(kChampion) > 0 ? 1 : 0;
    }
    const Run* newest = engine.watched();
    std::set<std::string> behind;
    if (newest && newest->plan) {
      for (const auto& [model, step] : newest->survey->graph->producer) {
        StepState state = newest->plan->at(step).state;
        if (state != StepState::kDone && state != StepState::kCurrent) behind.insert(model);
      }
    }
    const Json kept = engine.deferred();
    Json deferred = Json::array();
    for (const auto& [step, one] : kept.items()) {
      if (one.at("model").is_string()) behind.insert(one.at("model"));
      deferred.push_back({{"step", step}, {"model", one.at("model")}, {"why", one.at("why")}});
    }
    Json channels = Json::array();
    std::map<std::string, std::string> held_cuts = engine.held_cuts();
    for (const auto& [name, moves] : engine.registry().channels) {
      const std::string why = held_cuts[name];
      channels.push_back({{"name", name},
                          {"tag", engine.registry().live(name)},
                          {"held", why.empty() ? Json() : Json(why)}});
      held_cuts.erase(name);
    }
    for (const auto& [name, why] : held_cuts) {
      channels.push_back({{"name", name}, {"tag", nullptr}, {"held", why}});
    }
    return Json{{"workspace", workspace.folder.string()},
                {"pid", getpid()},
                {"serving", daemon_.serving()},
                {"slots", slots_json(engine, engine.past())},
                {"queue", queue_json(engine.active())},
                {"models", {{"total", live}, {"in_step", live - std::min(live, behind.size())}}},
                {"deferred", deferred},
                {"sources", sources},
                {"channels", channels},
                {"held", held_json(engine.held())},
                {"trouble", trouble ? Json(trouble->message) : Json()},
                {"outbox", daemon_.effects().outbox().troubles()},
                {"reload", daemon_.last_reload()},
                {"runner", runner_json(daemon_.parts().state() / "runner")}};
  });
}

Json WorkspaceBackend::check() {
  Json errors = Json::array(), warnings = Json::array(), workflows = Json::array();
  size_t instances = 0, models = 0;
  for (const Error& warning : daemon_.parts().warnings()) add(warnings, warning);
  try {
    std::unique_ptr<SourceSet> sources = daemon_.parts().open_sources();
    GitWorkflows loader(daemon_.parts(), *sources);
    std::map<std::string, std::string> heads;
    for (auto& [name, repo] : sources->code) heads[name] = repo->head();
    std::vector<Workflow> loaded = loader.load(heads);
    for (const Workflow& workflow : loaded) {
      workflows.push_back(
          {{"name", workflow.name}, {"file", workflow.file}, {"steps", workflow.steps.size()}});
    }
    for (const Error& warning : loader.warnings()) add(warnings, warning);
    std::shared_ptr<Survey> seen = daemon_.look(Trigger{"manual", "", {}, false, true}, heads);
    instances = seen->graph->steps.size();
    models = seen->graph->producer.size();
    for (const Problem& problem : seen->graph->problems) {
      add(errors, Error(ErrorCode::kInvalid, problem.message, "", problem.where));
    }
    for (const std::string& problem : daemon_.images().problems(*seen->graph)) {
      add(errors, Error(ErrorCode::kInvalid, problem));
    }
    std::set<std::string> broken = add_row_problems(*sources, loaded, seen->commits, errors);
    std::set<std::string> said;
    for (size_t i = 0; i < seen->slices.size(); ++i) {
      const SliceSpec& spec = seen->graph->slices[i];
      const std::string& error = seen->slices[i].error;
      bool fresh = !error.empty() && !broken.count(spec.source + "/" + spec.table);
      if (fresh && said.insert(error).second) add(errors, Error(ErrorCode::kInvalid, error));
    }
    for (const CodeReading& code : seen->code) {
      if (!code.error.empty()) add(errors, Error(ErrorCode::kInvalid, code.error));
    }
  } catch (const Errors& all) {
    for (const Error& error : all.all) add(errors, error);
  } catch (const Error& error) {
    add(errors, error);
  }
  return {{"ok", errors.empty()},   {"errors", errors},       {"warnings", warnings},
          {"workflows", workflows}, {"instances", instances}, {"models", models}};
}

Json WorkspaceBackend::plan() {
  Trigger trigger{"manual", "", {}, false, true};
  const PlanMemory& memory = daemon_.plans();
  PlanGround before = daemon_.in_loop([&](Engine&) { return memory.ground(); }), after;
  Preview seen = daemon_.preview(trigger, {});
  Json answer = daemon_.in_loop([&](Engine& engine) {
    after = memory.ground();
    if (before.text != after.text) {  // the store has moved since
      seen.world = std::make_unique<DryWorld>(engine, seen.survey);
      seen.plan = engine.preview(seen.survey, trigger, *seen.world);
    }
    Json document = plan_document(*seen.plan, engine.past());
    std::optional<std::set<std::string>> planned = engine.planned();
    document["first"] = !planned;
    Membership models = membership(*seen.survey->graph, engine.registry(),
                                   planned.value_or(std::set<std::string>()));
    document["added"] = models.added;
    document["retired"] = models.retired;
    document["held"] = held_json(engine.held());
    return document;
  });
  // For the next command by itself; a daemon that serves has no need of it.
  bool same = !daemon_.serving() && before.text == after.text;
  if (same) memory.keep(before, *seen.survey, json_text(answer));
  return answer;
}

Json WorkspaceBackend::start(Trigger trigger, const std::map<std::string, std::string>& commits) {
  daemon_.work();
  struct Answer {
    std::string run;
    std::optional<Error> error;
  };
  auto promise = std::make_shared<std::promise<Answer>>();
  std::future<Answer> answer = promise->get_future();
  daemon_.request(
      {std::move(trigger), commits, [promise](const std::string& run, const Error* error) {
         promise->set_value({run, error ? std::optional(*error) : std::nullopt});
       }});
  Answer got = answer.get();
  if (got.error) throw *got.error;
  return {{"run", got.run.empty() ? Json() : Json(got.run)}, {"note", nullptr}};
}

Json WorkspaceBackend::start_run(const Json& options, const Caller& caller) {
  Trigger trigger;
  trigger.kind = "manual";
  trigger.who = caller.user;
  trigger.steps = options.value("steps", std::vector<std::string>());
  trigger.force = options.value("force", false);
  trigger.once = true;
  std::string branch = options.value("branch", ""), tag = options.value("tag", "");
  if (branch.empty() && tag.empty()) return start(std::move(trigger), {});
  if (!branch.empty() && !tag.empty()) {
    throw Error(ErrorCode::kInvalid, "a run is of a branch or of a tag, not of both");
  }
  auto [variant, commit] = branch.empty() ? find_tag(tag) : find_branch(branch);
  trigger.kind = "preview";
  trigger.variant = variant;
  return start(std::move(trigger), {{variant.source, commit}});
}

Json WorkspaceBackend::run_now(Engine& engine, const std::string& id) const {
  for (const Run* run : {engine.active(), engine.last()}) {
    if (run && run->record.id == id) {
      Json document = run_document(*run, engine.registry(), engine.now_ms());
      for (Json& release : document["releases"]) {
        release["folder"] = daemon_.parts().releases_shown();
      }
      document["held"] = held_json(document["held"]);
      return document;
    }
  }
  std::optional<RunRecord> kept = engine.store().run(id);
  if (!kept) return nullptr;
  Json document = kept->document;
  document["run"] = kept->id;
  document["held"] = held_json(document["held"]);
  return document;
}

Json WorkspaceBackend::run(const std::string& id, int64_t seen, const Patience& patience) {
  // The document holds every step and is made in the loop: who follows a run may take a twentieth
  // of the loop's time.
  constexpr int64_t kLookForCaller_ms = 500, kLeastPause_ms = 100, kShare = 20;
  int64_t begin_ms = steady_ms(), until_ms = begin_ms + patience.wait_ms;
  int64_t pause_ms = seen < 0 ? 0 : std::max(kLeastPause_ms, kShare * document_ms_);
  auto left_ms = [&] { return std::clamp<int64_t>(until_ms - steady_ms(), 0, kLookForCaller_ms); };
  auto enough = [&] { return left_ms() == 0 || daemon_.stopping() || patience.over(); };
  Json document;
  while (true) {
    while (!daemon_.wait_run(id, seen, begin_ms + pause_ms, left_ms()) && !enough()) {
    }
    document = daemon_.in_loop([&](Engine& engine) {
      int64_t before_ms = steady_ms();
      Json now = run_now(engine, id);
      document_ms_ = steady_ms() - before_ms;
      return now;
    });
    if (document.is_null()) {
      throw Error(ErrorCode::kNotFound, "no run is called " + id, "`lockstep runs` lists them");
    }
    if (document.at("result") != "running") break;
    if (document.value("revision", int64_t{0}) != seen || enough()) return document;
    // One that an earlier process left open: no turn here tells of it.
    std::this_thread::sleep_for(std::chrono::milliseconds(kLeastPause_ms));
  }
  // A run is shown as finished when its release has its image, or when that had to be put off.
  while (!daemon_.effects().settled(left_ms())) {
    if (!enough()) continue;
    document["result"] = "running";
    return document;
  }
  return daemon_.in_loop([&](Engine& engine) { return run_now(engine, id); });
}

Json WorkspaceBackend::runs(size_t limit, const std::string& before) {
  return daemon_.in_loop([&](Engine& engine) {
    Json all = Json::array();
    if (!before.empty() && !engine.store().run(before)) {
      throw Error(ErrorCode::kNotFound, "no run is called " + before,
                  "`lockstep runs` lists those that are kept");
    }
    for (const RunRecord& record : engine.store().runs(limit, before)) {
      Json document = run_now(engine, record.id);
      all.push_back(
          {{"run", record.id},
           {"result", document.value("result", record.result)},
           {"trigger", record.trigger},
           {"preview", preview_name(document)},
           {"started", rfc3339(record.started_ms)},
           {"finished", record.finished_ms > 0 ? Json(rfc3339(record.finished_ms)) : Json()},
           {"executed", document.value("executed", 0)},
           {"failed", document.value("failed", 0)},
           {"release", document.value("release", Json())}});
    }
    return all;
  });
}

Json WorkspaceBackend::log(const std::string& run, const std::string& step, uint64_t offset,
                           const Patience& patience) {
  constexpr uint64_t kPiece_bytes = 1 << 20;
  int64_t until_ms = steady_ms() + patience.wait_ms;
  while (true) {
    std::optional<AttemptRecord> attempt =
        daemon_.in_loop([&](Engine& engine) { return engine.store().last_attempt(run, step); });
    if (!attempt) {
      throw Error(ErrorCode::kNotFound,
                  run.empty() ? fmt::format("step {} was never attempted", step)
                              : fmt::format("run {} has no attempt of step {}", run, step),
                  "`lockstep run show` lists the steps of a run");
    }
    bool live =
        attempt->state == AttemptState::kStarting || attempt->state == AttemptState::kRunning;
    std::string text = daemon_.read_log(attempt->id, offset, kPiece_bytes);
    bool end = !live && text.size() < kPiece_bytes;
    bool enough = daemon_.stopping() || patience.over() || steady_ms() >= until_ms;
    if (!text.empty() || end || enough) {
      return {{"log", replace_invalid_utf8(text)},
              {"offset", offset + text.size()},
              {"end", end},
              {"attempt", attempt->id},
              {"run", attempt->run}};
    }
    usleep(100'000);
  }
}

Json WorkspaceBackend::cancel(const std::string& run, const Caller&) {
  return daemon_.in_loop([&](Engine& engine) {
    Json steps = Json::array();
    engine.cancel(run);
    for (const auto& [id, attempt] : engine.past().live()) steps.push_back(attempt.step);
    return Json{{"run", run}, {"cancelled", steps}};
  });
}

Json WorkspaceBackend::retry(const std::string& what, const Caller& caller) {
  Trigger trigger;
  trigger.kind = "manual";
  trigger.who = caller.user;
  trigger.once = true;
  std::optional<std::vector<std::string>> failed =
      daemon_.in_loop([&](Engine& engine) -> std::optional<std::vector<std::string>> {
        std::optional<RunRecord> run = engine.store().run(what);
        if (!run) return std::nullopt;
        if (!preview_name(run->document).is_null()) {
          throw Error(ErrorCode::kConflict, "run " + run->id + " is a preview",
                      "ask for it again as it was asked for: `trigger --input`, `run --tag` or "
                      "`run --branch`");
        }
        std::vector<std::string> names;
        for (const Json& step : run_now(engine, what).at("steps")) {
          if (step.at("state") == "failed") names.push_back(step.at("step"));
        }
        return names;
      });
  if (failed && failed->empty()) {
    throw Error(ErrorCode::kNotFound, fmt::format("run {} has no failed step", what));
  }
  trigger.steps = failed ? *failed : std::vector<std::string>{what};
  return start(std::move(trigger), {});
}

Json WorkspaceBackend::approve_change(const Caller& caller) {
  Json held = daemon_.in_loop(
      [&](Engine& engine) { return caller.dry_run ? engine.held() : engine.approve(); });
  Json approved = held.is_null() ? Json::array() : held.at("added");
  if (!held.is_null()) {
    for (const Json& model : held.at("retired")) approved.push_back(model);
  }
  if (caller.dry_run) return {{"approved", approved}, {"dry_run", true}, {"run", nullptr}};
  Trigger trigger;
  trigger.kind = "approval";
  trigger.who = caller.user;
  trigger.once = true;
  Json started = start(std::move(trigger), {});
  return {{"approved", approved}, {"run", started.at("run")}};
}

}  // namespace lockstep
