#include "pipeline/api/access.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "pipeline/base/clock.h"
#include "pipeline/base/error.h"
#include "pipeline/base/point.h"

namespace lockstep {
namespace {

constexpr std::string_view kPrefix = "lst_";  // so that scanners for leaked secrets can know it
constexpr size_t kRandomBytes = 32;

bool valid_token_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '.' || c == '_' || c == '-' || c == '@';
         });
}

std::string fresh_token() {
  std::array<uint8_t, kRandomBytes> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    throw Error(ErrorCode::kUnavailable, "the machine gives no random bytes");
  }
  return std::string(kPrefix) + hex(bytes);
}

Json time_or_null(int64_t time_ms) {
  return time_ms == 0 ? Json() : Json(rfc3339(time_ms));
}

}  // namespace

const std::vector<std::string_view>& roles() {
  static const std::vector<std::string_view> kRoles = {"viewer",   "analyst",  "operator",
                                                       "releaser", "approver", kAdmin};
  return kRoles;
}

bool may(std::string_view role, std::string_view needed) {
  if (needed == kAnyone) return true;
  auto rank = [](std::string_view word) {
    return std::find(roles().begin(), roles().end(), word) - roles().begin();
  };
  const auto unknown = static_cast<std::ptrdiff_t>(roles().size());
  if (rank(role) == unknown || rank(needed) == unknown) return false;
  if (role == kAdmin) return true;
  if (role == "approver") return needed == "viewer" || needed == "approver";
  return needed != "approver" && rank(role) >= rank(needed);
}

bool Tokens::Token::live(int64_t now_ms) const {
  return revoked_ms == 0 && (expires_ms == 0 || now_ms < expires_ms);
}

Tokens::Tokens(fs::path file) : file_(std::move(file)), tokens_(read(file_)) {}

void Tokens::read_again() {
  std::lock_guard<std::mutex> lock(mutex_);
  tokens_ = read(file_);
}

std::vector<Tokens::Token> Tokens::read(const fs::path& file) {
  std::vector<Token> all;
  if (!fs::exists(file)) return all;
  try {
    const Json document = parse_json(real_files().read(file), file.string());
    for (const Json& one : document.at("tokens")) {
      Token token{one.at("id"), one.at("name"), one.at("role"), one.at("by"), {}, 0, 0, 0, ""};
      token.digest = Digest::parse(one.at("sha256").get<std::string>());
      token.created_ms = one.at("created_ms");
      token.expires_ms = one.at("expires_ms");
      token.revoked_ms = one.at("revoked_ms");
      token.revoked_by = one.at("revoked_by");
      all.push_back(std::move(token));
    }
  } catch (const Json::exception&) {
    throw Error(ErrorCode::kCorrupt, "the file of tokens is damaged",
                "remove it and create the tokens anew", file.string());
  }
  return all;
}

void Tokens::save() {
  Json all = Json::array();
  for (const Token& token : tokens_) {
    all.push_back({{"id", token.id},
                   {"name", token.name},
                   {"role", token.role},
                   {"by", token.by},
                   {"sha256", token.digest.hex()},
                   {"created_ms", token.created_ms},
                   {"expires_ms", token.expires_ms},
                   {"revoked_ms", token.revoked_ms},
                   {"revoked_by", token.revoked_by}});
  }
  point("tokens.before");
  real_files().write_atomic(file_, Json{{"tokens", all}}.dump(1) + "\n", 0600);
  point("tokens.after");
  unsaved_ = false;
}

Json Tokens::shown(const Token& token, int64_t now_ms) {
  return {{"id", token.id},
          {"name", token.name},
          {"role", token.role},
          {"created", rfc3339(token.created_ms)},
          {"expires", time_or_null(token.expires_ms)},
          {"by", token.by},
          {"revoked", time_or_null(token.revoked_ms)},
          {"live", token.live(now_ms)}};
}

Json Tokens::create(const std::string& name, const std::string& role,
                    std::optional<int64_t> expires_ms, const std::string& by, int64_t now_ms) {
  if (!valid_token_name(name)) {
    throw Error(ErrorCode::kInvalid, "a token's name is 1 to 64 letters, digits, ., _, - and @");
  }
  if (std::find(roles().begin(), roles().end(), role) == roles().end()) {
    throw Error(ErrorCode::kInvalid, "there is no role " + role,
                "viewer, analyst, operator, releaser, approver or admin");
  }
  if (expires_ms && *expires_ms <= now_ms) {
    throw Error(ErrorCode::kInvalid, "the token would have expired already");
  }
  std::lock_guard<std::mutex> lock(mutex_);
  for (const Token& token : tokens_) {
    if (token.name == name && token.live(now_ms)) {
      throw Error(ErrorCode::kConflict, "there is a token called " + name + " already",
                  "revoke it first, or take another name");
    }
  }
  std::string secret = fresh_token();
  Token token{"t" + std::to_string(tokens_.size() + 1), name, role, by, {}, 0, 0, 0, ""};
  token.digest = sha256(secret);
  token.created_ms = now_ms;
  token.expires_ms = expires_ms.value_or(0);
  tokens_.push_back(token);
  try {
    save();
  } catch (...) {
    tokens_.pop_back();
    throw;
  }
  Json out = shown(token, now_ms);
  out["token"] = secret;
  return out;
}

Json Tokens::list(int64_t now_ms) {
  std::lock_guard<std::mutex> lock(mutex_);
  Json all = Json::array();
  for (const Token& token : tokens_) all.push_back(shown(token, now_ms));
  return all;
}

Json Tokens::revoke(const std::string& which, const std::string& by, int64_t now_ms) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (Token& token : tokens_) {
    if (token.revoked_ms != 0 || (token.id != which && token.name != which)) continue;
    token.revoked_ms = now_ms;
    token.revoked_by = by;
    // Kept out at once, and told if the file could not be written: else it would be back.
    unsaved_ = true;
    save();
    return shown(token, now_ms);
  }
  // Asked for once more: then it is the file that lacks it.
  for (const Token& token : tokens_) {
    if (!unsaved_ || (token.id != which && token.name != which)) continue;
    save();
    return shown(token, now_ms);
  }
  throw Error(ErrorCode::kNotFound, "no token that could be revoked is called " + which,
              "`lockstep token list` shows them");
}

std::optional<Identity> Tokens::identify(std::string_view token, int64_t now_ms) {
  if (token.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  const Digest digest = sha256(token);  // what is compared says nothing of the token
  std::lock_guard<std::mutex> lock(mutex_);
  for (const Token& one : tokens_) {
    if (one.digest == digest && one.live(now_ms)) return Identity{one.name, one.role};
  }
  return std::nullopt;
}

}  // namespace lockstep
