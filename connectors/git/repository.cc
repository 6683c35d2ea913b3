#include "connectors/git/repository.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "connectors/git/libgit.h"
#include "connectors/git/names.h"
#include "pipeline/base/error.h"
#include "pipeline/base/point.h"

namespace lockstep {
namespace {

constexpr std::string_view kHeads = "refs/heads/";
constexpr std::string_view kTags = "refs/tags/";

// Why libgit2 would not open it, in words that lead on.
Error open_error(int code, const std::string& place) {
  const git_error* last = git_error_last();
  const std::string said = last && last->message ? printable(last->message) : "";
  std::error_code ignored;
  if (!std::filesystem::exists(place, ignored)) {
    return Error(ErrorCode::kNotFound, fmt::format("git repository {} does not exist", place),
                 "check the source's place");
  }
  if (said.find("objectformat") != said.npos || said.find("sha256") != said.npos) {
    return Error(ErrorCode::kInvalid,
                 fmt::format("git repository {} has SHA-256 object names", place),
                 "libgit2 1.5 reads SHA-1 repositories only; convert it, or use a SHA-1 copy");
  }
  if (code == GIT_ENOTFOUND) {
    return Error(ErrorCode::kInvalid, fmt::format("{} is not a git repository", place),
                 "give the folder that git init or git clone made");
  }
  return Error(ErrorCode::kUnavailable,
               fmt::format("cannot open git repository {}: {}", place, said));
}

GitCommit to_commit(const git_commit* commit) {
  GitCommit out;
  out.id = oid_text(*git_commit_id(commit));
  out.tree = oid_text(*git_commit_tree_id(commit));
  const git_signature* author = git_commit_author(commit);
  out.author = as_utf8(author->name ? author->name : "");
  out.email = as_utf8(author->email ? author->email : "");
  const char* message = git_commit_message(commit);
  out.message = as_utf8(message ? message : "");
  out.time_ms = git_commit_time(commit) * 1000;
  if (git_commit_parentcount(commit) > 0) out.parent = oid_text(*git_commit_parent_id(commit, 0));
  return out;
}

std::string kept_by(const std::string& owner) {
  return "refs/lockstep/keep/" + owner + "/";
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == text.npos;
}

}  // namespace

GitRepository::GitRepository(const std::filesystem::path& folder) : place_(folder.string()) {
  start_libgit();
  const int code =
      git_repository_open_ext(&raw_, place_.c_str(), GIT_REPOSITORY_OPEN_NO_SEARCH, nullptr);
  if (code != 0) throw open_error(code, place_);
}

GitRepository::~GitRepository() {
  git_repository_free(raw_);
}

void GitRepository::create_bare(const std::filesystem::path& folder) {
  start_libgit();
  git_repository_init_options options;
  check_git(git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION),
            "git repository options");
  options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH;
  git_repository* made = nullptr;
  const int code = git_repository_init_ext(&made, folder.c_str(), &options);
  git_repository_free(made);
  check_git(code, fmt::format("git repository {}", folder.string()));
}

std::filesystem::path GitRepository::common_folder() const {
  return git_repository_commondir(raw_);
}

std::string GitRepository::what(std::string_view thing) const {
  return fmt::format("{} in git repository {}", thing, place_);
}

std::vector<GitRef> GitRepository::refs() const {
  std::vector<GitRef> out;
  for (const std::string_view prefix : {kHeads, kTags}) {
    for (const std::string& name : short_names(prefix)) {
      const std::string full = std::string(prefix) + name;
      git_reference* found = nullptr;
      if (git_reference_lookup(&found, raw_, full.c_str()) != 0) continue;  // gone meanwhile
      const GitReferenceHandle reference(found);
      git_object* peeled = nullptr;
      if (git_reference_peel(&peeled, found, GIT_OBJECT_COMMIT) != 0) continue;
      const GitObjectHandle object(peeled);
      out.push_back({full, oid_text(*git_object_id(peeled))});
    }
  }
  return out;
}

