#include "connectors/forge/api.h"

#include <fmt/format.h>

#include <algorithm>

#include "connectors/forge/names.h"
#include "connectors/forge/place.h"
#include "connectors/http/url.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kTokenBytes = 4096;
constexpr uint64_t kAnswer_bytes = 8 << 20;

Error invalid(const std::string& what, const std::string& hint = "") {
  return Error(ErrorCode::kInvalid, what, hint);
}

bool this_machine(const std::string& host) {
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
}

RemotePlace place_of(const ForgeTarget& target) {
  const auto place = remote_place(target.place);
  if (!place || !good_repository_path(place->path)) {
    throw invalid(
        fmt::format("{} is no address of a repository on a forge", printable(target.place, 100)),
        "forges are told of sources with an address like https://HOST/OWNER/NAME");
  }
  return *place;
}

std::string api_of(const ForgeTarget& target, const RemotePlace& place) {
  if (!target.api.empty()) {
    const bool slash = target.api.ends_with('/');
    return slash ? target.api.substr(0, target.api.size() - 1) : target.api;
  }
  if (target.forge == Forge::kGithub && place.host == "github.com") {
    return "https://api.github.com";
  }
  const bool v6 = place.host.find(':') != place.host.npos;
  std::string out = (place.http && !place.tls ? "http://" : "https://") +
                    (v6 ? "[" + place.host + "]" : place.host);
  if (place.port != 0) out += ":" + std::to_string(place.port);
  return out + (target.forge == Forge::kGithub   ? "/api/v3"
                : target.forge == Forge::kGitlab ? "/api/v4"
                                                 : "/api/v1");
}

// "/repos/OWNER/NAME", every part escaped.
std::string path_of(Forge forge, const RemotePlace& place) {
  if (forge == Forge::kGitlab) return "/projects/" + percent_encode(place.path);
  const size_t slash = place.path.find('/');
  if (place.path.find('/', slash + 1) != place.path.npos) {
    throw invalid(fmt::format("{} is no OWNER/NAME", printable(place.path, 100)));
  }
  return fmt::format("/repos/{}/{}", percent_encode(place.path.substr(0, slash)),
                     percent_encode(place.path.substr(slash + 1)));
}

void put_token(const ForgeTarget& target, HttpRequest& request) {
  const std::string& token = target.token;
  const auto plain = [](char c) { return c > 0x20 && c < 0x7f; };
  if (token.empty() || token.size() > kTokenBytes ||
      !std::all_of(token.begin(), token.end(), plain)) {
    throw invalid("the token for the forge is empty or has characters that can't be",
                  "does the secret's file end with a line break?");
  }
  if (!request.url.tls && !this_machine(request.url.host)) {
    throw Error(ErrorCode::kDenied,
                fmt::format("{} is spoken to without TLS", request.url.authority()),
                "tokens are not sent in the clear: name the API's https:// address");
  }
  if (target.forge == Forge::kGithub) request.headers["Authorization"] = "Bearer " + token;
  if (target.forge == Forge::kGitlab) request.headers["PRIVATE-TOKEN"] = token;
  if (target.forge == Forge::kGitea) request.headers["Authorization"] = "token " + token;
}

bool rate_limited(const HttpResponse& answer) {
  return answer.status == 429 || !answer.header("retry-after").empty() ||
         answer.header("x-ratelimit-remaining") == "0";
}

}  // namespace

HttpOptions forge_options(const ForgeTarget& target) {
  HttpOptions options;
  const Url api = parse_url(api_of(target, place_of(target)));
  options.network.own_host = api.host;
  options.network.own_port = api.port;
  options.connect_timeout_ms = 5'000;
  options.read_timeout_ms = 10'000;
  options.write_timeout_ms = 10'000;
  return options;
}

std::string forge_repository(const ForgeTarget& target) {
  return place_of(target).path;
}

HttpRequest forge_request(const ForgeTarget& target, const std::string& method,
                          const std::string& below, const Json& body) {
  const Forge forge = target.forge;
  if (forge != Forge::kGithub && forge != Forge::kGitlab && forge != Forge::kGitea) {
    throw invalid(fmt::format("{} is told nothing from here", word(forge)),
                  "github, gitlab and gitea are");
  }
  const RemotePlace place = place_of(target);
  HttpRequest request;
  request.method = method;
  request.url = parse_url(api_of(target, place) + path_of(forge, place) + below);
  if (!body.is_null()) {
    request.body = canonical_json(body);
    request.headers["Content-Type"] = "application/json";
  }
  request.headers["Accept"] =
      forge == Forge::kGithub ? "application/vnd.github+json" : "application/json";
  if (forge == Forge::kGithub) request.headers["X-GitHub-Api-Version"] = "2022-11-28";
  request.max_body = kAnswer_bytes;
  put_token(target, request);
  return request;
}

void forge_refused(const HttpRequest& request, const HttpResponse& answer,
                   const std::string& what) {
  const std::string said =
      fmt::format("{} answered {} to {}", request.url.authority(), answer.status, what);
  const int kind = answer.status / 100;
  if (kind == 5 || (kind == 4 && rate_limited(answer))) {
    throw Error(ErrorCode::kUnavailable, said);
  }
  if (kind == 3) throw invalid(said, "the API is elsewhere: redirects are not followed, name it");
  if (answer.status == 401 || answer.status == 403) {
    throw Error(ErrorCode::kDenied, said, "may the token write there?");
  }
  if (answer.status == 404) {
    throw Error(ErrorCode::kNotFound, said, "is it there, and may the token see it?");
  }
  throw invalid(said, "is it on the forge?");
}

}  // namespace lockstep
