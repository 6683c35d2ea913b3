#include "pipeline/base/ed25519.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

// RFC 8032, section 7.1, TEST 3, its secret key as PKCS #8.
const char* kPem =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIMWqjfQ/n4N77bdELzHct7Fm04U1B28JS4XOOi4LRFj3\n"
    "-----END PRIVATE KEY-----\n";

std::string bytes(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return out;
}

const std::string kPublic =
    bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
const std::string kMessage = bytes("af82");
const std::string kSignature = bytes(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");

}  // namespace

TEST_CASE("ed25519: the vectors of RFC 8032") {
  CHECK(ed25519_public(kPem) == kPublic);
  CHECK(ed25519_sign(kPem, kMessage) == kSignature);
  CHECK(ed25519_verify(kPublic, kMessage, kSignature));
}

TEST_CASE("ed25519: every changed bit is noticed") {
  for (size_t i = 0; i < kSignature.size(); ++i) {
    std::string wrong = kSignature;
    wrong[i] = static_cast<char>(wrong[i] ^ 1);
    CHECK_FALSE(ed25519_verify(kPublic, kMessage, wrong));
  }
  CHECK_FALSE(ed25519_verify(kPublic, bytes("af83"), kSignature));
  CHECK_FALSE(ed25519_verify(kPublic, kMessage, kSignature.substr(1)));
  CHECK_FALSE(ed25519_verify(kPublic.substr(1), kMessage, kSignature));
  CHECK_FALSE(ed25519_verify(std::string(32, '\0'), kMessage, kSignature));
}

TEST_CASE("ed25519: keys as text, and what is none") {
  CHECK(ed25519_key(ed25519_text(kPublic)) == kPublic);
  for (const char* text : {"", "ed25519:", "ed25519:AAAA", "rsa:AAAA", "ed25519:%%%%"}) {
    INFO(text);
    CHECK_THROWS_AS(ed25519_key(text), Error);
  }
  for (const char* pem : {"", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n"}) {
    CHECK_THROWS_AS(ed25519_public(pem), Error);
    CHECK_THROWS_AS(ed25519_sign(pem, "x"), Error);
  }
}
