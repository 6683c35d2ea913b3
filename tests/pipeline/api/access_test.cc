// Roles, tokens, and every route as nobody and as each role.
#include "pipeline/api/access.h"

#include <sys/stat.h>

#include <fstream>

#include "pipeline/api/api.h"
#include "tests/catch.h"
#include "tests/fake/backend.h"

using namespace lockstep;

namespace {

constexpr int64_t kNow_ms = 1'800'000'000'000, kDay_ms = 86'400'000;

std::string code_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return std::string(word(error.code));
  }
  return "";
}

std::string secret(const Json& made) {
  return made.at("token").get<std::string>();
}

}  // namespace

TEST_CASE("each role may what those below it may; approvers look and approve") {
  for (std::string_view role : roles()) {
    CAPTURE(role);
    CHECK(may(role, "viewer"));
    CHECK(may(role, kAnyone));
    CHECK(may(kAdmin, role));
    CHECK(may(role, role));
    CHECK_FALSE(may(role, "owner"));
    CHECK_FALSE(may("", role));
    CHECK_FALSE(may("root", role));
  }
  CHECK(may("", kAnyone));
  CHECK(may("operator", "analyst"));
  CHECK(may("releaser", "operator"));
  CHECK_FALSE(may("viewer", "analyst"));
  CHECK_FALSE(may("operator", "releaser"));
  CHECK_FALSE(may("approver", "operator"));
  CHECK_FALSE(may("approver", "analyst"));
  CHECK_FALSE(may("releaser", "approver"));
  CHECK_FALSE(may("releaser", "admin"));
}

TEST_CASE("every route as nobody and as each role") {
  FakeBackend backend;
  Api api(backend);
  std::vector<Json> denied;
  api.audit_to([&](Json entry) { denied.push_back(std::move(entry)); });
  for (const Route& route : Api::routes()) {
    bool known = route.role == kAnyone ||
                 std::find(roles().begin(), roles().end(), route.role) != roles().end();
    CHECK(known);
    std::vector<std::string> who(roles().begin(), roles().end());
    who.push_back("");
    for (const std::string& role : who) {
      std::string path(route.pattern);
      for (size_t at; (at = path.find('{')) != path.npos;) {
        path.replace(at, path.find('}') - at + 1, "thing");
      }
      CAPTURE(route.method, path, role);
      denied.clear();
      ApiRequest request{std::string(route.method), path, {}, {}, "mallory", role, "192.0.2.1"};
      int status = api.handle(request).status;
      // A path of the daemon's machine is taken from those who are there, not from elsewhere.
      bool local = route.method == "POST" && route.pattern == "/v1/backup";
      CHECK((status == 403) == (local || !may(role, route.role)));
      if (status == 403) {
        REQUIRE(denied.size() == 1);
        CHECK(denied[0].at("who") == "mallory");
        CHECK(denied[0].at("status") == 403);
      }
    }
  }
}

TEST_CASE("what acts is told to the audit with who, what and why") {
  FakeBackend backend;
  Api api(backend);
  std::vector<Json> told;
  api.audit_to([&](Json entry) { told.push_back(std::move(entry)); });
  ApiRequest request{"POST", "/v1/gc", {}, {{"dry_run", true}}, "ann", "admin", "socket"};
  api.handle(request);
  api.handle({"GET", "/v1/status", {}, {}, "ann", "admin", "socket"});
  REQUIRE(told.size() == 1);
  CHECK(told[0].at("path") == "/v1/gc");
  CHECK(told[0].at("peer") == "socket");
}

TEST_CASE("a token is shown once and known by its digest alone") {
  TempFolder folder;
  fs::path file = folder.path() / "tokens.json";
  Tokens tokens(file);
  Json made = tokens.create("ci", "operator", kNow_ms + kDay_ms, "ann", kNow_ms);
  CHECK(secret(made).size() == 4 + 64);
  CHECK(tokens.identify(secret(made), kNow_ms)->name == "ci");
  CHECK(tokens.identify(secret(made), kNow_ms)->role == "operator");
  std::string kept = real_files().read(file);
  CHECK(kept.find(secret(made)) == kept.npos);
  CHECK(kept.find(secret(made).substr(4)) == kept.npos);
  CHECK(tokens.list(kNow_ms).dump().find(sha256(secret(made)).hex()) == std::string::npos);
  struct stat there {};
  REQUIRE(stat(file.c_str(), &there) == 0);
  CHECK((there.st_mode & 0777) == 0600);

  Tokens again(file);
  CHECK(again.identify(secret(made), kNow_ms)->name == "ci");
  CHECK_FALSE(again.identify(secret(made), kNow_ms + kDay_ms));
  CHECK(again.list(kNow_ms + kDay_ms)[0].at("live") == false);
}

