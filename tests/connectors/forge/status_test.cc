#include "connectors/forge/status.h"

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "pipeline/base/error.h"
#include "tests/catch.h"

namespace lockstep {
namespace {

const std::string kToken = "token-0123456789abcdef", kCommit = std::string(40, 'a');

// The three forges' statuses, as far as their documents say: who may, what is kept, what is
// refused.
class FakeForge {
 public:
  FakeForge() {
    const auto set = [this](const httplib::Request& in, httplib::Response& out) { take(in, out); };
    server_.Post(R"(/gh/repos/([^/]+)/([^/]+)/statuses/([0-9a-f]{40}))", set);
    server_.Post(R"(/gt/repos/([^/]+)/([^/]+)/statuses/([0-9a-f]{40}))", set);
    server_.Post(R"(/gl/projects/(.+)/statuses/([0-9a-f]{40}))", set);
    server_.Post("/elsewhere", [this](const httplib::Request&, httplib::Response&) { ++lost_; });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
  }
  ~FakeForge() {
    server_.stop();
    thread_.join();
  }
  std::string base() const { return "http://127.0.0.1:" + std::to_string(port_); }

  int next_status = 0;  // what the next request gets, whatever it is
  std::map<std::string, std::string> next_headers;
  std::string next_body;
  int next_wait_ms = 0;

  Json last() {
    std::lock_guard<std::mutex> lock(mutex_);
    return last_;
  }
  int lost() const { return lost_; }

 private:
  static std::string given_token(const httplib::Request& in) {
    const std::string gitlab = in.get_header_value("PRIVATE-TOKEN");
    if (in.path.starts_with("/gl/")) return gitlab;
    const std::string how = in.path.starts_with("/gh/") ? "Bearer " : "token ";
    const std::string given = in.get_header_value("Authorization");
    return given.starts_with(how) ? given.substr(how.size()) : "";
  }

