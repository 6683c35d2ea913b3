#include "connectors/http/network.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <memory>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

using Ipv6Bytes = std::array<uint8_t, 16>;

struct Ipv4Range {
  uint32_t first;
  int bits;
  AddressKind kind;
};

constexpr uint32_t v4(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

// IANA's registry of special-purpose addresses (RFC 6890), and what clouds keep metadata at. The
// first that holds an address decides.
constexpr Ipv4Range kIpv4[] = {
    {v4(0, 0, 0, 0), 8, AddressKind::kNobody},
    {v4(10, 0, 0, 0), 8, AddressKind::kPrivate},
    {v4(100, 100, 100, 200), 32, AddressKind::kLinkLocal},
    {v4(100, 64, 0, 0), 10, AddressKind::kPrivate},
    {v4(127, 0, 0, 0), 8, AddressKind::kLoopback},
    {v4(168, 63, 129, 16), 32, AddressKind::kLinkLocal},
    {v4(169, 254, 0, 0), 16, AddressKind::kLinkLocal},
    {v4(172, 16, 0, 0), 12, AddressKind::kPrivate},
    {v4(192, 0, 0, 192), 32, AddressKind::kLinkLocal},
    {v4(192, 0, 0, 0), 24, AddressKind::kPrivate},
    {v4(192, 0, 2, 0), 24, AddressKind::kPrivate},
    {v4(192, 88, 99, 0), 24, AddressKind::kPrivate},
    {v4(192, 168, 0, 0), 16, AddressKind::kPrivate},
    {v4(198, 18, 0, 0), 15, AddressKind::kPrivate},
    {v4(198, 51, 100, 0), 24, AddressKind::kPrivate},
    {v4(203, 0, 113, 0), 24, AddressKind::kPrivate},
    {v4(224, 0, 0, 0), 3, AddressKind::kNobody},
};

AddressKind kind_of_v4(uint32_t address) {
  for (const Ipv4Range& range : kIpv4) {
    if ((address ^ range.first) >> (32 - range.bits) == 0) return range.kind;
  }
  return AddressKind::kPublic;
}

uint32_t v4_at(const Ipv6Bytes& bytes, size_t at) {
  return v4(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
}

bool begins(const Ipv6Bytes& bytes, std::initializer_list<uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

AddressKind kind_of_v6(const Ipv6Bytes& bytes) {
  constexpr Ipv6Bytes kLoopback = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  constexpr Ipv6Bytes kAmazon = {0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54};
  constexpr Ipv6Bytes kGoogle = {0xfd, 0x20, 0, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54};
  if (bytes == Ipv6Bytes{}) return AddressKind::kNobody;
  if (bytes == kLoopback) return AddressKind::kLoopback;
  if (bytes == kAmazon || bytes == kGoogle) return AddressKind::kLinkLocal;
  if (begins(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}) ||     // mapped, RFC 4291
      begins(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0}) ||     // translated, RFC 2765
      begins(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) ||           // compatible, RFC 4291
      begins(bytes, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) {  // NAT64, RFC 6052
    return kind_of_v4(v4_at(bytes, 12));
  }
  if (begins(bytes, {0x20, 0x02})) return kind_of_v4(v4_at(bytes, 2));          // 6to4, RFC 3056
  if (begins(bytes, {0x20, 0x01, 0, 0})) return kind_of_v4(~v4_at(bytes, 12));  // Teredo, RFC 4380
  if (bytes[0] == 0xff) return AddressKind::kNobody;
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return AddressKind::kLinkLocal;
  // Of the rest only 2000::/3 is given out (RFC 4291); documentation's is private.
  const bool documented = begins(bytes, {0x20, 0x01, 0x0d, 0xb8});
  return (bytes[0] & 0xe0) == 0x20 && !documented ? AddressKind::kPublic : AddressKind::kPrivate;
}

const char* word(AddressKind kind) {
  switch (kind) {
    case AddressKind::kLoopback:
      return "of this machine itself";
    case AddressKind::kLinkLocal:
      return "link-local, or one at which clouds keep their metadata";
    case AddressKind::kNobody:
      return "nobody's: unspecified, multicast or reserved";
    default:
      return "a private address";
  }
}

std::string lower_host(std::string_view host) {
  std::string out(host);
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  while (out.size() > 1 && out.back() == '.') out.pop_back();
  return out;
}

// As inet_pton(3) reads it: four decimal numbers, or IPv6. Other spellings are names here.
bool literal(const std::string& host) {
  in6_addr buffer;
  return inet_pton(AF_INET, host.c_str(), &buffer) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &buffer) == 1;
}

bool allowed(const std::string& host, int port, AddressKind kind, const NetworkRules& rules) {
  if (kind == AddressKind::kPublic) return true;
  if (kind == AddressKind::kNobody) return false;
  if (rules.listed.count(host)) return true;
  if (kind == AddressKind::kLinkLocal) return false;
  const bool own = host == lower_host(rules.own_host) && port == rules.own_port;
  return own && (literal(host) || (host == "localhost" && kind == AddressKind::kLoopback));
}

}  // namespace

AddressKind kind_of(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in in;
    memcpy(&in, &address, sizeof in);
    return kind_of_v4(ntohl(in.sin_addr.s_addr));
  }
  if (address.sa_family != AF_INET6) return AddressKind::kNobody;
  sockaddr_in6 in;
  memcpy(&in, &address, sizeof in);
  Ipv6Bytes bytes;
  std::copy_n(in.sin6_addr.s6_addr, bytes.size(), bytes.begin());
  return kind_of_v6(bytes);
}

std::string shown_address(const sockaddr& address) {
  char text[NI_MAXHOST] = {};
  const socklen_t size = address.sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (getnameinfo(&address, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) return "?";
  return text;
}

void check_address(const std::string& host, int port, const sockaddr& found,
                   const NetworkRules& rules) {
  const AddressKind kind = kind_of(found);
  const std::string name = lower_host(host);
  if (allowed(name, port, kind, rules)) return;
  const std::string shown = printable(name, 260);
  throw Error(
      ErrorCode::kDenied,
      fmt::format("{}:{} is not spoken to: its address {} is {}", shown, port, shown_address(found),
                  word(kind)),
      kind == AddressKind::kNobody
          ? "no request goes there; is the host's name right?"
          : fmt::format("if that is meant, lockstep.yaml says so: network: {{private: [{}]}}",
                        shown.find(':') == shown.npos ? shown : "\"" + shown + "\""));
}

std::vector<std::string> checked_addresses(const std::string& host, int port,
                                           const NetworkRules& rules) {
  addrinfo hints{}, *first = nullptr;
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  // Numbers are no question for the resolver, and hold without any network.
  hints.ai_flags = literal(host) ? AI_NUMERICHOST : AI_ADDRCONFIG;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &first);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(first, freeaddrinfo);
  std::vector<std::string> out;
  for (const addrinfo* one = error == 0 ? first : nullptr; one; one = one->ai_next) {
    check_address(host, port, *one->ai_addr, rules);
    out.push_back(shown_address(*one->ai_addr));
  }
  if (!out.empty()) return out;
  throw Error(ErrorCode::kUnavailable,
              fmt::format("{} has no address: {}", printable(host, 260), gai_strerror(error)),
              "is the name right, and does its name server answer?");
}

}  // namespace lockstep
