// The table of routes: every route answers and is documented, and nothing unknown gets through.
#include <fstream>
#include <set>
#include <sstream>

#include "pipeline/api/access.h"
#include "pipeline/api/api.h"
#include "tests/catch.h"
#include "tests/fake/backend.h"

using namespace lockstep;

namespace {

ApiRequest request(const std::string& method, const std::string& target,
                   const Json& body = Json::object()) {
  ApiRequest out{method, "", {}, body, "ann", "admin", "socket"};
  read_target(target, out);
  return out;
}

std::string filled(std::string_view pattern) {
  std::string path(pattern);
  for (size_t at; (at = path.find('{')) != std::string::npos;) {
    path.replace(at, path.find('}') - at + 1, "thing");
  }
  return path;
}

// Values that satisfy every route which needs some of its fields.
const std::map<std::string, std::string> kQuery = {
    {"step", "train"}, {"table", "utterances"}, {"from", "a"}, {"to", "b"}, {"a", "1"}, {"b", "2"}};
const Json kBody = {{"name", "ci"}, {"role", "viewer"},
                    {"what", "7"},  {"reason", "wrong labels"},
                    {"version", 2}, {"texts", {"turn it off"}},
                    {"from", "/f"}, {"model", "m"},
                    {"text", "x"},  {"key", "k"},
                    {"which", "5"}};

ApiRequest good_request(const Route& route) {
  ApiRequest out = request(std::string(route.method), filled(route.pattern));
  for (std::string_view name : route.query) {
    if (auto it = kQuery.find(std::string(name)); it != kQuery.end()) out.query.insert(*it);
  }
  for (std::string_view name : route.body) {
    if (kBody.contains(name)) out.body[std::string(name)] = kBody[std::string(name)];
  }
  // Elsewhere `to` is a version, and may be left out.
  if (out.method == "POST" && route.pattern == "/v1/backup") out.body["to"] = "/b.tar";
  if (route.pattern == "/v1/release/promote") out.body["to"] = "production";
  return out;
}

std::string message(const ApiResponse& response) {
  return response.body["error"]["message"];
}

}  // namespace

TEST_CASE("every route answers, and reaches a method of its own") {
  FakeBackend backend;
  Api api(backend);
  std::set<std::string> reached;
  for (const Route& route : Api::routes()) {
    INFO(route.method << " " << route.pattern);
    ApiResponse response = api.handle(good_request(route));
    CHECK(response.status == 200);
    if (route.text) {
      CHECK_FALSE(response.text.empty());
    } else if (route.follows == Follows::kEvents) {
      CHECK(response.body.at("events").empty());
    } else {
      CHECK(response.body == Json::object());
    }
    reached.insert(backend.last().name +
                   (route.pattern.find("channels") == std::string::npos ? "" : " of a channel"));
    CHECK((route.method == "POST" || route.role == "viewer" || route.role == kAdmin ||
           route.role == kAnyone));
    CHECK_FALSE(route.summary.empty());
  }
  CHECK(reached.size() == Api::routes().size());
}

TEST_CASE("every route refuses fields that it does not know, before it does anything") {
  FakeBackend backend;
  Api api(backend);
  for (const Route& route : Api::routes()) {
    INFO(route.method << " " << route.pattern);
    ApiRequest query = good_request(route);
    query.query["colour"] = "red";
    CHECK(message(api.handle(query)) == "this route has no query field `colour`");
    ApiRequest body = good_request(route);
    body.body["colour"] = "red";
    CHECK(message(api.handle(body)) == "this route has no body field `colour`");
    CHECK(api.handle(body).status == 400);
  }
  CHECK(backend.asked().empty());
}

TEST_CASE("every route is listed in docs/API.md") {
  std::ifstream file(LOCKSTEP_SOURCE_DIR "/docs/API.md");
  std::stringstream text;
  text << file.rdbuf();
  for (const Route& route : Api::routes()) {
    std::string line = "| `" + std::string(route.method) + " " + std::string(route.pattern) +
                       "` | " + std::string(route.role) + " |";
    INFO(line);
    CHECK(text.str().find(line) != std::string::npos);
    for (std::string_view name : route.query) {
      CHECK(text.str().find("`" + std::string(name) + "`") != std::string::npos);
    }
    for (std::string_view name : route.body) {
      CHECK(text.str().find("`" + std::string(name) + "`") != std::string::npos);
    }
  }
}

