// Ends of runs: releases are cut from the aliases, the run gets its result or a successor.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/point.h"
#include "pipeline/core/names.h"
#include "pipeline/engine/engine.h"
#include "registry/rules/trial.h"

namespace lockstep {
namespace {

constexpr const char* kCutHeld = "cut-held/";  // and the channel → why it is not cut

}  // namespace

// A model has another name, a channel other patterns: no step runs and no alias moves, and yet the
// channels hold something else. What collides with a known tag is held until somebody rebuilds it.
bool Engine::releases_stand() {
  return std::all_of(channels_.begin(), channels_.end(), [&](const ChannelSpec& channel) {
    try {
      Cut cut = cut_release(registry_, cut_request(channel));
      if (cut.facts.empty()) keep_held(channel.name, cut.held);
      return cut.facts.empty();
    } catch (const Error& error) {
      keep_held(channel.name, error.what());
      return !held_anew(error.what());
    }
  });
}

// Said by a run of its own, once: what is held is held at every look.
bool Engine::held_anew(const std::string& why) {
  if (store_.get("release-held") == why) return false;
  store_.set("release-held", why);
  return true;
}

void Engine::keep_held(const std::string& channel, const std::string& why) {
  if (store_.get(kCutHeld + channel) != why) store_.set(kCutHeld + channel, why);
}

std::map<std::string, std::string> Engine::held_cuts() {
  std::map<std::string, std::string> held;
  for (const auto& [key, why] : store_.all(kCutHeld)) {
    const std::string name = key.substr(std::string(kCutHeld).size());
    const bool gone = !channels_.empty() &&
                      std::none_of(channels_.begin(), channels_.end(),
                                   [&](const ChannelSpec& one) { return one.name == name; });
    if (!gone) held[name] = why;
  }
  return held;
}

void Engine::cut_again(const std::string& who, const std::string& why) {
  for (const auto& [name, held] : held_cuts()) {
    try {
      if (!channel(name).promote_by_hand) move_and_cut({}, {cut_request(channel(name))}, who, why);
    } catch (const Error& error) {
      keep_held(name, error.what());
      note(std::string("release held: ") + error.what());
    }
  }
}

void Engine::know_images(const std::map<std::string, ImageGround>& images) {
  if (images == images_) return;
  images_ = images;
  Json all = Json::object();
  for (const auto& [channel, one] : images_) {
    all[channel] = {{"ref", one.ref},   {"base", one.base},   {"place", one.place},
                    {"code", one.code}, {"error", one.error}, {"code_error", one.code_error}};
    if (!one.base.empty()) store_.set("base-place/" + one.base, one.place);
    if (!one.error.empty()) intend("ground", channel);
  }
  store_.set("images", all.dump());
}

// A base image that nobody has seen yet can't be guessed. After a rollback what was known last will
// do: the release is there already, and is taken as it was built.
static void put_ground(const std::map<std::string, ImageGround>& images, CutRequest& request) {
  const ChannelSpec& channel = request.channel;
  auto ground = images.find(channel.name);
  if (ground == images.end()) {
    if (channel.base.empty() && channel.code.empty()) return;
    throw Error(ErrorCode::kUnavailable,
                "what the image of " + channel.name + " stands on is not known yet",
                "the next plan finds out");
  }
  if (!ground->second.error.empty() && !request.as_built) {
    throw Error(
        ErrorCode::kUnavailable,
        fmt::format("the base image {} can't be had: {}", ground->second.ref, ground->second.error),
        "the release is cut as soon as it can");
  }
  if (!ground->second.code_error.empty() && !request.as_built) {
    throw Error(ErrorCode::kInvalid, ground->second.code_error,
                "see `code` of the channel's image");
  }
  request.base = ground->second.base;
  request.code = ground->second.code;
}

// Why there is no candidate of a model: its step failed, can't run, or has yet to.
std::string Engine::without_candidate(const std::string& model) const {
  if (!active_ || active_->variant || !active_->plan) return "";
  auto step = active_->survey->graph->producer.find(model);
  if (step == active_->survey->graph->producer.end()) return "";
  const PlannedStep& planned = active_->plan->at(step->second);
  switch (planned.state) {
    case StepState::kFailed:
      return "its training failed";
    case StepState::kBlocked:
      return "blocked: " + planned.note;
    case StepState::kWaiting:
    case StepState::kRun:
    case StepState::kRunning:
      return "not trained yet";
    default:
      return "";
  }
}

CutRequest Engine::cut_request(const ChannelSpec& channel, bool as_built) const {
  CutRequest request;
  request.channel = channel;
  request.produced = produced_;
  request.as_built = as_built;
  request.distrust = options_.distrust;
  request.unbuildable = options_.unbuildable;
  put_ground(images_, request);
  if (channel.policy == CutPolicy::kPassedOnly) return request;
  for (const std::string& name : produced_) {
    std::string why = without_candidate(name);
    if (!why.empty()) request.without[name] = why;
    auto decided = decided_.find(name);
    const ModelState* model = registry_.model(name);
    if (decided == decided_.end() || !model) continue;
    const Version* version = candidate_version(*model, decided->second);
    if (version) request.candidates[name] = version->number;
  }
  return request;
}

Json Engine::cut(CutRequest request, const std::string& who, const std::string& why) {
  request.who = who;
  request.why = why;
  Cut cut = cut_release(registry_, request);
  carry_out(request, cut);
  Json document = cut_document(request, cut);
  if (request.channel.promote_by_hand) document["unpromoted"] = unpromoted(registry_, request);
  return document;
}

void Engine::carry_out(const CutRequest& request, const Cut& cut) {
  const std::string& channel = request.channel.name;
  const std::string from = registry_.live(channel);
  if (!store_.get("release-held").empty()) store_.set("release-held", "");
  append(cut.facts);
  keep_held(channel, cut.held);
  point("engine.release.cut");
  if (cut.built_new) build_and_sign(cut.tag);
  if (cut.moved) channel_moves(channel, from, cut, request.who, request.why);
  if (!request.as_built && !request.by_hand) due_since_.erase(channel);
}

void Engine::channel_moves(const std::string& channel, const std::string& from, const Cut& cut,
                           const std::string& who, const std::string& why) {
  intend("publish", channel);
  announce("release",
           {{"channel", channel}, {"from", from}, {"to", cut.tag}, {"who", who}, {"why", why}});
}

// Of a cut whose facts the registry has.
Json Engine::cut_document(const CutRequest& request, const Cut& cut) const {
  const ChannelSpec& channel = request.channel;
  const ReleaseState* release = cut.tag.empty() ? nullptr : registry_.release(cut.tag);
  return {{"channel", channel.name},
          {"tag", cut.tag},
          {"known", !cut.built_new},
          {"moved", cut.moved},
          {"models", release ? release->release.models.size() : 0},
          {"missing", missing(channel)},
          {"held_back", cut.held_back},
          {"held", cut.held.empty() ? Json() : Json(cut.held)}};
}

// Models that the channel names and the graph produces, but that have nothing to give yet.
std::vector<std::string> Engine::missing(const ChannelSpec& channel) const {
  std::vector<std::string> names;
  for (const std::string& model : produced_) {
    bool named = std::any_of(channel.models.begin(), channel.models.end(),
                             [&](const std::string& pattern) { return matches(pattern, model); });
    if (named && registry_.alias(model, kChampion) == 0) names.push_back(model);
  }
  return names;
}

std::vector<CutRequest> Engine::cuts() const {
  std::vector<CutRequest> all;
  for (const ChannelSpec& channel : channels_) {
    if (!channel.promote_by_hand) all.push_back(cut_request(channel));
  }
  return all;
}

CutRequest Engine::cut_by_hand(const std::string& name) const {
  CutRequest request = cut_request(channel(name));
  request.by_hand = true;
  return request;
}

std::vector<CutRequest> Engine::cuts_back(const std::vector<std::string>& names) const {
  std::vector<CutRequest> all;
  for (const std::string& name : names) {
    all.push_back(cut_request(channel(name), true));
  }
  return all;
}

void Engine::build_and_sign(const std::string& tag) {
  if (options_.sign) intend("sign", tag);
  intend("build", tag);
}

const ChannelSpec& Engine::channel(const std::string& name) const {
  for (const ChannelSpec& spec : channels_) {
    if (spec.name == name) return spec;
  }
  throw Error(ErrorCode::kNotFound, "no channel is called " + name,
              "channels are declared under `releases:` of a workflow");
}

// What would be refused is refused before anything has moved: it is tried first, and what was found
// so is what is then done.
Json Engine::move_and_cut(const std::vector<Fact>& facts, std::vector<CutRequest> requests,
                          const std::string& who, const std::string& why, bool dry) {
  Json documents = Json::array();
  std::vector<Cut> cuts;
  {
    Trial trial(registry_);
    trial.apply(facts);
    for (CutRequest& request : requests) {
      request.who = who;
      request.why = why;
      cuts.push_back(cut_release(registry_, request));
      trial.apply(cuts.back().facts);
      documents.push_back(cut_document(request, cuts.back()));
    }
  }
  if (dry) return documents;
  const bool waiting = oldest_unreleased_ms_ != 0;
  append(facts);
  for (size_t i = 0; i < cuts.size(); ++i) carry_out(requests[i], cuts[i]);
  if (!waiting || due_since_.empty()) set_unreleased(0);
  return documents;
}

Json Engine::rebuild(const std::string& channel, const std::string& who,
                     const std::string& reason) {
  CutRequest request = cut_request(this->channel(channel));
  request.by_hand = request.channel.promote_by_hand;
  request.who = who;
  request.why = reason;
  const std::string from = registry_.live(channel);
  Cut cut = rebuild_release(registry_, request, reason);
  append(cut.facts);
  if (cut.built_new) build_and_sign(cut.tag);
  if (cut.moved) channel_moves(channel, from, cut, who, reason);
  return cut_document(request, cut);
}

// A release is cut at the latest `max-wait` after the oldest alias move that no release holds,
// whether a run is under way or not.
bool Engine::release_due(const ChannelSpec& channel) const {
  if (oldest_unreleased_ms_ == 0 || channel.promote_by_hand) return false;
  auto since = due_since_.find(channel.name);
  if (since == due_since_.end() && !due_since_.empty()) return false;  // it was cut since
  int64_t oldest_ms = since == due_since_.end() ? oldest_unreleased_ms_ : since->second;
  return clock_.now_ms() - oldest_ms >= channel.max_wait_ms;
}

bool Engine::release_due() const {
  return std::any_of(channels_.begin(), channels_.end(),
                     [&](const ChannelSpec& channel) { return release_due(channel); });
}

// A champion moved: from now on every channel that does not wait yet does.
void Engine::await_cut() {
  const int64_t now_ms = clock_.now_ms();
  // Of a process before this one only the oldest move is known.
  const int64_t since_ms =
      due_since_.empty() && oldest_unreleased_ms_ != 0 ? oldest_unreleased_ms_ : now_ms;
  if (oldest_unreleased_ms_ == 0) set_unreleased(now_ms);
  for (const ChannelSpec& channel : channels_) {
    if (!channel.promote_by_hand) due_since_.try_emplace(channel.name, since_ms);
  }
}

void Engine::set_unreleased(int64_t since_ms) {
  if (since_ms == 0) due_since_.clear();
  if (oldest_unreleased_ms_ == since_ms) return;
  oldest_unreleased_ms_ = since_ms;
  store_.set("unreleased", since_ms == 0 ? "" : std::to_string(since_ms));
}

void Engine::cut_waiting() {
  if (!release_due()) return;
  std::vector<ChannelSpec> due;
  std::copy_if(channels_.begin(), channels_.end(), std::back_inserter(due),
               [&](const ChannelSpec& channel) { return release_due(channel); });
  for (const ChannelSpec& channel : due) {
    Json release = cut_or_hold(channel, "max-wait");
    if (active_ && !release.is_null()) active_->releases.push_back(release);
  }
  set_unreleased(due_since_.empty() ? 0 : oldest_waiting());
  if (active_) ++active_->revision;
}

int64_t Engine::oldest_waiting() const {
  int64_t oldest = clock_.now_ms();
  for (const auto& [channel, since_ms] : due_since_) oldest = std::min(oldest, since_ms);
  return oldest;
}

// A cut that collides with a known tag is held; whatever asked for it goes on.
Json Engine::cut_or_hold(const ChannelSpec& channel, const std::string& why) {
  try {
    Json release = cut(cut_request(channel), "lockstep", why);
    if (!release.at("held").is_null()) {
      note(fmt::format("release of {} held: {}", channel.name,
                       release.at("held").get<std::string>()));
    }
    const size_t unpromoted = release.value("unpromoted", Json::array()).size();
    if (unpromoted > 0) {
      note(fmt::format(
          "{} waits: {} to be promoted (`lockstep release promote champion {}`)", channel.name,
          unpromoted == 1 ? "1 model is" : fmt::format("{} models are", unpromoted), channel.name));
    }
    return channel.promote_by_hand ? Json() : release;
  } catch (const Error& error) {
    held_anew(error.what());
    keep_held(channel.name, error.what());
    due_since_.erase(channel.name);
    note(fmt::format("release held: {}", error.what()));
    return nullptr;
  }
}

std::vector<std::string> Engine::wanted_attempts() const {
  std::vector<std::string> ids;
  for (const auto& [id, attempt] : past_.live()) {
    if (wanted(attempt.fingerprint)) ids.push_back(id);
  }
  return ids;
}

// Whoever waits for a run that was superseded can follow it, and is told which of its steps that
// does not have.
void Engine::name_successor(const std::vector<std::string>& runs) {
  const Graph& graph = *active_->survey->graph;
  for (const std::string& id : runs) {
    RunRecord run = *store_.run(id);
    if (!run.document.is_object()) continue;
    std::vector<std::string> missing;
    for (const Json& step : run.document.value("steps", Json::array())) {
      const std::string state = step.value("state", ""), name = step.value("step", "");
      auto now = graph.by_name.find(name);
      bool open = state == "waiting" || state == "run" || state == "running";
      bool has = now != graph.by_name.end() && active_->plan->selected(now->second);
      if (open && !has) missing.push_back(name);
    }
    run.document["superseded_by"] = active_->record.id;
    run.document["left_out"] = missing;
    store_.put(run);
    if (!last_ || last_->record.id != id) continue;
    last_->superseded_by = active_->record.id;
    last_->left_out = std::move(missing);
  }
}

void Engine::finish_run() {
  if (!active_) return;
  bool stopped = active_->cancelling && wanted_attempts().empty();
  if (!active_->plan->finished() && !stopped) return;
  if (active_->variant) return close_preview();
  Run& run = *active_;
  for (const ChannelSpec& channel : channels_) {
    Json release = cut_or_hold(channel, "run " + run.record.id);
    if (!release.is_null()) run.releases.push_back(release);
  }
  set_unreleased(0);
  bool failed = run.plan->count(StepState::kFailed) + run.plan->count(StepState::kBlocked) > 0 ||
                run.survey->graph->incomplete;
  run.record.result = run.cancelling ? "cancelled" : failed ? "failed" : "done";
  run.record.finished_ms = clock_.now_ms();
  keep_deferred();
  ask_followers();
  ++run.revision;
  run.record.document = run_document(run, registry_, clock_.now_ms());
  keep(run.record);
  point("engine.run.finished");
  retell(run.record.id, run.record.result);
  announce_failure(run);
  last_ = std::move(active_);
}

}  // namespace lockstep
