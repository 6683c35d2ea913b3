// Deliveries as the forges send them: read from samples/, signed in each forge's scheme.
// Knows nothing of what is done to them afterwards.
#pragma once

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "connectors/forge/hook.h"
#include "connectors/forge/names.h"
#include "connectors/forge/signature.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/base/text.h"

namespace lockstep {

inline const std::string kSecret = "It's a Secret to Everybody";
inline const std::string kStandardSecret = "whsec_" + base64("thirty-two bytes of a signing key");
constexpr int64_t kNow = 1'772'546'400'000;  // 2026-03-03T14:00:00Z

// How a delivery is signed; GitLab has two ways, GitHub and Gitea two encodings.
enum class Way { kPlain, kForm, kToken };

struct Sample {
  std::string name;
  Json file;
  HookSpec spec;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  HookRequest request() const { return {headers, body, kNow}; }
  std::string* header(const std::string& name_of_it) {
    for (auto& [key, value] : headers) {
      if (lower_case(key) == lower_case(name_of_it)) return &value;
    }
    return nullptr;
  }
  void drop(const std::string& name_of_it) {
    std::erase_if(headers,
                  [&](const auto& one) { return lower_case(one.first) == lower_case(name_of_it); });
  }
};

inline std::string hex_mac(const std::string& secret, std::string_view text) {
  const std::string mac = hmac_sha256(secret, text);
  return hex({reinterpret_cast<const uint8_t*>(mac.data()), mac.size()});
}

inline void sign_standard(Sample& s, const std::string& secret, int64_t seconds = kNow / 1000) {
  const std::string id = "0eb7bd12-2f0f-4d6e-9d4e-fe2b6b3f1b5c", time = std::to_string(seconds);
  for (const char* name : {"webhook-id", "webhook-timestamp", "webhook-signature"}) s.drop(name);
  s.headers.emplace_back("webhook-id", id);
  s.headers.emplace_back("webhook-timestamp", time);
  const std::string mac = hmac_sha256(signing_key(secret), id + "." + time + "." + s.body);
  s.headers.emplace_back("webhook-signature", "v1," + base64(mac));
}

// Puts on what the forge puts on.
inline void sign(Sample& s, const std::string& payload, Way way) {
  const std::string over_body = hex_mac(kSecret, s.body);
  switch (s.spec.forge) {
    case Forge::kGithub:
      s.headers.emplace_back("X-Hub-Signature", "sha1=" + over_body.substr(0, 40));
      s.headers.emplace_back("X-Hub-Signature-256", "sha256=" + over_body);
      return;
    case Forge::kGitea: {  // the JSON is signed, however it is sent
      const std::string mac = hex_mac(kSecret, payload);
      for (const char* name : {"X-Gitea-Signature", "X-Gogs-Signature"}) {
        s.headers.emplace_back(name, mac);
      }
      if (s.header("x-forgejo-event")) s.headers.emplace_back("X-Forgejo-Signature", mac);
      s.headers.emplace_back("X-Hub-Signature", "sha1=" + mac.substr(0, 40));
      s.headers.emplace_back("X-Hub-Signature-256", "sha256=" + mac);
      return;
    }
    case Forge::kBitbucket:
      s.headers.emplace_back("X-Hub-Signature", "sha256=" + over_body);
      return;
    case Forge::kDolthub:
      s.headers.emplace_back(s.spec.signature_header, over_body);
      return;
    case Forge::kGitlab:
      if (way == Way::kToken) s.headers.emplace_back("X-Gitlab-Token", kSecret);
      if (way != Way::kToken) sign_standard(s, kStandardSecret);
      return;
    case Forge::kGeneric:
      return sign_standard(s, kSecret);
  }
}

inline std::string as_form(const std::string& payload) {
  std::string out = "payload=";
  for (const char c : payload) out += c == ' ' ? "+" : percent_encode(std::string(1, c));
  return out;
}

inline Sample made(const std::string& name, const Json& file, Way way) {
  Sample s;
  s.name = name;
  s.file = file;
  s.spec.name = "code";
  s.spec.forge = forge_named(file.at("forge").get<std::string>());
  const bool standard = s.spec.forge == Forge::kGitlab && way != Way::kToken;
  s.spec.secrets = {standard ? kStandardSecret : kSecret};
  if (s.spec.forge == Forge::kDolthub) s.spec.signature_header = "X-Hub-Signature-256";
  const Json& headers = file.at("headers");
  for (auto it = headers.begin(); it != headers.end(); ++it) {
    s.headers.emplace_back(it.key(), it.value().get<std::string>());
  }
  const std::string payload = file.at("body").dump();
  const bool form = way == Way::kForm;
  s.headers.emplace_back("Content-Type",
                         form ? "application/x-www-form-urlencoded" : "application/json");
  s.body = form ? as_form(payload) : payload;
  sign(s, payload, way);
  return s;
}

inline std::vector<std::string> sample_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(LOCKSTEP_FORGE_SAMPLES)) {
    names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline Sample sample(const std::string& name, Way way = Way::kPlain) {
  std::ifstream in(fs::path(LOCKSTEP_FORGE_SAMPLES) / (name + ".json"));
  std::stringstream text;
  text << in.rdbuf();
  return made(name, parse_json(text.str(), name), way);
}

// Every way in which a forge sends this sample.
inline std::vector<Sample> in_every_way(const std::string& name) {
  std::vector<Sample> all = {sample(name)};
  const Forge forge = all.front().spec.forge;
  if (forge == Forge::kGitlab) all.push_back(sample(name, Way::kToken));
  if (forge == Forge::kGithub || forge == Forge::kGitea) all.push_back(sample(name, Way::kForm));
  return all;
}

// The word of the error's code and its text, or "accepted".
struct Outcome {
  std::string code, text;
};
inline Outcome outcome(const HookSpec& spec, const HookRequest& request) {
  try {
    read_delivery(spec, request);
    return {"accepted", ""};
  } catch (const Error& error) {
    return {std::string(word(error.code)), error.what()};
  }
}
inline Outcome outcome(const Sample& s) {
  return outcome(s.spec, s.request());
}

}  // namespace lockstep
