// Who may do what: roles, and the tokens that give one to somebody who comes over a network.
// Knows nothing of HTTP or of what a route does.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/base/files.h"
#include "pipeline/base/json.h"

namespace lockstep {

// Everybody may; a route that names it checks by itself (a webhook's signature), or tells nothing.
inline constexpr std::string_view kAnyone = "anyone";
inline constexpr std::string_view kAdmin = "admin";

// "viewer", "analyst", "operator", "releaser", "approver", "admin", from least to most.
const std::vector<std::string_view>& roles();
// May somebody with `role` call what needs `needed`? Each role may also do what those below it may,
// but approvers only look and approve. Unknown words may nothing and are needed by nobody.
bool may(std::string_view role, std::string_view needed);

struct Identity {
  std::string name;
  std::string role;
};

// Tokens are 256 random bits, shown once; kept is their SHA-256, in one file of mode 0600. A fast
// digest is enough: there is nothing to guess (docs/SECURITY.md). Safe from several threads.
class Tokens {
 public:
  // Reads the file where there is one; throws corrupt.
  explicit Tokens(fs::path file);

  // Takes what the file says now; throws corrupt, and is then as it was.
  void read_again();
  // {"id","name","role","expires"|null,"created","by","token"}: the only time that the token is
  // shown. Throws invalid (no such role, an odd name), conflict (a live token has the name).
  Json create(const std::string& name, const std::string& role, std::optional<int64_t> expires_ms,
              const std::string& by, int64_t now_ms);
  // [{"id","name","role","created","expires"|null,"by","revoked"|null,"live":bool}], oldest first
  Json list(int64_t now_ms);
  // By id or name; throws not_found.
  Json revoke(const std::string& which, const std::string& by, int64_t now_ms);
  // Nothing for what is unknown, expired or revoked.
  std::optional<Identity> identify(std::string_view token, int64_t now_ms);

 private:
  struct Token {
    std::string id, name, role, by;
    Digest digest;
    int64_t created_ms = 0, expires_ms = 0, revoked_ms = 0;  // 0: never
    std::string revoked_by;
    bool live(int64_t now_ms) const;
  };
  static Json shown(const Token& token, int64_t now_ms);
  static std::vector<Token> read(const fs::path& file);
  void save();

  const fs::path file_;
  std::mutex mutex_;
  std::vector<Token> tokens_;
  bool unsaved_ = false;  // one was ended here that the file still has
};

}  // namespace lockstep
