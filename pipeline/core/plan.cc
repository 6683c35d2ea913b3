#include "pipeline/core/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace lockstep {
namespace {

constexpr std::array<std::string_view, 8> kWords = {"waiting", "run",    "running", "current",
                                                    "done",    "failed", "blocked", "deferred"};

bool open(StepState s) {
  return !decided(s);
}

// The legal moves of a step (docs/ARCHITECTURE.md, "A step's states"). A decided step goes back
// only through waiting: because an input moved, or because somebody asked for it again.
bool legal(StepState from, StepState to) {
  using S = StepState;
  if (from == to) return true;
  switch (from) {
    case S::kWaiting:
      return true;
    case S::kRun:
      return true;
    case S::kRunning:
      return to != S::kCurrent;
    case S::kCurrent:
    case S::kDone:
    case S::kFailed:
    case S::kBlocked:
    case S::kDeferred:
      return to == S::kWaiting;
  }
  return false;
}

}  // namespace

std::string_view word(StepState state) {
  return kWords[static_cast<size_t>(state)];
}

Plan::Plan(std::shared_ptr<const Survey> survey, World& world, std::set<StepId> selected,
           std::set<StepId> forced, std::set<StepId> named)
    : survey_(std::move(survey)),
      world_(world),
      asked_(selected),
      selected_(std::move(selected)),
      named_(std::move(named)) {
  size_t count = graph().steps.size();
  steps_.resize(count);
  outputs_.resize(count);
  rank_.resize(count);
  for (uint32_t i = 0; i < count; ++i) rank_[graph().order[i].value] = i;
  for (StepId id : forced) steps_[id.value].forced = true;
  // What a selected step reads must be decided too.
  for (auto it = graph().order.rbegin(); !selected_.empty() && it != graph().order.rend(); ++it) {
    const auto& below = graph().dependents[it->value];
    bool needed =
        std::any_of(below.begin(), below.end(), [&](StepId id) { return selected_.count(id) > 0; });
    if (needed) selected_.insert(*it);
  }
  for (uint32_t i = 0; i < count; ++i) open_ += this->selected(StepId{i}) ? 1 : 0;
  settle_all();
}

size_t Plan::count(StepState state) const {
  size_t count = 0;
  for (uint32_t i = 0; i < steps_.size(); ++i) {
    count += steps_[i].state == state && selected(StepId{i}) ? 1 : 0;
  }
  return count;
}

std::vector<StepId> Plan::wanting(const Digest& fingerprint) const {
  auto found = by_fingerprint_.find(fingerprint);
  return found == by_fingerprint_.end() ? std::vector<StepId>() : found->second;
}

void Plan::settle_all() {
  for (StepId id : graph().order) settle(id);
  drain();
}

void Plan::set(StepId id, StepState state) {
  PlannedStep& step = steps_[id.value];
  if (!legal(step.state, state)) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("step {} can't go from {} to {}", graph().step(id).name,
                            word(step.state), word(state)));
  }
  if (selected(id)) open_ += (open(state) ? 1 : 0) - (open(step.state) ? 1 : 0);
  step.state = state;
  changed_.push_back(id);
  if (state == StepState::kRun && selected(id)) {
    ready_.insert(id);
  } else {
    ready_.erase(id);
  }
}

// Fills `next` with the digests of the step's inputs; false when it must wait or is blocked
// (next.state says which).
bool Plan::gather(StepId id, PlannedStep& next) const {
  const Step& step = graph().step(id);
  bool waits = false;
  if (!step.missing_input.empty()) {
    next.state = StepState::kBlocked;
    next.note = fmt::format("input {} has no default; `lockstep trigger {} --input {}=VALUE`",
                            step.missing_input, step.workflow, step.missing_input);
    return false;
  }
  for (StepId need : step.needs) {
    StepState above = at(need).state;
    if (above == StepState::kFailed || above == StepState::kBlocked) {
      next.state = StepState::kBlocked;
      next.note = fmt::format("needs {}, which is {}", graph().step(need).name, word(above));
      return false;
    }
    if (!decided(above)) {
      next.waits_for.push_back(need);
      waits = true;
    }
  }
  for (CodeId lock : step.lock_files) {
    const CodeReading& reading = survey_->code[lock.value];
    if (reading.error.empty()) continue;
    next.state = StepState::kBlocked;
    next.note = reading.error;
    return false;
  }
  for (const StepInput& input : step.inputs) {
    Digest digest;
    bool known = input.kind == InputKind::kModel ? gather_model(id, input, next, &digest)
                                                 : gather_input(id, input, next, &digest);
    if (!known && next.state == StepState::kBlocked) return false;
    waits = waits || !known;
    next.inputs.push_back(digest);
  }
  if (waits) next.state = StepState::kWaiting;
  return !waits;
}