std::vector<std::string> GitRepository::short_names(std::string_view prefix) const {
  std::vector<std::string> names;
  git_reference_iterator* made = nullptr;
  const std::string glob = std::string(prefix) + "*";
  check_git(git_reference_iterator_glob_new(&made, raw_, glob.c_str()), what("the list of refs"));
  const GitHandle<git_reference_iterator, git_reference_iterator_free> iterator(made);
  const char* name = nullptr;
  int code = 0;
  while ((code = git_reference_next_name(&name, made)) == 0) {
    names.emplace_back(std::string_view(name).substr(prefix.size()));
  }
  if (code != GIT_ITEROVER) check_git(code, what("the list of refs"));
  std::sort(names.begin(), names.end());
  return names;
}

std::string GitRepository::branch(const std::string& name) const {
  const std::string full = std::string(kHeads) + name;
  git_reference* found = nullptr;
  const int code = git_reference_lookup(&found, raw_, full.c_str());
  const GitReferenceHandle reference(found);
  if (code == GIT_ENOTFOUND || code == GIT_EINVALIDSPEC) {
    const std::vector<std::string> all = short_names(kHeads);
    const std::vector<std::string> near = near_names(name, all);
    std::string hint = "it has no branches yet";
    if (!near.empty()) {
      hint = fmt::format("did you mean {}?", fmt::join(near, ", "));
    } else if (!all.empty()) {
      std::vector<std::string> some;
      for (size_t i = 0; i < std::min<size_t>(5, all.size()); ++i)
        some.push_back(printable(all[i]));
      hint = fmt::format("it has {} branches, among them {}", all.size(), fmt::join(some, ", "));
    }
    throw Error(ErrorCode::kNotFound, what(fmt::format("no branch \"{}\"", printable(name))), hint);
  }
  check_git(code, what(fmt::format("branch \"{}\"", printable(name))));
  git_object* peeled = nullptr;
  check_git(git_reference_peel(&peeled, found, GIT_OBJECT_COMMIT),
            what(fmt::format("the commit of branch \"{}\"", printable(name))));
  const GitObjectHandle object(peeled);
  return oid_text(*git_object_id(peeled));
}

std::string GitRepository::resolve(const std::string& name) const {
  if (name.size() == 40 && is_hex(name)) return commit(name).id;
  for (const std::string_view prefix : {kHeads, kTags, std::string_view()}) {
    const std::string full = std::string(prefix) + name;
    if (prefix.empty() && full.rfind("refs/", 0) != 0) continue;
    git_reference* found = nullptr;
    if (git_reference_lookup(&found, raw_, full.c_str()) != 0) continue;
    const GitReferenceHandle reference(found);
    git_object* peeled = nullptr;
    check_git(git_reference_peel(&peeled, found, GIT_OBJECT_COMMIT),
              what(fmt::format("a commit behind {}", printable(full))));
    const GitObjectHandle object(peeled);
    return oid_text(*git_object_id(peeled));
  }
  if (name.size() >= 4 && name.size() < 40 && is_hex(name)) {
    git_oid prefix{};
    git_oid_fromstrn(&prefix, name.data(), name.size());
    git_commit* found = nullptr;
    const int code = git_commit_lookup_prefix(&found, raw_, &prefix, name.size());
    const GitCommitHandle owned(found);
    if (code == 0) return oid_text(*git_commit_id(found));
    if (code == GIT_EAMBIGUOUS) check_git(code, what(fmt::format("commit {}", name)));
  }
  std::vector<std::string> all = short_names(kHeads);
  for (std::string& tag : short_names(kTags)) all.push_back(std::move(tag));
  const std::vector<std::string> near = near_names(name, all);
  throw Error(ErrorCode::kNotFound,
              what(fmt::format("no branch, tag or commit \"{}\"", printable(name))),
              near.empty() ? "" : fmt::format("did you mean {}?", fmt::join(near, ", ")));
}

GitCommit GitRepository::commit(const std::string& id) const {
  const git_oid oid = parse_oid(id);
  git_commit* found = nullptr;
  const int code = git_commit_lookup(&found, raw_, &oid);
  const GitCommitHandle owned(found);
  check_git(code, what(fmt::format("commit {}", id)));
  return to_commit(found);
}

