#include "connectors/oci_registry/auth.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

constexpr size_t kTokenLimit = 16384;
constexpr size_t kHeaderLimit = 8192;

bool token_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return out;
}

// A cursor over `name name="quoted", name=token`.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  bool done() const { return at_ >= text_.size(); }
  void skip(std::string_view chars) {
    while (!done() && chars.find(text_[at_]) != std::string_view::npos) ++at_;
  }
  std::string word() {
    size_t from = at_;
    while (!done() && token_char(text_[at_])) ++at_;
    return std::string(text_.substr(from, at_ - from));
  }
  // A value without quotes; wider than the RFC's token, as some servers leave them out.
  std::string bare() {
    size_t from = at_;
    at_ = std::min(text_.find_first_of(" \t,", at_), text_.size());
    return std::string(text_.substr(from, at_ - from));
  }
  bool take(char c) {
    bool there = !done() && text_[at_] == c;
    if (there) ++at_;
    return there;
  }
  std::string quoted() {
    std::string out;
    while (!done() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_++];
    }
    take('"');
    return out;
  }
  void step() { ++at_; }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

[[noreturn]] void denied(const Url& registry, const std::string& why, const std::string& hint) {
  throw Error(ErrorCode::kDenied, fmt::format("{} {}", registry.authority(), why), hint);
}

std::string param_of(const Challenge& bearer, const char* name) {
  auto found = bearer.params.find(name);
  return found == bearer.params.end() ? std::string() : found->second;
}

// "scope=…&scope=…&service=…": a challenge names several scopes with spaces between them, as that
// of a mount does.
std::string token_query(const Challenge& bearer, const std::string& repository) {
  std::string scopes = param_of(bearer, "scope"), query;
  if (scopes.empty()) scopes = "repository:" + repository + ":pull,push";
  for (size_t at = 0; at < scopes.size();) {
    const size_t end = std::min(scopes.find(' ', at), scopes.size());
    if (end > at) query += "&scope=" + percent_encode(scopes.substr(at, end - at));
    at = end + 1;
  }
  const std::string service = param_of(bearer, "service");
  if (!service.empty()) query += "&service=" + percent_encode(service);
  return query.empty() ? query : query.substr(1);
}

HttpRequest token_request(const Challenge& bearer, const std::string& repository,
                          const Credentials& credentials) {
  HttpRequest request;
  std::string realm = wire_location(param_of(bearer, "realm"));
  std::string query = token_query(bearer, repository);
  if (credentials.identity_token.empty()) {
    request.url = parse_url(realm + (realm.find('?') == std::string::npos ? "?" : "&") + query);
    if (!credentials.empty()) request.headers["Authorization"] = basic_authorization(credentials);
    return request;
  }
  request.method = "POST";
  request.url = parse_url(realm);
  request.headers["Content-Type"] = "application/x-www-form-urlencoded";
  request.body = "grant_type=refresh_token&client_id=lockstep&" + query +
                 "&refresh_token=" + percent_encode(credentials.identity_token);
  return request;
}

std::string read_token(const HttpResponse& answer, const Url& registry) {
  std::string token;
  try {
    Json json = parse_json(answer.body, "the token answer");
    for (const char* key : {"access_token", "token"}) {
      if (json.contains(key) && json.at(key).is_string()) token = json.at(key).get<std::string>();
    }
  } catch (const Error&) {
    // No token, then; said below.
  } catch (const Json::exception&) {
  }
  bool good = !token.empty() && token.size() <= kTokenLimit &&
              std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!good) denied(registry, "named a token server that gave no usable token", "");
  return token;
}

std::string bearer_authorization(const Challenge& bearer, const Url& registry,
                                 const std::string& repository, const Credentials& credentials,
                                 HttpClient& http) {
  const HttpRequest request = token_request(bearer, repository, credentials);
  if (registry.tls && !request.url.tls) {
    denied(registry, "names a token server without TLS: " + printable(request.url.authority()),
           "credentials are not sent in the clear");
  }
  HttpResponse answer = http.send(request);
  if (answer.status == 429 || answer.status >= 500) {
    throw Error(ErrorCode::kUnavailable, fmt::format("the token server {} answered {}",
                                                     request.url.authority(), answer.status));
  }
  if (answer.status != 200) {
    denied(registry,
           fmt::format("gives no access to {}: its token server {} answered {}", repository,
                       request.url.authority(), answer.status),
           credentials.empty() ? "name a user and a password secret for this registry"
                               : "check the user, the password and their rights");
  }
  return "Bearer " + read_token(answer, registry);
}

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view header) {
  std::vector<Challenge> challenges;
  Reader reader(header.substr(0, kHeaderLimit));
  while (reader.skip(" \t,"), !reader.done()) {
    std::string name = lower(reader.word());
    if (name.empty()) {
      reader.step();
      continue;
    }
    reader.skip(" \t");
    if (!reader.take('=')) {
      challenges.push_back({name, {}});
      continue;
    }
    reader.skip(" \t");
    std::string value = reader.take('"') ? reader.quoted() : reader.bare();
    if (!challenges.empty()) challenges.back().params.emplace(name, value);
  }
  return challenges;
}

std::string basic_authorization(const Credentials& credentials) {
  auto plain = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; };
  const std::string& user = credentials.username;
  if (user.find(':') != std::string::npos || !std::all_of(user.begin(), user.end(), plain) ||
      !std::all_of(credentials.password.begin(), credentials.password.end(), plain)) {
    throw Error(ErrorCode::kInvalid, "the registry's user or password has characters that can't be",
                "does the secret's file end with a line break?");
  }
  std::string text = user + ":" + credentials.password;
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                             reinterpret_cast<const unsigned char*>(text.data()),
                             static_cast<int>(text.size()));
  out.resize(static_cast<size_t>(size));
  return "Basic " + out;
}

std::string authorization(const HttpResponse& refused, const Url& registry,
                          const std::string& repository, const Credentials& credentials,
                          HttpClient& http) {
  std::vector<Challenge> challenges;
  auto [from, to] = refused.headers.equal_range("www-authenticate");
  for (auto header = from; header != to; ++header) {
    for (Challenge& c : parse_challenges(header->second)) challenges.push_back(std::move(c));
  }
  for (const Challenge& c : challenges) {
    if (c.scheme == "bearer" && c.params.count("realm")) {
      return bearer_authorization(c, registry, repository, credentials, http);
    }
  }
  for (const Challenge& c : challenges) {
    if (c.scheme == "basic" && !credentials.username.empty())
      return basic_authorization(credentials);
  }
  denied(registry,
         credentials.empty() ? "wants credentials" : "asks for credentials in no known way",
         "name a user and a password secret for this registry");
}

}  // namespace lockstep
