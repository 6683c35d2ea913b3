#include "connectors/forge/signature.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <charconv>
#include <cstdlib>

#include "connectors/forge/names.h"
#include "pipeline/base/base64.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr std::string_view kStandardPrefix = "whsec_";
constexpr size_t kMaxSignatures = 16;

bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Error denied(const HookSpec& spec, const std::string& what, const std::string& hint) {
  return Error(ErrorCode::kDenied, fmt::format("webhook {}: {}", printable(spec.name, 128), what),
               hint);
}

// Whose headers these are, by the one that only that forge sends.
std::string_view sender_of(const HookHeaders& headers) {
  if (headers.has("x-gitea-event") || headers.has("x-forgejo-event")) return "gitea";
  if (headers.has("x-gitlab-event")) return "gitlab";
  if (headers.has("x-event-key")) return "bitbucket";
  if (headers.has("x-github-event")) return "github";
  return headers.has("webhook-signature") ? "generic" : "";
}

Error missing(const HookSpec& spec, const HookHeaders& headers, std::string_view header) {
  const std::string_view sender = sender_of(headers);
  const bool other = !sender.empty() && sender != word(spec.forge);
  return denied(spec, fmt::format("the delivery has no {}", header),
                other ? fmt::format("its headers are {}'s: is forge: {} meant?", sender, sender)
                      : "give the webhook its secret in the forge's settings");
}

Error wrong(const HookSpec& spec, std::string_view header) {
  return denied(spec, fmt::format("{} is none that its secrets make of this body", header),
                "is the secret in the forge's settings the one configured here, and the body "
                "passed on unchanged?");
}

bool any_hex(const HookSpec& spec, std::string_view given, std::string_view text) {
  bool good = false;
  for (const std::string& secret : spec.secrets) {
    const std::string mac = hmac_sha256(secret, text);
    const std::string wanted =
        hex({reinterpret_cast<const uint8_t*>(mac.data()), mac.size()});  // lower case
    good = equal(wanted, given) || good;
  }
  return good;
}

void check_hex(const HookSpec& spec, const HookHeaders& headers, std::string_view header,
               std::string_view prefix, std::string_view body) {
  const std::string given = headers.one(header);
  if (given.empty()) throw missing(spec, headers, header);
  if (!std::string_view(given).starts_with(prefix)) {
    throw denied(spec, fmt::format("{} does not begin with {}", header, prefix),
                 "only HMAC-SHA256 is taken");
  }
  if (!any_hex(spec, std::string_view(given).substr(prefix.size()), body)) {
    throw wrong(spec, header);
  }
}

Proof check_github(const HookSpec& spec, const HookHeaders& headers, std::string_view body) {
  if (!headers.has("x-hub-signature-256") && headers.has("x-hub-signature") &&
      sender_of(headers) == "github") {
    throw denied(spec, "the delivery is signed with SHA-1 alone",
                 "GitHub sends X-Hub-Signature-256 beside it: does a proxy drop that header?");
  }
  if (sender_of(headers) == "gitea") {
    throw denied(spec, "the delivery has Gitea's headers", "is forge: gitea meant?");
  }
  check_hex(spec, headers, "x-hub-signature-256", "sha256=", body);
  return {headers.one("x-github-delivery"), false};
}

// The signature is over the JSON, also where that is sent as a form (services/webhook/deliver.go).
Proof check_gitea(const HookSpec& spec, const HookHeaders& headers, std::string_view payload) {
  const bool forgejo = !headers.has("x-gitea-signature") && headers.has("x-forgejo-signature");
  check_hex(spec, headers, forgejo ? "x-forgejo-signature" : "x-gitea-signature", "", payload);
  return {headers.one(headers.has("x-gitea-delivery") ? "x-gitea-delivery" : "x-forgejo-delivery"),
          false};
}

Proof check_bitbucket(const HookSpec& spec, const HookHeaders& headers, std::string_view body) {
  if (!headers.has("x-event-key") && !sender_of(headers).empty()) {
    throw missing(spec, headers, "x-event-key");
  }
  check_hex(spec, headers, "x-hub-signature", "sha256=", body);
  std::string id = headers.one(headers.has("x-request-uuid") ? "x-request-uuid" : "x-request-id");
  if (id.size() > 2 && id.front() == '{' && id.back() == '}') id = id.substr(1, id.size() - 2);
  return {id, false};
}

Proof check_dolthub(const HookSpec& spec, const HookHeaders& headers, std::string_view body) {
  const std::string given = headers.one(spec.signature_header);
  const bool prefixed = std::string_view(given).starts_with("sha256=");
  check_hex(spec, headers, lower_case(spec.signature_header), prefixed ? "sha256=" : "", body);
  return {};
}

