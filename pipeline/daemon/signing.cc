#include "pipeline/daemon/signing.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "pipeline/base/base64.h"
#include "pipeline/base/ed25519.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

bool valid(const ReleaseState& release, const std::string& key, const std::string& signature) {
  try {
    return ed25519_verify(ed25519_key(key), signed_text(release.release.content),
                          base64_bytes(signature));
  } catch (const Error&) {
    return false;  // what stands in the ledger may be anything
  }
}

}  // namespace

std::set<std::string> trusted_keys(const Parts& parts) {
  const auto& signing = parts.workspace().signing;
  if (!signing) return {};
  std::set<std::string> keys(signing->trusted.begin(), signing->trusted.end());
  try {
    if (auto pem = parts.signing_key()) keys.insert(ed25519_text(ed25519_public(*pem)));
  } catch (const Error& error) {
    spdlog::warn("releases are not signed: {}", error.what());
  }
  return keys;
}

std::string distrust(const Registry& registry, const ReleaseState& release,
                     const std::set<std::string>& keys) {
  if (release.signatures.empty()) {
    // Of one from before, which somebody signs by hand, nothing follows for those beside it.
    if (registry.first_signed == 0 || release.seq < registry.first_signed) return "";
    return "it is not signed, though releases were when it was cut (`lockstep release sign`)";
  }
  bool good = false;
  for (const auto& [key, signature] : release.signatures) {
    if (!keys.count(key)) continue;
    if (!valid(release, key, signature)) {
      return fmt::format("its signature by {} is not one of its content {}", key,
                         release.release.content.str());
    }
    good = true;
  }
  return good ? "" : "it is signed by none of the keys that are trusted here (`signing: trusted`)";
}

Json signatures_json(const ReleaseState& release, const std::set<std::string>& keys) {
  Json all = Json::array();
  for (const auto& [key, signature] : release.signatures) {
    all.push_back({{"key", key},
                   {"signature", signature},
                   {"trusted", keys.count(key) > 0},
                   {"valid", valid(release, key, signature)}});
  }
  return all;
}

Json sign(const Parts& parts, const std::string& bytes) {
  std::optional<std::string> pem = parts.signing_key();
  if (!pem) return nullptr;
  return {{"key", ed25519_text(ed25519_public(*pem))},
          {"signature", base64(ed25519_sign(*pem, bytes))}};
}

}  // namespace lockstep
