// Releases: what is live, what was, and going back.
#include <fmt/format.h>

#include <algorithm>

#include "connectors/oci_layout/verify.h"
#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/signing.h"
#include "registry/rules/queries.h"

namespace lockstep {
namespace {

std::vector<std::string> live_in(const Registry& registry, const std::string& tag) {
  std::vector<std::string> channels;
  for (const auto& [name, moves] : registry.channels) {
    if (registry.live(name) == tag) channels.push_back(name);
  }
  return channels;
}

// Releases that were ever live in the channel, whichever cut them.
std::set<std::string> once_live(const Registry& registry, const std::string& channel) {
  std::set<std::string> tags;
  auto history = registry.channels.find(channel);
  if (history == registry.channels.end()) return tags;
  for (const ChannelMoved& moved : history->second) tags.insert(moved.move.to);
  return tags;
}

// Of a live release: why the next one of its channel is not cut; null: nothing holds it.
Json held_next(const std::map<std::string, std::string>& held, const Json& release) {
  auto why = held.find(release.at("channel").get<std::string>());
  return release.at("live") == true && why != held.end() ? Json(why->second) : Json();
}

// `asked`: the channel that was asked about; empty: one in which it is live, else that cut it.
Json summary(const Registry& registry, const ReleaseState& state, const std::string& asked = "") {
  std::vector<std::string> live = live_in(registry, state.release.tag);
  std::string shown = live.empty() ? state.release.channel : live.front();
  if (!asked.empty()) shown = asked;
  Json withdrawn;
  for (const auto& [channel, mark] : state.withdrawn) {
    bool here = asked.empty() || channel == asked;
    if (here) withdrawn = {{"who", mark.who}, {"reason", mark.reason}, {"channel", channel}};
  }
  return {{"name", shown},
          {"channel", shown},
          {"channels", live},
          {"tag", state.release.tag},
          {"sha256", state.release.manifest_sha256.hex()},
          {"content", state.release.content.hex()},
          {"image", state.image ? Json(state.image->str()) : Json()},
          {"live", !live.empty()},
          {"created", rfc3339(state.created_ms)},
          {"models_count", state.release.models.size()},
          {"kept", state.kept.has_value()},
          {"withdrawn", withdrawn}};
}

Json released_model(const Registry& registry, const std::string& name, const ReleaseModel& entry) {
  Json out = {{"name", name}, {"version", entry.version}, {"sha256", entry.digest.hex()}};
  const ModelState* model = registry.holder(name, entry);
  const Version* version = model ? model->version(entry.version) : nullptr;
  if (!version) return out;
  out.update({{"fingerprint", version->fingerprint.hex()},
              {"code", version->code_tree.empty() ? Json() : Json(version->code_tree)},
              {"commits", version->commits},
              {"data", version->slices.json()},
              {"upstreams", version->upstreams.json()},
              {"committers", version->committers.json()},
              {"metrics", version->metrics.json()}});
  return out;
}

Json release_json(Daemon& daemon, const Registry& registry, const ReleaseState& state,
                  const std::string& asked = "") {
  Json out = summary(registry, state, asked);
  std::string manifest = manifest_of(state.release);
  out["manifest"] = parse_json(manifest, "the manifest of " + state.release.tag);
  out["manifest_bytes"] = manifest;
  out["base"] = state.release.base.empty() ? Json() : Json(state.release.base);
  out["code"] = state.release.code.empty() ? Json() : Json(state.release.code);
  out["folder"] = daemon.parts().releases_shown();
  out["missing"] = state.release.missing.json();
  out["signatures"] = signatures_json(state, trusted_keys(daemon.parts()));
  out.update(remarks_json(state.remarks));
  Json models = Json::array();
  for (const auto& [name, entry] : state.release.models) {
    models.push_back(released_model(registry, name, entry));
  }
  out["models"] = models;
  return out;
}

const ReleaseState& live_or_named(const Registry& registry, const std::string& which,
                                  const std::string& channel) {
  if (!which.empty()) return find_release(registry, which);
  std::string tag = registry.live(channel);
  const ReleaseState* state = tag.empty() ? nullptr : registry.release(tag);
  if (state) return *state;
  throw Error(ErrorCode::kNotFound, fmt::format("channel {} has no release yet", channel),
              "`lockstep run` makes the first one");
}

// What is wrong with the record itself: manifest, content, signature.
std::vector<std::string> recorded_problems(const Engine& engine, const std::string& tag) {
  const ReleaseState& state = *engine.registry().release(tag);
  std::vector<std::string> problems;
  std::string wrong = content_problem(state.release);
  if (!wrong.empty()) problems.push_back(wrong);
  if (engine.options().distrust) wrong = engine.options().distrust(engine.registry(), state);
  if (!wrong.empty() && (problems.empty() || wrong != problems[0])) problems.push_back(wrong);
  return problems;
}

struct PushTarget {
  std::string tag;
  std::vector<std::string> channels;  // in which it is live
  std::string base_place;             // where its base image is from; empty: it has none
};

// Why a release was live at the time that was asked about.
Json since_json(const ChannelMoved& moved) {
  const ChannelMove& move = moved.move;
  return {{"time", rfc3339(move.told_ms ? move.told_ms : moved.time_ms)},
          {"who", move.who},
          {"why", move.why},
          {"imported", imported(move) ? Json(rfc3339(moved.time_ms)) : Json()}};
}

[[noreturn]] void nothing_then(const Registry& registry, const std::string& channel,
                               const std::string& at) {
  std::string hint;
  auto history = registry.channels.find(channel);
  if (history != registry.channels.end()) {
    const ChannelMoved& first = history->second.front();
    const bool untold = imported(first.move) && first.move.told_ms == 0;
    hint = "its history begins at " + since_json(first).at("time").get<std::string>();
    if (untold) hint += ", when it was imported from a ledger that tells no time for it";
  }
  throw Error(ErrorCode::kNotFound,
              fmt::format("nothing was live in {} at {}", channel, printable(at)), hint);
}

// Where the release is live and the channel's tag at the registry means another image.
std::string channel_problem(RegistryClient& registry, const std::string& channel,
                            const Digest& image) {
  const std::optional<Digest> there = registry.resolve(channel);
  if (there && *there == image) return "";
  return fmt::format("{} at the registry is {}; `lockstep release push` moves it", channel,
                     there ? there->str() + ", not this release" : "missing");
}

bool is_channel(const Engine& engine, const std::string& which) {
  return engine.registry().channels.count(which) > 0;
}

// Blobs of an image; 0 where it can't be read, which verify_layout has told by then.
size_t blobs_of(const fs::path& folder, const std::string& tag) {
  try {
    Layout layout(folder);
    auto manifest = layout.find(tag);
    return manifest ? layout.manifest(*manifest).layers.size() + 2 : 0;
  } catch (const Error&) {
    return 0;
  }
}

}  // namespace

std::string WorkspaceBackend::channel_or_default(Engine& engine, const std::string& name) const {
  const std::string& configured = daemon_.parts().workspace().channel;
  std::string wanted = name.empty() ? configured : name;
  if (wanted.empty() && !engine.channels().empty()) wanted = engine.channels().front().name;
  if (wanted.empty() && !engine.registry().channels.empty()) {
    wanted = engine.registry().channels.begin()->first;
  }
  bool known = engine.registry().channels.count(wanted) > 0 ||
               std::any_of(engine.channels().begin(), engine.channels().end(),
                           [&](const ChannelSpec& channel) { return channel.name == wanted; });
  if (known) return wanted;
  throw Error(
      ErrorCode::kNotFound,
      wanted.empty() ? "no channel has a release yet" : "no channel is called " + printable(wanted),
      "channels are declared under `releases:` of a workflow");
}

Json WorkspaceBackend::releases(const std::string& channel) {
  const bool known = channel.empty() ||
                     daemon_.in_loop([&](Engine& engine) { return is_channel(engine, channel); });
  if (!known) {  // declared, but without a release as yet; or a slip of the pen
    daemon_.know_graph();
    daemon_.in_loop([&](Engine& engine) { channel_or_default(engine, channel); });
  }
  return daemon_.in_loop([&](Engine& engine) {
    const std::map<std::string, std::string> held = engine.held_cuts();
    std::vector<const ReleaseState*> found;
    std::set<std::string> tags = once_live(engine.registry(), channel);
    for (const auto& [md5, contents] : engine.registry().releases) {
      for (const ReleaseState& state : contents) {
        if (channel.empty() || tags.count(state.release.tag)) found.push_back(&state);
      }
    }
    std::sort(found.begin(), found.end(),
              [](const ReleaseState* a, const ReleaseState* b) { return a->seq > b->seq; });
    Json all = Json::array();
    for (const ReleaseState* state : found) {
      all.push_back(summary(engine.registry(), *state, channel));
      all.back()["held"] = held_next(held, all.back());
    }
    return all;
  });
}

Json WorkspaceBackend::release(const std::string& which, const std::string& at,
                               const std::string& channel) {
  return daemon_.in_loop([&](Engine& engine) {
    if (at.empty()) {
      std::string name = which.empty() ? channel_or_default(engine, channel) : channel;
      if (is_channel(engine, which)) name = which;
      return release_json(daemon_, engine.registry(), live_or_named(engine.registry(), which, name),
                          which.empty() || is_channel(engine, which) ? name : "");
    }
    std::string name = channel_or_default(engine, channel);
    const ChannelMoved* moved = engine.registry().move_at(name, parse_time(at));
    if (!moved) nothing_then(engine.registry(), name, at);
    const ReleaseState* state = engine.registry().release(moved->move.to);
    Json out = release_json(daemon_, engine.registry(), *state, name);
    out["since"] = since_json(*moved);
    return out;
  });
}

Json WorkspaceBackend::release_rebuild(const std::string& channel, const Caller& caller) {
  daemon_.know_graph();
  auto images = daemon_.in_loop([](Engine& engine) { return engine.images(); });
  // What a base image's tag means is looked up anew: that is what rebuilding is for.
  for (auto& [name, ground] : images) {
    if (!ground.ref.empty() && !caller.dry_run) daemon_.images().resolve(ground.ref, ground);
  }
  return daemon_.in_loop([&](Engine& engine) {
    std::string name = channel_or_default(engine, channel);
    if (caller.dry_run) return Json{{"channel", name}, {"dry_run", true}};
    engine.know_images(images);
    Json out = engine.rebuild(name, caller.user, caller.reason);
    out["folder"] = daemon_.parts().releases_shown();
    return out;
  });
}

Json WorkspaceBackend::release_push(const std::string& which, const Caller& caller) {
  std::unique_ptr<RegistryClient> registry = daemon_.parts().registry();
  if (!registry) {
    throw Error(ErrorCode::kInvalid, "lockstep.yaml names no image registry",
                "add `releases: {registry: {place: host:port/name}}`");
  }
  // What a channel means is asked for when its turn has come: it may have gone back meanwhile.
  std::unique_lock<std::mutex> turn;
  if (!caller.dry_run) turn = daemon_.effects().publishing();
  const PushTarget target = daemon_.in_loop([&](Engine& engine) {
    const std::string channel = which.empty() ? channel_or_default(engine, "") : "";
    const ReleaseState& state = live_or_named(engine.registry(), which, channel);
    return PushTarget{state.release.tag, live_in(engine.registry(), state.release.tag),
                      engine.base_place(state.release.base)};
  });
  const std::string& tag = target.tag;
  if (caller.dry_run) return {{"pushed", Json::array()}, {"would_push", tag}, {"dry_run", true}};
  const fs::path& folder = daemon_.parts().workspace().releases;
  const std::vector<std::string>& channels = target.channels;
  if (!Layout(folder).find(tag)) daemon_.effects().build(tag);
  PushReport report = registry->push(folder, tag, channels.empty() ? "" : channels.front(),
                                     daemon_.images().mount_from(target.base_place));
  Json refs = Json::array({tag});
  for (const std::string& channel : channels) {
    if (channel != channels.front())
      report.requests += registry->push(folder, tag, channel).requests;
    refs.push_back(channel);
  }
  // A channel that moved meanwhile was brought to what was pushed here: it follows once more.
  daemon_.in_loop([&](Engine& engine) {
    for (const std::string& channel : channels) {
      if (engine.registry().live(channel) != tag) engine.publish(channel);
    }
  });
  return {{"pushed",
           {{{"tag", tag},
             {"digest", report.image.str()},
             {"refs", refs},
             {"was_there", report.was_there},
             {"blobs_sent", report.blobs_sent},
             {"blobs_mounted", report.blobs_mounted},
             {"bytes_sent", report.bytes_sent},
             {"requests", report.requests}}}}};
}

Json WorkspaceBackend::release_verify(const std::string& which) {
  Json target = release(which, "", "");
  std::string tag = target.at("tag");
  std::vector<std::string> problems =
      daemon_.in_loop([&](Engine& engine) { return recorded_problems(engine, tag); });
  for (const Json& model : target.at("models")) {
    try {
      daemon_.artifacts().get(Digest::parse(model.at("sha256").get<std::string>()));
    } catch (const Error& error) {
      problems.push_back(model.at("name").get<std::string>() + ": " + error.what());
    }
  }
  const fs::path& folder = daemon_.parts().workspace().releases;
  for (const std::string& problem : verify_layout(folder, tag)) problems.push_back(problem);
  std::unique_ptr<RegistryClient> registry = daemon_.parts().registry();
  if (registry && !target.at("image").is_null()) {
    Digest image = Digest::parse(target.at("image").get<std::string>());
    try {
      for (const std::string& problem : registry->verify(tag, image)) problems.push_back(problem);
      for (const std::string& channel : target.at("channels").get<std::vector<std::string>>()) {
        const std::string wrong = channel_problem(*registry, channel, image);
        if (!wrong.empty()) problems.push_back(wrong);
      }
    } catch (const Error& error) {
      // What was found here is not lost because the registry is away; alone that is the answer.
      if (problems.empty()) throw;
      problems.push_back("its registry was not looked at: " + error.message);
    }
  }
  size_t blobs = blobs_of(folder, tag);
  return {{"tag", tag},
          {"ok", problems.empty()},
          {"problems", problems},
          {"signed", !target.at("signatures").empty()},
          {"signatures", target.at("signatures")},
          {"checked", {{"models", target.at("models").size()}, {"blobs", blobs}}}};
}

}  // namespace lockstep