TEST_CASE("errors of the backend become a status and one document") {
  FakeBackend backend;
  Api api(backend);
  const std::pair<ErrorCode, int> kExpected[] = {
      {ErrorCode::kInvalid, 400},     {ErrorCode::kNotFound, 404}, {ErrorCode::kConflict, 409},
      {ErrorCode::kUnavailable, 503}, {ErrorCode::kCorrupt, 500},  {ErrorCode::kDenied, 403}};
  for (auto [code, status] : kExpected) {
    backend.errors.insert_or_assign("lag", Error(code, "what", "way out", "place"));
    ApiResponse response = api.handle(request("GET", "/v1/lag"));
    CHECK(response.status == status);
    CHECK(response.body == Json({{"error",
                                  {{"code", word(code)},
                                   {"message", "what"},
                                   {"hint", "way out"},
                                   {"where", "place"}}}}));
  }
}

TEST_CASE("while nothing can be kept questions are answered, and what acts is put off") {
  FakeBackend backend;
  Api api(backend);
  std::optional<Error> why = Error(ErrorCode::kUnavailable, "the disk is full");
  api.hold_when([&] { return why; });
  CHECK(api.handle(request("GET", "/v1/models")).status == 200);
  CHECK(api.handle(request("POST", "/v1/release/verify")).status == 200);
  CHECK(api.handle(request("POST", "/v1/runs")).status == 503);
  CHECK(api.handle(request("POST", "/v1/hooks/forge")).status == 503);
  why.reset();
  CHECK(api.handle(request("POST", "/v1/runs")).status == 200);
}

TEST_CASE("a backup names a file of the daemon's machine, so nobody from elsewhere asks for one") {
  FakeBackend backend;
  Api api(backend);
  ApiRequest wanted = request("POST", "/v1/backup");
  wanted.body = {{"to", "/b.tar"}};
  wanted.peer = "192.0.2.1";
  CHECK(api.handle(wanted).status == 403);
  wanted.peer = "socket";
  CHECK(api.handle(wanted).status == 200);
  CHECK(backend.last().arguments == Json({{"to", "/b.tar"}, {"artifacts", true}}));
}

TEST_CASE("several errors arrive together, and come back as they were") {
  Errors both({Error(ErrorCode::kInvalid, "one", "", "a.yaml:1:1"),
               Error(ErrorCode::kInvalid, "two", "fix", "a.yaml:2:1")});
  Json document = error_document(both);
  CHECK(document["error"]["message"] == "one");
  CHECK(document["error"]["all"].size() == 2);
  std::vector<Error> all;
  CHECK(read_error(document, &all).where == "a.yaml:1:1");
  REQUIRE(all.size() == 2);
  CHECK(all[1].hint == "fix");
  CHECK(read_error(Json::array()).code == ErrorCode::kCorrupt);
}

TEST_CASE("an exception that is no Error is said plainly") {
  FakeBackend backend;
  backend.before = [](const std::string&) { throw std::runtime_error("vector went away"); };
  Api api(backend);
  ApiResponse response = api.handle(request("GET", "/v1/models"));
  CHECK(response.status == 500);
  CHECK(response.body["error"]["code"] == "corrupt");
  CHECK(message(response) == "unexpected failure: vector went away");
}

TEST_CASE("unknown paths and methods are told apart") {
  FakeBackend backend;
  Api api(backend);
  CHECK(api.handle(request("GET", "/v1/nothing")).status == 404);
  CHECK(api.handle(request("GET", "/")).status == 404);
  CHECK(api.handle(request("GET", "/v1/models/")).status == 400);
  CHECK(api.handle(request("DELETE", "/v1/models/a")).status == 405);
  CHECK(api.handle(request("GET", "/v1/gc")).status == 405);
  CHECK(api.handle(request("GET", "/v1/models/%2e%2e")).status == 400);
  CHECK(api.handle(request("GET", "/v1/models/%00")).status == 400);
  CHECK(api.handle(request("GET", "/v1/models/%ff")).status == 400);
  CHECK(backend.asked().empty());
}

