// The commits of a fake source: a head, parents, and who committed.
// Knows nothing of what a commit contains.
#pragma once

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/base/error.h"
#include "pipeline/core/source.h"

namespace lockstep {

class FakeHistory {
 public:
  explicit FakeHistory(std::string source) : source_(std::move(source)) {}

  // A commit on top of the head, which moves there.
  std::string add(const std::string& author, const std::string& message) {
    std::string id = sha256(fmt::format("{} {}", source_, ++count_)).hex().substr(0, 40);
    commits_[id] = {{id, author, author + "@example.org", message, count_ * 1000}, head};
    return head = id;
  }
  // Makes `id` unknown, as after a rewritten history and a collection of garbage.
  void forget(const std::string& id) { commits_.erase(id); }

  const CommitInfo& info(const std::string& id) const { return at(id).info; }
  std::string resolve(const std::string& name) const {
    auto tag = tags.find(name);
    return at(tag == tags.end() ? name : tag->second).info.id;
  }
  bool descends(const std::string& to, const std::string& from) const {
    if (!commits_.count(from)) return false;
    for (std::string at = to; commits_.count(at); at = commits_.at(at).parent) {
      if (at == from) return true;
    }
    return false;
  }
  std::vector<CommitInfo> log(const std::string& from, const std::string& to, size_t limit) const {
    std::vector<CommitInfo> all;
    for (std::string at = to; commits_.count(at) && at != from && all.size() < limit;
         at = commits_.at(at).parent) {
      all.push_back(commits_.at(at).info);
    }
    return all;
  }

  std::string head;
  std::map<std::string, std::set<std::string>> kept;  // owner → commits
  std::map<std::string, std::string> tags;            // name → commit

 private:
  struct Kept {
    CommitInfo info;
    std::string parent;
  };
  const Kept& at(const std::string& id) const {
    auto found = commits_.find(id);
    if (found != commits_.end()) return found->second;
    throw Error(ErrorCode::kNotFound, source_ + " has no commit " + id);
  }

  std::string source_;
  int64_t count_ = 0;
  std::map<std::string, Kept> commits_;
};

}  // namespace lockstep
