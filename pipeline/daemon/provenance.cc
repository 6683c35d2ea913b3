#include "pipeline/daemon/provenance.h"

#include <fmt/format.h>

#include <set>

#include "pipeline/base/clock.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

// Each dependency once, whichever models share it.
class Dependencies {
 public:
  void add(Json one) {
    if (seen_.insert(canonical_json(one)).second) all_.push_back(std::move(one));
  }
  Json take() { return std::move(all_); }

 private:
  Json all_ = Json::array();
  std::set<std::string> seen_;
};

std::string place_of(const std::map<std::string, std::string>& places, const std::string& source) {
  auto place = places.find(source);
  return place == places.end() || place->second.empty() ? source : place->second;
}

// A commit of 40 or 64 hex digits is git's; Dolt's has 32 letters of another alphabet.
Json commit_digest(const std::string& commit) {
  bool hex = commit.find_first_not_of("0123456789abcdef") == std::string::npos;
  bool git = hex && (commit.size() == 40 || commit.size() == 64);
  return {{git ? "gitCommit" : "doltCommit", commit}};
}

void add_dependencies(const Version& version, const std::map<std::string, std::string>& places,
                      Dependencies& all) {
  for (const auto& [source, commit] : version.commits) {
    all.add(
        {{"name", source}, {"uri", place_of(places, source)}, {"digest", commit_digest(commit)}});
  }
  for (const Json& slice : version.slices.json()) {
    Digest digest = Digest::parse(slice.at("digest").get<std::string>());
    all.add({{"name", slice.at("slice")},
             {"uri", fmt::format("{}#{}", place_of(places, slice.at("source")),
                                 slice.at("table").get<std::string>())},
             {"digest", {{"lockstepSliceV1", digest.hex()}}},
             {"annotations", {{"commit", slice.at("commit")}, {"rows", slice.at("rows")}}}});
  }
  for (const Json& used : version.upstreams.json()) {
    Digest digest = Digest::parse(used.at("digest").get<std::string>());
    all.add({{"name", fmt::format("{}@{}", used.at("model").get<std::string>(),
                                  used.at("version").get<int64_t>())},
             {"digest", {{"sha256", digest.hex()}}}});
  }
}

const Version& version_of(const Registry& registry, const std::string& name,
                          const ReleaseModel& entry) {
  const ModelState* model = registry.holder(name, entry);
  const Version* version = model ? model->version(entry.version) : nullptr;
  if (version) return *version;
  throw Error(ErrorCode::kNotFound,
              fmt::format("{} version {} is not in the registry", name, entry.version));
}

Json subjects(const ReleaseState& state) {
  Json all = Json::array();
  if (state.image) {
    all.push_back({{"name", state.release.tag}, {"digest", {{"sha256", state.image->hex()}}}});
  }
  for (const auto& [name, entry] : state.release.models) {
    all.push_back({{"name", fmt::format("{}@{}", name, entry.version)},
                   {"digest", {{"sha256", entry.digest.hex()}}}});
  }
  return all;
}

// What was asked for from outside, and what of it each model was made with.
Json definition(const Registry& registry, const Release& release) {
  Json models = Json::object();
  for (const auto& [name, entry] : release.models) {
    const Version& version = version_of(registry, name, entry);
    models[name] = {{"version", entry.version},
                    {"step", version.step},
                    {"fingerprint", version.fingerprint.hex()},
                    {"attempt", version.attempt}};
  }
  return {{"buildType", "urn:lockstep:release:v1"},
          {"externalParameters",
           {{"channel", release.channel},
            {"tag", release.tag},
            {"base", release.base.empty() ? Json() : Json(release.base)},
            {"code", release.code.empty() ? Json() : Json(release.code)}}},
          {"internalParameters", {{"content", release.content.hex()}, {"models", models}}}};
}

}  // namespace

Json provenance_statement(const Registry& registry, const ReleaseState& state,
                          const std::map<std::string, std::string>& places) {
  Dependencies dependencies;
  for (const auto& [name, entry] : state.release.models) {
    add_dependencies(version_of(registry, name, entry), places, dependencies);
  }
  Json build = definition(registry, state.release);
  build["resolvedDependencies"] = dependencies.take();
  std::string cut;  // "run r7", or who asked for it
  auto channel = registry.channels.find(state.release.channel);
  if (channel != registry.channels.end()) {
    for (const ChannelMoved& moved : channel->second) {
      if (cut.empty() && moved.move.to == state.release.tag) cut = moved.move.why;
    }
  }
  return {{"_type", "https://in-toto.io/Statement/v1"},
          {"subject", subjects(state)},
          {"predicateType", "https://slsa.dev/provenance/v1"},
          {"predicate",
           {{"buildDefinition", build},
            {"runDetails",
             {{"builder", {{"id", "urn:lockstep:daemon"}}},
              {"metadata", {{"invocationId", cut}, {"finishedOn", rfc3339(state.created_ms)}}}}}}}};
}

std::string dsse_text(const std::string& payload) {
  const std::string type = kPayloadType;
  return fmt::format("DSSEv1 {} {} {} {}", type.size(), type, payload.size(), payload);
}

Json dsse_envelope(const std::string& payload, const std::string& key,
                   const std::string& signature) {
  return {{"payload", base64(payload)},
          {"payloadType", kPayloadType},
          {"signatures", Json::array({{{"keyid", key}, {"sig", signature}}})}};
}

}  // namespace lockstep
