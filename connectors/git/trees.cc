#include "connectors/git/trees.h"

#include <fmt/format.h>

#include "connectors/git/libgit.h"
#include "connectors/git/names.h"
#include "connectors/git/repository.h"
#include "pipeline/base/error.h"

namespace lockstep {
namespace {

GitKind kind_of(git_filemode_t mode) {
  switch (mode) {
    case GIT_FILEMODE_TREE:
      return GitKind::kTree;
    case GIT_FILEMODE_BLOB_EXECUTABLE:
      return GitKind::kExecutable;
    case GIT_FILEMODE_LINK:
      return GitKind::kLink;
    case GIT_FILEMODE_COMMIT:
      return GitKind::kSubmodule;
    default:
      return GitKind::kFile;
  }
}

// git's order of the entries of one tree: a folder sorts as if its name ended in '/'.
int compare_names(const GitEntry& a, const GitEntry& b) {
  const size_t common = std::min(a.path.size(), b.path.size());
  if (const int order = a.path.compare(0, common, b.path, 0, common); order != 0) return order;
  const auto next = [common](const GitEntry& entry) -> int {
    if (entry.path.size() > common) return static_cast<unsigned char>(entry.path[common]);
    return entry.kind == GitKind::kTree ? '/' : 0;
  };
  return next(a) - next(b);
}

std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "/" + name;
}

}  // namespace

std::string_view GitEntry::mode() const {
  switch (kind) {
    case GitKind::kFile:
      return "100644";
    case GitKind::kExecutable:
      return "100755";
    case GitKind::kLink:
      return "120000";
    case GitKind::kTree:
      return "040000";
    case GitKind::kSubmodule:
      return "160000";
  }
  return "";
}

struct GitTrees::Budget {
  uint64_t entries = 0;

  void take(const GitTrees& trees, size_t depth, std::string_view path) {
    const bool deep = depth > trees.limits_.max_depth;
    if (!deep && ++entries <= trees.limits_.max_entries) return;
    throw Error(ErrorCode::kInvalid,
                deep ? trees.repository_.what(
                           fmt::format("folders nested more than {} deep", trees.limits_.max_depth))
                     : trees.repository_.what(fmt::format("more than {} paths in one tree",
                                                          trees.limits_.max_entries)),
                "", printable(path));
  }
};

std::vector<GitEntry> GitTrees::entries(const std::string& tree) const {
  const git_oid oid = parse_oid(tree);
  git_tree* found = nullptr;
  const int code = git_tree_lookup(&found, repository_.raw_, &oid);
  const GitTreeHandle owned(found);
  check_git(code, repository_.what(fmt::format("tree {}", tree)));
  std::vector<GitEntry> out(git_tree_entrycount(found));
  for (size_t i = 0; i < out.size(); ++i) {
    const git_tree_entry* entry = git_tree_entry_byindex(found, i);
    out[i] = {git_tree_entry_name(entry), kind_of(git_tree_entry_filemode(entry)),
              oid_text(*git_tree_entry_id(entry))};
    if (i > 0 && compare_names(out[i - 1], out[i]) >= 0) {
      throw Error(ErrorCode::kCorrupt,
                  repository_.what(fmt::format("tree {} has names out of order", tree)),
                  "check the repository with git fsck");
    }
  }
  return out;
}

std::optional<GitEntry> GitTrees::find(const std::string& tree, std::string_view path) const {
  GitEntry at{std::string(), GitKind::kTree, tree};
  size_t depth = 0;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    path.remove_prefix(std::min(path.size(), end + 1));
    if (at.kind != GitKind::kTree || ++depth > limits_.max_depth) return std::nullopt;
    std::optional<GitEntry> next;
    for (GitEntry& entry : entries(at.id)) {
      if (entry.path == name) next = std::move(entry);
    }
    if (!next) return std::nullopt;
    next->path = join(at.path, next->path);
    at = std::move(*next);
  }
  return at;
}

void GitTrees::walk(const std::string& tree, const Visit& visit) const {
  Budget budget;
  walk(tree, "", 1, budget, visit);
}

void GitTrees::walk(const std::string& tree, const std::string& prefix, size_t depth,
                    Budget& budget, const Visit& visit) const {
  for (GitEntry& entry : entries(tree)) {
    entry.path = join(prefix, entry.path);
    budget.take(*this, depth, entry.path);
    if (visit(entry) && entry.kind == GitKind::kTree) {
      walk(entry.id, entry.path, depth + 1, budget, visit);
    }
  }
}

struct GitTrees::DiffWalk {
  const GitTrees& trees;
  const Enter& enter;
  Budget budget{};
  std::vector<GitChange> out{};

  std::vector<GitEntry> level(const std::string& tree) {
    return tree.empty() ? std::vector<GitEntry>() : trees.entries(tree);
  }

  // Both are given only when they have one name and are both folders or both not.
  void differ(const GitEntry* before, const GitEntry* after, const std::string& prefix,
              size_t depth) {
    if (before && after && before->id == after->id && before->kind == after->kind) return;
    const GitEntry& any = before ? *before : *after;
    const std::string path = join(prefix, any.path);
    budget.take(trees, depth, path);
    if (any.kind == GitKind::kTree) {
      if (enter && !enter(path)) return;
      return compare(before ? before->id : "", after ? after->id : "", path, depth + 1);
    }
    GitChange change;
    if (before) change.before = GitEntry{path, before->kind, before->id};
    if (after) change.after = GitEntry{path, after->kind, after->id};
    out.push_back(std::move(change));
  }

  void compare(const std::string& before, const std::string& after, const std::string& prefix,
               size_t depth) {
    if (before == after) return;
    const std::vector<GitEntry> left = level(before), right = level(after);
    size_t l = 0, r = 0;
    while (l < left.size() || r < right.size()) {
      const int order = l == left.size()    ? 1
                        : r == right.size() ? -1
                                            : compare_names(left[l], right[r]);
      const GitEntry* from = order <= 0 ? &left[l++] : nullptr;
      const GitEntry* to = order >= 0 ? &right[r++] : nullptr;
      differ(from, to, prefix, depth);
    }
  }
};

std::vector<GitChange> GitTrees::diff(const std::string& before, const std::string& after,
                                      const Enter& enter) const {
  DiffWalk walk{*this, enter};
  walk.compare(before, after, "", 1);
  return std::move(walk.out);
}

}  // namespace lockstep
