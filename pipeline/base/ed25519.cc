#include "pipeline/base/ed25519.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>

#include "pipeline/base/base64.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kKey_bytes = 32, kSignature_bytes = 64;
constexpr std::string_view kPrefix = "ed25519:";

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Context = std::unique_ptr<EVP_MD_CTX, Free>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

[[noreturn]] void failed(const char* what) {
  ERR_clear_error();
  throw Error(ErrorCode::kInvalid, what,
              "`openssl genpkey -algorithm ed25519 -out signing.pem` makes a key");
}

// A key with a passphrase is not asked for one.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

Key private_key(std::string_view pem) {
  std::unique_ptr<BIO, Free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Key key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr) : nullptr);
  if (!key) failed("the signing key is no private key in PEM, or needs a passphrase");
  if (EVP_PKEY_base_id(key.get()) != EVP_PKEY_ED25519) failed("the signing key is not Ed25519");
  return key;
}

}  // namespace

std::string ed25519_public(std::string_view private_pem) {
  Key key = private_key(private_pem);
  std::string out(kKey_bytes, '\0');
  size_t size = out.size();
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  if (EVP_PKEY_get_raw_public_key(key.get(), to, &size) != 1 || size != kKey_bytes) {
    failed("the signing key has no public part");
  }
  return out;
}

std::string ed25519_sign(std::string_view private_pem, std::string_view bytes) {
  Key key = private_key(private_pem);
  Context context(EVP_MD_CTX_new());
  std::string out(kSignature_bytes, '\0');
  size_t size = out.size();
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  bool done = context &&
              EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
              EVP_DigestSign(context.get(), to, &size, bytes_of(bytes), bytes.size()) == 1;
  if (!done || size != kSignature_bytes) failed("the signing key could not sign");
  return out;
}

bool ed25519_verify(std::string_view public_key, std::string_view bytes,
                    std::string_view signature) {
  if (public_key.size() != kKey_bytes || signature.size() != kSignature_bytes) return false;
  Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(public_key),
                                      public_key.size()));
  Context context(EVP_MD_CTX_new());
  bool good = key && context &&
              EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
              EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(),
                               bytes_of(bytes), bytes.size()) == 1;
  ERR_clear_error();
  return good;
}

std::string ed25519_text(std::string_view public_key) {
  return std::string(kPrefix) + base64(public_key);
}

std::string ed25519_key(std::string_view text) {
  const Error bad(ErrorCode::kInvalid, "not an Ed25519 public key",
                  "expected `ed25519:` and 32 bytes in base64");
  if (!text.starts_with(kPrefix) || text.size() > 64) throw bad;
  std::string key;
  try {
    key = base64_bytes(text.substr(kPrefix.size()));
  } catch (const Error&) {
    throw bad;
  }
  if (key.size() != kKey_bytes) throw bad;
  return key;
}

}  // namespace lockstep
