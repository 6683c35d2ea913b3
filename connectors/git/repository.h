// A git repository on this machine, read at commits by object id, never through a working tree.
// Knows nothing of tables, code paths, remotes or who asks; libgit2 stays behind it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

struct git_repository;

namespace lockstep {

struct GitCommit {
  std::string id;
  std::string tree;
  std::string author;
  std::string email;
  std::string message;
  int64_t time_ms = 0;  // committer time, UTC
  std::string parent;   // the first; empty: none
};

struct GitRef {
  std::string name;    // "refs/heads/main"
  std::string commit;  // tags peeled
};

// Object ids are 40 lower-case hex digits throughout. One thread at a time.
class GitRepository {
 public:
  // A bare repository, a working tree (its `.git` folder or `gitdir:` file), or a `.git` folder.
  // Parents are not searched. Throws not_found, invalid (not a repository, or a kind that libgit2
  // can't read: SHA-256 object names, reftable), denied.
  explicit GitRepository(const std::filesystem::path& folder);
  ~GitRepository();
  GitRepository(const GitRepository&) = delete;
  GitRepository& operator=(const GitRepository&) = delete;

  // Makes an empty bare repository without hooks or templates; an existing one is left as it is.
  static void create_bare(const std::filesystem::path& folder);

  // As given when opened: for messages.
  const std::string& place() const { return place_; }
  // The folder that holds the refs shared by all worktrees.
  std::filesystem::path common_folder() const;

  // Commit id of refs/heads/`name`. Throws not_found with near names as hint.
  std::string branch(const std::string& name) const;
  // Commit id of a full or abbreviated (4 digits on) commit id, a branch, a tag or a full ref name,
  // tried in this order but for abbreviated ids, which come last. No other revision syntax.
  std::string resolve(const std::string& name) const;
  GitCommit commit(const std::string& id) const;
  bool has_commit(const std::string& id) const;
  // Reachable from `to` and not from `from` (empty or gone: all), newest first.
  std::vector<GitCommit> log(const std::string& from, const std::string& to, size_t limit) const;
  // True when `from` is `to` or an ancestor of it.
  bool descends(const std::string& to, const std::string& from) const;

  // Branches and tags, sorted by name. Tags of things that are no commits are left out.
  std::vector<GitRef> refs() const;

  // Throws not_found, invalid (larger than `max_bytes`; nothing is read then), corrupt.
  std::string blob(const std::string& id, uint64_t max_bytes) const;
  uint64_t blob_size(const std::string& id) const;
  // The same without a copy: the bytes are there during the call only.
  void read_blob(const std::string& id, uint64_t max_bytes,
                 const std::function<void(std::string_view)>& use) const;

  // Holds a commit and all it reaches against garbage collection, for `owner` (a word that is no
  // commit id): refs/lockstep/keep/<owner>/<id>. What others keep is never touched.
  void keep(const std::string& owner, const std::string& id);
  void release(const std::string& owner, const std::string& id);
  std::vector<std::string> kept(const std::string& owner) const;  // commit ids, sorted

 private:
  friend class GitCommits;
  friend class GitTrees;

  std::string what(std::string_view thing) const;
  std::vector<std::string> short_names(std::string_view prefix) const;

  std::string place_;
  git_repository* raw_ = nullptr;
};

}  // namespace lockstep