  void take(const httplib::Request& in, httplib::Response& out) {
    std::lock_guard<std::mutex> lock(mutex_);
    std::this_thread::sleep_for(std::chrono::milliseconds(next_wait_ms));
    if (next_status != 0) {
      out.status = next_status;
      for (const auto& [name, value] : next_headers) out.set_header(name, value);
      out.set_content(next_body, "application/json");
      return;
    }
    out.status = given_token(in) == kToken ? 201 : 401;
    if (out.status != 201) return;
    last_ = Json::parse(in.body);
    last_["path"] = in.target;
    // GitLab's state machine: pending is not entered twice.
    if (in.path.starts_with("/gl/") && last_["state"] == state_) {
      out.status = 400;
      out.set_content(R"({"message":"Cannot transition status via :enqueue from :pending"})",
                      "application/json");
    }
    state_ = last_["state"];
  }

  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  std::mutex mutex_;
  Json last_;
  std::string state_;
  std::atomic<int> lost_{0};
};

ForgeTarget target(Forge forge, const FakeForge& fake, const char* below) {
  return {forge, "git@git.example.org:Team/intents.git", fake.base() + below, kToken};
}

ErrorCode refusal(const ForgeTarget& to, const CommitStatus& status, std::string* text = nullptr) {
  try {
    HttpOptions options = forge_options(to);
    options.read_timeout_ms = 200;
    HttpClient http(options);
    send_status(http, to, status);
  } catch (const Error& error) {
    INFO(error.what());
    CHECK(std::string(error.what()).find(kToken) == std::string::npos);
    if (text) *text = error.what();
    return error.code;
  }
  FAIL("it was taken");
  return ErrorCode::kCorrupt;
}

TEST_CASE("a commit's status reaches GitHub, GitLab and Gitea in their own words") {
  FakeForge fake;
  HttpClient http(forge_options(target(Forge::kGithub, fake, "")));
  CommitStatus status{kCommit, StatusState::kFailure, "lockstep", "3 of 8 models failed their gate",
                      "https://lockstep.example.org/runs/7"};
  send_status(http, target(Forge::kGithub, fake, "/gh"), status);
  CHECK(fake.last() == Json{{"state", "failure"},
                            {"context", "lockstep"},
                            {"description", "3 of 8 models failed their gate"},
                            {"target_url", "https://lockstep.example.org/runs/7"},
                            {"path", "/gh/repos/Team/intents/statuses/" + kCommit}});
  status.state = StatusState::kCancelled;
  send_status(http, target(Forge::kGitea, fake, "/gt/"), status);
  CHECK(fake.last()["state"] == "error");
  CHECK(fake.last()["path"] == "/gt/repos/Team/intents/statuses/" + kCommit);
  status.link.clear();
  send_status(http, target(Forge::kGitlab, fake, "/gl"), status);
  CHECK(fake.last() == Json{{"state", "canceled"},
                            {"name", "lockstep"},
                            {"description", "3 of 8 models failed their gate"},
                            {"path", "/gl/projects/Team%2Fintents/statuses/" + kCommit}});
}

TEST_CASE("a status that is set already is no error") {
  FakeForge fake;
  HttpClient http(forge_options(target(Forge::kGithub, fake, "")));
  const CommitStatus status{kCommit, StatusState::kPending, "lockstep", "waits", ""};
  for (const auto& [forge, below] :
       {std::pair(Forge::kGitlab, "/gl"), std::pair(Forge::kGithub, "/gh")}) {
    send_status(http, target(forge, fake, below), status);
    send_status(http, target(forge, fake, below), status);
  }
}

TEST_CASE("every answer means one thing: try again, ask for rights, or give up") {
  FakeForge fake;
  const ForgeTarget to = target(Forge::kGithub, fake, "/gh");
  const CommitStatus status{kCommit, StatusState::kSuccess, "lockstep", "released", ""};
  ForgeTarget stranger = to;
  stranger.token = "another-token";
  CHECK(refusal(stranger, status) == ErrorCode::kDenied);
  const std::vector<std::pair<int, ErrorCode>> answers = {
      {403, ErrorCode::kDenied},      {404, ErrorCode::kNotFound},
      {422, ErrorCode::kInvalid},     {400, ErrorCode::kInvalid},
      {429, ErrorCode::kUnavailable}, {500, ErrorCode::kUnavailable},
      {503, ErrorCode::kUnavailable}, {301, ErrorCode::kInvalid},
      {307, ErrorCode::kInvalid}};
  fake.next_body = "you sent " + kToken;
  for (const auto& [answer, code] : answers) {
    fake.next_status = answer;
    fake.next_headers = {{"Location", fake.base() + "/elsewhere"}};
    INFO(answer);
    CHECK(refusal(to, status) == code);
  }
  CHECK(fake.lost() == 0);  // no redirect was followed
  fake.next_status = 403;
  fake.next_headers = {{"X-RateLimit-Remaining", "0"}};
  CHECK(refusal(to, status) == ErrorCode::kUnavailable);
}

TEST_CASE("a forge that does not answer holds nobody up") {
  FakeForge fake;
  fake.next_status = 201;
  fake.next_wait_ms = 1000;
  const CommitStatus status{kCommit, StatusState::kSuccess, "lockstep", "released", ""};
  const auto begun = std::chrono::steady_clock::now();
  CHECK(refusal(target(Forge::kGithub, fake, "/gh"), status) == ErrorCode::kUnavailable);
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::milliseconds(900));
  ForgeTarget nobody = target(Forge::kGithub, fake, "");
  nobody.api = "http://127.0.0.1:1";
  CHECK(refusal(nobody, status) == ErrorCode::kUnavailable);
}

TEST_CASE("the API is found from the place") {
  const auto at = [](Forge forge, const std::string& place) {
    const HttpRequest r = status_request({forge, place, "", kToken}, {kCommit});
    return std::string(r.url.tls ? "https://" : "http://") + r.url.authority() + r.url.target;
  };
  const std::string end = "/statuses/" + kCommit;
  CHECK(at(Forge::kGithub, "git@github.com:team/x.git") ==
        "https://api.github.com:443/repos/team/x" + end);
  CHECK(at(Forge::kGithub, "https://git.example.org/team/x") ==
        "https://git.example.org:443/api/v3/repos/team/x" + end);
  CHECK(at(Forge::kGitlab, "ssh://git@git.example.org:2222/a/b/x.git") ==
        "https://git.example.org:443/api/v4/projects/a%2Fb%2Fx" + end);
  CHECK(at(Forge::kGitea, "https://git.example.org:3000/team/x") ==
        "https://git.example.org:3000/api/v1/repos/team/x" + end);
  CHECK(at(Forge::kGitea, "http://127.0.0.1:3000/team/x") ==
        "http://127.0.0.1:3000/api/v1/repos/team/x" + end);
}

TEST_CASE("what can't be a status is refused before anything is sent") {
  const ForgeTarget to{Forge::kGithub, "https://github.com/team/x", "", kToken};
  const CommitStatus good{kCommit, StatusState::kSuccess, "lockstep", "done", ""};
  const auto code = [&](ForgeTarget t, CommitStatus s) {
    try {
      status_request(t, s);
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find(kToken) == std::string::npos);
      return std::string(word(error.code));
    }
    return std::string("made");
  };
  CHECK(code(to, good) == "made");
  for (const char* commit :
       {"", "main", "../../../user", "0000000000000000000000000000000000000000"})
    CHECK(code(to, {commit, StatusState::kSuccess}) == "invalid");
  for (const char* link : {"javascript:alert(1)", "ftp://h/", "https://h/a b", "https://u:p@h/"})
    CHECK(code(to, {kCommit, StatusState::kSuccess, "lockstep", "x", link}) == "invalid");
  for (const char* context : {"", "a\nb"})
    CHECK(code(to, {kCommit, StatusState::kSuccess, context}) == "invalid");
  for (const char* token : {"", "a b", "a\r\nX-Evil: 1", "a\n"}) {
    ForgeTarget t = to;
    t.token = token;
    CHECK(code(t, good) == "invalid");
  }
  for (const char* place : {"./code", "file:///x/y", "https://github.com/a/b/c", "git@h:x", ""}) {
    ForgeTarget t = to;
    t.place = place;
    INFO(place);
    CHECK(code(t, good) == "invalid");
  }
  for (const char* clear : {"http://git.example.org/api/v3", "http://127.0.0.1.evil.example"}) {
    ForgeTarget t = to;
    t.api = clear;
    CHECK(code(t, good) == "denied");
  }
  for (const Forge forge : {Forge::kBitbucket, Forge::kDolthub, Forge::kGeneric}) {
    ForgeTarget t = to;
    t.forge = forge;
    CHECK(code(t, good) == "invalid");
  }
}

TEST_CASE("a long line is cut at a letter, and controls are not sent") {
  const ForgeTarget to{Forge::kGithub, "https://github.com/team/x", "", kToken};
  std::string line = "bell\a ";
  for (int i = 0; i < 100; ++i) line += "ö";
  const Json body =
      Json::parse(status_request(to, {kCommit, StatusState::kSuccess, "lockstep", line}).body);
  const std::string sent = body["description"];
  CHECK(sent.size() <= 140);
  CHECK(sent.starts_with("bell? ö"));
  CHECK(sent.ends_with("…"));
  CHECK_FALSE(body.contains("target_url"));
}

}  // namespace
}  // namespace lockstep
