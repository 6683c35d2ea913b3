#include "workflows/language/workspace_parts.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "workflows/language/readers.h"

namespace lockstep {
namespace {

constexpr const char* kPlaceHint = "a path, https://…, ssh://… or user@host:path";

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool begins(std::string_view text, std::string_view part) {
  return text.substr(0, part.size()) == part;
}

// user:password@ before the host; over the web a user alone may be a token
bool holds_secret(std::string_view place, std::string_view authority) {
  size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return false;
  return begins(place, "http") || has(authority.substr(0, at), ":");
}

bool odd(std::string_view place) {
  return place[0] == '-' || place.find_first_of(" \t\"'\\`$;|<>") != std::string_view::npos;
}

// An address with a scheme: nullopt (after saying why) when it cannot be one.
std::optional<std::string> with_scheme(const std::string& text, const Place& place,
                                       const std::string& what, Diagnostics& diagnostics) {
  bool known = false;
  for (const char* scheme : {"https://", "http://", "ssh://", "file://"}) {
    known = known || begins(text, scheme);
  }
  size_t begin = text.find("://") + 3;
  std::string_view authority = std::string_view(text).substr(begin, text.find('/', begin) - begin);
  if (holds_secret(text, authority)) {
    diagnostics.error(place, what + " holds a user or password",
                      "credentials: {username: …, password: env:NAME}");
    return std::nullopt;
  }
  if (known && !odd(text) && (authority.empty() == begins(text, "file://")) &&
      !begins(authority, "-")) {
    return text;
  }
  diagnostics.error(place,
                    fmt::format("{}: \"{}\" is no address of a repository", what, shown(text)),
                    kPlaceHint);
  return std::nullopt;
}

// [a-z0-9.-]+(:port)?
bool registry_host(std::string_view host) {
  std::string_view name = host.substr(0, host.find(':'));
  if (name.empty() || name[0] == '-' || name[0] == '.') return false;
  for (char c : name) {
    bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    if (!good) return false;
  }
  if (name.size() == host.size()) return has(name, ".") || name == "localhost";
  std::string_view port = host.substr(name.size() + 1);
  return !port.empty() && port.size() <= 5 &&
         port.find_first_not_of("0123456789") == std::string_view::npos;
}

bool branch_name(std::string_view text) {
  if (text.find("..") != text.npos || text.find("//") != text.npos ||
      text.find("@{") != text.npos) {
    return false;
  }
  return text[0] != '-' && text[0] != '/' && text[0] != '.' && text.back() != '/' &&
         text.back() != '.' && text.find_first_of(" ~^:?*[\\") == text.npos;
}

// HOST, HOST:PORT, [V6] or [V6]:PORT
bool split_host(std::string_view text, ServerPlace& place) {
  const bool v6 = begins(text, "[");
  const size_t end = v6 ? text.find(']') : std::min(text.find(':'), text.size());
  if (end == text.npos) return false;
  const std::string_view host = v6 ? text.substr(1, end - 1) : text.substr(0, end);
  for (char c : host) {
    const bool letter = std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-';
    if (!letter && c != (v6 ? ':' : '_')) return false;
  }
  std::string_view rest = text.substr(v6 ? end + 1 : end);
  place.host = std::string(host);
  if (rest.empty()) return !host.empty() && host[0] != '-';
  const std::string port(rest.substr(1));
  const bool digits = !port.empty() && port.size() <= 5 &&
                      port.find_first_not_of("0123456789") == std::string::npos;
  const int number = digits ? std::stoi(port) : 0;
  place.port = static_cast<uint16_t>(number);
  return rest[0] == ':' && number > 0 && number <= 65535 && !host.empty() && host[0] != '-';
}

}  // namespace

std::filesystem::path WorkspaceReading::absolute(const std::string& path) const {
  return (folder / path).lexically_normal();
}

std::optional<SecretRef> read_secret(const YamlNode& node, const std::string& what,
                                     const WorkspaceReading& reading) {
  std::string text = node.is_scalar() ? node.text() : "";
  if (begins(text, "env:")) {
    if (!check_word(text.substr(4), node.place(), what, reading.diagnostics)) return std::nullopt;
    return SecretRef{SecretRef::Kind::kEnv, text.substr(4), {}};
  }
  if (begins(text, "file:") && text.size() > 5) {
    return SecretRef{SecretRef::Kind::kFile, "", reading.absolute(text.substr(5))};
  }
  reading.diagnostics.error(node.place(), what + " must be env:NAME or file:PATH",
                            "secrets never stand in the file itself");
  return std::nullopt;
}

std::optional<std::string> read_git_place(const YamlNode& node, const std::string& what,
                                          const WorkspaceReading& reading) {
  auto text = read_text(node, what, reading.diagnostics);
  if (!text) return std::nullopt;
  if (has(*text, "://")) return with_scheme(*text, node.place(), what, reading.diagnostics);
  size_t colon = text->find(':');
  bool remote = colon != std::string::npos && colon < text->find('/');
  if (!remote) return reading.absolute(*text).string();
  std::string_view host = std::string_view(*text).substr(0, colon);
  bool good = !odd(*text) && !has(*text, "::") && colon > 0 && colon + 1 < text->size() &&
              (*text)[colon + 1] != '-';
  if (good && host[0] != '@') return text;
  reading.diagnostics.error(
      node.place(), fmt::format("{}: \"{}\" is no address of a repository", what, shown(*text)),
      kPlaceHint);
  return std::nullopt;
}

bool valid_registry_place(std::string_view text) {
  const size_t slash = text.find('/');
  return slash != text.npos && registry_host(text.substr(0, slash)) &&
         valid_image_name(text.substr(slash + 1));
}

std::optional<std::string> read_registry_place(const YamlNode& node, const std::string& what,
                                               Diagnostics& diagnostics) {
  auto text = read_text(node, what, diagnostics);
  if (!text) return std::nullopt;
  size_t slash = text->find('/');
  std::string_view host = std::string_view(*text).substr(0, slash);
  if (has(*text, "://")) {
    diagnostics.error(node.place(), what + " has a scheme", "write host:port/repository");
  } else if (slash == std::string::npos || !registry_host(host)) {
    expected(node, what, "HOST[:PORT]/REPOSITORY as text", diagnostics);
  } else if (!valid_image_name(std::string_view(*text).substr(slash + 1))) {
    diagnostics.error(node.place(), what + " does not end in a repository's name",
                      "lower case, without a tag: the tag is the release's");
  } else {
    return text;
  }
  return std::nullopt;
}

std::optional<std::string> read_dolt_remote(const YamlNode& node, const std::string& what,
                                            Diagnostics& diagnostics) {
  auto text = read_text(node, what, diagnostics);
  if (!text) return std::nullopt;
  const size_t scheme = text->find("://");
  std::string_view host(*text);
  host = scheme == text->npos ? "" : host.substr(scheme + 3);
  const std::string_view path = host.substr(std::min(host.find('/'), host.size()));
  host = host.substr(0, host.size() - path.size());
  if (has(host, "@")) {
    diagnostics.error(node.place(), what + " holds a user or password",
                      "credentials: {username: …, password: env:NAME}");
    return std::nullopt;
  }
  const bool here = begins(host, "127.") || host.substr(0, host.find(':')) == "localhost";
  bool good = !odd(*text) && text->find_first_of("?#%") == text->npos;
  if (begins(*text, "file://")) {
    good = good && host.empty() && path.size() > 1;
  } else if (scheme != text->npos) {
    good = good && !host.empty() && host[0] != '-' && path.size() > 1 &&
           (begins(*text, "https://") || (begins(*text, "http://") && here));
  } else {
    const size_t slash = text->find('/');
    good = good && slash != text->npos && slash > 0 && text->find('/', slash + 1) == text->npos &&
           slash + 1 < text->size() && (*text)[0] != '.' && !has(*text, ":");
  }
  if (good) return text;
  diagnostics.error(node.place(),
                    fmt::format("{}: \"{}\" is no address of a Dolt remote", what, shown(*text)),
                    "file:///PATH, https://HOST/PATH, or OWNER/DATABASE of DoltHub");
  return std::nullopt;
}

std::optional<std::string> read_database(const YamlNode& node, const std::string& what,
                                         Diagnostics& diagnostics) {
  auto text = read_text(node, what, diagnostics);
  if (!text || text->find_first_of("/@?#%`") == std::string::npos) return text;
  expected(node, what, "a database's name as text", diagnostics);
  return std::nullopt;
}

std::optional<ServerPlace> read_server_place(const YamlNode& node, const std::string& what,
                                             Diagnostics& diagnostics) {
  constexpr std::string_view kScheme = "mysql://";
  auto text = read_text(node, what, diagnostics);
  if (!text) return std::nullopt;
  if (text->find('@') != std::string::npos) {
    diagnostics.error(node.place(), what + " holds a user or password",
                      "credentials: {username: …, password: env:NAME}");
    return std::nullopt;
  }
  const size_t slash = begins(*text, kScheme) ? text->find('/', kScheme.size()) : text->npos;
  if (slash != text->npos) {
    ServerPlace place;
    std::string_view host(*text);
    host = host.substr(kScheme.size(), slash - kScheme.size());
    place.database = text->substr(slash + 1);
    if (split_host(host, place) && !place.database.empty() &&
        place.database.find_first_of("/?#%`") == std::string::npos) {
      return place;
    }
  }
  expected(node, what, "mysql://HOST[:PORT]/DATABASE as text", diagnostics);
  return std::nullopt;
}

std::filesystem::path read_file_path(const YamlNode& node, const std::string& what,
                                     const WorkspaceReading& reading) {
  auto text = read_text(node, what, reading.diagnostics);
  return text ? reading.absolute(*text) : std::filesystem::path();
}

std::string read_branch(const YamlNode& node, const std::string& what, Diagnostics& diagnostics) {
  const auto text = read_text(node, what, diagnostics);
  if (text && !branch_name(*text)) expected(node, what, "a branch's name as text", diagnostics);
  return text.value_or("main");
}

CredentialSpec read_credentials(const YamlNode& node, const std::string& what, bool ssh,
                                const WorkspaceReading& reading) {
  CredentialSpec credentials;
  Fields fields(node, what, reading.diagnostics);
  if (const YamlNode* value = fields.take("username")) {
    credentials.username =
        read_text(*value, fields.of("username"), reading.diagnostics).value_or("");
    if (has(credentials.username, ":")) {
      expected(*value, fields.of("username"), "text without a colon", reading.diagnostics);
    }
  }
  if (const YamlNode* value = fields.take("password")) {
    credentials.password = read_secret(*value, fields.of("password"), reading);
  }
  if (const YamlNode* value = fields.take("ca-file")) {
    credentials.ca_file = read_file_path(*value, fields.of("ca-file"), reading);
  }
  if (ssh) {
    if (const YamlNode* value = fields.take("key")) {
      auto key = read_secret(*value, fields.of("key"), reading);
      if (key && key->kind != SecretRef::Kind::kFile) {
        expected(*value, fields.of("key"), "file:PATH as text", reading.diagnostics);
      }
      if (key) credentials.key = key->file;
    }
    if (const YamlNode* value = fields.take("known-hosts")) {
      credentials.known_hosts = read_file_path(*value, fields.of("known-hosts"), reading);
    }
  }
  fields.finish();
  return credentials;
}

}  // namespace lockstep
