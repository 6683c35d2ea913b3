#include "connectors/forge/comment.h"

#include <fmt/format.h>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr int kMostPages = 20, kPage = 50;

Json ask(HttpClient& http, const ForgeTarget& target, const std::string& method,
         const std::string& below, const Json& body = Json()) {
  const HttpRequest request = forge_request(target, method, below, body);
  const HttpResponse answer = http.send(request);
  if (answer.status / 100 != 2) forge_refused(request, answer, "a comment on a pull request");
  Json said = parse_json(answer.body, "the answer of " + request.url.authority());
  const bool list = method == "GET";
  if (list ? said.is_array() : said.is_object()) return said;
  throw Error(ErrorCode::kCorrupt, request.url.authority() + " gives an answer of another kind",
              "is this the forge's API?");
}

// A field that should be a number or a text, or one of another kind: then nothing.
int64_t number(const Json& one, const char* field) {
  const auto found = one.is_object() ? one.find(field) : one.end();
  return found != one.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

std::string text_of(const Json& one, const char* field) {
  if (!one.is_object()) return "";
  const auto found = one.find(field);
  return found != one.end() && found->is_string() ? found->get<std::string>() : "";
}

// Of the repository itself, and from this branch.
bool meant(Forge forge, const Json& request, const std::string& branch) {
  if (!request.is_object()) return false;
  if (forge == Forge::kGitlab) {
    return text_of(request, "source_branch") == branch &&
           number(request, "source_project_id") == number(request, "target_project_id");
  }
  const Json head = request.value("head", Json()), base = request.value("base", Json());
  if (!head.is_object() || !base.is_object() || text_of(head, "ref") != branch) return false;
  return number(head.value("repo", Json()), "id") == number(base.value("repo", Json()), "id");
}

std::string pulls(const ForgeTarget& target, const std::string& branch) {
  const std::string name = percent_encode(branch);
  if (target.forge == Forge::kGitlab) {
    return fmt::format("/merge_requests?state=opened&source_branch={}&per_page={}", name, kPage);
  }
  if (target.forge == Forge::kGitea) return fmt::format("/pulls?state=open&limit={}", kPage);
  const std::string repository = forge_repository(target);
  return fmt::format("/pulls?state=open&head={}%3A{}&per_page={}",
                     percent_encode(repository.substr(0, repository.find('/'))), name, kPage);
}

std::string comments(Forge forge, int64_t pull_request) {
  return forge == Forge::kGitlab ? fmt::format("/merge_requests/{}/notes", pull_request)
                                 : fmt::format("/issues/{}/comments", pull_request);
}

struct Comment {
  int64_t id = 0;
  std::string body;
};

std::optional<Comment> ours(HttpClient& http, const ForgeTarget& target, int64_t pull_request,
                            const std::string& mark) {
  const char* size = target.forge == Forge::kGitea ? "limit" : "per_page";
  int64_t last = 0;
  for (int page = 1; page <= kMostPages; ++page) {
    const Json list = ask(
        http, target, "GET",
        fmt::format("{}?{}={}&page={}", comments(target.forge, pull_request), size, kPage, page));
    for (const Json& one : list) {
      Comment comment{number(one, "id"), text_of(one, "body")};
      if (comment.id > 0 && comment.body.starts_with(mark)) return comment;
    }
    // Gitea gives all of them on every page.
    const int64_t newest = list.empty() ? 0 : number(list.back(), "id");
    if (list.size() < static_cast<size_t>(kPage) || newest == last) break;
    last = newest;
  }
  return std::nullopt;
}

}  // namespace

std::optional<int64_t> pull_request_of(HttpClient& http, const ForgeTarget& target,
                                       const std::string& branch) {
  const char* name = target.forge == Forge::kGitlab ? "iid" : "number";
  for (int page = 1; page <= kMostPages; ++page) {
    const Json list =
        ask(http, target, "GET", fmt::format("{}&page={}", pulls(target, branch), page));
    for (const Json& one : list) {
      if (meant(target.forge, one, branch) && number(one, name) > 0) return number(one, name);
    }
    if (list.empty() || list.size() < static_cast<size_t>(kPage)) break;
  }
  return std::nullopt;
}

void set_comment(HttpClient& http, const ForgeTarget& target, int64_t pull_request,
                 const std::string& mark, const std::string& text) {
  const std::string wanted = mark + "\n" + text;
  const Json body = {{"body", wanted}};
  const std::optional<Comment> there = ours(http, target, pull_request, mark);
  if (there && there->body == wanted) return;
  const bool gitlab = target.forge == Forge::kGitlab;
  if (!there) {
    ask(http, target, "POST", comments(target.forge, pull_request), body);
  } else if (gitlab) {
    ask(http, target, "PUT", fmt::format("{}/{}", comments(target.forge, pull_request), there->id),
        body);
  } else {
    ask(http, target, "PATCH", fmt::format("/issues/comments/{}", there->id), body);
  }
}

}  // namespace lockstep
