// The registry as values: models, versions, aliases, pins, releases, and every fact about them as
// an appended entry. Applying the entries in order gives the registry; nothing else changes it.
// Knows nothing of databases, files, clocks or who asks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/base/packed_json.h"
#include "registry/rules/release_models.h"

namespace lockstep {

inline constexpr const char* kChampion = "champion";
// How the reason of what an imported ledger told begins.
inline constexpr const char* kImported = "imported";

// What a version was made of. Immutable.
struct Version {
  std::string model;
  int64_t number = 0;  // from 1 per model, never reused
  Digest fingerprint;
  Digest digest;                               // of the model's bytes (a folder: of its listing)
  std::string step;                            // "train[client=client-3]"
  std::string attempt;                         // that produced the bytes
  std::map<std::string, std::string> commits;  // source → commit
  // Recorded inputs, as they entered the fingerprint: the canonical recipe document.
  std::string recipe;
  PackedJson slices = PackedJson::list();  // [{input, source, table, slice, digest, rows, commit}]
  PackedJson upstreams = PackedJson::list();  // [{input, model, version, digest}]
  PackedJson metrics = PackedJson::object();  // name → finite number
  PackedJson environment = PackedJson::object();
  PackedJson committers = PackedJson::list();  // [{source, commit, author, email}]: of the rows
  std::string trigger;                         // "data", "code", "upstream", "manual"
  std::string code_tree;                       // digest of the declared code paths, or empty
  bool nondeterministic = false;
  // What asked for it beside the watched branches, as "SOURCE@BRANCH", "tag:SOURCE@TAG" or
  // "inputs:WORKFLOW@DIGEST"; or empty. The mark stays when it later takes an alias.
  std::string preview;
  std::string inputs;  // where a start by hand gave some: canonical JSON, name → value; or empty
  // Of a ledger begun elsewhere, what was known of the bytes: "file" (they were there to be taken),
  // "digest", or "nothing" (then `digest` is of no bytes at all). Empty: it was made here.
  std::string imported;
};

// One alias of one model moved. `to` 0 means: the alias is gone (absent).
struct AliasMove {
  std::string model;
  std::string alias;  // "champion" or a channel's name
  int64_t from = 0, to = 0;
  std::string who;
  std::string why;  // "gate passed", "known fingerprint", "rollback: wrong labels", "promoted"
};

enum class PinKind { kHand, kRollback, kReleaseRollback };

struct Pin {
  std::string model;
  std::string alias;
  int64_t version = 0;  // 0: pinned as absent
  PinKind kind = PinKind::kHand;
  std::string who, reason;
};
struct Unpin {
  std::string model, alias, who, reason;
};

// A version that never takes an alias by itself again; `channel` empty: nowhere.
struct Withdrawal {
  std::string model;
  int64_t version = 0;
  std::string channel;
  std::string who, reason;
  bool lifted = false;  // an explicit --to lifts the mark
};

// The gate's word on one version, kept for `why` and reports.
struct GateReport {
  std::string model;
  int64_t version = 0;
  bool passed = true;
  std::string verdict;                     // "passed", "accuracy 0.71 is below 0.80"
  PackedJson checks = PackedJson::list();  // [{metric, value, min, max, passed}]
  // Where more than bounds decided (docs/GATES.md); else as they are here.
  int64_t champion = 0;   // the version it was compared with; 0: none
  std::string action;     // "move", "ask", "hold"
  std::string basis;      // SHA-256 of everything that the word was given for
  bool by_other = false;  // who committed its rows does not approve it
  std::string report;     // digest of the whole report, an artifact: {"json", "markdown"}
};

// Somebody lets a version take the alias for which its gate asked.
struct Approval {
  std::string model;
  int64_t version = 0;
  std::string basis;  // of the report; with another one it is void
  std::string who, reason;
};

// A model is (or is no longer) produced by the workspace.
struct Retired {
  std::string model;
  bool retired = true;
  std::string why;
};
struct Renamed {
  std::string from, to;
};

struct Release {
  std::string channel;
  std::string tag;  // MD5 of the manifest, or <md5>-<8 hex of content> after a rebuild
  // Exact bytes. Not kept where they follow from the models: manifest_of() has them always.
  std::string manifest;
  Digest manifest_sha256;
  Digest content;
  ReleaseModels models;
  std::string base;  // digest of the base image, or empty
  std::string code;  // tree digest of image.code, or empty
  PackedJson missing =
      PackedJson::list();  // models the channel names that had nothing to give, and why
};
std::string manifest_of(const Release& release);
bool follows_from_models(const Release& release);  // its manifest, which need not be kept
// The image of a release was built; its digest is then fixed.
struct ReleaseBuilt {
  std::string tag;
  Digest image;
};
// The channel points to another release: a cut, a re-point, a rollback.
struct ChannelMove {
  std::string channel, from, to;  // tags; from may be empty
  std::string who, why;
  // Moved by a rollback: to the release as it was built. Later cuts of the same manifest leave it
  // there, whatever base image and code are by then.
  bool as_built = false;
  // Of a ledger begun elsewhere: when it says that this was; 0: it does not say.
  int64_t told_ms = 0;
};
bool imported(const ChannelMove& move);  // of a ledger begun elsewhere
// A release that its channel never returns to by a rollback that does not name it. Other channels
// are not touched.
struct ReleaseWithdrawn {
  std::string tag, channel, who, reason;
  bool lifted = false;
};
// The workspace was brought back from a backup: facts made after it may be lost, so what they could
// have numbered is never numbered again.
struct Restored {
  int64_t above = 0;   // every number from here on, of every model, is greater
  std::string backup;  // when it was made
};
// A release's content hash was signed (docs/FORMATS.md, "Signatures").
struct ReleaseSigned {
  std::string tag;
  std::string key;        // "ed25519:" and the public key in base64
  std::string signature;  // 64 bytes in base64
};

// A text that somebody left with a version, or with a release (then `model` is empty).
struct Note {
  std::string model;
  int64_t version = 0;
  std::string release;  // its tag, or empty
  std::string who, text;
};
// A version, or a release, has the value under the key from here on; or no longer has the key.
struct Tagged {
  std::string model;
  int64_t version = 0;
  std::string release;
  std::string who, key, value;
  bool removed = false;
};
// Somebody marks a release to be kept for good, or takes the mark off.
struct ReleaseKept {
  std::string tag, who, reason;
  bool kept = true;
};

using Fact = std::variant<Version, AliasMove, Pin, Unpin, Withdrawal, GateReport, Retired, Renamed,
                          Release, ReleaseBuilt, ChannelMove, ReleaseWithdrawn, Restored,
                          ReleaseSigned, Approval, Note, Tagged, ReleaseKept>;

// Ledger order is `seq`, not the clock; time_ms = max(clock, last recorded).
struct Entry {
  int64_t seq = 0;
  int64_t time_ms = 0;
  Fact fact;
};

// JSON of one fact, {"kind": …, …}, and back (throws corrupt, or invalid where it is not JSON). The
// ledger keeps exactly this.
Json fact_json(const Fact& fact);
Fact fact_from_text(std::string_view text);
Fact fact_from_json(const Json& json);
// "version", "alias-move", "pin", "unpin", "withdrawal", "gate", "retired", "renamed", "release",
// "release-built", "channel-move", "release-withdrawn", "restored", "release-signed",
// "approval", "note", "tagged", "release-kept".
std::string fact_kind(const Fact& fact);
// The model a fact is about (a rename: the new name), or empty.
std::string fact_model(const Fact& fact);

// An alias move as kept, with its place in the ledger.
struct Moved {
  int64_t seq = 0, time_ms = 0;
  AliasMove move;
};

// What people said of a version or release, in ledger order.
struct Remarks {
  struct Said {
    int64_t time_ms = 0;
    std::string who, text;
  };
  struct TagMove {
    int64_t time_ms = 0;
    std::string who, key, value;
    bool removed = false;
  };
  std::vector<Said> notes;
  std::vector<TagMove> tag_moves;
  std::map<std::string, std::string> tags;  // as of now
};

struct ModelState {
  std::vector<Version> versions;           // by number
  std::vector<int64_t> created_ms;         // beside `versions`
  std::map<std::string, int64_t> aliases;  // alias → version; absent: none
  std::vector<Moved> moves;                // in ledger order
  std::map<std::string, Pin> pins;         // alias → pin
  std::map<std::string, Moved> pinned_at;  // alias → when (only seq and time_ms are set)
  std::vector<Withdrawal> withdrawals;     // in force
  std::map<int64_t, GateReport> gates;
  std::map<int64_t, Approval> approvals;  // the last one of each version
  std::map<int64_t, Remarks> remarks;     // by version; absent: none
  bool retired = false;
  int64_t highest = 0;  // highest number ever used under this name
  std::unordered_multimap<Digest, int64_t, DigestHash> by_fingerprint;  // → numbers

