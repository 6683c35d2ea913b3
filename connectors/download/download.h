// A document fetched whole over HTTP(S), or not at all: limits of size and time, verified
// certificates, few redirects, no body that might have been cut. Knows nothing of what is in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "connectors/http/network.h"
#include "pipeline/base/files.h"

namespace lockstep {

struct DownloadOptions {
  std::string username, password;  // basic, or a bearer token where there is no username
  fs::path ca_file;                // PEM; empty: the system's certificates
  uint64_t max_bytes = 256ull << 20;
  int64_t limit_ms = 10 * 60'000;  // in all
  int stall_ms = 30'000;           // to connect, and between two reads
  int max_redirects = 5;
  NetworkRules network;  // its own host is the first address's
};

// "sheets.example.org/d/1x2y": without scheme and query, which may hold a token.
std::string shown_url(std::string_view url);

// The bytes behind an https:// URL, or an http:// one on this machine. Redirects never leave https,
// and credentials go to the first host only. Messages name host and path and nothing else.
// Throws invalid (no such URL, no CSV but a web page, too large), denied (certificate,
// credentials), not_found, unavailable (no answer, time is up), corrupt (the body ends early, or
// may have: neither a Content-Length nor chunks).
std::string download(const std::string& url, const DownloadOptions& options);

}  // namespace lockstep
