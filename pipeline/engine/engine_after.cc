// Workflows that start when another one has run (`on: {workflow: …}`): what was executed is kept
// until the run ends, and who is asked for until it is planned; both in the store, turn by turn.
#include <algorithm>

#include "pipeline/engine/engine.h"

namespace lockstep {
namespace {

constexpr const char* kAsked = "asked/";

bool names(const AfterSpec& after, const std::string& workflow) {
  return std::find(after.names.begin(), after.names.end(), workflow) != after.names.end();
}

bool good(StepState state) {
  return state == StepState::kDone || state == StepState::kCurrent || state == StepState::kDeferred;
}

}  // namespace

std::map<std::string, int64_t> Engine::quiet() {
  std::string text = store_.get("quiet");
  if (text.empty()) return {};
  return parse_json(text, "quiet").get<std::map<std::string, int64_t>>();
}

Json Engine::asked() {
  Json all = Json::object();
  for (const auto& [key, text] : store_.all(kAsked)) {
    if (!text.empty()) all[key.substr(std::string_view(kAsked).size())] = parse_json(text, key);
  }
  return all;
}

// Survives plans that supersede the run: a step that ended in an earlier one is current in the
// last one, which ends for them all.
void Engine::keep_executed(const AttemptRecord& ended) {
  if (!active_ || active_->variant || !active_->plan) return;
  const Graph& graph = *active_->survey->graph;
  auto step = graph.by_name.find(ended.step);
  if (step == graph.by_name.end()) return;
  const std::string& workflow = graph.step(step->second).workflow;
  bool followed = std::any_of(graph.after.begin(), graph.after.end(),
                              [&](const auto& one) { return names(one.second, workflow); });
  if (followed) store_.set("executed/" + workflow, active_->record.id);
}

void Engine::answered(const std::string& workflow) {
  store_.set(kAsked + workflow, "");
  anybody_asked_ = !asked().empty();
}

void Engine::ask_followers() {
  const Graph& graph = *active_->survey->graph;
  for (const auto& [key, run] : store_.all("executed/")) {
    if (run.empty()) continue;
    std::string workflow = key.substr(std::string_view("executed/").size());
    store_.set(key, "");
    bool done = true;
    for (uint32_t i = 0; i < graph.steps.size(); ++i) {
      bool theirs = graph.steps[i].workflow == workflow;
      done = done && (!theirs || good(active_->plan->at(StepId{i}).state));
    }
    for (const auto& [follower, after] : graph.after) {
      if (!names(after, workflow) || !(done || after.any)) continue;
      Json ask = {{"after", workflow}, {"run", active_->record.id}};
      store_.set(kAsked + follower, ask.dump());
      anybody_asked_ = true;
    }
  }
}

}  // namespace lockstep
