// Addresses: where a registry's repository is, and the URLs a registry answers with.
// Knows nothing of connections or credentials.
#pragma once

#include <string>
#include <string_view>

#include "pipeline/base/text.h"

namespace lockstep {

struct Url {
  bool tls = true;
  std::string host;  // a name, an IPv4 address, or an IPv6 address without brackets
  int port = 443;
  std::string target = "/";  // path and query, as it goes over the wire

  std::string authority() const;  // "host:port", IPv6 in brackets
  bool same_origin(const Url& other) const;
};

// An absolute http or https URL. Throws invalid on anything else: user names, spaces, control or
// non-ASCII characters, over 8,192 bytes. A fragment is dropped.
Url parse_url(std::string_view text);
// A Location header, absolute or relative (RFC 3986, section 4.2), seen from `base`.
Url resolve_url(const Url& base, std::string_view location);
// Debian's cpp-httplib hands headers out with their percent-escapes decoded (0.11.4). This makes a
// Location of it that means the same: what can't stand in a URL, and "+" in the query, is escaped
// again. A text that still has escapes was not decoded and stays as it is.
std::string wire_location(std::string_view header);

// "registry.example.org:5000/team/intents": a repository of a registry.
struct RegistryPlace {
  std::string host;
  int port = 0;  // 0: not said
  std::string repository;
  bool loopback() const;
};
// Throws invalid unless the host is one and the repository follows the distribution
// specification 1.1 (lower-case letters and digits, separated by . _ __ - and /).
RegistryPlace parse_place(std::string_view text);

}  // namespace lockstep
