// How a registry asks for credentials, and the header that answers it.
// Knows nothing of manifests, blobs or retries.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "connectors/http/http.h"

namespace lockstep {

struct Credentials {
  std::string username;
  std::string password;
  std::string identity_token;  // to get tokens with, instead of a user and password (OAuth 2)
  bool empty() const { return username.empty() && password.empty() && identity_token.empty(); }
};

// One challenge of a WWW-Authenticate header (RFC 9110, section 11.6.1).
struct Challenge {
  std::string scheme;  // lower case: "basic", "bearer"
  StringMap params;    // names in lower case
};
// Unreadable parts are left out.
std::vector<Challenge> parse_challenges(std::string_view header);

// "Basic <base64>"; throws invalid on control characters or a colon in the user's name.
std::string basic_authorization(const Credentials& credentials);

// The Authorization header that answers a 401 of `registry`: Bearer (a token fetched from the
// realm it names, as in the distribution project's token specification; with an identity token as
// in its OAuth 2 specification), else Basic.
// Credentials go to a realm only over https, or over http when the registry itself is spoken to
// in http. Throws denied when there is no answer.
std::string authorization(const HttpResponse& refused, const Url& registry,
                          const std::string& repository, const Credentials& credentials,
                          HttpClient& http);

}  // namespace lockstep
