#include "pipeline/engine/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/point.h"
#include "pipeline/engine/world.h"

namespace lockstep {

Engine::Engine(Store& store, FactLog& log, Registry registry, Clock& clock, HasBytes has,
               EngineOptions options)
    : store_(store),
      log_(log),
      registry_(std::move(registry)),
      clock_(clock),
      options_(std::move(options)),
      past_(store, std::move(has)),
      world_(std::make_unique<EngineWorld>(*this)) {
  read_store();
}

// A run that the last process left open is taken up by the first survey (begin_run), so that its
// attempts are adopted; until then it stays as it was written.
void Engine::read_store() {
  new_intents_ = store_.intents();
  std::string produced = store_.get("produced");
  produced_.clear();
  if (!produced.empty())
    produced_ = parse_json(produced, "produced models").get<decltype(produced_)>();
  images_.clear();
  const std::string images = store_.get("images");
  const Json grounds = images.empty() ? Json::object() : parse_json(images, "what images stand on");
  for (const auto& [channel, one] : grounds.items()) {
    images_[channel] = {one.at("ref"),  one.at("base"),  one.at("place"),
                        one.at("code"), one.at("error"), one.at("code_error")};
  }
  std::string unreleased = store_.get("unreleased");
  anybody_asked_ = !asked().empty();
  due_since_.clear();
  oldest_unreleased_ms_ = unreleased.empty() ? 0 : std::stoll(unreleased);
}

void Engine::begin_again(Registry registry) {
  active_.reset();
  last_.reset();
  channels_.clear();
  decided_.clear();
  off_branch_.clear();
  under_way_.clear();
  again_.clear();
  past_.begin_again();
  bases_ = {};
  read_store();
  registry_ = std::move(registry);
  ++revision_;
}

void Engine::hold(bool held) {
  held_ = held;
  if (held_) return;
  for (Message& message : std::exchange(waiting_, {})) inbox_.push(std::move(message));
}

// Leaves the commands.
void Engine::put_off(std::vector<Message>& messages) {
  std::vector<Message> commands;
  const Error why(ErrorCode::kUnavailable, "nothing is planned while the store can't be written");
  for (Message& message : messages) {
    if (std::holds_alternative<Command>(message)) {
      commands.push_back(std::move(message));
    } else if (SurveyDone* survey = std::get_if<SurveyDone>(&message)) {
      if (survey->started) survey->started("", &why);
    } else {
      waiting_.push_back(std::move(message));
    }
  }
  messages = std::move(commands);
}

bool Engine::turn(int64_t wait_ms) {
  std::vector<Message> messages = inbox_.drain(wait_ms);
  if (held_) put_off(messages);
  if (messages.empty() && (held_ || !release_due())) return false;
  std::vector<AttemptResult> results;  // the only news that nobody tells twice
  for (const Message& message : messages) {
    if (auto* result = std::get_if<AttemptResult>(&message)) results.push_back(*result);
  }
  point("engine.turn.before");
  new_events_.clear();
  try {
    store_.begin();
    take_all(messages);
    // From here on the turn is durable; only then may anything act on its intents.
    store_.commit();
  } catch (const std::exception& error) {
    store_.rollback();  // the caller begins again from what the store has
    when_durable_.clear();
    new_intents_.clear();
    new_events_.clear();
    for (AttemptResult& result : results) {
      waiting_.emplace_back(std::in_place_type<AttemptResult>, std::move(result));
    }
    const Error why(ErrorCode::kUnavailable, error.what());
    for (Message& message : messages) {
      SurveyDone* survey = std::get_if<SurveyDone>(&message);
      if (survey && survey->started) survey->started("", &why);
    }
    throw;
  } catch (...) {
    store_.rollback();
    throw;
  }
  ++revision_;
  point("engine.turn.durable");
  for (const auto& tell : std::exchange(when_durable_, {})) tell();
  point("engine.turn.told");
  return true;
}

void Engine::take_all(std::vector<Message>& messages) {
  for (Message& message : messages) {
    std::visit([this](auto& one) { take(one); }, message);
  }
  if (held_) return;
  start_ready();
  cut_waiting();
  tell_news();
  finish_run();
  tell_news();
}

std::vector<Intent> Engine::take_intents() {
  for (const Intent& intent : new_intents_) under_way_.insert(intent.id);
  return std::exchange(new_intents_, {});
}

void Engine::take(Command& command) {
  command.act(*this);
  if (command.done) when_durable_.push_back(std::move(command.done));
}

void Engine::answer(const SurveyDone& done, const std::string& run, std::optional<Error> error) {
  if (!done.started) return;
  when_durable_.push_back(
      [started = done.started, run, error] { started(run, error ? &*error : nullptr); });
}

void Engine::take(EffectDone& done) {
  if (done.kind == "start") {
    auto live = past_.live().find(done.target);
    if (live != past_.live().end() && live->second.state == AttemptState::kStarting) {
      AttemptRecord record = live->second;
      if (done.ok) {
        record.state = AttemptState::kRunning;
        past_.put(record);
      } else {
        AttemptResult result;
        result.id = done.target;
        result.error = done.error;
        fail(record, result);
      }
    }
  }
  if (done.kind == "build" && done.ok) {
    const ReleaseState* release = registry_.release(done.target);
    if (release && !release->image) {
      append({ReleaseBuilt{done.target, Digest::parse(done.data.at("image").get<std::string>())}});
    }
  }
  if (done.kind == "sign" && done.ok) take_signature(done);
  if (!done.ok && done.kind != "start") {
    note(fmt::format("{} {}: {}", done.kind, done.target, done.error));
  }
  point("engine.effect.taken");
  under_way_.erase(done.intent);
  if (again_.erase(done.intent) == 0) {
    forget_told(done);
    return store_.done_intent(done.intent);
  }
  new_intents_.push_back({done.intent, done.kind, done.target});
}

void Engine::take_signature(const EffectDone& done) {
  const ReleaseState* release = registry_.release(done.target);
  const std::string key = done.data.value("key", ""), bytes = done.data.value("signature", "");
  if (!release || key.empty()) return;
  auto known = release->signatures.find(key);
  if (known == release->signatures.end() || known->second != bytes) {
    append({ReleaseSigned{done.target, key, bytes}});
  }
}

static constexpr const char* kPlanOwed = "plan-owed";

bool Engine::left_open() {
  const std::vector<RunRecord> runs = store_.runs(kRunsLookedAt);
  return !past_.live().empty() || oldest_unreleased_ms_ != 0 || !store_.get(kPlanOwed).empty() ||
         std::any_of(runs.begin(), runs.end(),
                     [](const RunRecord& run) { return run.result == "running"; });
}

void Engine::owe_plan() {
  store_.set(kPlanOwed, "1");
}

void Engine::nothing_owed() {
  if (!store_.get(kPlanOwed).empty()) store_.set(kPlanOwed, "");
}

void Engine::know(const Graph& graph) {
  channels_ = graph.channels;
  // Where steps are missing that the data asks for, the absence of a model means nothing.
  if (!graph.incomplete) produced_.clear();
  for (const auto& [model, step] : graph.producer) produced_.insert(model);
}

// Persisted, because a daemon that begins again plans nothing until something moves.
void Engine::keep_followed(const Graph& graph) {
  std::map<std::string, std::set<std::string>> followed;
  for (const Step& step : graph.steps) {
    auto patterns = graph.branches.find(step.workflow);
    if (patterns == graph.branches.end()) continue;
    for (const StepInput& input : step.inputs) {
      if (input.kind != InputKind::kRows) continue;
      const SliceSpec& slice = graph.slices[input.slice.value];
      if (!slice.at.empty()) continue;
      followed[slice.source].insert(patterns->second.begin(), patterns->second.end());
    }
  }
  auto keep = [&](const char* name, const std::map<std::string, std::set<std::string>>& value) {
    std::string text = value.empty() ? "" : Json(value).dump();
    if (store_.get(name) != text) store_.set(name, text);
  };
  Json schedules = Json::object();
  for (const auto& [workflow, specs] : graph.schedules) {
    for (const ScheduleSpec& spec : specs) {
      schedules[workflow].push_back(Json::array({spec.cron, spec.timezone}));
    }
  }
  std::string ticks = schedules.empty() ? "" : schedules.dump();
  if (store_.get("schedules") != ticks) store_.set("schedules", ticks);
  keep("followed", followed);
  keep("checks", graph.ci);
  std::map<std::string, int64_t> quiet = graph.quiet_ms;
  std::erase_if(quiet, [](const auto& one) { return one.second == 0; });
  std::string seconds = quiet.empty() ? "" : Json(quiet).dump();
  if (store_.get("quiet") != seconds) store_.set("quiet", seconds);
  keep_tags(graph);
}

void Engine::note(const std::string& text) {
  Run* run = active_ ? active_.get() : last_.get();
  if (!run) return;
  run->notes.push_back(text);
  ++run->revision;
}

void Engine::append(const std::vector<Fact>& facts) {
  for (const Fact& fact : facts) {
    Entry entry = log_.append(fact, clock_.now_ms());
    point("engine.fact.written");
    registry_.apply(entry);
    tell_fact(entry);
    const AliasMove* move = std::get_if<AliasMove>(&fact);
    if (!move) continue;
    point("engine.alias.moved");
    if (move->alias == kChampion) await_cut();
    if (active_ && !active_->variant && move->alias == kChampion) {
      active_->moves.push_back(
          {{"model", move->model}, {"from", move->from}, {"to", move->to}, {"why", move->why}});
      ++active_->revision;
    }
  }
}

void Engine::take_decision(const Candidate& candidate, const Decision& decision) {
  append(decision.facts);
  for (const Fact& fact : decision.facts) {
    const GateReport* report = std::get_if<GateReport>(&fact);
    if (!report || report->passed) continue;
    announce(
        "gate",
        {{"model", report->model}, {"version", report->version}, {"verdict", report->verdict}});
  }
  if (!active_) return;
  for (const Fact& fact : decision.facts) {
    const GateReport* report = std::get_if<GateReport>(&fact);
    if (report && report->passed && !candidate.gate.empty()) ++active_->gates_passed;
    if (report && !report->passed) active_->gates_failed.push_back(*report);
  }
  if (!decision.moved && decision.why.find("already") == std::string::npos) {
    active_->notes.push_back(fmt::format("{} stays: {}", candidate.version.model, decision.why));
  }
}

void Engine::intend(const std::string& kind, const std::string& target) {
  int64_t id = store_.add_intent(kind, target);
  // Whoever acts upon it may have looked at the tables before this turn: then once more.
  if (under_way_.count(id))
    again_.insert(id);
  else
    new_intents_.push_back({id, kind, target});
  point("engine.intent.written");
}

std::vector<Slot> Engine::slots() const {
  std::vector<Slot> slots = options_.slots;
  for (const auto& [id, attempt] : past_.live()) {
    for (Slot& slot : slots) {
      if (slot.info.name != attempt.slot) continue;
      slot.running += attempt.context.value("cpus", 1u);
      slot.used_bytes += attempt.context.value("memory_bytes", uint64_t{0});
    }
  }
  return slots;
}

std::map<std::string, std::string> Engine::cursors() {
  std::map<std::string, std::string> out;
  for (const auto& [name, commit] : store_.all("cursor/")) out[name.substr(7)] = commit;
  return out;
}

std::set<SourceCommit> Engine::live_commits() {
  std::set<SourceCommit> all;
  std::set<std::string> runs;
  for (const auto& [id, attempt] : past_.live()) {
    if (!runs.insert(attempt.run).second) continue;
    std::optional<RunRecord> run = store_.run(attempt.run);
    if (run) all.insert(run->commits.begin(), run->commits.end());
  }
  return all;
}

std::map<std::string, std::vector<ScheduleSpec>> Engine::schedules() {
  std::map<std::string, std::vector<ScheduleSpec>> out;
  std::string text = store_.get("schedules");
  if (text.empty()) return out;
  const Json kept = parse_json(text, "schedules");
  for (const auto& [workflow, specs] : kept.items()) {
    for (const Json& spec : specs) out[workflow].push_back({spec.at(0), spec.at(1)});
  }
  return out;
}

int64_t Engine::last_tick(const std::string& name) {
  std::string text = store_.get("tick/" + name);
  return text.empty() ? 0 : std::stoll(text);
}

void Engine::set_tick(const std::string& name, int64_t time_ms) {
  store_.set("tick/" + name, std::to_string(time_ms));
}

Json Engine::held() {
  std::string text = store_.get("held");
  return text.empty() ? Json() : parse_json(text, "the held change");
}

}  // namespace lockstep
