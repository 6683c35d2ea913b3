// What a delivery proves itself with: each forge's scheme, checked in constant time against every
// live secret. Knows nothing of what a body says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "connectors/forge/headers.h"
#include "connectors/forge/hook.h"

namespace lockstep {

struct Proof {
  std::string id;          // as the forge calls the delivery; may be empty
  bool id_signed = false;  // the signature covers it
};

// `payload` is what a form's `payload=` holds (Gitea signs that, others the body as it came); the
// body itself where it is JSON.
//   GitHub     X-Hub-Signature-256: sha256=<hex HMAC-SHA256 of the body>; SHA-1 alone is refused
//   Gitea      X-Gitea-Signature (X-Forgejo-Signature): <hex>
//   Bitbucket  X-Hub-Signature: sha256=<hex>
//   GitLab     secrets that begin with whsec_: Standard Webhooks; others: equal to X-Gitlab-Token
//   generic    Standard Webhooks (standardwebhooks.com): HMAC-SHA256 of `id.time.body`, base64
//   DoltHub    the configured header: <hex>, with or without sha256=
// Throws denied, as read_delivery.
Proof check_signature(const HookSpec& spec, const HookHeaders& headers, std::string_view body,
                      std::string_view payload, int64_t received_ms);

// HMAC (RFC 2104) with SHA-256: 32 bytes. Throws unavailable when OpenSSL refuses.
std::string hmac_sha256(std::string_view key, std::string_view text);

// The key of a Standard Webhooks secret: base64 behind `whsec_`, else the bytes as they are.
// Throws invalid.
std::string signing_key(std::string_view secret);

}  // namespace lockstep
