// Commits made from objects alone, and branches moved to them: no working tree, index or hook takes
// part. Knows nothing of what the files mean.
#pragma once

#include <map>
#include <string>

#include "connectors/git/repository.h"

namespace lockstep {

struct GitNewCommit {
  std::string parent;
  std::map<std::string, std::string> files;  // path → bytes: added, or in place of what is there
  std::string author, email;                 // also the committer
  std::string message;
};

class GitCommits {
 public:
  explicit GitCommits(const GitRepository& repository) : repository_(repository) {}

  // Writes blobs, trees and the commit; its id, or `parent` where every file has these bytes
  // already. No ref names it yet. Files keep their executable bit. Throws invalid (an author git
  // can't hold), unavailable (disk full).
  std::string write(const GitNewCommit& commit) const;

  // Moves refs/heads/`branch` from one commit to another: false where it is elsewhere by now, or
  // somebody is moving it.
  bool move(const std::string& branch, const std::string& from, const std::string& to,
            const std::string& why) const;

  // Throws denied where a working tree has the branch checked out and the repository does not say
  // `receive.denyCurrentBranch = ignore` or `warn` (git-config(1); pushes are refused alike).
  void check_not_checked_out(const std::string& branch) const;

 private:
  std::string write_tree(const GitNewCommit& commit, const std::string& base) const;

  const GitRepository& repository_;
};

}  // namespace lockstep
