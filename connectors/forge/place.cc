#include "connectors/forge/place.h"

#include <algorithm>
#include <charconv>

#include "connectors/forge/names.h"

namespace lockstep {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char low = static_cast<char>(c | 0x20);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

// %41 and A are one letter; %2F and / are not, so nothing but letters, digits and -._~ is decoded.
std::string unreserved_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool coded = text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
                       hex_digit(text[i + 2]) >= 0;
    const char c =
        coded ? static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])) : text[i];
    const char low = static_cast<char>(c | 0x20);
    const bool plain = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").find(c) != std::string_view::npos;
    if (coded && !plain) {
      out += text.substr(i, 3);
    } else {
      out += c;
    }
    if (coded) i += 2;
  }
  return out;
}

// Empty when it can't be the path of a repository.
std::string clean_path(std::string_view path) {
  path = path.substr(0, path.find_first_of("?#"));
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  std::string out = unreserved_decoded(path);
  if (out.size() > 4 && lower_case(out).ends_with(".git")) out.resize(out.size() - 4);
  for (size_t from = 0; from <= out.size();) {
    const size_t to = std::min(out.find('/', from), out.size());
    const std::string_view part = std::string_view(out).substr(from, to - from);
    if (part.empty() || part == "." || part == "..") return "";
    from = to + 1;
  }
  return out;
}

bool host_name(std::string_view host) {
  return !host.empty() &&
         host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_:") == host.npos;
}

bool read_host(std::string_view authority, std::string& host, int& port) {
  std::string_view digits;
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == authority.npos) return false;
    host = lower_case(authority.substr(1, close - 1));
    digits = authority.substr(close + 1);
    if (!digits.empty() && digits.front() != ':') return false;
    if (!digits.empty()) digits.remove_prefix(1);
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    host = lower_case(authority.substr(0, colon));
    if (colon < authority.size()) digits = authority.substr(colon + 1);
  }
  while (host.ends_with('.')) host.pop_back();  // a name from the root is the same name
  if (digits.empty()) return host_name(host);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return host_name(host) && error == std::errc() && end == digits.data() + digits.size() &&
         port > 0 && port < 65536;
}

std::optional<RemotePlace> place_of(std::string_view scheme, std::string_view authority,
                                    std::string_view path) {
  const size_t at = authority.rfind('@');
  if (at != authority.npos && authority.substr(0, at).find(':') != authority.npos) return {};
  if (at != authority.npos) authority.remove_prefix(at + 1);
  RemotePlace place;
  place.tls = scheme == "https";
  place.http = place.tls || scheme == "http";
  if (!read_host(authority, place.host, place.port)) return {};
  const int usual = scheme == "https" ? 443 : 80;
  if (!place.http || place.port == usual) place.port = 0;
  place.path = clean_path(path);
  if (place.path.empty()) return {};
  return place;
}

bool path_ends(const std::string& path, const std::string& end) {
  return path == end || path.ends_with("/" + end);
}

// Bitbucket Data Center clones over http below /scm/, over ssh without it.
bool same_path(const Delivery& delivery, const std::string& one, const std::string& other) {
  const std::string a = lower_case(one), b = lower_case(other);
  if (a == b) return true;
  return delivery.forge == Forge::kBitbucket && (a == "scm/" + b || b == "scm/" + a);
}

}  // namespace

std::optional<RemotePlace> remote_place(std::string_view place) {
  const size_t scheme_end = place.find("://");
  if (scheme_end != place.npos) {
    const std::string scheme = lower_case(place.substr(0, scheme_end));
    if (scheme != "https" && scheme != "http" && scheme != "ssh" && scheme != "git") return {};
    const std::string_view rest = place.substr(scheme_end + 3);
    const size_t slash = std::min(rest.find('/'), rest.size());
    return place_of(scheme, rest.substr(0, slash), rest.substr(slash));
  }
  // git's own rule: without a scheme it is scp-like when a colon comes before any slash.
  size_t colon = place.find(':');
  const size_t bracket = place.find('[');
  if (bracket < colon) colon = place.find(':', std::min(place.find(']'), place.size()));
  if (colon == place.npos || colon == 0 || place.find('/') < colon) return {};
  return place_of("ssh", place.substr(0, colon), place.substr(colon + 1));
}

bool about_place(const Delivery& delivery, std::string_view place) {
  const std::optional<RemotePlace> mine = remote_place(place);
  if (!mine) return false;
  if (delivery.urls.empty()) {
    return !delivery.repository.empty() &&
           path_ends(lower_case(mine->path), lower_case(delivery.repository));
  }
  for (const std::string& url : delivery.urls) {
    const std::optional<RemotePlace> theirs = remote_place(url);
    if (!theirs || theirs->host != mine->host) continue;
    const bool ports_meet = !mine->http || !theirs->http || mine->port == theirs->port;
    if (ports_meet && same_path(delivery, mine->path, theirs->path)) return true;
  }
  return false;
}

}  // namespace lockstep
