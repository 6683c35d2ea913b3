// Whether a delivery is about a source: its addresses and the source's place, compared.
// Knows nothing of what happened there.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "connectors/forge/hook.h"

namespace lockstep {

// A repository's address without what may differ between ways to reach it: scheme, user, query,
// `.git`.
struct RemotePlace {
  std::string host;                // in lower case, without brackets
  int port = 0;                    // of http(s) where it is not the usual one; else 0
  bool http = false, tls = false;  // http:// or https://; https://
  std::string path;                // "owner/name", without slashes around it
};

// Reads https://, http://, ssh://, git:// and `[user@]host:path`. Nothing for a folder of this
// machine, a file:// address, a password inside, or a path with empty or dot components.
std::optional<RemotePlace> remote_place(std::string_view place);

// True when one of the delivery's addresses names the same repository as `place`: same host, same
// path (forges find owners and repositories without regard to case), and the same port where both
// are http(s). A delivery without addresses (DoltHub, Bitbucket Data Center) matches by the end of
// the path, "owner/name". A folder of this machine never matches.
bool about_place(const Delivery& delivery, std::string_view place);

}  // namespace lockstep
