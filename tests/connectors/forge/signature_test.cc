#include "connectors/forge/signature.h"

#include "tests/catch.h"
#include "tests/connectors/forge/samples.h"

namespace lockstep {
namespace {

TEST_CASE("HMAC-SHA256 is GitHub's documented vector and those of RFC 4231") {
  CHECK(hex_mac("It's a Secret to Everybody", "Hello, World!") ==
        "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
  CHECK(hex_mac(std::string(20, '\x0b'), "Hi There") ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(hex_mac("Jefe", "what do ya want for nothing?") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(
      hex_mac(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First") ==
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("the vector of the Standard Webhooks specification is taken") {
  HookSpec spec;
  spec.forge = Forge::kGeneric;
  spec.secrets = {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
  const std::string body = R"({"test": 2432232314})";
  const HookHeaders headers(
      {{"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
       {"webhook-timestamp", "1614265330"},
       {"webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}});
  const Proof proof = check_signature(spec, headers, body, body, 1614265330'000);
  CHECK(proof.id == "msg_p5jXN8AQM9LWM0D4loKWxJek");
  CHECK(proof.id_signed);
}

TEST_CASE("every live secret is taken, in any order, and no other") {
  const std::string other = "the secret of last quarter", gone = "the secret before that one";
  for (const std::string& name : sample_names()) {
    for (Sample s : in_every_way(name)) {
      INFO(name);
      const std::string mine = s.spec.secrets.front();
      s.spec.secrets = {other, mine};
      CHECK(outcome(s).code == "accepted");
      s.spec.secrets = {mine, other};
      CHECK(outcome(s).code == "accepted");
      s.spec.secrets = {other, gone};
      CHECK(outcome(s).code == "denied");
    }
  }
}

TEST_CASE("GitLab: nobody falls back from a signature to the token") {
  Sample s = sample("gitlab_push");
  s.spec.secrets = {kStandardSecret};
  s.headers.emplace_back("X-Gitlab-Token", kStandardSecret);
  s.drop("webhook-signature");
  CHECK(outcome(s).code == "denied");  // the signing secret is no token

  Sample both = sample("gitlab_push");
  both.spec.secrets = {kStandardSecret, kSecret};
  both.headers.emplace_back("X-Gitlab-Token", kSecret);
  CHECK(outcome(both).code == "accepted");
  both.body.back() = ' ';  // both live: the signature that is there decides
  CHECK(outcome(both).code == "denied");

  Sample old = sample("gitlab_push", Way::kToken);
  old.spec.secrets = {kStandardSecret, kSecret};  // a hook not yet moved to signatures
  CHECK(outcome(old).code == "accepted");
}

TEST_CASE("a list of signatures may hold others, of this kind and of later ones") {
  Sample s = sample("generic_push");
  std::string* list = s.header("webhook-signature");
  const std::string good = *list, wrong = "v1," + base64(std::string(32, 'x'));
  for (const std::string& mixed :
       {"v1a,abc " + good, wrong + " " + good, good + " " + wrong, good + " "}) {
    *list = mixed;
    INFO(mixed);
    CHECK(outcome(s).code == "accepted");
  }
  std::string many;
  for (int i = 0; i < 16; ++i) many += wrong + " ";
  for (const std::string& bad : {wrong, wrong + " " + wrong, "v2" + good.substr(2), good.substr(3),
                                 wrong + "," + good, many + good}) {
    *list = bad;
    INFO(bad);
    CHECK(outcome(s).code == "denied");
  }
}

TEST_CASE("DoltHub: hex behind the configured header, with or without sha256=") {
  Sample s = sample("dolthub_push");
  std::string* value = s.header(s.spec.signature_header);
  const std::string mac = *value;
  *value = "sha256=" + mac;
  CHECK(outcome(s).code == "accepted");
  *value = "sha1=" + mac.substr(0, 40);
  CHECK(outcome(s).code == "denied");
  *value = mac;
  s.spec.signature_header = "X-Another";
  CHECK(outcome(s).code == "denied");
  s.spec.signature_header = "";
  CHECK(outcome(s).code == "invalid");
  s.spec.signature_header = "X Header:";
  CHECK(outcome(s).code == "invalid");
}

TEST_CASE("a hook without good secrets takes nothing, and says why") {
  const auto with = [](std::vector<std::string> secrets) {
    Sample s = sample("github_push");
    s.spec.secrets = std::move(secrets);
    return outcome(s);
  };
  CHECK(with({}).text.find("it needs 1 to 8 secrets") != std::string::npos);
  CHECK(with({kSecret, ""}).text.find("is empty") != std::string::npos);
  CHECK(with({kSecret + "\n"}).text.find("line break") != std::string::npos);
  CHECK(with({"short"}).text.find("under 16 bytes") != std::string::npos);
  CHECK(with({"whsec_????"}).text.find("not base64") != std::string::npos);
  CHECK(with({"whsec_" + base64("fifteen bytes..")}).text.find("under 16") != std::string::npos);
  CHECK(with({std::string(513, 'a')}).code == "invalid");
  CHECK(with(std::vector<std::string>(9, kSecret)).code == "invalid");
  CHECK(with(std::vector<std::string>(8, kSecret)).code == "accepted");
  Sample s = sample("github_push");
  s.spec.max_age_ms = 0;
  CHECK(outcome(s).code == "invalid");
  s.spec.max_age_ms = 25 * 3'600'000;
  CHECK(outcome(s).code == "invalid");
}

}  // namespace
}  // namespace lockstep
