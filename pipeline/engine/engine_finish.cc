// Ends of runs: releases are cut from the aliases, the run gets its result or a successor.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/point.h"
#include "pipeline/core/names.h"
#include "pipeline/engine/engine.h"

namespace lockstep {

// A model has another name, a channel other patterns: no step runs and no alias moves, and yet the
// channels hold something else. What collides with a known tag is held until somebody rebuilds it.
bool Engine::releases_stand() {
  return std::all_of(channels_.begin(), channels_.end(), [&](const ChannelSpec& channel) {
    try {
      return cut_release(registry_, cut_request(channel, false)).facts.empty();
    } catch (const Error& error) {
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

// A base image that nobody has seen yet can't be guessed. After a rollback what was known last will
// do: the release is there already, and is taken as it was built.
CutRequest Engine::cut_request(const ChannelSpec& channel, bool as_built) const {
  CutRequest request;
  request.channel = channel;
  request.produced = produced_;
  request.as_built = as_built;
  auto ground = images_.find(channel.name);
  if (ground == images_.end()) {
    if (channel.base.empty() && channel.code.empty()) return request;
    throw Error(ErrorCode::kUnavailable,
                "what the image of " + channel.name + " stands on is not known yet",
                "the next plan finds out");
  }
  if (!ground->second.error.empty() && !as_built) {
    throw Error(
        ErrorCode::kUnavailable,
        fmt::format("the base image {} can't be had: {}", ground->second.ref, ground->second.error),
        "the release is cut as soon as it can");
  }
  if (!ground->second.code_error.empty() && !as_built) {
    throw Error(ErrorCode::kInvalid, ground->second.code_error,
                "see `code` of the channel's image");
  }
  request.base = ground->second.base;
  request.code = ground->second.code;
  return request;
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

Json Engine::cut(const ChannelSpec& channel, const std::string& who, const std::string& why,
                 bool as_built) {
  CutRequest request = cut_request(channel, as_built);
  request.who = who;
  request.why = why;
  const std::string from = registry_.live(channel.name);
  Cut cut = cut_release(registry_, request);
  if (!store_.get("release-held").empty()) store_.set("release-held", "");
  append(cut.facts);
  point("engine.release.cut");
  if (cut.built_new) intend("build", cut.tag);
  if (cut.moved) channel_moves(channel.name, from, cut, who, why);
  return cut_document(channel, cut);
}

void Engine::channel_moves(const std::string& channel, const std::string& from, const Cut& cut,
                           const std::string& who, const std::string& why) {
  intend("publish", channel);
  announce("release",
           {{"channel", channel}, {"from", from}, {"to", cut.tag}, {"who", who}, {"why", why}});
}

Json Engine::cut_document(const ChannelSpec& channel, const Cut& cut) const {
  const ReleaseState* release = cut.tag.empty() ? nullptr : registry_.release(cut.tag);
  return {{"channel", channel.name},
          {"tag", cut.tag},
          {"known", !cut.built_new},
          {"moved", cut.moved},
          {"models", release ? release->release.models.size() : 0},
          {"missing", missing(channel)},
          {"held_back", cut.held_back}};
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

Json Engine::cut_all(const std::string& who, const std::string& why, bool as_built) {
  Json all = Json::array();
  for (const ChannelSpec& channel : channels_) all.push_back(cut(channel, who, why, as_built));
  set_unreleased(0);
  return all;
}

Json Engine::rebuild(const std::string& channel, const std::string& who,
                     const std::string& reason) {
  for (const ChannelSpec& spec : channels_) {
    if (spec.name != channel) continue;
    CutRequest request = cut_request(spec, false);
    request.who = who;
    request.why = reason;
    const std::string from = registry_.live(channel);
    Cut cut = rebuild_release(registry_, request, reason);
    append(cut.facts);
    if (cut.built_new) intend("build", cut.tag);
    if (cut.moved) channel_moves(channel, from, cut, who, reason);
    return cut_document(spec, cut);
  }
  throw Error(ErrorCode::kNotFound, "no channel is called " + channel);
}

// A release is cut at the latest `max-wait` after the oldest alias move that no release holds,
// whether a run is under way or not.
bool Engine::release_due() {
  if (oldest_unreleased_ms_ == 0) return false;
  int64_t waited_ms = clock_.now_ms() - oldest_unreleased_ms_;
  return std::any_of(channels_.begin(), channels_.end(),
                     [&](const ChannelSpec& channel) { return waited_ms >= channel.max_wait_ms; });
}

void Engine::set_unreleased(int64_t since_ms) {
  if (oldest_unreleased_ms_ == since_ms) return;
  oldest_unreleased_ms_ = since_ms;
  store_.set("unreleased", since_ms == 0 ? "" : std::to_string(since_ms));
}

void Engine::cut_waiting() {
  if (!release_due()) return;
  try {
    Json releases = cut_all("lockstep", "max-wait");
    for (const Json& release : releases) {
      if (active_) active_->releases.push_back(release);
    }
  } catch (const Error& error) {
    set_unreleased(0);
    note(std::string("release held: ") + error.what());
  }
  if (active_) ++active_->revision;
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
  // A cut that collides with a known tag is held; the run still ends as its steps did.
  for (const ChannelSpec& channel : channels_) {
    try {
      run.releases.push_back(cut(channel, "lockstep", "run " + run.record.id, false));
    } catch (const Error& error) {
      run.notes.push_back(fmt::format("release held: {}", error.what()));
      held_anew(error.what());
    }
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