  const Version* version(int64_t number) const;
  const Version* find(const Digest& fingerprint, const Digest& digest) const;
  int64_t alias(const std::string& name) const;  // 0: none
  const Pin* pin(const std::string& alias) const;
  // Has the version ever held this alias? (adopted and imported count: they are moves)
  bool held(int64_t number, const std::string& alias) const;
  // Known by previews alone: nothing it made was ever live.
  bool only_previews() const;
  // Somebody has approved what its gate asks about, as it asks now.
  const Approval* approved(int64_t number) const;
  // In force for this alias (champion: only marks without a channel).
  const Withdrawal* withdrawn(int64_t number, const std::string& alias) const;
};

struct ReleaseState {
  Release release;
  int64_t seq = 0, created_ms = 0;
  std::optional<Digest> image;
  std::map<std::string, ReleaseWithdrawn> withdrawn;  // channel → mark in force
  std::map<std::string, std::string> signatures;  // public key → signature, as in ReleaseSigned
  Remarks remarks;
  std::optional<ReleaseKept> kept;  // marked by hand
};

struct ChannelMoved {
  int64_t seq = 0, time_ms = 0;
  ChannelMove move;
};

// Of texts and parts of them alike, so that none is copied to be looked for.
struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>()(text);
  }
};

struct Registry {
  std::map<std::string, ModelState> models;
  // MD5 of the manifest → its contents: the first, then those rebuilt under longer tags.
  // Hashed: there may be a hundred thousand, and every entry about one looks for it.
  std::unordered_map<std::string, std::vector<ReleaseState>, TextHash, std::equal_to<>> releases;
  std::map<std::string, std::vector<ChannelMoved>> channels;  // channel → its history
  std::map<std::string, std::string> renamed;                 // old name → the name it got
  std::map<std::string, int64_t> former;  // name given up by a rename → highest number used
  int64_t restored_above = 0;             // of the last restore
  int64_t first_signed = 0;               // entry of the first signature of all; 0: none yet
  int64_t last_seq = 0;
  int64_t last_time_ms = 0;

  // The only mutation. Throws corrupt when the entry can't follow (unknown model, reused number,
  // a move that starts elsewhere); nothing has changed then.
  void apply(Entry entry);

  const ModelState* model(const std::string& name) const;
  const ReleaseState* release(const std::string& tag) const;  // by full tag; null: none
  std::string live(const std::string& channel) const;         // tag, or empty
  // The move that was the channel's last at that time; null: nothing was live. An imported one
  // counts from when its ledger says it was.
  const ChannelMoved* move_at(const std::string& channel, int64_t time_ms) const;
  int64_t alias(const std::string& model, const std::string& alias) const;  // 0: none
  // Highest number that may ever have been used under this name: by this model, by one that was
  // renamed since, or before a restore.
  int64_t highest(const std::string& model) const;
  // The last name in the chain of renames that begins at `name`.
  std::string name_today(const std::string& name) const;
  // The model that a release's entry means today, through renames; null: unknown.
  const ModelState* holder(const std::string& name, const ReleaseModel& entry) const;
  // Its name today; `name` itself where unknown.
  std::string holder_name(const std::string& name, const ReleaseModel& entry) const;
};

}  // namespace lockstep
