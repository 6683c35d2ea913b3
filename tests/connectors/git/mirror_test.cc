#include "connectors/git/mirror.h"

#include <chrono>
#include <future>

#include "connectors/git/origin.h"
#include "connectors/git/repository.h"
#include "tests/catch.h"
#include "tests/connectors/git/git_fixture.h"
#include "tests/connectors/git/http_host.h"

using namespace lockstep;

namespace {

std::string file_url(const GitFixture& fixture) {
  return "file://" + fixture.folder().string();
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("git places: paths, addresses, and what is neither", "[git]") {
  for (const char* place : {"/srv/x", "x", "./a:b", "../x", "a/b:c"}) CHECK(is_local_place(place));
  for (const char* place : {"https://h/x", "git@h:x", "h:x", "file:///x", "ext::sh"}) {
    CHECK_FALSE(is_local_place(place));
  }
  CHECK(parse_git_url("https://h.example/x.git").transport == GitTransport::kHttps);
  CHECK(parse_git_url("https://ann@h.example:8443/x").transport == GitTransport::kHttps);
  CHECK(parse_git_url("ssh://git@h:22/x").transport == GitTransport::kSsh);
  CHECK(parse_git_url("git@h.example:a/x.git").transport == GitTransport::kSsh);
  CHECK(parse_git_url("file:///srv/x").transport == GitTransport::kFile);
  CHECK(parse_git_url("http://127.0.0.1:80/x").transport == GitTransport::kHttp);
  for (const char* place :
       {"http://h.example/x", "http://127.0.0.1.h.example:1@h/x", "git://h/x", "ext::sh -c id",
        "ext::id", "https://", "https:///x", "https://-oProxyCommand=id/x", "-oProxyCommand=id:x",
        "ssh://-oProxyCommand=id/x", "h:-x", "file://h/x", "https://h/x\ny", "https://h/a b",
        "/srv/x", "--upload-pack=id", "ftp://h/x"}) {
    INFO(place);
    CHECK(error_of([&] { parse_git_url(place); }).code == ErrorCode::kInvalid);
  }
  const Error secret = error_of([] { parse_git_url("https://ann:hunter2@h.example/x"); });
  CHECK(contains(secret.message, "holds a password"));
  CHECK_FALSE(contains(secret.what(), "hunter2"));
}

TEST_CASE("git mirror: follows branches and tags, keeps what is kept", "[git]") {
  GitFixture fixture;
  const std::string first = fixture.commit("first");
  fixture.git({"branch", "topic"});
  GitMirror mirror(fixture.temp() / "mirror", file_url(fixture));
  CHECK_FALSE(mirror.exists());
  mirror.fetch();
  GitRepository copy(mirror.folder());
  CHECK(copy.branch("main") == first);
  copy.keep("here", first);

  // Rewritten, removed, replaced by a folder of the same name, and a new tag.
  fixture.git({"commit", "-q", "--amend", "--allow-empty", "-m", "other"});
  const std::string second = fixture.git({"rev-parse", "HEAD"});
  fixture.git({"branch", "-D", "topic"});
  fixture.git({"branch", "topic/a"});
  fixture.git({"tag", "v1"});
  mirror.fetch();
  CHECK(copy.branch("main") == second);
  CHECK(copy.branch("topic/a") == second);
  CHECK(copy.resolve("v1") == second);
  CHECK(error_of([&] { copy.branch("topic"); }).code == ErrorCode::kNotFound);
  CHECK(copy.has_commit(first));
  fixture.git({"tag", "-d", "v1"});
  mirror.fetch();
  CHECK(copy.refs().size() == 2);
  CHECK_NOTHROW(copy.resolve("refs/lockstep/keep/here/" + first));
}

TEST_CASE("git mirror: two threads look at a place at once, in turns", "[git]") {
  GitFixture fixture;
  const std::string head = fixture.commit("first");
  auto look = [&] {
    GitMirror mirror(fixture.temp() / "mirror", file_url(fixture));
    for (int n = 0; n < 4; ++n) mirror.fetch();
    return mirror.folder();
  };
  auto other = std::async(std::launch::async, look);
  look();
  CHECK(GitRepository(other.get()).branch("main") == head);
}

TEST_CASE("git mirror: what a killed fetch left does not stop the next", "[git]") {
  GitFixture fixture;
  fixture.commit("first");
  GitMirror mirror(fixture.temp() / "mirror", file_url(fixture));
  mirror.fetch();
  const std::string second = fixture.commit("second");
  for (const char* name :
       {"packed-refs.lock", "refs/heads/main.lock", "config.lock", "objects/pack/tmp_pack_x"}) {
    std::ofstream(mirror.folder() / name) << "x";
  }
  mirror.fetch();
  CHECK(GitRepository(mirror.folder()).branch("main") == second);
  CHECK_FALSE(fs::exists(mirror.folder() / "objects/pack/tmp_pack_x"));
}

TEST_CASE("git mirror: hooks of a hostile template or remote do not run", "[git]") {
  GitFixture fixture;
  fixture.commit();
  const fs::path mark = fixture.temp() / "mark";
  GitMirror mirror(fixture.temp() / "mirror", file_url(fixture));
  fs::create_directories(mirror.folder() / "hooks");
  for (const fs::path& hooks : {mirror.folder() / "hooks", fixture.folder() / ".git/hooks"}) {
    for (const char* name : {"reference-transaction", "post-checkout", "post-merge", "pre-receive",
                             "post-receive", "update"}) {
      std::ofstream(hooks / name) << "#!/bin/sh\ntouch '" << mark.string() << "'\n";
      fs::permissions(hooks / name, fs::perms::owner_all);
    }
  }
  mirror.fetch();
  CHECK_FALSE(fs::exists(mark));
}

TEST_CASE("git mirror: many packs become few, and nothing is lost", "[git]") {
  GitFixture fixture;
  GitFetchLimits limits;
  limits.max_packs = 3;
  GitMirror mirror(fixture.temp() / "mirror", file_url(fixture), {}, limits);
  fixture.write("a", "first");
  const std::string lost = fixture.commit("first");
  mirror.fetch();
  fixture.write("a", "other");
  fixture.git({"commit", "-aq", "--amend", "-m", "other"});
  mirror.fetch();
  const fs::path packs = mirror.folder() / "objects/pack";
  const auto count = [&] {
    size_t n = 0;
    for (const auto& file : fs::directory_iterator(packs)) n += file.path().extension() == ".pack";
    return n;
  };
  for (int i = 0; count() <= 3; ++i) {
    const std::string blob = fixture.blob("extra " + std::to_string(i));
    std::ofstream(fixture.temp() / "ids") << blob << "\n";
    ProcessRequest request;
    request.argv = {"sh",
                    "-c",
                    "git pack-objects -q \"$1\" < \"$2\"",
                    "sh",
                    (packs / "pack").string(),
                    (fixture.temp() / "ids").string()};
    request.env = {{{"PATH", std::getenv("PATH")}}};
    request.folder = fixture.folder().string();
    REQUIRE(run_process(request).ok());
  }
  mirror.fetch();
  CHECK(count() <= 2);
  CHECK(GitRepository(mirror.folder()).has_commit(lost));
}

TEST_CASE("git mirror: errors name the remote and the way out", "[git]") {
  GitFixture fixture;
  fixture.commit();
  const auto fetch_error = [&](const std::string& place) {
    return error_of([&] { GitMirror(fixture.temp() / "mirror", place).fetch(); });
  };
  const Error missing = fetch_error("file:///nowhere/at/all");
  CHECK(missing.code == ErrorCode::kNotFound);
  CHECK(contains(missing.message, "file:///nowhere/at/all"));
  CHECK(fetch_error("https://127.0.0.1:1/x").code == ErrorCode::kUnavailable);
  CHECK(fetch_error("ssh://127.0.0.1:1/x").code == ErrorCode::kUnavailable);
  GitFixture sha256({"init", "-q", "-b", "main", "--object-format=sha256"});
  sha256.commit();
  const Error other = fetch_error(file_url(sha256));
  CHECK(other.code == ErrorCode::kInvalid);
  CHECK(contains(other.message, "SHA-256"));
}

TEST_CASE("git mirror: over HTTP with and without credentials", "[git]") {
  GitFixture fixture;
  fixture.git({"tag", "first", fixture.commit()});
  GitHttpHost host(fixture.temp(), "ann:s3cret:with colon");
  const auto fetch = [&](const std::string& path, GitCredentials credentials,
                         GitFetchLimits limits = {}) {
    return error_of(
        [&] { GitMirror(fixture.temp() / "mirror", host.url(path), credentials, limits).fetch(); });
  };
  GitCredentials good;
  good.username = "ann";
  good.password = "s3cret:with colon";
  GitMirror mirror(fixture.temp() / "good", host.url("repo"), good);
  mirror.fetch();
  CHECK(GitRepository(mirror.folder()).branch("main") == fixture.git({"rev-parse", "HEAD"}));
  mirror.fetch();

  CHECK(fetch("repo", {}).code == ErrorCode::kDenied);
  GitCredentials wrong = good;
  wrong.password = "other";
  const Error refused = fetch("repo", wrong);
  CHECK(refused.code == ErrorCode::kDenied);
  CHECK_FALSE(contains(refused.what(), "other"));
  CHECK(fetch("nowhere", good).code == ErrorCode::kNotFound);
  const Error moved = fetch("moved/repo", good);
  CHECK(moved.code == ErrorCode::kInvalid);
  CHECK(contains(moved.message, "redirects"));

  GitFetchLimits stall;
  stall.stall_s = 1;
  const auto begin = std::chrono::steady_clock::now();
  CHECK(fetch("hang/repo", good, stall).code == ErrorCode::kUnavailable);
  GitFetchLimits whole;
  whole.limit_ms = 300;
  const Error late = fetch("hang/repo", good, whole);
  CHECK(late.code == ErrorCode::kUnavailable);
  CHECK(contains(late.message, "no end after 1 s"));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
}

TEST_CASE("git mirror: certificates are checked", "[git]") {
  GitFixture fixture;
  const std::string id = fixture.commit();
  const std::string pem = (fixture.temp() / "host.pem").string();
  ProcessRequest request;
  request.argv = {"openssl",
                  "req",
                  "-x509",
                  "-newkey",
                  "ec",
                  "-pkeyopt",
                  "ec_paramgen_curve:prime256v1",
                  "-nodes",
                  "-keyout",
                  pem,
                  "-out",
                  pem + ".crt",
                  "-subj",
                  "/CN=x",
                  "-addext",
                  "subjectAltName=IP:127.0.0.1"};
  request.env = {{{"PATH", std::getenv("PATH")}}};
  request.folder = fixture.temp().string();
  REQUIRE(run_process(request).ok());
  std::ofstream(pem, std::ios::app) << real_files().read(pem + ".crt");
  GitHttpHost host(fixture.temp(), "", pem);

  GitMirror strange(fixture.temp() / "strange", host.url("repo"));
  const Error refused = error_of([&] { strange.fetch(); });
  CHECK(refused.code == ErrorCode::kDenied);
  CHECK(contains(refused.message, "certificate"));
  GitCredentials trusting;
  trusting.ca_file = pem + ".crt";
  GitMirror mirror(fixture.temp() / "mirror", host.url("repo"), trusting);
  mirror.fetch();
  CHECK(GitRepository(mirror.folder()).branch("main") == id);
}

TEST_CASE("git origin: in place or through a mirror", "[git]") {
  GitFixture fixture;
  const std::string first = fixture.commit("first");
  GitOriginConfig config;
  config.name = "tables";
  config.place = fixture.folder().string();
  GitOrigin local(config);
  config.place = file_url(fixture);
  config.mirror = fixture.temp() / "mirror";
  GitOrigin remote(config);
  CHECK(local.local());
  CHECK_FALSE(remote.local());
  CHECK(local.head() == first);
  CHECK(remote.repository().branch("main") == first);
  const std::string second = fixture.commit("second");
  fixture.git({"tag", "v2"});
  CHECK(local.head() == second);
  CHECK(remote.resolve("v2") == second);
  CHECK(remote.head() == second);

  // The remote goes away: known commits are still read.
  fs::rename(fixture.folder(), fixture.temp() / "away");
  CHECK(error_of([&] { remote.head(); }).code == ErrorCode::kNotFound);
  CHECK(remote.repository().commit(first).message == "first\n");
  const Error named =
      error_of([&] { in_git_source("tables", [&] { return GitOrigin(config).head(); }); });
  CHECK(contains(named.message, "source tables: "));
}
