#include "connectors/forge/status.h"

#include <fmt/format.h>

#include "connectors/forge/names.h"
#include "connectors/http/url.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kGithubLineBytes = 140, kGitlabLineBytes = 255;
constexpr size_t kContextBytes = 255;

Error invalid(const std::string& what) {
  return Error(ErrorCode::kInvalid, what);
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

Json body_of(Forge forge, const CommitStatus& status) {
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
  return body;
}

// GitLab keeps a state machine, and answers so when the status is there already.
bool set_already(Forge forge, const HttpResponse& answer) {
  return forge == Forge::kGitlab && answer.status == 400 &&
         answer.body.find("Cannot transition status") != answer.body.npos;
}

}  // namespace

HttpRequest status_request(const ForgeTarget& target, const CommitStatus& status) {
  if (!good_commit_id(status.commit) || null_commit_id(status.commit)) {
    throw invalid("no commit: " + printable(status.commit, 80));
  }
  return forge_request(target, "POST", "/statuses/" + status.commit, body_of(target.forge, status));
}

void send_status(HttpClient& http, const ForgeTarget& target, const CommitStatus& status) {
  const HttpRequest request = status_request(target, status);
  const HttpResponse answer = http.send(request);
  if (answer.status / 100 == 2 || set_already(target.forge, answer)) return;
  forge_refused(request, answer, "a commit's status");
}

}  // namespace lockstep