void check_time(const HookSpec& spec, const std::string& time, int64_t received_ms) {
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(time.data(), time.data() + time.size(), seconds);
  const bool number = !time.empty() && time.size() <= 12 && time.front() != '-' &&
                      error == std::errc() && end == time.data() + time.size();
  if (!number) {
    throw denied(spec, "webhook-timestamp is no Unix time in seconds", "");
  }
  const int64_t age_ms = received_ms - seconds * 1000;
  if (age_ms > spec.max_age_ms || age_ms < -spec.max_age_ms) {
    throw denied(spec,
                 fmt::format("the delivery was signed {} s {}, at most {} s are taken",
                             std::abs(age_ms) / 1000, age_ms > 0 ? "ago" : "ahead of now",
                             spec.max_age_ms / 1000),
                 "are both clocks right? An old delivery that is sent again is not taken");
  }
}

// "v1,<base64> v1,<base64> v1a,<of another kind>": any v1 entry by any secret will do.
bool any_standard(const std::vector<std::string>& secrets, const std::string& list,
                  const std::string& text) {
  bool good = false;
  for (const std::string& secret : secrets) {
    const std::string wanted = "v1," + base64(hmac_sha256(signing_key(secret), text));
    size_t from = 0;
    for (size_t count = 0; from < list.size() && count < kMaxSignatures; ++count) {
      const size_t to = std::min(list.find(' ', from), list.size());
      good = equal(wanted, std::string_view(list).substr(from, to - from)) || good;
      from = to + 1;
    }
  }
  return good;
}

Proof check_standard(const HookSpec& spec, const std::vector<std::string>& secrets,
                     const HookHeaders& headers, std::string_view body, int64_t received_ms) {
  for (const char* name : {"webhook-signature", "webhook-id", "webhook-timestamp"}) {
    if (!headers.has(name)) throw missing(spec, headers, name);
  }
  const std::string id = headers.one("webhook-id"), time = headers.one("webhook-timestamp");
  // A dot inside would let the three parts of the signed text be cut elsewhere.
  if (!good_delivery_id(id)) {
    throw denied(spec, "webhook-id is no id",
                 "1 to 128 of the letters A-Z and a-z, digits, '_' and '-'");
  }
  const std::string text = fmt::format("{}.{}.{}", id, time, body);
  if (!any_standard(secrets, headers.one("webhook-signature"), text)) {
    throw wrong(spec, "webhook-signature");
  }
  check_time(spec, time, received_ms);
  return {id, true};
}

Proof check_gitlab(const HookSpec& spec, const HookHeaders& headers, std::string_view body,
                   int64_t received_ms) {
  if (!headers.has("x-gitlab-event")) throw missing(spec, headers, "x-gitlab-event");
  std::vector<std::string> keys, tokens;
  for (const std::string& secret : spec.secrets) {
    (secret.starts_with(kStandardPrefix) ? keys : tokens).push_back(secret);
  }
  // While both kinds are live, a signature that is there must be right: nobody falls back.
  if (!keys.empty() && (tokens.empty() || headers.has("webhook-signature"))) {
    return check_standard(spec, keys, headers, body, received_ms);
  }
  const std::string given = headers.one("x-gitlab-token");
  if (given.empty()) throw missing(spec, headers, "x-gitlab-token");
  bool good = false;
  for (const std::string& token : tokens) {  // digests, as they are of one length
    good = equal(sha256(token).hex(), sha256(given).hex()) || good;
  }
  if (!good) {
    throw denied(spec, "x-gitlab-token is none of its secrets",
                 "is the secret token in GitLab's settings the one configured here?");
  }
  return {headers.one("idempotency-key"), false};
}

}  // namespace

std::string hmac_sha256(std::string_view key, std::string_view text) {
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
            reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size)) {
    throw Error(ErrorCode::kUnavailable, "OpenSSL refused HMAC-SHA256");
  }
  return std::string(reinterpret_cast<const char*>(mac), size);
}

std::string signing_key(std::string_view secret) {
  if (!secret.starts_with(kStandardPrefix)) return std::string(secret);
  return base64_bytes(secret.substr(kStandardPrefix.size()));
}

Proof check_signature(const HookSpec& spec, const HookHeaders& headers, std::string_view body,
                      std::string_view payload, int64_t received_ms) {
  switch (spec.forge) {
    case Forge::kGithub:
      return check_github(spec, headers, body);
    case Forge::kGitlab:
      return check_gitlab(spec, headers, body, received_ms);
    case Forge::kGitea:
      return check_gitea(spec, headers, payload);
    case Forge::kBitbucket:
      return check_bitbucket(spec, headers, body);
    case Forge::kDolthub:
      return check_dolthub(spec, headers, body);
    case Forge::kGeneric:
      return check_standard(spec, spec.secrets, headers, body, received_ms);
  }
  throw Error(ErrorCode::kInvalid, "a forge of no known kind");
}

}  // namespace lockstep
