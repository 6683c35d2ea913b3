// One GET over HTTP/1.1 whose end is certain: the answer, or why there is none. Knows nothing of
// redirects or what the answer is for. On Boost.Beast, because cpp-httplib 0.11.4 takes a body that
// is cut between the CR and LF behind a chunk for a whole one.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "connectors/http/network.h"
#include "connectors/http/url.h"
#include "pipeline/base/files.h"

namespace lockstep {

struct FetchRequest {
  Url url;
  std::map<std::string, std::string> headers;
  fs::path ca_file;  // PEM; empty: the system's certificates
  NetworkRules network;
  uint64_t max_body = 0;
  std::chrono::milliseconds stall{};            // to connect, and between two reads
  std::chrono::steady_clock::time_point limit;  // for all of it
};

struct FetchAnswer {
  enum class End {
    kWhole,    // by its Content-Length or last chunk
    kUnknown,  // it ended with the connection, and said nothing of its length
    kCut,      // the connection ended before
    kTooLarge,
    kTooSlow,
    kUntrusted,  // the certificate
    kNone        // no answer, or none that is HTTP
  };
  End end = End::kNone;
  int status = 0;
  std::string location, content_type, content_encoding;
  std::string body;
};

// Throws invalid when the certificates can't be read, denied when an address of the host is refused
// (network.h); all else is in the answer.
FetchAnswer fetch(const FetchRequest& request);

}  // namespace lockstep