bool Plan::gather_input(StepId id, const StepInput& input, PlannedStep& next,
                        Digest* digest) const {
  if (input.kind == InputKind::kPrevious) {
    PreviousRows rows = world_.previous(*survey_, id, input);
    *digest = rows.digest;
    next.previous[input.name] = std::move(rows.commit);
    return true;
  }
  if (input.kind == InputKind::kOutput) {
    StepState above = at(input.step).state;
    if (!decided(above)) {
      next.waits_for.push_back(input.step);
      return false;
    }
    const auto& outputs = outputs_[input.step.value];
    auto found = outputs.find(input.output);
    if (above == StepState::kFailed || above == StepState::kBlocked || found == outputs.end()) {
      next.state = StepState::kBlocked;
      next.note = fmt::format("reads {}.{}, which is {}", graph().step(input.step).name,
                              input.output, word(above));
      return false;
    }
    *digest = found->second;
    return true;
  }
  const std::string* error = nullptr;
  if (input.kind == InputKind::kRows) {
    const SliceReading& reading = survey_->slices[input.slice.value];
    *digest = reading.digest;
    error = &reading.error;
  } else {
    const CodeReading& reading = survey_->code[input.code.value];
    *digest = reading.digest;
    error = &reading.error;
  }
  if (error->empty()) return true;
  next.state = StepState::kBlocked;
  next.note = *error;
  return false;
}

// RULES "Models on models": a model is its champion as this plan leaves it; a consumer waits until
// the plan has decided about it, unless its own rows changed or it was asked for by hand (and not
// together with the model's step), and there is a champion already.
bool Plan::gather_model(StepId id, const StepInput& input, PlannedStep& next,
                        Digest* digest) const {
  std::optional<ModelRef> champion = world_.champion(input.model);
  auto producer = graph().producer.find(input.model);
  if (producer != graph().producer.end() && !decided(at(producer->second).state)) {
    bool ahead = false;
    if (champion) {
      std::string before = world_.last_recipe(graph().step(id));
      bool by_hand = asked_.count(id) > 0 && asked_.count(producer->second) == 0;
      ahead = by_hand || before.empty() || !same_rows(*survey_, id, before);
    }
    if (!ahead) {
      next.waits_for.push_back(producer->second);
      return false;
    }
    next.early = true;
  }
  if (!champion) {
    next.state = StepState::kBlocked;
    next.note = fmt::format("model {} has no champion", input.model);
    if (producer != graph().producer.end() && !at(producer->second).note.empty()) {
      next.note += ": " + at(producer->second).note;
    }
    return false;
  }
  next.used.push_back({input.name, input.model, *champion});
  *digest = champion->digest;
  return true;
}

void Plan::settle(StepId id) {
  PlannedStep& step = steps_[id.value];
  touched_.erase({rank_[id.value], id});
  PlannedStep next;
  next.forced = step.forced;
  if (!gather(id, next)) return enter(id, std::move(next));
  next.recipe = world_.recipe(*survey_, id, next.inputs);
  const Digest& fingerprint = next.recipe->fingerprint;
  bool same = step.recipe && step.recipe->fingerprint == fingerprint;
  if (same && (step.state == StepState::kDone || step.state == StepState::kCurrent)) {
    step.used = next.used;  // another version with the same bytes changes nothing
    return;
  }
  const ResultRecord* result = next.forced ? nullptr : world_.result(fingerprint);
  if (result) {
    outputs_[id.value] = result->outputs;
    // What nobody asked for stays as it is.
    bool accepted = !selected(id) || world_.accept(id, next, *result);
    next.state = accepted ? StepState::kCurrent : StepState::kRunning;
  } else if (world_.live(fingerprint)) {
    next.state = StepState::kRunning;
  } else if (!next.forced && world_.used_up(fingerprint, selected(id))) {
    next.state = StepState::kFailed;
    next.note = "its attempts are used up; `lockstep run` or `retry` starts it again";
  } else {
    next.state = by_condition(id, next);
  }
  enter(id, std::move(next));
}

