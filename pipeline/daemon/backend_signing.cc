// Signatures of releases, and statements of what they were made of.
#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/provenance.h"
#include "pipeline/daemon/signing.h"
#include "registry/rules/queries.h"

namespace lockstep {

Json WorkspaceBackend::release_provenance(const std::string& which) {
  std::map<std::string, std::string> places;
  for (const SourceSpec& source : daemon_.parts().workspace().sources) {
    places[source.name] = source.place;
  }
  auto [tag, statement] = daemon_.in_loop([&](Engine& engine) {
    const Registry& registry = engine.registry();
    std::string name = which.empty() ? registry.live(channel_or_default(engine, "")) : which;
    if (name.empty()) throw Error(ErrorCode::kNotFound, "there is no release yet");
    const ReleaseState& state = find_release(registry, name);
    return std::pair(state.release.tag, provenance_statement(registry, state, places));
  });
  const std::string payload = canonical_json(statement);
  Json signature = sign(daemon_.parts(), dsse_text(payload));
  Json envelope;
  if (!signature.is_null()) {
    envelope = dsse_envelope(payload, signature.at("key"), signature.at("signature"));
  }
  return {{"tag", tag},
          {"signed", !envelope.is_null()},
          {"statement", statement},
          {"envelope", envelope}};
}

Json WorkspaceBackend::release_sign(const std::string& which, const Caller& caller) {
  Json own = sign(daemon_.parts(), "");
  if (own.is_null()) {
    throw Error(ErrorCode::kInvalid, "no key signs here",
                "`signing: {key: …}` in lockstep.yaml names one");
  }
  return daemon_.in_loop([&](Engine& engine) {
    const Registry& registry = engine.registry();
    std::string name = which.empty() ? registry.live(channel_or_default(engine, "")) : which;
    if (name.empty()) throw Error(ErrorCode::kNotFound, "there is no release yet");
    const ReleaseState& state = find_release(registry, name);
    std::string wrong = content_problem(state.release);
    if (!wrong.empty()) {
      throw Error(ErrorCode::kConflict,
                  "release " + state.release.tag + " is not signed: " + wrong);
    }
    if (!caller.dry_run) engine.sign(state.release.tag);
    return Json{{"tag", state.release.tag}, {"key", own.at("key")}, {"dry_run", caller.dry_run}};
  });
}

}  // namespace lockstep
