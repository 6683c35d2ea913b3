// What those who follow are told: written in the turn that it belongs to, so that nothing is told
// that did not happen, and nothing that happened is left out.
#include "pipeline/engine/engine.h"

namespace lockstep {
namespace {

std::string_view end_of(AttemptState state) {
  switch (state) {
    case AttemptState::kSucceeded:
      return "succeeded";
    case AttemptState::kFailed:
      return "failed";
    case AttemptState::kLost:
      return "lost";
    case AttemptState::kCancelled:
      return "cancelled";
    default:
      return "running";
  }
}

// A plan begins with all its steps: that one waits, is to be run or is current is no news of it.
bool is_news(StepState state) {
  return state == StepState::kRunning || state == StepState::kDone || state == StepState::kFailed ||
         state == StepState::kBlocked;
}

}  // namespace

void Engine::tell(const std::string& kind, Json data) {
  data["time"] = rfc3339(clock_.now_ms());
  std::string line = data.dump(-1, ' ', false, Json::error_handler_t::replace);
  int64_t id = store_.add_event(kind, line);
  new_events_.push_back({id, kind, std::move(line)});
}

void Engine::tell_news() {
  for (Run* run : {last_.get(), active_.get()}) {
    if (!run) continue;
    tell_steps(*run);
    for (; run->notes_told < run->notes.size(); ++run->notes_told) {
      tell("note", {{"run", run->record.id}, {"text", run->notes[run->notes_told]}});
    }
  }
}

void Engine::tell_steps(Run& run) {
  if (!run.plan) return;
  for (StepId id : run.plan->take_changed()) {
    const PlannedStep& planned = run.plan->at(id);
    auto told = run.told.find(id);
    bool fresh = told == run.told.end();
    if (fresh ? !is_news(planned.state) : told->second == planned.state) continue;
    run.told[id] = planned.state;
    const Step& step = run.survey->graph->step(id);
    Json data = {{"run", run.record.id},
                 {"step", step.name},
                 {"state", word(planned.state)},
                 {"model", step.registers.empty() ? Json() : Json(step.registers)}};
    auto ran = run.steps.find(id);
    data["attempt"] =
        ran == run.steps.end() || ran->second.attempt.empty() ? Json() : Json(ran->second.attempt);
    if (!planned.note.empty()) data["note"] = planned.note;
    tell("step", std::move(data));
  }
}

void Engine::tell_attempt(const AttemptRecord& attempt) {
  std::string pool;
  for (const Slot& slot : options_.slots) {
    if (slot.info.name == attempt.slot) pool = slot.info.pool;
  }
  Json data = {{"attempt", attempt.id},           {"run", attempt.run}, {"step", attempt.step},
               {"result", end_of(attempt.state)}, {"pool", pool},       {"seconds", 0.0}};
  data["seconds"] = double(attempt.finished_ms - attempt.started_ms) / 1000;
  if (!attempt.error.empty()) data["error"] = attempt.error;
  tell("attempt", std::move(data));
}

void Engine::tell_fact(const Entry& entry) {
  if (const AliasMove* move = std::get_if<AliasMove>(&entry.fact)) {
    tell("alias", {{"model", move->model},
                   {"alias", move->alias},
                   {"from", move->from},
                   {"to", move->to},
                   {"who", move->who},
                   {"why", move->why}});
  }
  if (const ChannelMove* move = std::get_if<ChannelMove>(&entry.fact)) {
    tell("release", {{"channel", move->channel},
                     {"from", move->from},
                     {"to", move->to},
                     {"who", move->who},
                     {"why", move->why}});
  }
}

void Engine::keep(const RunRecord& run) {
  store_.put(run);
  tell("run", {{"run", run.id},
               {"result", run.result},
               {"trigger", run.trigger},
               {"commits", run.commits}});
}

}  // namespace lockstep
