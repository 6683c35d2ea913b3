// Where outgoing requests may go: a host's addresses, looked up and judged before anybody connects.
// Knows nothing of HTTP, or of what is asked for there.
#pragma once

#include <sys/socket.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// Judged by the address itself, whatever it was written as: 2130706433 and 0x7f.1 are 127.0.0.1.
// Addresses that hold an IPv4 address (mapped, 6to4, NAT64, Teredo) are what that one is.
enum class AddressKind {
  kPublic,
  kLoopback,
  kPrivate,    // RFC 1918, 100.64/10, fc00::/7, and what else is not of the public internet
  kLinkLocal,  // 169.254/16, fe80::/10, and where clouds hand out their metadata
  kNobody      // unspecified, multicast, broadcast, reserved: nothing to speak to
};
AddressKind kind_of(const sockaddr& address);
// "127.0.0.1", "fe80::1%eth0".
std::string shown_address(const sockaddr& address);

struct NetworkRules {
  // Host and port as the operator wrote them for the very thing that is asked for. An address
  // there, or `localhost`, is meant as it stands, for this thing and not for where it redirects to.
  std::string own_host;
  int own_port = 0;
  // `network: {private: […]}` of the workspace: hosts, in lower case, that may be anywhere.
  std::set<std::string> listed;
};

// Throws denied unless requests to host:port may go to this address of it. Public addresses may
// always be spoken to, kNobody never, loopback and private ones as own or listed host, link-local
// ones as listed host.
void check_address(const std::string& host, int port, const sockaddr& found,
                   const NetworkRules& rules);

// The addresses of a host, numeric, all of them judged: whoever connects to one of these has not
// asked the resolver again. Throws unavailable where it has none, denied as check_address().
std::vector<std::string> checked_addresses(const std::string& host, int port,
                                           const NetworkRules& rules);

}  // namespace lockstep
