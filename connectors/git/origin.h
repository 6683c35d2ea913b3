// Where a source's commits come from: a repository on this machine opened in place, or a mirror of
// a remote one. Knows nothing of tables or code paths.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "connectors/git/mirror.h"
#include "connectors/git/repository.h"
#include "pipeline/base/error.h"
#include "pipeline/core/source.h"

namespace lockstep {

struct GitOriginConfig {
  std::string name;              // the source's, for messages
  std::string place;             // a path, or an address parse_git_url takes
  std::string branch = "main";   // the one that is watched
  std::filesystem::path mirror;  // a folder of its own; unused for a path
  GitCredentials credentials;
  GitFetchLimits limits;
};

// Opens nothing before the first call, so that a source that is away stops no other.
class GitOrigin {
 public:
  explicit GitOrigin(GitOriginConfig config);

  const GitOriginConfig& config() const { return config_; }
  bool local() const { return mirror_ == nullptr; }

  // The commit of the watched branch, after fetching it where it is remote.
  std::string head();
  // As GitRepository::resolve, and `HEAD` for the watched branch, `NAME~N` for the N-th commit
  // before it by first parents; what a mirror does not have is fetched once.
  std::string resolve(const std::string& name);
  // Opened on first use; a mirror that was never fetched is fetched.
  GitRepository& repository();
  // Moves the branch at the source itself, there or by a push, from commit `from` to `to`, which
  // is in repository(): false where it is elsewhere by now. `why` is for the reflog.
  bool move(const std::string& branch, const std::string& from, const std::string& to,
            const std::string& why);
  // Nothing for a remote place. Opens a handle of its own: may be called from any thread.
  std::unique_ptr<SourceWatch> watch() const;

 private:
  GitOriginConfig config_;
  std::unique_ptr<GitMirror> mirror_;
  std::unique_ptr<GitRepository> repository_;
};

// Runs `call` and puts the source's name in front of what it throws.
template <typename Call>
auto in_git_source(const std::string& name, const Call& call) {
  try {
    return call();
  } catch (const Errors&) {
    throw;  // each has its place, which begins with the source
  } catch (const Error& error) {
    throw Error(error.code, "source " + name + ": " + error.message, error.hint, error.where);
  }
}

}  // namespace lockstep
