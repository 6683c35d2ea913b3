// A way to the API of a daemon on another machine, over HTTPS with a token.
// Knows nothing of routes or documents.
#pragma once

#include <string>

#include "pipeline/api/client.h"

namespace lockstep {

struct RemoteServer {
  std::string url;  // https://host[:port]; http:// for loopback only
  std::string token;
  std::string ca_file;  // PEM; empty: the machine's
};

// Throws invalid for an address that is none, or http:// to another machine. The call throws
// unavailable (nobody there, no answer in time, a certificate that is not trusted) or corrupt.
ApiCall remote_api(const RemoteServer& server, ClientTimes times = {});

}  // namespace lockstep
