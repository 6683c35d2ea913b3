// SHA-256 digests and the few hash primitives everything else is named by.
// Knows nothing of files, rows or models.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lockstep {

// A SHA-256 value. Printed as 64 lower-case hex digits, or with the "sha256:" prefix in JSON and
// OCI documents.
struct Digest {
  std::array<uint8_t, 32> bytes{};

  auto operator<=>(const Digest&) const = default;
  std::string hex() const;
  std::string str() const;  // "sha256:<hex>"
  // Reads 64 hex digits with or without the prefix; throws invalid.
  static Digest parse(std::string_view text);
};

struct DigestHash {
  size_t operator()(const Digest& d) const noexcept;
};

Digest sha256(std::string_view bytes);

// Incremental SHA-256 (FIPS 180-4). finish() may be called once.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(std::string_view bytes);
  Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// MD5 (RFC 1321) as 32 lower-case hex digits. A name only, never trust.
std::string md5_hex(std::string_view bytes);

// Fills `out` with the ChaCha20 key stream (RFC 8439; counter 0, nonce 0) under `key`.
void chacha20_stream(const Digest& key, std::span<uint8_t> out);

std::string hex(std::span<const uint8_t> bytes);

}  // namespace lockstep
