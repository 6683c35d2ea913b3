// A forge's API as one repository's owner speaks it: where it is, whose token goes along, what its
// refusals mean. Knows nothing of what is asked for.
#pragma once

#include <string>

#include "connectors/forge/hook.h"
#include "connectors/http/http.h"

namespace lockstep {

struct ForgeTarget {
  Forge forge = Forge::kGithub;  // kGithub, kGitlab or kGitea
  std::string place;             // the source's, as remote_place reads it
  std::string api;    // "https://git.example.org/api/v4"; empty: from the place, over https
  std::string token;  // sent over https, or to this machine
};

// 5 s to connect, 10 s between two reads or writes; the API's host is the operator's own, so that
// an address in its place is spoken to. Throws invalid: a place without an address.
HttpOptions forge_options(const ForgeTarget& target);

// "OWNER/NAME" as it is at the forge. Throws invalid.
std::string forge_repository(const ForgeTarget& target);

// A request below the repository: "/statuses/SHA" becomes
//   GitHub  /repos/OWNER/NAME/statuses/SHA   Authorization: Bearer
//   GitLab  /projects/PATH/statuses/SHA      PRIVATE-TOKEN
//   Gitea   /repos/OWNER/NAME/statuses/SHA   Authorization: token
// `body` null: none. Throws invalid: another forge, a place without an address, a token that can't
// be; denied: the token would go in the clear.
HttpRequest forge_request(const ForgeTarget& target, const std::string& method,
                          const std::string& below, const Json& body);

// What an answer that is no success means: denied (the token, its rights), not_found, invalid
// (moved; refused as it is), unavailable (429, 5xx, GitHub's rate limit: try again). `what` ends
// the sentence "HOST answered 404 to …"; messages hold neither the token nor what the server wrote.
[[noreturn]] void forge_refused(const HttpRequest& request, const HttpResponse& answer,
                                const std::string& what);

}  // namespace lockstep
