// libgit2's handles owned, its return codes as Error, and its process-wide set-up. For the files of
// this room only: nothing outside of it sees a libgit2 type. Knows nothing of what is read.
#pragma once

#include <git2.h>

#include <memory>
#include <string>
#include <string_view>

namespace lockstep {

template <auto Free>
struct GitFree {
  template <typename T>
  void operator()(T* handle) const {
    Free(handle);
  }
};
template <typename T, auto Free>
using GitHandle = std::unique_ptr<T, GitFree<Free>>;

using GitTreeHandle = GitHandle<git_tree, git_tree_free>;
using GitCommitHandle = GitHandle<git_commit, git_commit_free>;
using GitReferenceHandle = GitHandle<git_reference, git_reference_free>;
using GitObjectHandle = GitHandle<git_object, git_object_free>;

// Once per process, thread-safe. Configuration of the user and of the machine is not read: what a
// repository contains must not depend on who looks.
void start_libgit();

// Throws when `code` is negative; `what` names the thing ("commit 1f3c… of /srv/tables.git").
// not_found, invalid (bad name), corrupt (object damaged), denied, unavailable (all else).
void check_git(int code, std::string_view what);

// 40 lower-case hex digits to an id; throws invalid.
git_oid parse_oid(std::string_view id);
std::string oid_text(const git_oid& id);

}  // namespace lockstep