// RULES "if:": changes count since the inputs of the last accepted result. Of a result that is on
// its way it is decided when that is there.
StepState Plan::by_condition(StepId id, PlannedStep& next) {
  const Step& step = graph().step(id);
  if (!graph().tmpl(id).condition || next.forced || named_.count(id)) return StepState::kRun;
  std::string before = world_.last_recipe(step);
  const ResultRecord* last = before.empty() ? nullptr : world_.last_result(step);
  if (!last) return StepState::kRun;
  auto outputs = last->outputs;
  Weighed weighed = weigh(*survey_, id, next.inputs, before, world_.last_read(step));
  next.note = weighed.text;
  if (weighed.enough) return StepState::kRun;
  if (world_.busy(step)) {
    next.note = "an earlier attempt of it is under way";
    next.recipe.reset();
    return StepState::kWaiting;
  }
  outputs_[id.value] = std::move(outputs);
  return StepState::kDeferred;
}

// Puts the step into its newly found state, by the legal way, and has its consumers looked at.
void Plan::enter(StepId id, PlannedStep next) {
  PlannedStep& step = steps_[id.value];
  bool was_decided = decided(step.state);
  StepState from = step.state, to = next.state;
  std::optional<Digest> before =
      step.recipe ? std::optional(step.recipe->fingerprint) : std::nullopt;
  if (decided(from) && from != to) set(id, StepState::kWaiting);
  if (before) {
    auto& list = by_fingerprint_[*before];
    list.erase(std::remove(list.begin(), list.end(), id), list.end());
    if (list.empty()) by_fingerprint_.erase(*before);
  }
  if (from == StepState::kRunning && to == StepState::kCurrent) to = StepState::kDone;
  next.state = steps_[id.value].state;
  step = std::move(next);
  if (step.recipe) by_fingerprint_[step.recipe->fingerprint].push_back(id);
  set(id, to);
  if (decided(to) || was_decided) touch_dependents(id);
}

void Plan::touch_dependents(StepId id) {
  for (StepId below : graph().dependents[id.value]) touched_.insert({rank_[below.value], below});
}

void Plan::drain() {
  while (!touched_.empty()) {
    StepId id = touched_.begin()->second;
    touched_.erase(touched_.begin());
    settle(id);
  }
}

void Plan::started(StepId id) {
  for (StepId same : wanting(at(id).recipe->fingerprint)) {
    if (at(same).state == StepState::kRun) set(same, StepState::kRunning);
  }
}

void Plan::impossible(StepId id, const std::string& why) {
  if (at(id).state != StepState::kRun) return;
  steps_[id.value].note = why;
  steps_[id.value].forced = false;
  set(id, StepState::kFailed);
  touch_dependents(id);
  drain();
}

void Plan::judge(StepId id) {
  if (at(id).state != StepState::kRunning) return;
  settle(id);
  drain();
}

void Plan::reconsider(StepId id) {
  if (!graph().tmpl(id).condition) return;
  StepState state = at(id).state;
  bool open = state == StepState::kWaiting || state == StepState::kRun;
  if (!open && state != StepState::kDeferred) return;
  settle(id);
  drain();
}

void Plan::succeeded(const Digest& fingerprint, const ResultRecord& result) {
  for (StepId id : wanting(fingerprint)) {
    // What it could not run, or did not have to.
    bool other = at(id).state == StepState::kFailed || at(id).state == StepState::kDeferred;
    if (other) set(id, StepState::kWaiting);
    if (decided(at(id).state)) continue;
    steps_[id.value].forced = false;
    steps_[id.value].note.clear();
    outputs_[id.value] = result.outputs;
    bool accepted = !selected(id) || world_.accept(id, steps_[id.value], result);
    set(id, accepted ? StepState::kDone : StepState::kRunning);
    if (accepted) touch_dependents(id);
  }
  drain();
}

void Plan::failed(const Digest& fingerprint, const std::string& error, bool final) {
  for (StepId id : wanting(fingerprint)) {
    if (at(id).state != StepState::kRunning && at(id).state != StepState::kRun) continue;
    steps_[id.value].note = error;
    if (final) steps_[id.value].forced = false;
    set(id, final ? StepState::kFailed : StepState::kRun);
    if (final) touch_dependents(id);
  }
  drain();
}

}  // namespace lockstep
