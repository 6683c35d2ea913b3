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
  int64_t above = 0;        // a new number is above this one too (after a restore: ever pushed)
};
struct Decision {
  std::vector<Fact> facts;  // to append, in order (new version, gate report, alias move)
  int64_t registered = 0;   // the version with exactly these bytes, known or new
  int64_t version = 0;      // the candidate: of several with this fingerprint, the one that counts
  bool moved = false;
  std::string why;  // "gate passed", "already champion", "pinned by ann: …", "withdrawn …"
};
// The candidate of a plan: found or trained, registered if new, gated, and its alias moved or not.
// Deciding the same again gives no facts. `has` as for candidate_version; the candidate's own
// bytes are taken to be present.
Decision decide(const Registry& registry, const Candidate& candidate, const HasBytes& has = {});

// As decide(), but no alias moves and no model comes back: for previews and results that came too
// late. `moved` says whether the alias would have moved.
Decision consider(const Registry& registry, const Candidate& candidate, const HasBytes& has = {});

// Candidate version of a model for a fingerprint: the champion if among them, else the newest not
// withdrawn, else the newest; null: none known. Where `has` is given, only versions whose bytes
// are present count.
const Version* candidate_version(const ModelState& model, const Digest& fingerprint,
                                 const HasBytes& has = {});

// ---- models come, go and change their names ---------------------------------------------------

// Facts that bring `retired` in line with the models the present graph produces.
std::vector<Fact> retire(const Registry& registry, const std::set<std::string>& produced,
                         const std::string& why);
// `renamed-from`: versions, aliases and pins go over. No facts when it is done already or there is
// nothing to carry over. Throws conflict when both names have versions.
std::vector<Fact> rename(const Registry& registry, const std::string& from, const std::string& to);

// ---- releases -------------------------------------------------------------------------------

struct CutRequest {
  ChannelSpec channel;
  std::set<std::string> produced;  // models the present graph produces (retired ones are left out)
  std::string base;                // digest of the base image, or empty
  std::string code;                // tree digest of image.code, or empty
  bool as_built = false;  // after a rollback: a known manifest is re-pointed as it was built
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
// The manifest has the models that the channel's patterns match and that are still produced, and
// those that a release rollback pinned into the channel.
// Throws conflict on known MD5 with other content, showing both sides and naming
// `lockstep release rebuild --reason`.
// A cut that arrives at a release withdrawn in its channel takes another content of the same
// manifest that was live there and is not withdrawn; where there is none somebody has unpinned or
// moved what the rollback held: the mark is lifted.
Cut cut_release(const Registry& registry, const CutRequest& request);
// The same manifest under <md5>-<content>: for a base image or code that changed. Where today's
// content is known already it is re-pointed. Throws invalid without a reason.
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
  std::vector<std::string> moved_channels;
};
// Moves the model to the newest earlier good version (or `to`) as champion and in every channel
// that carries the bad one (`channel`: there only), pins it there and withdraws the version it
// leaves. Good = has held that alias, is not withdrawn, and its bytes are present; earlier follows
// the alias's own history. `to` may be withdrawn (the mark is lifted) but must have been champion
// or have held that alias, and have its bytes. The cut that follows is the caller's: cut_release
// with `as_built` for each of `moved_channels`.
Rollback roll_back_model(const Registry& registry, const RollbackRequest& request,
                         const HasBytes& has);

struct PromoteRequest {
  std::string model;
  int64_t version = 0;
  bool override_pins = false;
  std::string who, reason;
};
struct Promotion {
  std::vector<Fact> facts;
  int64_t from = 0;
};
// Makes a version champion that no plan asked for, and pins it, or the next plan would take it
// back. It must not be withdrawn, nor have failed its gate, and have its bytes. Channels follow
// with the cut, which is the caller's. Throws denied, conflict, not_found, invalid without a
// reason.
Promotion promote(const Registry& registry, const PromoteRequest& request, const HasBytes& has);

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
  std::vector<std::string> pinned;  // models
};
// Goes to the newest earlier release of the channel that is not withdrawn and has its bytes, or to
// the one named by `to` (its marks are lifted) or live `at_ms`; withdraws, in this channel, the
// release it leaves; pins every model it moved, added or removed (that one as absent).
ReleaseRollback roll_back_release(const Registry& registry, const ReleaseRollbackRequest& request,
                                  const HasBytes& has);

// Holds an alias where it is: `pin.version` must be its present version (0: absent).
std::vector<Fact> pin(const Registry& registry, const Pin& pin);
// `alias` empty: every alias. Throws not_found when nothing is pinned.
std::vector<Fact> unpin(const Registry& registry, const std::string& model,
                        const std::string& alias, const std::string& who,
                        const std::string& reason);
std::vector<Fact> unpin_channel(const Registry& registry, const std::string& channel,
                                const std::string& who, const std::string& reason);

// ---- retention ------------------------------------------------------------------------------

// Tags kept: live, naming a pinned version, marked by hand, or among a channel's last `keep`.
std::set<std::string> kept_releases(const Registry& registry, size_t keep);
// Digests that must stay: of kept releases, champions, channel aliases, pins and every version
// that a rollback could go back to by itself; and of the upstreams that these were trained on.
using Kept = std::map<Digest, std::string_view>;  // → why, in words for people
Kept kept_because(const Registry& registry, size_t keep);
std::set<Digest> kept_digests(const Registry& registry, size_t keep);

}  // namespace lockstep
