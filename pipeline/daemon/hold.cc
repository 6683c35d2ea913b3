#include "pipeline/daemon/hold.h"

#include <fmt/format.h>

namespace lockstep {

CommitHolder::CommitHolder(std::string owner, std::function<void(const std::string&)> warn)
    : owner_(std::move(owner)), warn_(std::move(warn)) {}

std::optional<Error> CommitHolder::hold(const Stores& stores,
                                        const std::set<SourceCommit>& commits) {
  std::optional<Error> away;
  for (const auto& [source, commit] : commits) {
    const auto store = stores.find(source);
    if (store == stores.end()) continue;
    try {
      store->second->keep(owner_, commit);
    } catch (const Error& error) {
      const std::string what = fmt::format("commit {} of {} can't be held: {}", commit.substr(0, 7),
                                           source, error.what());
      if (error.code == ErrorCode::kUnavailable) {
        if (!away) away = Error(error.code, what, error.hint);
        continue;
      }
      // Rights are those of the source, whichever commit.
      const bool all = error.code == ErrorCode::kDenied;
      if (said_.insert(all ? source : source + "/" + commit).second) warn_(what);
    }
  }
  return away;
}

}  // namespace lockstep
