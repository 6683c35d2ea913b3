#include "connectors/git/commits.h"

#include <fmt/format.h>

#include <vector>

#include "connectors/git/libgit.h"
#include "connectors/git/names.h"
#include "connectors/git/trees.h"
#include "pipeline/base/error.h"

namespace lockstep {
namespace {

using SignatureHandle = GitHandle<git_signature, git_signature_free>;

// What would end a name or an address early in a commit (git trims or refuses it).
bool fits(const std::string& text) {
  return text.find_first_of("<>\n\r") == text.npos && text.find('\0') == text.npos;
}

SignatureHandle signature(const std::string& name, const std::string& email) {
  git_signature* made = nullptr;
  if (!fits(name) || !fits(email) || git_signature_now(&made, name.c_str(), email.c_str()) != 0) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("\"{} <{}>\" can't be the author of a commit", printable(name, 100),
                            printable(email, 100)),
                "give a name and an address without angle brackets");
  }
  return SignatureHandle(made);
}

}  // namespace

std::string GitCommits::write_tree(const GitNewCommit& commit, const std::string& base) const {
  const GitTrees trees(repository_);
  std::vector<git_tree_update> updates;
  for (const auto& [path, bytes] : commit.files) {
    check_path(path, repository_.place());
    git_tree_update update{};
    update.action = GIT_TREE_UPDATE_UPSERT;
    const std::optional<GitEntry> before = trees.find(base, path);
    const bool executable = before && before->kind == GitKind::kExecutable;
    update.filemode = executable ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
    update.path = path.c_str();
    check_git(git_blob_create_from_buffer(&update.id, repository_.raw_, bytes.data(), bytes.size()),
              repository_.what("writing a file's bytes"));
    updates.push_back(update);
  }
  const git_oid oid = parse_oid(base);
  git_tree* found = nullptr;
  const int code = git_tree_lookup(&found, repository_.raw_, &oid);
  const GitTreeHandle tree(found);
  check_git(code, repository_.what("tree " + base));
  git_oid made{};
  check_git(git_tree_create_updated(&made, repository_.raw_, found, updates.size(), updates.data()),
            repository_.what("writing a tree"));
  return oid_text(made);
}

std::string GitCommits::write(const GitNewCommit& commit) const {
  const std::string before = repository_.commit(commit.parent).tree;
  const SignatureHandle author = signature(commit.author, commit.email);
  const std::string after = write_tree(commit, before);
  if (after == before) return commit.parent;
  const git_oid tree_id = parse_oid(after), parent_id = parse_oid(commit.parent);
  git_tree* tree = nullptr;
  check_git(git_tree_lookup(&tree, repository_.raw_, &tree_id), repository_.what("tree " + after));
  const GitTreeHandle owned_tree(tree);
  git_commit* parent = nullptr;
  check_git(git_commit_lookup(&parent, repository_.raw_, &parent_id),
            repository_.what("commit " + commit.parent));
  const GitCommitHandle owned_parent(parent);
  const git_commit* parents[] = {parent};
  git_oid made{};
  check_git(git_commit_create(&made, repository_.raw_, nullptr, author.get(), author.get(), "UTF-8",
                              commit.message.c_str(), tree, 1, parents),
            repository_.what("writing a commit"));
  return oid_text(made);
}

bool GitCommits::move(const std::string& branch, const std::string& from, const std::string& to,
                      const std::string& why) const {
  const git_oid before = parse_oid(from), after = parse_oid(to);
  git_reference* made = nullptr;
  const int code = git_reference_create_matching(
      &made, repository_.raw_, ("refs/heads/" + branch).c_str(), &after, 1, &before, why.c_str());
  git_reference_free(made);
  if (code == GIT_EMODIFIED || code == GIT_ELOCKED || code == GIT_ENOTFOUND) return false;
  check_git(code, repository_.what(fmt::format("moving branch \"{}\"", printable(branch))));
  return true;
}

void GitCommits::check_not_checked_out(const std::string& branch) const {
  git_reference* found = nullptr;
  const std::string full = "refs/heads/" + branch;
  if (git_reference_lookup(&found, repository_.raw_, full.c_str()) != 0) return;
  const GitReferenceHandle reference(found);
  if (git_branch_is_checked_out(found) != 1) return;
  git_config* opened = nullptr;
  check_git(git_repository_config_snapshot(&opened, repository_.raw_),
            repository_.what("the configuration"));
  const GitHandle<git_config, git_config_free> config(opened);
  const char* text = nullptr;
  const int code = git_config_get_string(&text, opened, "receive.denycurrentbranch");
  const std::string_view choice = code == 0 && text ? text : "refuse";
  if (choice == "ignore" || choice == "warn" || choice == "false") return;
  throw Error(ErrorCode::kDenied,
              fmt::format("branch \"{}\" is checked out in a working tree of {}", printable(branch),
                          repository_.place()),
              "write to another branch or into a bare repository, or let the files there fall "
              "behind: git config receive.denyCurrentBranch ignore");
}

}  // namespace lockstep