bool GitRepository::has_commit(const std::string& id) const {
  const git_oid oid = parse_oid(id);
  git_commit* found = nullptr;
  const int code = git_commit_lookup(&found, raw_, &oid);
  git_commit_free(found);
  if (code != GIT_ENOTFOUND) check_git(code, what(fmt::format("commit {}", id)));
  return code == 0;
}

std::vector<GitCommit> GitRepository::log(const std::string& from, const std::string& to,
                                          size_t limit) const {
  const std::string name = what(fmt::format("the history of {}", printable(to, 40)));
  git_revwalk* made = nullptr;
  check_git(git_revwalk_new(&made, raw_), name);
  const GitHandle<git_revwalk, git_revwalk_free> walk(made);
  git_revwalk_sorting(made, GIT_SORT_TOPOLOGICAL | GIT_SORT_TIME);
  git_oid oid = parse_oid(to);
  check_git(git_revwalk_push(made, &oid), name);
  if (!from.empty() && has_commit(from)) {
    oid = parse_oid(from);
    check_git(git_revwalk_hide(made, &oid), name);
  }
  std::vector<GitCommit> out;
  while (out.size() < limit) {
    const int code = git_revwalk_next(&oid, made);
    if (code == GIT_ITEROVER) break;
    check_git(code, name);
    out.push_back(commit(oid_text(oid)));
  }
  return out;
}

bool GitRepository::descends(const std::string& to, const std::string& from) const {
  if (to == from) return has_commit(to);
  if (!has_commit(from)) return false;
  const git_oid after = parse_oid(to), before = parse_oid(from);
  const int code = git_graph_descendant_of(raw_, &after, &before);
  check_git(code, what(fmt::format("the history of {}", to)));
  return code == 1;
}

uint64_t GitRepository::blob_size(const std::string& id) const {
  const git_oid oid = parse_oid(id);
  const std::string name = what(fmt::format("blob {}", id));
  git_odb* opened = nullptr;
  check_git(git_repository_odb(&opened, raw_), name);
  const GitHandle<git_odb, git_odb_free> odb(opened);
  size_t size = 0;
  git_object_t type = GIT_OBJECT_INVALID;
  check_git(git_odb_read_header(&size, &type, opened, &oid), name);
  if (type != GIT_OBJECT_BLOB) throw Error(ErrorCode::kInvalid, name + " is not a blob");
  return size;
}

void GitRepository::read_blob(const std::string& id, uint64_t max_bytes,
                              const std::function<void(std::string_view)>& use) const {
  const uint64_t size = blob_size(id);
  const std::string name = what(fmt::format("blob {}", id));
  if (size > max_bytes) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("{} has {} bytes, more than the {} allowed", name, size, max_bytes));
  }
  const git_oid oid = parse_oid(id);
  git_blob* found = nullptr;
  const int code = git_blob_lookup(&found, raw_, &oid);
  const GitHandle<git_blob, git_blob_free> owned(found);
  check_git(code, name);
  use({static_cast<const char*>(git_blob_rawcontent(found)),
       static_cast<size_t>(git_blob_rawsize(found))});
}

std::string GitRepository::blob(const std::string& id, uint64_t max_bytes) const {
  std::string out;
  read_blob(id, max_bytes, [&](std::string_view bytes) { out = bytes; });
  return out;
}

void GitRepository::keep(const std::string& owner, const std::string& id) {
  const git_oid oid = parse_oid(commit(id).id);
  point("git.keep.before");
  git_reference* made = nullptr;
  const int code = git_reference_create(&made, raw_, (kept_by(owner) + id).c_str(), &oid, 1,
                                        "kept for a release");
  git_reference_free(made);
  point("git.keep.after");
  check_git(code, what(fmt::format("the ref that keeps commit {}", id)));
}

std::vector<std::string> GitRepository::kept(const std::string& owner) const {
  return short_names(kept_by(owner));
}

void GitRepository::release(const std::string& owner, const std::string& id) {
  parse_oid(id);
  const int code = git_reference_remove(raw_, (kept_by(owner) + id).c_str());
  if (code != GIT_ENOTFOUND) {
    check_git(code, what(fmt::format("the ref that keeps commit {}", id)));
  }
}

}  // namespace lockstep
