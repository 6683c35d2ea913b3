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

// Why a known release is not pointed to: its content is not what was signed. Empty: it may be.
using Distrust = std::function<std::string(const Registry&, const ReleaseState&)>;

// Why no image can be made of a release, and the way out. Empty: it can.
using Unbuildable = std::function<std::string(const Registry&, const Release&)>;

// ---- manifest and content -------------------------------------------------------------------

enum class ManifestStyle { kCanonical, kPythonJson, kPythonJsonSorted };

// `order` gives the insertion order for kPythonJson.
std::string manifest_bytes(const std::vector<std::pair<std::string, std::string>>& versions,
                           ManifestStyle style = ManifestStyle::kCanonical);
std::string manifest_tag(const std::string& manifest);  // MD5, 32 hex digits
Digest release_content(const Release& release);         // RULES "Content"
std::string rebuilt_tag(const Release& release);        // <md5>-<first 8 hex of content>
std::string signed_text(const Digest& content);         // what a signature of a release is over
// Where the content of a release is not what its models, base and code give; empty: it is.
std::string content_problem(const Release& release);

// Throws conflict where `distrust` has something to say of the release; without it nothing.
void check_trusted(const Registry& registry, const ReleaseState& release, const Distrust& distrust);

// ---- candidates, gates, alias moves ---------------------------------------------------------

GateReport judge(const std::vector<Bound>& gate, const Version& version);

// What a gate that asks for more than bounds says of a candidate (registry/gates finds it).
struct GateWord {
  std::string action = "move";  // or "ask", "hold"
  std::string verdict;          // in a line
  std::string basis;            // SHA-256 of all that it was given for
  std::string report;           // digest of the whole report; empty: none
  std::optional<double> p;      // of the comparison on all rows
};

struct Candidate {
  Version version;          // number 0: not registered yet
  std::vector<Bound> gate;  // of the step that produced it, as of today
  std::string who;          // for the alias move
  int64_t above = 0;        // a new number is above this one too (after a restore: ever pushed)
  // The gate looks at the champion, at expectations; at neither: bounds alone decide.
  bool asks_champion = false, asks_expect = false;
  bool approve_by_other = false;
  std::optional<GateWord> word;  // for the version that a pending decision named
};
struct Decision {
  std::vector<Fact> facts;  // to append, in order (new version, gate report, alias move)
  int64_t registered = 0;   // the version with exactly these bytes, known or new
  int64_t version = 0;      // the candidate: of several with this fingerprint, the one that counts
  bool moved = false;
  // Bounds are met and a word is asked for that the candidate does not have: nothing is decided
  // but the registration. `against`: the champion to compare with; 0: only expectations count.
  bool pending = false;
  int64_t against = 0;
  std::string why;  // "gate passed", "already champion", "pinned by ann: …", "withdrawn …"
};
// The candidate of a plan: found or trained, registered if new, gated, and its alias moved or not.
// Deciding the same again gives no facts. `has` as for candidate_version; the candidate's own
// bytes are taken to be present.
Decision decide(const Registry& registry, const Candidate& candidate, const HasBytes& has = {});

// As decide(), but no alias moves and no model comes back: for previews and results that came too
// late. `moved` says whether the alias would have moved.
Decision consider(const Registry& registry, const Candidate& candidate, const HasBytes& has = {});

