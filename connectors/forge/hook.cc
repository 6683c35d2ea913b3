#include "connectors/forge/hook.h"

#include <fmt/format.h>

#include <array>

#include "connectors/forge/body.h"
#include "connectors/forge/headers.h"
#include "connectors/forge/names.h"
#include "connectors/forge/payloads.h"
#include "connectors/forge/signature.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr std::array<std::string_view, 6> kForges = {"github",    "gitlab",  "gitea",
                                                     "bitbucket", "dolthub", "generic"};
constexpr std::array<std::string_view, 10> kEvents = {
    "ping",         "push",    "tag", "branch-deleted", "tag-deleted",
    "pull-request", "release", "ci",  "dispatch",       "other"};

constexpr size_t kMinSecretBytes = 16, kMaxSecretBytes = 512, kMaxSecrets = 8;
constexpr int64_t kMaxAgeMs = 24 * 3'600'000;
constexpr size_t kMaxBodyBytes = 64u << 20;

Error invalid(const HookSpec& spec, const std::string& what, const std::string& hint) {
  return Error(ErrorCode::kInvalid, fmt::format("webhook {}: {}", printable(spec.name, 128), what),
               hint);
}

void check_secret(const HookSpec& spec, const std::string& secret) {
  const std::string hint = "openssl rand -hex 32 makes one; give the forge the same";
  if (secret.empty() || secret.size() > kMaxSecretBytes || has_control(secret)) {
    throw invalid(spec, "a secret is empty, too long or has control characters",
                  "does the secret's file end with a line break? " + hint);
  }
  size_t bytes = 0;
  try {
    bytes = signing_key(secret).size();
  } catch (const Error&) {
    throw invalid(spec, "a secret begins with whsec_ and is not base64 behind it", hint);
  }
  if (bytes < kMinSecretBytes) {
    throw invalid(spec, fmt::format("a secret has under {} bytes", kMinSecretBytes), hint);
  }
}

bool header_name(const std::string& text) {
  constexpr std::string_view kToken =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  return !text.empty() && text.size() <= 128 && text.find_first_not_of(kToken) == text.npos;
}

bool sends_forms(Forge forge) {
  return forge == Forge::kGithub || forge == Forge::kGitea;
}

// What was signed is checked before anything of it is read as JSON.
std::string_view payload_of(const HookSpec& spec, const HookRequest& request,
                            const HookHeaders& headers, std::string& decoded) {
  const std::string coding = lower_case(headers.one("content-encoding"));
  if (!coding.empty() && coding != "identity") {
    throw invalid(spec, "a compressed delivery is not taken", "no forge sends one: is it a proxy?");
  }
  if (hook_encoding(headers.one("content-type")) == HookEncoding::kJson) return request.body;
  if (!sends_forms(spec.forge)) {
    throw invalid(spec, "a form from a forge that sends JSON", "send it as application/json");
  }
  decoded = form_payload(request.body);
  return decoded;
}

void read_payload(const HookSpec& spec, const HookHeaders& headers, const HookFields& body,
                  Delivery& out) {
  const auto event = [&](const char* name, const char* other = nullptr) {
    const std::string found = headers.one(other && !headers.has(name) ? other : name);
    if (found.empty()) throw invalid(spec, fmt::format("the delivery has no {}", name), "");
    if (!valid_utf8(found) || found.size() > kHookTextLimit) {  // it is kept, as text
      throw invalid(spec, fmt::format("{} names no event: {}", name, printable(found, 80)), "");
    }
    return found;
  };
  switch (spec.forge) {
    case Forge::kGithub:
      return read_github(event("x-github-event"), body, out);
    case Forge::kGitea:
      return read_github(event("x-gitea-event", "x-forgejo-event"), body, out);
    case Forge::kBitbucket:
      return read_bitbucket(event("x-event-key"), body, out);
    case Forge::kGitlab:
      return read_gitlab(body, out);
    case Forge::kDolthub:
      return read_dolthub(body, out);
    case Forge::kGeneric:
      return read_generic(body, out);
  }
}

void mark(const HookSpec& spec, const Proof& proof, std::string_view body, Delivery& out) {
  if (!proof.id.empty() && !good_delivery_id(proof.id)) {
    throw invalid(spec, "the delivery's id is none: " + printable(proof.id, 80), "");
  }
  const std::string digest = sha256(body).str();
  out.id = proof.id.empty() ? digest : proof.id;
  if (!proof.id.empty()) out.marks.push_back("id:" + proof.id);
  if (!proof.id_signed) out.marks.push_back(digest);
}

}  // namespace

std::string_view word(Forge forge) {
  return kForges[static_cast<size_t>(forge)];
}

Forge forge_named(std::string_view word) {
  for (size_t i = 0; i < kForges.size(); ++i) {
    if (kForges[i] == word) return static_cast<Forge>(i);
  }
  throw Error(ErrorCode::kInvalid, "no forge is called " + printable(word, 64),
              "github, gitlab, gitea (Forgejo, too), bitbucket, dolthub (DoltLab, too) or generic");
}

std::string_view word(HookEvent event) {
  return kEvents[static_cast<size_t>(event)];
}

void check_hook(const HookSpec& spec) {
  if (spec.secrets.empty() || spec.secrets.size() > kMaxSecrets) {
    throw invalid(spec, fmt::format("it needs 1 to {} secrets", kMaxSecrets),
                  "unsigned deliveries are never taken");
  }
  for (const std::string& secret : spec.secrets) check_secret(spec, secret);
  const bool needs_name = spec.forge == Forge::kDolthub;
  if (needs_name ? !header_name(spec.signature_header) : !spec.signature_header.empty()) {
    throw invalid(spec, "the signature's header is named for dolthub, and only there",
                  "look at the headers of a delivery that DoltHub has sent");
  }
  if (spec.max_age_ms <= 0 || spec.max_age_ms > kMaxAgeMs || spec.max_body_bytes == 0 ||
      spec.max_body_bytes > kMaxBodyBytes) {
    throw invalid(spec, "the age or the size that it takes is out of range",
                  "up to a day, up to 64 MiB");
  }
}

Delivery read_delivery(const HookSpec& spec, const HookRequest& request) {
  check_hook(spec);
  if (request.body.size() > spec.max_body_bytes) {
    throw invalid(spec,
                  fmt::format("a delivery of {} bytes, at most {} are taken", request.body.size(),
                              spec.max_body_bytes),
                  "");
  }
  const HookHeaders headers(request.headers);
  std::string decoded;
  const std::string_view payload = payload_of(spec, request, headers, decoded);
  const Proof proof = check_signature(spec, headers, request.body, payload, request.received_ms);
  // From here on the body is its sender's.
  const Json json = hook_json(payload);
  Delivery out;
  out.forge = spec.forge;
  read_payload(spec, headers, HookFields(json), out);
  mark(spec, proof, payload, out);
  return out;
}

}  // namespace lockstep
