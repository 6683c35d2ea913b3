#include "pipeline/base/digest.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>
#include <cstring>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

// The value of each hex digit in lower case; 0xff: it is none.
constexpr std::array<uint8_t, 256> kNibbles = [] {
  std::array<uint8_t, 256> values{};
  values.fill(0xff);
  for (uint8_t i = 0; i < 16; ++i) values["0123456789abcdef"[i]] = i;
  return values;
}();

unsigned nibble(char c) {
  return kNibbles[static_cast<unsigned char>(c)];
}

[[noreturn]] void openssl_failed(const char* what) {
  throw Error(ErrorCode::kUnavailable, std::string("OpenSSL refused ") + what);
}

// The cipher is looked up once: a fetch costs as much as a row's whole stream.
struct ChaCha {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "ChaCha20", nullptr);
  ~ChaCha() {
    EVP_CIPHER_CTX_free(context);
    EVP_CIPHER_free(cipher);
  }
};

// So it is here: SHA256() fetches at every call, which takes as long as hashing a kilobyte.
struct FetchedSha256 {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_MD* hash = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  ~FetchedSha256() {
    EVP_MD_CTX_free(context);
    EVP_MD_free(hash);
  }
};

}  // namespace

std::string hex(std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(bytes.size() * 2, '0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    text[2 * i] = kDigits[bytes[i] >> 4];
    text[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  return text;
}

std::string Digest::hex() const {
  return lockstep::hex(bytes);
}

std::string Digest::str() const {
  return "sha256:" + hex();
}

Digest Digest::parse(std::string_view text) {
  std::string_view digits = text.starts_with("sha256:") ? text.substr(7) : text;
  Digest digest;
  bool good = digits.size() == 64;
  unsigned all = 0;  // of their bits: above 15 where one is no digit
  for (size_t i = 0; good && i < 32; ++i) {
    unsigned high = nibble(digits[2 * i]), low = nibble(digits[2 * i + 1]);
    all |= high | low;
    digest.bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  good = good && all < 16;
  if (!good) {
    throw Error(ErrorCode::kInvalid, "not a SHA-256 digest: " + std::string(text.substr(0, 100)),
                "expected 64 lower-case hex digits");
  }
  return digest;
}

size_t DigestHash::operator()(const Digest& d) const noexcept {
  size_t value;
  std::memcpy(&value, d.bytes.data(), sizeof value);
  return value;
}

Digest sha256(std::string_view bytes) {
  Digest digest;
  thread_local FetchedSha256 sha;
  if (EVP_DigestInit_ex(sha.context, sha.hash, nullptr) != 1 ||
      EVP_DigestUpdate(sha.context, bytes.data(), bytes.size()) != 1 ||
      EVP_DigestFinal_ex(sha.context, digest.bytes.data(), nullptr) != 1) {
    openssl_failed("SHA-256");
  }
  return digest;
}

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  if (EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) != 1) openssl_failed("SHA-256");
}
Sha256::~Sha256() = default;

void Sha256::update(std::string_view bytes) {
  if (EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) != 1) openssl_failed("SHA-256");
}

Digest Sha256::finish() {
  Digest digest;
  if (EVP_DigestFinal_ex(state_->context, digest.bytes.data(), nullptr) != 1) {
    openssl_failed("SHA-256");
  }
  return digest;
}

std::string md5_hex(std::string_view bytes) {
  std::array<uint8_t, 16> out{};
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, EVP_md5(), nullptr) != 1) {
    openssl_failed("MD5");
  }
  return hex(out);
}

void chacha20_stream(const Digest& key, std::span<uint8_t> out) {
  static thread_local ChaCha chacha;
  static constexpr uint8_t kCounterAndNonce[16] = {};
  std::memset(out.data(), 0, out.size());
  int written = 0;
  if (EVP_EncryptInit_ex(chacha.context, chacha.cipher, nullptr, key.bytes.data(),
                         kCounterAndNonce) != 1 ||
      EVP_EncryptUpdate(chacha.context, out.data(), &written, out.data(),
                        static_cast<int>(out.size())) != 1) {
    openssl_failed("ChaCha20");
  }
}

}  // namespace lockstep
