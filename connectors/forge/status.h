// A commit's status on a forge: one line and a link, made into a request and sent.
// Knows nothing of runs, of when to send, or of how often to try.
#pragma once

#include <string>

#include "connectors/forge/hook.h"
#include "connectors/oci_registry/http.h"

namespace lockstep {

struct StatusTarget {
  Forge forge = Forge::kGithub;  // kGithub, kGitlab or kGitea
  std::string place;             // the source's, as remote_place reads it
  std::string api;    // "https://git.example.org/api/v4"; empty: from the place, over https
  std::string token;  // may write statuses; sent over https, or to this machine
};

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
//   GitHub  POST /repos/OWNER/NAME/statuses/SHA    Authorization: Bearer
//   GitLab  POST /projects/PATH/statuses/SHA       PRIVATE-TOKEN
//   Gitea   POST /repos/OWNER/NAME/statuses/SHA    Authorization: token
HttpRequest status_request(const StatusTarget& target, const CommitStatus& status);

// Sends it. Setting what is set already is no error. No redirect is followed: a token goes where it
// is meant for. Throws as above, and denied (the token, its rights, the certificate), not_found (no
// such repository or commit, or the token may not see it), invalid (moved; refused as it is),
// unavailable (no answer, 429, 5xx, GitHub's rate limit: try again). Messages hold neither the
// token nor what the server wrote.
void send_status(HttpClient& http, const StatusTarget& target, const CommitStatus& status);

// What statuses are sent with: 5 s to connect, 10 s between two reads or writes.
HttpOptions status_options();

}  // namespace lockstep
