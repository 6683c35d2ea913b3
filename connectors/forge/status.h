// A commit's status on a forge: one line and a link, made into a request and sent.
// Knows nothing of runs, of when to send, or of how often to try.
#pragma once

#include <string>

#include "connectors/forge/api.h"

namespace lockstep {

enum class StatusState { kPending, kSuccess, kFailure, kCancelled };

struct CommitStatus {
  std::string commit;
  StatusState state = StatusState::kPending;
  std::string context = "lockstep";  // tells it from others' statuses; a new one replaces the old
  std::string line;                  // cut to what the forge takes; control characters become '?'
  std::string link;                  // http(s), without a user; empty: none
};

// The request, pure. Throws invalid: a forge without statuses, a place without an address, a
// commit that is none, a link or a token that can't be; denied: the token would go in the clear.
HttpRequest status_request(const ForgeTarget& target, const CommitStatus& status);

// Sends it. Setting what is set already is no error. No redirect is followed: a token goes where it
// is meant for. Throws as above, and denied (the token, its rights, the certificate), not_found (no
// such repository or commit, or the token may not see it), invalid (moved; refused as it is),
// unavailable (no answer, 429, 5xx, GitHub's rate limit: try again). Messages hold neither the
// token nor what the server wrote.
void send_status(HttpClient& http, const ForgeTarget& target, const CommitStatus& status);

}  // namespace lockstep