// Lets a version take the alias for which its gate asks: an approval and the alias move. `today`:
// the fingerprint that the newest plan decided for; null: not known. Throws not_found, denied (its
// own author where that is refused, a pin, a mark) or conflict (nothing is asked, or what it was
// asked for is not what it would be given for).
struct ApproveRequest {
  std::string model;
  int64_t version = 0;  // 0: the newest one whose gate asks
  const Digest* today = nullptr;
  std::string who, reason;
};
std::vector<Fact> approve(const Registry& registry, const ApproveRequest& request,
                          const HasBytes& has);

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
  // After a rollback: nothing is promoted, no policy holds the cut, and a known manifest is
  // re-pointed as it was built.
  bool as_built = false;
  // By command, not by itself: nothing is promoted beside what the command moved, and only
  // `single-upstream` holds the cut, by throwing conflict.
  bool by_hand = false;
  std::string same_as;  // by hand: where the manifest is that release's, exactly it is pointed to
  // What the newest plan knows of models, for the policies: the candidate it decided for (as a
  // version), and why there is none ("its training failed"). Of others the newest version counts.
  std::map<std::string, int64_t> candidates;
  std::map<std::string, std::string> without;
  Distrust distrust;
  Unbuildable unbuildable;  // asked of what has no image yet
  std::string who = "lockstep";
  std::string why = "run finished";
};
struct Cut {
  std::vector<Fact> facts;  // promotions, release (if new), channel move (if it moves)
  std::string tag;          // the channel's release after the cut; empty: nothing to release
  bool built_new = false;   // content not known: an image must be built
  bool moved = false;
  std::vector<std::string> held_back;  // "intent-client-3: pinned at version 1 by ann"
  // Why the channel was not cut at all ("policy all: …", "single-upstream: waits for …", or there
  // would be no image of it); then nothing is promoted either, and no fact follows.
  std::string held;
};
// Promotes champion → channel alias (passing over pins), builds the manifest, re-points or creates.
// A channel that is promoted by hand is left alone unless `as_built` or `by_hand`.
// The manifest has the models that the channel's patterns match and that are still produced, and
// those that a release rollback pinned into the channel.
// Throws conflict on known MD5 with other content, showing both sides and naming
// `lockstep release rebuild --reason`; and, by command, where no image can be made of it.
// A cut that arrives at a release withdrawn in its channel takes another content of the same
// manifest that was live there and is not withdrawn; where there is none somebody has unpinned or
// moved what the rollback held: the mark is lifted.
Cut cut_release(const Registry& registry, const CutRequest& request);
// The same manifest under <md5>-<content>: for a base image or code that changed. Where today's
// content is known already it is re-pointed. Throws invalid without a reason.
Cut rebuild_release(const Registry& registry, const CutRequest& request, const std::string& reason);

// Why the policy of the channel holds this cut; empty: it does not.
std::string held_by_policy(const Registry& registry, const CutRequest& request);
// The same of `single-upstream`: which models it waits for, so that all that were trained on one
// upstream were trained on one version of it.
std::string held_by_upstreams(const Registry& registry, const ReleaseModels& models);
// Models that the channel would have and champion has otherwise: what a promotion by hand is for.
std::vector<std::string> unpromoted(const Registry& registry, const CutRequest& request);

struct ReleasePromoteRequest {
  std::string from;  // a channel, a tag, or "champion"
  ChannelSpec to;
  std::vector<ChannelSpec> channels;  // all channels of the workspace
  std::set<std::string> produced;     // models the present graph produces
  Distrust distrust;
  std::string who, reason;
};
struct ReleasePromotion {
  std::vector<Fact> facts;  // moves of the channel's aliases; the cut, by_hand, is the caller's
  std::string tag;          // the release whose versions they are; empty: those of champion
  std::vector<std::string> held_back;
};
// One channel gets exactly the versions of another one's live release, of a release, or of the
// champions, as far as its patterns name them: what the source has lost leaves it, too. Passes over
// pins and withdrawn versions, and names them. Throws not_found, conflict (it promotes by itself,
// bytes are missing, the release is withdrawn there) or invalid without a reason.
ReleasePromotion promote_release(const Registry& registry, const ReleasePromoteRequest& request,
                                 const HasBytes& has);

// ---- rollback, pins -------------------------------------------------------------------------

struct RollbackRequest {
  std::string model;
  std::optional<int64_t> to;
  std::string channel;  // empty: champion and every channel that carries the bad version
  std::vector<std::string> channels;  // all channels of the workspace
  std::set<std::string> consumers;    // models whose live version was trained on this model
  bool with_dependents = false;       // they go with it; else a model that has some is refused
  bool override_pins = false;
  std::string who, reason;
};
struct Rollback {
  std::vector<Fact> facts;
  int64_t from = 0, to = 0;
  std::vector<std::string> moved_channels;
  struct Dependent {
    std::string model, alias;
    int64_t from = 0, to = 0;
  };
  std::vector<Dependent> dependents;  // consumers that went with it
  std::set<std::string> to_train;     // those that have no good version on the target
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
  std::string channel;  // empty: champion
  bool pinned = true;   // no plan or cut moves it on
  bool override_pins = false;
  std::string who, reason;
};
struct Promotion {
  std::vector<Fact> facts;
  int64_t from = 0;
};
// Makes a version champion that no plan asked for, and pins it, or the next plan would take it
// back; or gives it to one channel alone. It must not be withdrawn, nor have failed its gate, and
// have its bytes. Channels follow with the cut, which is the caller's. Throws denied, conflict,
// not_found, invalid without a reason.
Promotion promote(const Registry& registry, const PromoteRequest& request, const HasBytes& has);

struct ReleaseRollbackRequest {
  std::string channel;
  std::string to;                // tag, or empty: newest earlier release not withdrawn
  std::optional<int64_t> at_ms;  // what was live then
  bool override_pins = false;
  Distrust distrust;
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
