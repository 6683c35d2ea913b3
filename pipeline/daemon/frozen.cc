// Names that inputs are frozen at (`at:`): one that comes to mean another commit, or is there at
// last, is planned without waiting for a commit elsewhere.
#include <spdlog/spdlog.h>

#include "pipeline/base/text.h"
#include "pipeline/daemon/daemon.h"

namespace lockstep {
namespace {

constexpr const char* kKept = "frozen";

Json to_json(const FrozenNames& names) {
  Json all = Json::array();
  for (const auto& [name, commit] : names) all.push_back({name.first, name.second, commit});
  return all;
}

FrozenNames from_json(const std::string& text) {
  FrozenNames names;
  if (text.empty()) return names;
  for (const Json& one : parse_json(text, "the names that inputs are frozen at")) {
    names[{one.at(0).get<std::string>(), one.at(1).get<std::string>()}] =
        one.at(2).get<std::string>();
  }
  return names;
}

}  // namespace

// What was read is what the plan is made of. A name that gave nothing is asked by itself: it may be
// something else that can't be read there, which is known once a plan was made because of it; or it
// came while the plan was being read, and is to be noticed then.
void Daemon::keep_frozen(const Survey& survey) {
  FrozenNames names = frozen_names(survey), unknown;
  for (const auto& one : names) {
    if (one.second.empty()) unknown.insert(one);
  }
  const FrozenNames before =
      from_json(in_loop([](Engine& engine) { return engine.store().get(kKept); }));
  {
    std::lock_guard<std::mutex> lock(survey_mutex_);
    for (const auto& one : surveyor_->resolve(unknown)) {
      auto is = [&](const FrozenNames& all) {
        auto known = all.find(one.first);
        return known != all.end() && known->second == one.second;
      };
      if (is(before) || is(frozen_noticed_)) names[one.first] = one.second;
    }
  }
  const std::string kept = to_json(names).dump();
  in_loop([&](Engine& engine) {
    if (engine.store().get(kKept) != kept) engine.store().set(kKept, kept);
  });
}

// Each meaning is told of, and planned, once.
bool Daemon::frozen_moved(const std::map<std::string, std::string>& errors) {
  FrozenNames known = from_json(in_loop([](Engine& engine) { return engine.store().get(kKept); }));
  for (auto one = known.begin(); one != known.end();) {
    one = errors.count(one->first.first) ? known.erase(one) : std::next(one);
  }
  if (known.empty()) return false;
  FrozenNames now;
  {
    std::lock_guard<std::mutex> lock(survey_mutex_);
    now = surveyor_->resolve(known);
    frozen_noticed_ = now;
  }
  bool moved = false;
  for (const auto& [name, commit] : now) {
    if (commit == known.at(name)) continue;
    moved = true;
    const std::string text = printable(name.second);
    if (commit.empty()) {
      spdlog::warn("{} has no {} any more, at which inputs are frozen", name.first, text);
    } else {
      spdlog::info("{} of {} is at {}", text, name.first, commit.substr(0, 7));
    }
  }
  return moved;
}

}  // namespace lockstep