TEST_CASE("a segment may hold brackets, slashes and any UTF-8") {
  FakeBackend backend;
  Api api(backend);
  std::string step = "train[client=a/b ö?%]";
  ApiResponse response = api.handle(request("GET", api_path({"v1", "why", step})));
  CHECK(response.status == 200);
  CHECK(backend.last().arguments["name"] == step);
  ApiRequest log = request("GET", "/v1/log");
  log.query = {{"step", step}, {"run", "7"}};
  ApiRequest back = request("GET", api_target(log));
  CHECK(back.query == log.query);
  api.handle(back);
  CHECK(backend.last().arguments["step"] == step);
}

TEST_CASE("values are read with their types and limits") {
  FakeBackend backend;
  Api api(backend);
  for (const char* bad : {"/v1/runs?limit=0", "/v1/runs?limit=-1", "/v1/runs?limit=2x",
                          "/v1/runs?limit=99999999999999999999", "/v1/runs/7?wait_ms=30001",
                          "/v1/models/a?version=0", "/v1/log", "/v1/release/diff?a=1"}) {
    INFO(bad);
    CHECK(api.handle(request("GET", bad)).status == 400);
  }
  const std::pair<const char*, Json> kBad[] = {
      {"/v1/runs", {{"steps", "train"}}},
      {"/v1/runs", {{"force", "yes"}}},
      {"/v1/runs", Json::array()},
      {"/v1/models/a/rollback", {{"to", 1}}},
      {"/v1/models/a/rollback", {{"to", 1.5}, {"reason", "x"}}},
      {"/v1/models/a/rollback", {{"to", 0}, {"reason", "x"}}},
      {"/v1/models/a/rollback", {{"reason", "line\nbreak"}}},
      {"/v1/models/a/predict", Json::object()},
      {"/v1/models/a/predict", {{"texts", {"a"}}, {"table", "t"}}},
      {"/v1/models/a/predict", {{"texts", {"\xff"}}}},
      {"/v1/release/rollback", {{"to", "51"}, {"at", "2026-03-03"}}},
      {"/v1/release/rebuild", Json::object()},
  };
  for (const auto& [path, body] : kBad) {
    INFO(path << " " << body.dump(-1, ' ', false, Json::error_handler_t::replace));
    CHECK(api.handle(request("POST", path, body)).status == 400);
  }
  CHECK_THROWS_AS(request("GET", "/v1/runs?limit=1&limit=2"), Error);
  CHECK_THROWS_AS(request("GET", "/v1/runs?limit=%zz"), Error);
  CHECK(backend.asked().empty());
}

TEST_CASE("who asks comes from the connection, why and dry run from the body") {
  FakeBackend backend;
  Api api(backend);
  Json body = {{"to", 1}, {"reason", "wrong labels"}, {"dry_run", true}, {"channel", "production"}};
  api.handle(request("POST", "/v1/models/intent-client-3/rollback", body));
  auto asked = backend.last();
  CHECK(asked.caller.user == "ann");
  CHECK(asked.caller.reason == "wrong labels");
  CHECK(asked.caller.dry_run);
  CHECK(asked.arguments["body"] == Json({{"to", 1},
                                         {"channel", "production"},
                                         {"override_pins", false},
                                         {"accept_expectations", false},
                                         {"with_dependents", false}}));
  body["user"] = "root";
  CHECK(api.handle(request("POST", "/v1/models/a/rollback", body)).status == 400);
}

TEST_CASE("a run is asked for by hand, and unpinning a channel names it") {
  FakeBackend backend;
  Api api(backend);
  api.handle(request("POST", "/v1/runs", {{"steps", {"train"}}, {"force", true}}));
  CHECK(backend.last().arguments == Json({{"steps", {"train"}},
                                          {"force", true},
                                          {"trigger", "manual"},
                                          {"branch", ""},
                                          {"tag", ""}}));
  api.handle(request("POST", "/v1/channels/production/unpin", {{"now", true}}));
  CHECK(backend.last().arguments["body"] ==
        Json({{"channel", "production"}, {"all", true}, {"now", true}}));
}
