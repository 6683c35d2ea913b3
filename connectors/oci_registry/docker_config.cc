#include "connectors/oci_registry/docker_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "pipeline/base/base64.h"
#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "pipeline/base/process.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxConfig_bytes = 1 << 20;
constexpr int64_t kHelper_ms = 10'000;
constexpr const char* kHub = "https://index.docker.io/v1/";  // how Docker's own hub is called

// The names under which a registry may stand there.
std::vector<std::string> names_of(const std::string& registry) {
  std::vector<std::string> names = {registry, "https://" + registry, "https://" + registry + "/",
                                    "https://" + registry + "/v1/", "https://" + registry + "/v2/"};
  if (registry == "registry-1.docker.io" || registry == "docker.io") names.push_back(kHub);
  return names;
}

[[noreturn]] void unreadable(const fs::path& config, const std::string& why) {
  throw Error(ErrorCode::kInvalid, fmt::format("{} can't be read: {}", config.string(), why),
              "`docker login` writes it");
}

Credentials with_token(std::string user, std::string password) {
  Credentials found;
  // How helpers say that the secret is a token to get tokens with.
  if (user == "<token>") {
    found.identity_token = std::move(password);
  } else {
    found.username = std::move(user);
    found.password = std::move(password);
  }
  return found;
}

Credentials ask_helper(const std::string& name, const std::string& registry) {
  bool good =
      !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
      });
  if (!good) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("'{}' can't be a credential helper", printable(name, 64)),
                "a helper is named by letters, digits, . _ -");
  }
  ProcessRequest request;
  request.argv = {"docker-credential-" + name, "get"};
  request.input = registry;
  request.timeout_ms = kHelper_ms;
  request.max_output_bytes = 64 << 10;
  const ProcessResult result = run_process(request);
  if (result.exit_code > 0 && result.out.find("not found") != std::string::npos) return {};
  if (!result.ok()) {
    throw Error(ErrorCode::kDenied,
                fmt::format("{} {} for {}", request.argv[0],
                            result.timed_out ? "gave no answer within 10 s" : "failed", registry),
                "run it by hand: its input is the registry's name");
  }
  try {
    Json answer = parse_json(result.out, "its answer");
    return with_token(answer.at("Username").get<std::string>(),
                      answer.at("Secret").get<std::string>());
  } catch (const std::exception&) {  // whose text may hold what the helper said
    throw Error(ErrorCode::kInvalid, request.argv[0] + " gave no user and secret",
                "run it by hand: its input is the registry's name");
  }
}

Credentials of_entry(const Json& entry) {
  Credentials found;
  if (entry.contains("identitytoken")) found.identity_token = entry.at("identitytoken");
  if (!found.identity_token.empty()) return found;
  if (!entry.contains("auth"))
    return with_token(entry.value("username", ""), entry.value("password", ""));
  const std::string text = base64_bytes(entry.at("auth").get<std::string>());
  const size_t colon = text.find(':');
  if (colon == std::string::npos) return {};
  std::string password = text.substr(colon + 1);
  // Some tools pad the password with zero bytes.
  password.erase(password.find_last_not_of('\0') + 1);
  return with_token(text.substr(0, colon), std::move(password));
}

Credentials look_up(const Json& config, const std::string& registry) {
  const std::vector<std::string> names = names_of(registry);
  const Json none = Json::object();
  const Json& helpers = config.contains("credHelpers") ? config.at("credHelpers") : none;
  const Json& auths = config.contains("auths") ? config.at("auths") : none;
  if (!config.is_object() || !helpers.is_object() || !auths.is_object()) {
    throw Error(ErrorCode::kInvalid, "it is not what Docker writes");
  }
  for (const std::string& name : names) {
    if (helpers.contains(name)) return ask_helper(helpers.at(name).get<std::string>(), name);
  }
  std::string known = registry;
  for (const std::string& name : names) {
    if (!auths.contains(name)) continue;
    Credentials found = of_entry(auths.at(name));
    if (!found.empty()) return found;
    known = name;  // the secret is with the helper, under this name
  }
  const std::string helper = config.value("credsStore", "");
  return helper.empty() ? Credentials() : ask_helper(helper, known);
}

}  // namespace

fs::path docker_config_file() {
  const char* folder = std::getenv("DOCKER_CONFIG");
  if (folder && *folder) return fs::path(folder) / "config.json";
  const char* home = std::getenv("HOME");
  return home && *home ? fs::path(home) / ".docker" / "config.json" : fs::path();
}

Credentials docker_credentials(const fs::path& config, const std::string& registry) {
  std::error_code none;
  if (config.empty() || !fs::exists(config, none)) return {};
  try {
    return look_up(parse_json(real_files().read(config, kMaxConfig_bytes), "it"), registry);
  } catch (const Json::exception&) {  // whose text may hold what stands there
    unreadable(config, "it is not what Docker writes");
  } catch (const Error& error) {
    if (error.code == ErrorCode::kInvalid && error.hint.empty()) {
      unreadable(config, "it is not what Docker writes");
    }
    throw;
  }
}

}  // namespace lockstep
