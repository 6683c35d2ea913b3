// A bare copy of a remote repository's branches and tags, fetched in bounded time.
// Knows nothing of what is read from it. Fetching runs the git program, because libgit2 1.5 has no
// time-outs of its own (docs/formats/git.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/error.h"
#include "pipeline/base/process.h"

namespace lockstep {

struct GitCredentials {
  std::string username;               // https; "git" where only a password is given
  std::string password;               // https: a password or token
  std::filesystem::path ssh_key;      // private key; empty: the user's agent and keys
  std::filesystem::path known_hosts;  // empty: the user's and the machine's
  std::filesystem::path ca_file;      // PEM; empty: the machine's
};

struct GitFetchLimits {
  int connect_s = 15;              // ssh: to connect
  int stall_s = 30;                // https: under 1,000 bytes/s for so long; ssh: silence
  int64_t limit_ms = 10 * 60'000;  // one fetch in all
  size_t max_packs = 50;           // more are joined after a fetch: each look-up asks every pack
};

enum class GitTransport { kHttps, kHttp, kSsh, kFile };

struct GitUrl {
  GitTransport transport = GitTransport::kHttps;
  std::string text;  // as given
};

// True for what names a folder of this machine: no scheme and not `[user@]host:path`.
bool is_local_place(std::string_view place);

// Reads https://, ssh://, file:// and [user@]host:path. Throws invalid for anything else, for a
// password inside the address, and for http:// to another machine.
GitUrl parse_git_url(std::string_view place);

class GitMirror {
 public:
  // `folder` is made on the first fetch and belongs to the mirror alone.
  GitMirror(std::filesystem::path folder, std::string_view place, GitCredentials credentials = {},
            GitFetchLimits limits = {});

  const std::filesystem::path& folder() const { return folder_; }
  bool exists() const;  // fetched at least once, or begun

  // Brings refs/heads and refs/tags in line with the remote, gone ones removed; other refs (what
  // is kept) stay. Throws unavailable (cannot reach it, time is up), denied (credentials, host
  // key, certificate), not_found (no such repository), invalid (SHA-256 names), conflict (another
  // process fetches into the folder).
  void fetch();

  // Moves the remote's branch from commit `from` to `to`, which is in the mirror: false where the
  // branch is elsewhere by now. Otherwise throws as fetch() does, denied also where the server
  // refuses the branch (a hook, a protection, a checked-out branch).
  bool push(const std::string& branch, const std::string& from, const std::string& to);

 private:
  using Env = std::vector<std::pair<std::string, std::string>>;

  Env environment() const;
  void prepare();
  void write_ssh_config() const;
  void remove_leftovers() const;
  void repack_if_many() const;
  void run_fetch() const;
  ProcessResult run_git(std::vector<std::string> arguments) const;
  Error too_slow(std::string_view doing) const;

  std::filesystem::path folder_;
  GitUrl url_;
  GitCredentials credentials_;
  GitFetchLimits limits_;
  bool prepared_ = false;
};

}  // namespace lockstep
