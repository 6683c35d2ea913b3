#include "connectors/forge/status.h"

#include <fmt/format.h>

#include <algorithm>

#include "connectors/forge/names.h"
#include "connectors/forge/place.h"
#include "connectors/oci_registry/url.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kGithubLineBytes = 140, kGitlabLineBytes = 255;
constexpr size_t kTokenBytes = 4096, kContextBytes = 255;
constexpr uint64_t kAnswerBytes = 1 << 20;

Error invalid(const std::string& what, const std::string& hint = "") {
  return Error(ErrorCode::kInvalid, what, hint);
}

bool this_machine(const std::string& host) {
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
}

RemotePlace place_of(const StatusTarget& target) {
  const auto place = remote_place(target.place);
  if (!place || !good_repository_path(place->path)) {
    throw invalid(
        fmt::format("{} is no address of a repository on a forge", printable(target.place, 100)),
        "statuses go to sources with an address like https://HOST/OWNER/NAME");
  }
  return *place;
}

std::string api_of(const StatusTarget& target, const RemotePlace& place) {
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

// "/repos/OWNER/NAME/statuses/SHA", every part escaped.
std::string path_of(Forge forge, const RemotePlace& place, const std::string& commit) {
  if (forge == Forge::kGitlab) {
    return fmt::format("/projects/{}/statuses/{}", percent_encode(place.path), commit);
  }
  const size_t slash = place.path.find('/');
  if (place.path.find('/', slash + 1) != place.path.npos) {
    throw invalid(fmt::format("{} is no OWNER/NAME", printable(place.path, 100)));
  }
  return fmt::format("/repos/{}/{}/statuses/{}", percent_encode(place.path.substr(0, slash)),
                     percent_encode(place.path.substr(slash + 1)), commit);
}

const char* state_word(Forge forge, StatusState state) {
  const bool gitlab = forge == Forge::kGitlab;
  switch (state) {
    case StatusState::kPending:
      return "pending";
    case StatusState::kSuccess:
      return "success";
    case StatusState::kFailure:
      return gitlab ? "failed" : "failure";
    case StatusState::kCancelled:
      return gitlab ? "canceled" : "error";
  }
  return "pending";
}

std::string body_of(Forge forge, const CommitStatus& status) {
  const bool gitlab = forge == Forge::kGitlab;
  if (status.context.empty() || status.context.size() > kContextBytes ||
      has_control(status.context)) {
    throw invalid("a status's context is empty, too long or has control characters");
  }
  constexpr size_t kEllipsis = 3;  // what printable() adds
  const size_t limit = gitlab ? kGitlabLineBytes : kGithubLineBytes;
  Json body = {{"state", state_word(forge, status.state)},
               {gitlab ? "name" : "context", status.context},
               {"description", printable(status.line, limit - kEllipsis)}};
  if (!status.link.empty()) {
    parse_url(status.link);  // http or https, no user
    body["target_url"] = status.link;
  }
  return canonical_json(body);
}

void put_token(const StatusTarget& target, HttpRequest& request) {
  const std::string& token = target.token;
  const auto plain = [](char c) { return c > 0x20 && c < 0x7f; };
  if (token.empty() || token.size() > kTokenBytes ||
      !std::all_of(token.begin(), token.end(), plain)) {
    throw invalid("the token for statuses is empty or has characters that can't be",
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

// GitLab keeps a state machine, and answers so when the status is there already.
bool set_already(Forge forge, const HttpResponse& answer) {
  return forge == Forge::kGitlab && answer.status == 400 &&
         answer.body.find("Cannot transition status") != answer.body.npos;
}

bool rate_limited(const HttpResponse& answer) {
  return answer.status == 429 || !answer.header("retry-after").empty() ||
         answer.header("x-ratelimit-remaining") == "0";
}

[[noreturn]] void refused(const HttpRequest& request, const HttpResponse& answer) {
  const std::string said =
      fmt::format("{} answered {} to a commit's status", request.url.authority(), answer.status);
  const int kind = answer.status / 100;
  if (kind == 5 || (kind == 4 && rate_limited(answer))) {
    throw Error(ErrorCode::kUnavailable, said);
  }
  if (kind == 3) throw invalid(said, "the API is elsewhere: redirects are not followed, name it");
  if (answer.status == 401 || answer.status == 403) {
    throw Error(ErrorCode::kDenied, said, "may the token write commit statuses there?");
  }
  if (answer.status == 404) {
    throw Error(ErrorCode::kNotFound, said, "is the commit there, and may the token see it?");
  }
  throw invalid(said, "is the commit on the forge?");
}

}  // namespace

HttpRequest status_request(const StatusTarget& target, const CommitStatus& status) {
  const Forge forge = target.forge;
  if (forge != Forge::kGithub && forge != Forge::kGitlab && forge != Forge::kGitea) {
    throw invalid(fmt::format("{} takes no commit statuses from here", word(forge)),
                  "github, gitlab and gitea do");
  }
  if (!good_commit_id(status.commit) || null_commit_id(status.commit)) {
    throw invalid("no commit: " + printable(status.commit, 80));
  }
  const RemotePlace place = place_of(target);
  HttpRequest request;
  request.method = "POST";
  request.url = parse_url(api_of(target, place) + path_of(forge, place, status.commit));
  request.body = body_of(forge, status);
  request.headers["Content-Type"] = "application/json";
  request.headers["Accept"] =
      forge == Forge::kGithub ? "application/vnd.github+json" : "application/json";
  if (forge == Forge::kGithub) request.headers["X-GitHub-Api-Version"] = "2022-11-28";
  request.max_body = kAnswerBytes;
  put_token(target, request);
  return request;
}

HttpOptions status_options() {
  HttpOptions options;
  options.connect_timeout_ms = 5'000;
  options.read_timeout_ms = 10'000;
  options.write_timeout_ms = 10'000;
  return options;
}

void send_status(HttpClient& http, const StatusTarget& target, const CommitStatus& status) {
  const HttpRequest request = status_request(target, status);
  const HttpResponse answer = http.send(request);
  if (answer.status / 100 == 2 || set_already(target.forge, answer)) return;
  refused(request, answer);
}

}  // namespace lockstep
