#include "connectors/http/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "pipeline/base/error.h"
#include "pipeline/formats/oci.h"

namespace lockstep {
namespace {

constexpr size_t kUrlLimit = 8192;

[[noreturn]] void bad_url(std::string_view text, const char* why) {
  throw Error(ErrorCode::kInvalid,
              fmt::format("'{}' is not a usable URL: {}", printable(text), why));
}

bool letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool good_name(std::string_view host) {
  return !host.empty() && host.size() <= 253 && letter_or_digit(host.front()) &&
         std::all_of(host.begin(), host.end(),
                     [](char c) { return letter_or_digit(c) || c == '.' || c == '-'; });
}

bool good_ipv6(std::string_view host) {
  return host.size() >= 2 && host.size() <= 45 && host.find(':') != std::string_view::npos &&
         host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
}

// "host", "host:port", "[::1]:port" → true when it is one; port stays as it is when not said.
bool read_authority(std::string_view text, std::string& host, int& port) {
  bool ipv6 = !text.empty() && text.front() == '[';
  size_t end = ipv6 ? text.find(']') : std::min(text.find(':'), text.size());
  if (end == std::string_view::npos) return false;
  host = std::string(ipv6 ? text.substr(1, end - 1) : text.substr(0, end));
  text.remove_prefix(ipv6 ? end + 1 : end);
  if (!(ipv6 ? good_ipv6(host) : good_name(host))) return false;
  if (text.empty()) return true;
  text.remove_prefix(1);
  if (text.empty() || text.size() > 5) return false;
  if (text.find_first_not_of("0123456789") != std::string_view::npos) return false;
  port = std::stoi(std::string(text));
  return port > 0 && port < 65536;
}

bool lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// One part of a repository's name: runs of [a-z0-9] joined by ".", "_", "__" or dashes.
bool good_part(std::string_view part) {
  if (part.empty() || !lower_or_digit(part.front()) || !lower_or_digit(part.back())) return false;
  for (size_t at = 0; at < part.size();) {
    size_t end = at;
    while (end < part.size() && !lower_or_digit(part[end])) ++end;
    std::string_view between = part.substr(at, end - at);
    bool dashes = between.find_first_not_of('-') == std::string_view::npos;
    if (!dashes && between != "." && between != "_" && between != "__") return false;
    at = end + 1;
  }
  return true;
}

bool good_repository(std::string_view name) {
  if (name.empty() || name.size() > 255) return false;
  for (size_t at = 0; at <= name.size();) {
    size_t end = std::min(name.find('/', at), name.size());
    if (!good_part(name.substr(at, end - at))) return false;
    at = end + 1;
  }
  return true;
}

}  // namespace

std::string Url::authority() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

bool Url::same_origin(const Url& other) const {
  return tls == other.tls && host == other.host && port == other.port;
}

Url parse_url(std::string_view text) {
  if (text.size() > kUrlLimit) bad_url(text, "it is too long");
  for (char c : text) {
    if (c <= 0x20 || c >= 0x7f) bad_url(text, "it has a space or a character that is not ASCII");
  }
  std::string_view rest = text.substr(0, std::min(text.find('#'), text.size()));
  Url url;
  url.tls = rest.substr(0, 8) == "https://";
  if (!url.tls && rest.substr(0, 7) != "http://") bad_url(text, "it is neither http nor https");
  rest.remove_prefix(url.tls ? 8 : 7);
  url.port = url.tls ? 443 : 80;
  size_t end = std::min(rest.find_first_of("/?"), rest.size());
  if (!read_authority(rest.substr(0, end), url.host, url.port))
    bad_url(text, "its host is not one");
  rest.remove_prefix(end);
  url.target = rest.empty() || rest.front() == '?' ? "/" + std::string(rest) : std::string(rest);
  return url;
}

Url resolve_url(const Url& base, std::string_view location) {
  std::string scheme = base.tls ? "https:" : "http:";
  std::string origin = scheme + "//" + base.authority();
  if (location.find("://") < location.find_first_of("/?#")) return parse_url(location);
  if (location.substr(0, 2) == "//") return parse_url(scheme + std::string(location));
  if (!location.empty() && location.front() == '/')
    return parse_url(origin + std::string(location));
  std::string path = base.target.substr(0, base.target.find('?'));
  path.resize(path.rfind('/') + 1);
  return parse_url(origin + path + std::string(location));
}

std::string wire_location(std::string_view header) {
  auto hex = [&](size_t at) {
    return at < header.size() && std::isxdigit(static_cast<unsigned char>(header[at]));
  };
  for (size_t at = header.find('%'); at != header.npos; at = header.find('%', at + 1)) {
    if (hex(at + 1) && hex(at + 2)) return std::string(header);
  }
  std::string out;
  bool query = false;
  for (char c : header) {
    query = query || c == '?';
    bool plain = c > 0x20 && c < 0x7f && c != '%' && c != '#' && !(query && c == '+');
    out += plain ? std::string(1, c) : percent_encode(std::string_view(&c, 1));
  }
  return out;
}

bool RegistryPlace::loopback() const {
  return host == "localhost" || host == "::1" ||
         (host.substr(0, 4) == "127." && host.find_first_not_of("0123456789.") == host.npos);
}

RegistryPlace parse_place(std::string_view text) {
  RegistryPlace place;
  size_t slash = std::min(text.find('/'), text.size());
  bool good = slash < text.size() &&
              read_authority(text.substr(0, slash), place.host, place.port) &&
              good_repository(text.substr(slash + 1));
  if (!good) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("'{}' is not a place in a registry", printable(text)),
                "write HOST[:PORT]/REPOSITORY, the repository in lower case: "
                "registry.example.org/team/intents");
  }
  place.repository = std::string(text.substr(slash + 1));
  return place;
}

}  // namespace lockstep
