// A code repository over git: the paths that globs select at a commit, and their bytes by id.
// Knows nothing of steps, of what the code does, or of working trees.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "connectors/git/origin.h"
#include "pipeline/core/source.h"

namespace lockstep {

class GitCodeRepo : public CodeRepo {
 public:
  explicit GitCodeRepo(GitOriginConfig config) : origin_(std::move(config)) {}

  std::string head() override;
  std::string resolve(const std::string& name) override;
  CommitInfo commit(const std::string& id) override;
  std::vector<CommitInfo> log(const std::string& from, const std::string& to,
                              size_t limit) override;
  bool descends(const std::string& to, const std::string& from) override;
  // By refs under refs/lockstep/keep/: of a remote place in the mirror, which then keeps them.
  void keep(const std::string& owner, const std::string& commit) override;
  void release(const std::string& owner, const std::string& commit) override;
  std::vector<std::string> kept(const std::string& owner) override;
  std::unique_ptr<SourceWatch> watch() override;
  std::map<std::string, std::string> tags() override;

  // Globs as in globs.h. Refused, naming the path: submodules, unsafe names, symlinks that may
  // lead out of the root.
  std::vector<CodePath> list(const std::string& commit,
                             const std::vector<std::string>& globs) override;
  std::string blob(const std::string& id, uint64_t max_bytes) override;

  GitOrigin& origin() { return origin_; }

 private:
  CodePath checked(const GitRepository& repository, const std::string& commit,
                   const struct GitEntry& entry) const;

  GitOrigin origin_;
  // (tree id, globs) → paths: heads move seldom, and every plan asks. Trees never change.
  std::map<std::pair<std::string, std::vector<std::string>>, std::vector<CodePath>> known_;
};

}  // namespace lockstep
