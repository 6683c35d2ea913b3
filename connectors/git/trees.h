// Trees of a repository: one level, a whole walk, and what differs between two.
// Knows nothing of commits or of what the files mean.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

class GitRepository;

enum class GitKind { kFile, kExecutable, kLink, kTree, kSubmodule };

struct GitEntry {
  std::string path;  // of the walk: '/'-separated, relative to where it began
  GitKind kind = GitKind::kFile;
  std::string id;

  // git's "100644", "100755", "120000", "040000", "160000"; old group-writable files are "100644".
  std::string_view mode() const;
  bool operator==(const GitEntry&) const = default;
};

// One path that differs. Only files, links and submodules: a folder is the sum of its paths.
struct GitChange {
  std::optional<GitEntry> before;  // nothing: added
  std::optional<GitEntry> after;   // nothing: removed
};

struct GitWalkLimits {
  uint64_t max_entries = 5'000'000;  // a tree can name one subtree many times over
  size_t max_depth = 256;
};

class GitTrees {
 public:
  explicit GitTrees(const GitRepository& repository, GitWalkLimits limits = {})
      : repository_(repository), limits_(limits) {}

  // One level, in git's order (folders as if their name ended in '/'). Throws corrupt where names
  // repeat or are out of order, not_found.
  std::vector<GitEntry> entries(const std::string& tree) const;

  // The entry at `path` below `tree`, if there is one. An empty path is the tree itself.
  std::optional<GitEntry> find(const std::string& tree, std::string_view path) const;

  // Calls `visit` for everything below `tree`; a folder is entered when visit returns true.
  // Throws invalid above the limits.
  using Visit = std::function<bool(const GitEntry&)>;
  void walk(const std::string& tree, const Visit& visit) const;

  // Walks both trees at once and skips what has equal ids, so the cost follows the change.
  // An empty id is an empty tree. `enter`, where given, decides about folders by their path.
  using Enter = std::function<bool(const std::string& folder)>;
  std::vector<GitChange> diff(const std::string& before, const std::string& after,
                              const Enter& enter = nullptr) const;

 private:
  struct Budget;
  void walk(const std::string& tree, const std::string& prefix, size_t depth, Budget& budget,
            const Visit& visit) const;
  struct DiffWalk;

  const GitRepository& repository_;
  GitWalkLimits limits_;
};

}  // namespace lockstep
