// The rules of the registry: which version takes an alias, what a release contains, where a
// rollback goes. Pure: a registry and a request give the facts to append, or throw conflict/denied.
// Knows nothing of storage, time or transport.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/core/workflow.h"
#include "registry/rules/registry.h"

namespace lockstep {

// Are the bytes of this digest present? (a known result counts only with its bytes)
using HasBytes = std::function<bool(const Digest&)>;

// ---- manifest and content -------------------------------------------------------------------

enum class ManifestStyle { kCanonical, kPythonJson, kPythonJsonSorted };

// `order` gives the insertion order for kPythonJson.
std::string manifest_bytes(const std::vector<std::pair<std::string, std::string>>& versions,
                           ManifestStyle style = ManifestStyle::kCanonical);
std::string manifest_tag(const std::string& manifest);  // MD5, 32 hex digits
Digest release_content(const Release& release);         // RULES "Content"
std::string rebuilt_tag(const Release& release);        // <md5>-<first 8 hex of content>

// ---- candidates, gates, alias moves ---------------------------------------------------------

GateReport judge(const std::vector<Bound>& gate, const Version& version);

struct Candidate {
  Version version;          // number 0: not registered yet
  std::vector<Bound> gate;  // of the step that produced it, as of today
  std::string who;          // for the alias move
};
struct Decision {
  std::vector<Fact> facts;  // to append, in order (new version, gate report, alias move)
  int64_t version = 0;      // the candidate's number (existing or new)
  bool moved = false;
  std::string why;  // "gate passed", "already champion", "pinned by ann: …", "withdrawn …"
};
// The candidate of a plan: found or trained, registered if new, gated, and its alias moved or not.
Decision decide(const Registry& registry, const Candidate& candidate);

// Candidate version of a model for a fingerprint: the champion if among them, else the newest not
// withdrawn, else the newest; null: none known.
const Version* candidate_version(const ModelState& model, const Digest& fingerprint);

// ---- releases -------------------------------------------------------------------------------

struct CutRequest {
  ChannelSpec channel;
  std::set<std::string> produced;  // models the present graph produces (retired ones are left out)
  std::string who = "lockstep";
  std::string why = "run finished";
};
struct Cut {
  std::vector<Fact> facts;  // promotions, release (if new), channel move (if it moves)
  std::string tag;          // the channel's release after the cut; empty: nothing to release
  bool built_new = false;   // content not known: an image must be built
  bool moved = false;
  std::vector<std::string> held_back;  // "intent-client-3: pinned at version 1 by ann"
};
// Promotes champion → channel alias (passing over pins), builds the manifest, re-points or creates.
// Throws conflict on known MD5 with other content, showing both sides and naming
// `lockstep release rebuild --reason`.
Cut cut_release(const Registry& registry, const CutRequest& request);
// The same content under <md5>-<content>: for a base image or code that changed.
Cut rebuild_release(const Registry& registry, const CutRequest& request, const std::string& reason);

// ---- rollback, pins -------------------------------------------------------------------------

struct RollbackRequest {
  std::string model;
  std::optional<int64_t> to;
  std::string channel;  // empty: champion and every channel that carries the bad version
  std::vector<std::string> channels;  // all channels of the workspace
  std::set<std::string> consumers;    // models whose live version was trained on this model
  bool override_pins = false;
  std::string who, reason;
};
struct Rollback {
  std::vector<Fact> facts;
  int64_t from = 0, to = 0;
};
// RULES "Rolling one model back". The cut that follows is the caller's (cut_release per channel).
Rollback roll_back_model(const Registry& registry, const RollbackRequest& request,
                         const HasBytes& has);

struct ReleaseRollbackRequest {
  std::string channel;
  std::string to;                // tag, or empty: newest earlier release not withdrawn
  std::optional<int64_t> at_ms;  // what was live then
  bool override_pins = false;
  std::string who, reason;
};
struct ReleaseRollback {
  std::vector<Fact> facts;
  std::string from, to;
  std::vector<std::string> pinned;
};
ReleaseRollback roll_back_release(const Registry& registry, const ReleaseRollbackRequest& request,
                                  const HasBytes& has);

std::vector<Fact> pin(const Registry& registry, const Pin& pin);
// `alias` empty: every alias. Throws not_found when nothing is pinned.
std::vector<Fact> unpin(const Registry& registry, const std::string& model,
                        const std::string& alias, const std::string& who,
                        const std::string& reason);
std::vector<Fact> unpin_channel(const Registry& registry, const std::string& channel,
                                const std::string& who, const std::string& reason);

// ---- retention ------------------------------------------------------------------------------

// Tags kept: live, naming a pinned version, or among a channel's last `keep`.
std::set<std::string> kept_releases(const Registry& registry, size_t keep);
// Digests that must stay: of kept releases, champions, channel aliases, pins and every version
// that a good rollback could name.
std::set<Digest> kept_digests(const Registry& registry, size_t keep);

}  // namespace lockstep
