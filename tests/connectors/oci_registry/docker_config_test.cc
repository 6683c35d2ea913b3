#include "connectors/oci_registry/docker_config.h"

#include <cstdlib>

#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

// A config.json, and a folder of helpers that is first in PATH as long as this lives.
class Config {
 public:
  explicit Config(const std::string& text) : path_(std::getenv("PATH")) {
    real_files().write_atomic(file(), text);
    setenv("PATH", (folder_.path().string() + ":" + path_).c_str(), 1);
  }
  ~Config() { setenv("PATH", path_.c_str(), 1); }

  fs::path file() const { return folder_.path() / "config.json"; }
  fs::path asked() const { return folder_.path() / "asked"; }
  void helper(const std::string& name, const std::string& answer, int code = 0) {
    fs::path program = folder_.path() / ("docker-credential-" + name);
    real_files().write_atomic(program, "#!/bin/sh\necho \"$1 $(cat)\" >>" + asked().string() +
                                           "\nprintf '%s' '" + answer + "'\nexit " +
                                           std::to_string(code) + "\n");
    fs::permissions(program, fs::perms::owner_all);
  }
  Credentials of(const std::string& registry) { return docker_credentials(file(), registry); }

 private:
  TempFolder folder_;
  std::string path_;
};

Error error_of(Config& config, const std::string& registry) {
  try {
    config.of(registry);
  } catch (const Error& error) {
    CHECK_FALSE(error.hint.empty());
    CHECK_THAT(std::string(error.what()), !Catch::Contains("hunter2"));
    return error;
  }
  FAIL("no error");
  return Error(ErrorCode::kInvalid, "");
}

}  // namespace

TEST_CASE("docker's file: users and passwords under each way to name a registry") {
  Config config(R"({"auths": {
    "r.example.org:5000": {"auth": "YW5uOmh1bnRlcjI6eA=="},
    "https://s.example.org/v2/": {"auth": "Ym9iOnA="},
    "https://index.docker.io/v1/": {"auth": "aHViOnA="},
    "plain.example.org": {"username": "cid", "password": "q"},
    "token.example.org": {"auth": "PHRva2VuPjp0b2s=" },
    "identity.example.org": {"auth": "eDp5", "identitytoken": "long"},
    "empty.example.org": {}}})");
  Credentials ann = config.of("r.example.org:5000");
  CHECK(ann.username == "ann");
  CHECK(ann.password == "hunter2:x");
  CHECK(config.of("s.example.org").username == "bob");
  CHECK(config.of("registry-1.docker.io").username == "hub");
  CHECK(config.of("plain.example.org").password == "q");
  CHECK(config.of("token.example.org").identity_token == "tok");
  CHECK(config.of("identity.example.org").identity_token == "long");
  CHECK(config.of("empty.example.org").empty());
  CHECK(config.of("r.example.org").empty());
  CHECK(docker_credentials("/nowhere/config.json", "r.example.org").empty());
  CHECK(docker_credentials({}, "r.example.org").empty());
}

TEST_CASE("docker's helpers: its own first, the one of all last, asked on stdin") {
  Config config(R"({"auths": {"file.example.org": {"auth": "YW5uOng="}, "all.example.org": {}},
                    "credHelpers": {"own.example.org": "own"}, "credsStore": "all"})");
  config.helper("own", R"({"ServerURL":"x","Username":"bob","Secret":"s"})");
  config.helper("all", R"({"Username":"<token>","Secret":"t"})");
  CHECK(config.of("own.example.org").password == "s");
  CHECK(config.of("file.example.org").username == "ann");
  CHECK(config.of("all.example.org").identity_token == "t");
  CHECK(real_files().read(config.asked()) == "get own.example.org\nget all.example.org\n");
  config.helper("all", "credentials not found in native keychain", 1);
  CHECK(config.of("all.example.org").empty());
}

TEST_CASE("docker's file: what can't be used is said, and no secret with it") {
  for (const char* text :
       {"[]", "{", R"({"auths": 5})", R"({"auths": {"r": {"auth": 7, "x": "hunter2"}}})",
        R"({"auths": {"r": {"auth": "hunter2 is no base64"}}})", R"({"credHelpers": {"r": 1}})",
        R"({"credsStore": ["hunter2"]})"}) {
    Config config(text);
    INFO(text);
    CHECK(error_of(config, "r").code == ErrorCode::kInvalid);
  }
  Config hostile(R"({"credsStore": "x; touch /tmp/owned"})");
  CHECK_THAT(error_of(hostile, "r").message, Catch::Contains("can't be a credential helper"));
  Config upwards(R"({"credsStore": "../../bin/sh"})");
  CHECK(error_of(upwards, "r").code == ErrorCode::kInvalid);
  Config missing(R"({"credsStore": "is-not-installed"})");
  CHECK_THROWS_AS(missing.of("r"), Error);
  Config fails(R"({"credsStore": "fails"})");
  fails.helper("fails", "hunter2", 1);
  CHECK(error_of(fails, "r").code == ErrorCode::kDenied);
  fails.helper("fails", R"({"Username": "hunter2"})");
  CHECK(error_of(fails, "r").code == ErrorCode::kInvalid);
}
