#include "connectors/git_repo/code_repo.h"

#include <fmt/format.h>

#include <algorithm>

#include "connectors/git/names.h"
#include "connectors/git/trees.h"
#include "connectors/git_repo/globs.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxLinkBytes = 4096;
constexpr size_t kMaxKnown = 256;

CommitInfo to_info(GitCommit commit) {
  return {std::move(commit.id), std::move(commit.author), std::move(commit.email),
          std::move(commit.message), commit.time_ms};
}

}  // namespace

std::string GitCodeRepo::head() {
  return in_git_source(origin_.config().name, [&] { return origin_.head(); });
}

std::string GitCodeRepo::resolve(const std::string& name) {
  return in_git_source(origin_.config().name, [&] { return origin_.resolve(name); });
}

CommitInfo GitCodeRepo::commit(const std::string& id) {
  return in_git_source(origin_.config().name,
                       [&] { return to_info(origin_.repository().commit(id)); });
}

std::vector<CommitInfo> GitCodeRepo::log(const std::string& from, const std::string& to,
                                         size_t limit) {
  return in_git_source(origin_.config().name, [&] {
    std::vector<CommitInfo> out;
    for (GitCommit& commit : origin_.repository().log(from, to, limit)) {
      out.push_back(to_info(std::move(commit)));
    }
    return out;
  });
}

bool GitCodeRepo::descends(const std::string& to, const std::string& from) {
  return in_git_source(origin_.config().name,
                       [&] { return origin_.repository().descends(to, from); });
}

void GitCodeRepo::keep(const std::string& owner, const std::string& commit) {
  in_git_source(origin_.config().name, [&] { origin_.repository().keep(owner, commit); });
}

void GitCodeRepo::release(const std::string& owner, const std::string& commit) {
  in_git_source(origin_.config().name, [&] { origin_.repository().release(owner, commit); });
}

std::vector<std::string> GitCodeRepo::kept(const std::string& owner) {
  return in_git_source(origin_.config().name, [&] { return origin_.repository().kept(owner); });
}

std::unique_ptr<SourceWatch> GitCodeRepo::watch() {
  return in_git_source(origin_.config().name, [&] { return origin_.watch(); });
}

std::map<std::string, std::string> GitCodeRepo::tags() {
  constexpr std::string_view kTags = "refs/tags/";
  return in_git_source(origin_.config().name, [&] {
    std::map<std::string, std::string> out;
    for (const GitRef& ref : origin_.repository().refs()) {
      bool tag = ref.name.compare(0, kTags.size(), kTags) == 0 && valid_utf8(ref.name);
      if (tag) out[ref.name.substr(kTags.size())] = ref.commit;
    }
    return out;
  });
}

std::vector<CodePath> GitCodeRepo::list(const std::string& commit,
                                        const std::vector<std::string>& globs) {
  return in_git_source(origin_.config().name, [&] {
    const GitRepository& repository = origin_.repository();
    const std::string tree = repository.commit(commit).tree;
    const auto known = known_.find({tree, globs});
    if (known != known_.end()) return known->second;

    const PathGlobs selected(globs);
    std::vector<CodePath> out;
    GitTrees(repository).walk(tree, [&](const GitEntry& entry) {
      if (entry.kind == GitKind::kTree) return selected.may_enter(entry.path);
      if (selected.matches(entry.path)) out.push_back(checked(repository, commit, entry));
      return false;
    });
    std::sort(out.begin(), out.end(),
              [](const CodePath& a, const CodePath& b) { return a.path < b.path; });
    if (known_.size() >= kMaxKnown) known_.clear();
    return known_[{tree, globs}] = out;
  });
}

CodePath GitCodeRepo::checked(const GitRepository& repository, const std::string& commit,
                              const GitEntry& entry) const {
  const std::string where = fmt::format("{}@{}", origin_.config().name, commit.substr(0, 12));
  check_path(entry.path, where);
  if (entry.kind == GitKind::kSubmodule) {
    throw Error(
        ErrorCode::kInvalid,
        fmt::format("path \"{}\" is a submodule, which is not followed", entry.path),
        fmt::format("leave it out with \"!{}\", or commit the files themselves", entry.path),
        where);
  }
  if (entry.kind == GitKind::kLink) {
    link_destination(entry.path, repository.blob(entry.id, kMaxLinkBytes), where);
  }
  return {entry.path, std::string(entry.mode()), entry.id};
}

std::string GitCodeRepo::blob(const std::string& id, uint64_t max_bytes) {
  return in_git_source(origin_.config().name,
                       [&] { return origin_.repository().blob(id, max_bytes); });
}

}  // namespace lockstep
