// A webhook's delivery: verified against its hook's secrets, then read into what it says happened.
// Knows nothing of sockets, clocks, storage or sources; a delivery is a hint to look, never state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/json.h"

namespace lockstep {

// Configured, never guessed: Gitea sends GitHub's headers beside its own. kGitea is Forgejo, too;
// kDolthub is DoltLab, too; kGeneric is ours, signed as Standard Webhooks (docs/WEBHOOKS.md).
enum class Forge { kGithub, kGitlab, kGitea, kBitbucket, kDolthub, kGeneric };

// "github", "gitlab", …: the word used in files.
std::string_view word(Forge forge);
// Reverse of word(); throws invalid.
Forge forge_named(std::string_view word);

struct HookSpec {
  std::string name;  // for messages
  Forge forge = Forge::kGithub;
  std::vector<std::string> secrets;   // newest first; every one is accepted
  std::string signature_header;       // kDolthub alone, and required there: it is not documented
  int64_t max_age_ms = 300'000;       // of a signed time, back and ahead, where the scheme has one
  size_t max_body_bytes = 25u << 20;  // GitHub sends no more than 25 MiB
};

struct HookRequest {
  // As they came: any case, in any order. One that is read and occurs twice is refused.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view body;    // the bytes, before anything is decoded
  int64_t received_ms = 0;  // Unix time
};

enum class HookEvent {
  kPing,
  kPush,  // a branch was created or moved
  kTag,   // a tag was created or moved
  kBranchDeleted,
  kTagDeleted,
  kPullRequest,
  kRelease,
  kCi,        // the forge's CI says how a commit did, or that it began
  kDispatch,  // somebody asks for a run, with inputs
  kOther      // verified, of no interest
};
std::string_view word(HookEvent event);  // "ping", "push", "branch-deleted", …

// One ref that a delivery speaks of. Names are good ones by git-check-ref-format(1).
struct HookRef {
  std::string branch, tag;    // without refs/heads/ and refs/tags/; at most one of the two
  std::string before, after;  // commit ids; empty: none, or not said
  bool forced = false;        // history was rewritten; only GitHub, Bitbucket and generic say so
  bool deleted = false;
};

struct HookCi {
  std::string name;        // of the workflow, check or job
  std::string conclusion;  // success, failure, cancelled, skipped, neutral, pending or unknown
  std::string commit;
};

// No text is longer than 1,024 bytes (addresses: 2,048) or has control characters.
struct Delivery {
  Forge forge = Forge::kGithub;
  HookEvent event = HookEvent::kOther;
  std::string id;  // as the forge calls it; without one: "sha256:" and the body's digest
  // What goes into the durable set of those seen: a delivery with any mark that is there already
  // is a repetition. The id where it is signed; else the id and the body's digest, as anybody who
  // saw a delivery could repeat it under another id.
  std::vector<std::string> marks;
  std::string repository;         // "owner/name", or a longer path
  std::vector<std::string> urls;  // of the repository: pages, https, ssh
  // A push: what moved. A pull request: its head, in the fork if from_fork. A release: its tag.
  // CI: what it ran on.
  std::vector<HookRef> refs;
  std::string target;      // of a pull request: the branch it would go into
  bool from_fork = false;  // a pull request, or CI of one, from another repository
  std::optional<HookCi> ci;
  std::string action, sender;
  Json inputs;  // kDispatch: an object of at most 65,536 bytes; the sender's words
};

// Throws invalid when the spec can't be: no secrets, short ones, bad base64, a missing header name.
void check_hook(const HookSpec& spec);

// The delivery, after its signature was checked over the raw bytes, in constant time, with every
// live secret. Throws denied (signature missing, wrong or under another scheme; time missing or
// out of the window), invalid (the spec; too large; unknown encoding; a body that is not what it
// claims; names that can't be). Messages hold no secret and no signature.
Delivery read_delivery(const HookSpec& spec, const HookRequest& request);

}  // namespace lockstep
