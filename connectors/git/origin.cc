#include "connectors/git/origin.h"

#include <utility>

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

std::string GitOrigin::head() {
  if (mirror_) mirror_->fetch();
  return repository().branch(config_.branch);
}

std::string GitOrigin::resolve(const std::string& name) {
  try {
    return repository().resolve(name);
  } catch (const Error& error) {
    if (!mirror_ || error.code != ErrorCode::kNotFound) throw;
  }
  mirror_->fetch();
  return repository().resolve(name);
}

}  // namespace lockstep
