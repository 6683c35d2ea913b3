// What goes out to people and forges: which run speaks for which commit, and who is told of what.
// Nothing of it decides anything.
//
// Kept: `speaks/SOURCE[@BRANCH]` = "COMMIT RUN RESULT", the newest commit with a status;
// `status/SOURCE@COMMIT` = RUN while its forge may not have heard the last word; ">RUN": it has
// none of its own, as that run's commit came after it; `notify/ID` = what is sent under that id,
// until it was taken.
#include <fmt/format.h>

#include <sstream>

#include "pipeline/engine/engine.h"

namespace lockstep {
namespace {

constexpr const char* kSpeaks = "speaks/";
constexpr const char* kStatus = "status/";
constexpr const char* kNotify = "notify/";

struct Spoken {
  std::string commit, run, result;

  static Spoken parse(const std::string& text) {
    Spoken out;
    std::istringstream(text) >> out.commit >> out.run >> out.result;
    return out;
  }
  std::string str() const { return commit + " " + run + " " + result; }
};

}  // namespace

// The commits that moved, and those whose last run did not end well. A commit on which all went
// well is left alone when another source's commit has a run: forges keep only so many statuses.
void Engine::speak(const std::string& run, const std::map<std::string, std::string>& commits,
                   const std::optional<Variant>& branch) {
  if (branch && branch->kind != VariantKind::kBranch) return;  // an experiment is nobody's commit
  for (const auto& [source, commit] : commits) {
    if (!options_.told_sources.count(source) || (branch && branch->source != source)) continue;
    const std::string key = kSpeaks + (branch ? branch->mark() : source);
    const Spoken before = Spoken::parse(store_.get(key));
    if (before.commit == commit && before.result == "done") continue;
    // Its run was held, and nobody has approved it: this commit's takes its place.
    if (before.result == "running" && before.commit != commit) {
      store_.set(kStatus + source + "@" + before.commit, ">" + run);
      intend("status", source + "@" + before.commit);
    }
    const bool idle = run == "-";
    store_.set(key, Spoken{commit, run, idle ? "done" : "running"}.str());
    store_.set(kStatus + source + "@" + commit, run);
    intend("status", source + "@" + commit);
  }
}

void Engine::retell(const std::string& run, const std::string& result) {
  if (options_.told_sources.empty()) return;
  for (const auto& [key, value] : store_.all(kSpeaks)) {
    Spoken spoken = Spoken::parse(value);
    if (spoken.run != run) continue;
    spoken.result = result;
    store_.set(key, spoken.str());
    const std::string source = Variant::parse(key.substr(std::string(kSpeaks).size())).source;
    store_.set(kStatus + source + "@" + spoken.commit, run);
    intend("status", source + "@" + spoken.commit);
  }
}

void Engine::comment(const Variant& branch) {
  if (branch.kind != VariantKind::kBranch || !options_.told_sources.count(branch.source)) return;
  if (previews().count(branch.mark())) intend("comment", branch.mark());
}

void Engine::announce(const std::string& event, const Json& data) {
  auto who = options_.told_events.find(event);
  if (who == options_.told_events.end()) return;
  const std::string number = std::to_string(store_.next("notification"));
  const Json document = {{"type", event}, {"timestamp", rfc3339(clock_.now_ms())}, {"data", data}};
  for (const std::string& name : who->second) {
    const std::string id = number + "/" + name;
    store_.set(kNotify + id, document.dump(-1, ' ', false, Json::error_handler_t::replace));
    intend("notify", id);
  }
}

// Said once: as long as the same steps fail in the same way, the next commits' runs are silent.
void Engine::announce_failure(const Run& run) {
  if (!options_.told_events.count("failure") || run.record.result == "cancelled") return;
  Json failed = Json::array(), blocked = Json::array();
  std::string marks;
  for (StepId id : run.survey->graph->order) {
    const PlannedStep& planned = run.plan->at(id);
    if (!run.plan->selected(id)) continue;
    if (planned.state == StepState::kFailed) {
      failed.push_back(run.survey->graph->step(id).name);
      marks += planned.recipe ? planned.recipe->fingerprint.hex() : planned.note;
    }
    if (planned.state == StepState::kBlocked) {
      blocked.push_back(run.survey->graph->step(id).name);
      marks += run.survey->graph->step(id).name;
    }
  }
  const bool bad = run.record.result == "failed";
  const std::string mark = bad ? sha256(marks).hex() : "";
  if (bad && store_.get("failing") != mark) {
    announce("failure", {{"run", run.record.id}, {"failed", failed}, {"blocked", blocked}});
  }
  store_.set("failing", mark);
}

// Whatever was said last was heard, or given up.
void Engine::forget_told(const EffectDone& done) {
  if (done.kind == "notify") store_.set(kNotify + done.target, "");
  if (done.kind == "status" && done.data.value("final", true))
    store_.set(kStatus + done.target, "");
}

}  // namespace lockstep
