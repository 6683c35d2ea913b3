// Ed25519 signatures (RFC 8032) with keys as OpenSSL writes them.
// Knows nothing of what is signed, nor of where a key comes from.
#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// Of a private key in PEM (PKCS #8): its public key, 32 bytes. Throws invalid for whatever else.
std::string ed25519_public(std::string_view private_pem);
// 64 bytes.
std::string ed25519_sign(std::string_view private_pem, std::string_view bytes);
// `public_key`: 32 bytes. A key or a signature of another length verifies nothing.
bool ed25519_verify(std::string_view public_key, std::string_view bytes,
                    std::string_view signature);

// "ed25519:" and the 32 bytes in base64, as people write a public key down; and back (throws
// invalid).
std::string ed25519_text(std::string_view public_key);
std::string ed25519_key(std::string_view text);

}  // namespace lockstep