TEST_CASE("a revoked token is out at once, also for the next process") {
  TempFolder folder;
  Tokens tokens(folder.path() / "tokens.json");
  Json made = tokens.create("ci", "viewer", std::nullopt, "ann", kNow_ms);
  Json other = tokens.create("other", "admin", std::nullopt, "ann", kNow_ms);
  tokens.revoke("ci", "ben", kNow_ms + 1);
  CHECK_FALSE(tokens.identify(secret(made), kNow_ms + 2));
  CHECK(tokens.identify(secret(other), kNow_ms + 2));
  CHECK_FALSE(Tokens(folder.path() / "tokens.json").identify(secret(made), kNow_ms + 2));
  CHECK(code_of([&] { tokens.revoke("ci", "ben", kNow_ms); }) == "not_found");
  // The name is free again, and the id of the old one stays its own.
  Json next = tokens.create("ci", "viewer", std::nullopt, "ann", kNow_ms);
  CHECK(next.at("id") != made.at("id"));
  CHECK(tokens.identify(secret(next), kNow_ms));
  CHECK_FALSE(tokens.identify(secret(made), kNow_ms));
}

TEST_CASE("what is no token is nobody, and odd orders make none") {
  TempFolder folder;
  Tokens tokens(folder.path() / "tokens.json");
  Json made = tokens.create("ci", "viewer", std::nullopt, "ann", kNow_ms);
  std::string good = secret(made);
  for (const std::string& bad :
       {std::string(), std::string("lst_"), good.substr(1), good + "0", good.substr(0, 40),
        "LST_" + good.substr(4), good + std::string(1, '\0'), std::string(1 << 16, 'a'),
        sha256(good).hex(), "lst_" + sha256(good).hex()}) {
    CHECK_FALSE(tokens.identify(bad, kNow_ms));
  }
  for (size_t i = 4; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == '0' ? '1' : '0';
    CHECK_FALSE(tokens.identify(bad, kNow_ms));
  }
  auto create = [&](const std::string& name, const std::string& role) {
    return code_of([&] { tokens.create(name, role, std::nullopt, "ann", kNow_ms); });
  };
  CHECK(create("ci", "viewer") == "conflict");
  CHECK(create("x", "root") == "invalid");
  CHECK(create("x", "anyone") == "invalid");
  CHECK(create("", "viewer") == "invalid");
  CHECK(create("a\nb", "viewer") == "invalid");
  CHECK(create(std::string(65, 'a'), "viewer") == "invalid");
  CHECK(code_of([&] { tokens.create("x", "viewer", kNow_ms, "ann", kNow_ms); }) == "invalid");
  CHECK(tokens.list(kNow_ms).size() == 1);
  std::ofstream(folder.path() / "tokens.json") << "{\"tokens\": [{}]}";
  CHECK(code_of([&] { Tokens damaged(folder.path() / "tokens.json"); }) == "corrupt");
}

TEST_CASE("a token whose end could not be written is out, and ended for good by asking again") {
  TempFolder folder;
  const fs::path file = folder.path() / "tokens.json";
  Tokens tokens(file);
  const std::string one = secret(tokens.create("one", "viewer", {}, "ann", kNow_ms));
  const std::string before = real_files().read(file);
  fs::remove(file);
  fs::create_directories(file / "in the way");
  for (int i = 0; i < 2; ++i) {
    CHECK(code_of([&] { tokens.revoke("one", "ann", kNow_ms); }) == "unavailable");
    CHECK_FALSE(tokens.identify(one, kNow_ms));
  }
  fs::remove_all(file);
  real_files().write_atomic(file, before);
  CHECK(Tokens(file).identify(one, kNow_ms));
  CHECK(tokens.revoke("one", "ann", kNow_ms).at("live") == false);
  CHECK_FALSE(Tokens(file).identify(one, kNow_ms));
  CHECK(code_of([&] { tokens.revoke("one", "ann", kNow_ms); }) == "not_found");
}
