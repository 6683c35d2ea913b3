#include "connectors/forge/comment.h"

#include <httplib.h>

#include <atomic>
#include <functional>
#include <map>
#include <thread>

#include "pipeline/base/error.h"
#include "tests/catch.h"

namespace lockstep {
namespace {

const std::string kToken = "token-0123456789abcdef", kMark = "<!-- lockstep:1 -->";

// Pull requests and their comments as GitHub, GitLab and Gitea say them.
class FakeForge {
 public:
  FakeForge() {
    server_.Get(".*", [this](const httplib::Request& in, httplib::Response& out) { get(in, out); });
    const auto write = [this](const httplib::Request& in, httplib::Response& out) {
      written.push_back(in.method + " " + in.target);
      const Json said = Json::parse(in.body);
      if (in.method == "POST") {
        comments[++last_] = said.at("body");
      } else {
        comments[std::stoi(in.target.substr(in.target.rfind('/') + 1))] = said.at("body");
      }
      out.set_content(R"({"id": 1})", "application/json");
    };
    server_.Post(".*", write).Patch(".*", write).Put(".*", write);
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
  }
  ~FakeForge() {
    server_.stop();
    thread_.join();
  }
  ForgeTarget target(Forge forge) const {
    return {forge, "git@git.example.org:team/rows.git", "http://127.0.0.1:" + std::to_string(port_),
            kToken};
  }

  Json pulls = Json::array();
  std::map<int, std::string> comments;
  std::vector<std::string> written, asked;
  int page_size = 50;
  std::string nonsense;  // the answer to every question

 private:
  void get(const httplib::Request& in, httplib::Response& out) {
    asked.push_back(in.target);
    Json list = Json::array();
    const int page = in.has_param("page") ? std::stoi(in.get_param_value("page")) : 1;
    int at = 0;
    const auto add = [&](const Json& one) {
      if (at / page_size == page - 1) list.push_back(one);
      ++at;
    };
    const bool requests = in.path.ends_with("/pulls") || in.path.ends_with("/merge_requests");
    if (requests) {
      for (const Json& one : pulls) add(one);
    } else {
      for (const auto& [id, body] : comments) add({{"id", id}, {"body", body}});
    }
    out.set_content(nonsense.empty() ? list.dump() : nonsense, "application/json");
  }

  httplib::Server server_;
  std::thread thread_;
  int port_ = 0, last_ = 100;
};

Json pull(int number, const std::string& branch, int from = 7) {
  return {{"number", number},
          {"head", {{"ref", branch}, {"repo", {{"id", from}}}}},
          {"base", {{"ref", "main"}, {"repo", {{"id", 7}}}}}};
}

TEST_CASE("the pull request of a branch is found, a fork's and another branch's are not it") {
  FakeForge fake;
  for (Forge forge : {Forge::kGithub, Forge::kGitea}) {
    HttpClient http(forge_options(fake.target(forge)));
    fake.pulls = {pull(3, "fix/a", 8), pull(4, "fix"), pull(5, "fix/a")};
    CHECK(pull_request_of(http, fake.target(forge), "fix/a") == 5);
    fake.pulls = {pull(3, "fix/a", 8), Json{{"number", 9}, {"head", nullptr}}, "odd"};
    CHECK_FALSE(pull_request_of(http, fake.target(forge), "fix/a"));
  }
  CHECK(fake.asked[0] ==
        "/repos/team/rows/pulls?state=open&head=team%3Afix%2Fa&per_page=50&page=1");
  HttpClient http(forge_options(fake.target(Forge::kGitlab)));
  fake.pulls = {
      {{"iid", 2}, {"source_branch", "x"}, {"source_project_id", 1}, {"target_project_id", 2}},
      {{"iid", 6}, {"source_branch", "x"}, {"source_project_id", 2}, {"target_project_id", 2}}};
  CHECK(pull_request_of(http, fake.target(Forge::kGitlab), "x") == 6);
  CHECK(fake.asked.back() ==
        "/projects/team%2Frows/merge_requests?state=opened&source_branch=x&per_page=50&page=1");
}

TEST_CASE("one comment is written, left alone while it is right, and edited in place") {
  for (Forge forge : {Forge::kGithub, Forge::kGitlab, Forge::kGitea}) {
    FakeForge fake;
    const ForgeTarget target = fake.target(forge);
    HttpClient http(forge_options(target));
    fake.comments = {{1, "hello"}, {2, "says " + kMark}};
    set_comment(http, target, 5, kMark, "first");
    set_comment(http, target, 5, kMark, "first");
    REQUIRE(fake.written.size() == 1);
    CHECK(fake.comments.at(101) == kMark + "\nfirst");
    set_comment(http, target, 5, kMark, "second");
    REQUIRE(fake.written.size() == 2);
    CHECK(fake.comments.size() == 3);
    CHECK(fake.comments.at(101) == kMark + "\nsecond");
    const bool gitlab = forge == Forge::kGitlab;
    CHECK(fake.written[0] == (gitlab ? "POST /projects/team%2Frows/merge_requests/5/notes"
                                     : "POST /repos/team/rows/issues/5/comments"));
    CHECK(fake.written[1] == (gitlab ? "PUT /projects/team%2Frows/merge_requests/5/notes/101"
                                     : "PATCH /repos/team/rows/issues/comments/101"));
  }
}

TEST_CASE("the comment is found behind many others") {
  FakeForge fake;
  for (int id = 1; id <= 70; ++id) fake.comments[id] = "another";
  fake.comments[71] = kMark + "\nold";
  const ForgeTarget target = fake.target(Forge::kGithub);
  HttpClient http(forge_options(target));
  set_comment(http, target, 5, kMark, "new");
  CHECK(fake.comments.at(71) == kMark + "\nnew");
  CHECK(fake.comments.size() == 71);
}

TEST_CASE("answers that are none are said, and nothing is written") {
  FakeForge fake;
  const ForgeTarget target = fake.target(Forge::kGithub);
  HttpClient http(forge_options(target));
  for (const char* odd : {"", "{}", "[[", "7", "null", "<html>"}) {
    fake.nonsense = odd[0] == '\0' ? " " : odd;
    CHECK_THROWS_AS(pull_request_of(http, target, "x"), Error);
    CHECK_THROWS_AS(set_comment(http, target, 5, kMark, "text"), Error);
  }
  fake.nonsense = R"([1, null, {"id": "x", "body": 5}, {"number": 3, "head": [], "base": 2}])";
  CHECK_FALSE(pull_request_of(http, target, "x"));
  CHECK(fake.written.empty());
}

}  // namespace
}  // namespace lockstep
