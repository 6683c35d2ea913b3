#include "connectors/git/origin.h"

#include <algorithm>
#include <utility>

#include "connectors/git/commits.h"
#include "connectors/git/ref_watch.h"
#include "pipeline/base/text.h"

namespace lockstep {

GitOrigin::GitOrigin(GitOriginConfig config) : config_(std::move(config)) {
  if (is_local_place(config_.place)) return;
  in_git_source(config_.name, [&] {
    mirror_ = std::make_unique<GitMirror>(config_.mirror, config_.place, config_.credentials,
                                          config_.limits);
  });
}

GitRepository& GitOrigin::repository() {
  if (!repository_) {
    if (mirror_ && !mirror_->exists()) mirror_->fetch();
    repository_ = std::make_unique<GitRepository>(mirror_ ? mirror_->folder()
                                                          : std::filesystem::path(config_.place));
  }
  return *repository_;
}

std::unique_ptr<SourceWatch> GitOrigin::watch() const {
  return local() ? std::make_unique<RefWatch>(config_.place) : nullptr;
}

std::string GitOrigin::head() {
  if (mirror_) mirror_->fetch();
  return repository().branch(config_.branch);
}

bool GitOrigin::move(const std::string& branch, const std::string& from, const std::string& to,
                     const std::string& why) {
  if (mirror_) return mirror_->push(branch, from, to);
  return GitCommits(repository()).move(branch, from, to, why);
}

std::string GitOrigin::resolve(const std::string& name) {
  const size_t tilde = std::min(name.find('~'), name.size());
  std::string base = name.substr(0, tilde);
  if (base == "HEAD") base = config_.branch;
  const std::string back = tilde < name.size() ? name.substr(tilde + 1) : "0";
  const bool good = back.size() < 7 && back.find_first_not_of("0123456789") == back.npos;
  if (!good) throw Error(ErrorCode::kInvalid, "not a commit: " + printable(name));
  std::string id;
  try {
    id = repository().resolve(base);
  } catch (const Error& error) {
    if (!mirror_ || error.code != ErrorCode::kNotFound) throw;
    mirror_->fetch();
    id = repository().resolve(base);
  }
  for (int left = back.empty() ? 1 : std::stoi(back); left > 0; --left) {
    id = repository().commit(id).parent;
    if (id.empty()) {
      throw Error(ErrorCode::kNotFound, printable(name) + " is before the first commit");
    }
  }
  return id;
}

}  // namespace lockstep
