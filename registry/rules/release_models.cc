#include "registry/rules/release_models.h"

#include <functional>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

constexpr size_t kMeanRun = 16;

bool ends_run(const std::string& name) {
  return std::hash<std::string>()(name) % kMeanRun == 0;
}

template <class Run>
auto place_in(Run& run, const std::string& name) {
  return std::lower_bound(run.begin(), run.end(), name,
                          [](const auto& entry, const std::string& n) { return entry.first < n; });
}

}  // namespace

ReleaseModels::ReleaseModels(std::vector<value_type> all) {
  auto before = [](const value_type& a, const value_type& b) { return a.first < b.first; };
  if (!std::is_sorted(all.begin(), all.end(), before)) {
    std::stable_sort(all.begin(), all.end(), before);
  }
  RunOfModels run;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i + 1 < all.size() && all[i].first == all[i + 1].first) continue;
    run.push_back(std::move(all[i]));
    if (!ends_run(run.back().first) && i + 1 < all.size()) continue;
    run.shrink_to_fit();
    runs_.push_back(std::make_shared<const RunOfModels>(std::exchange(run, {})));
  }
}

size_t ReleaseModels::size() const {
  size_t size = 0;
  for (const auto& run : runs_) size += run->size();
  return size;
}

// The run that has the name, or would.
size_t ReleaseModels::run_for(const std::string& name) const {
  auto run =
      std::lower_bound(runs_.begin(), runs_.end(), name,
                       [](const auto& one, const std::string& n) { return one->back().first < n; });
  bool open = run == runs_.end() && !runs_.empty() && !ends_run(runs_.back()->back().first);
  return static_cast<size_t>(run - runs_.begin()) - (open ? 1 : 0);
}

ReleaseModels::const_iterator ReleaseModels::find(const std::string& name) const {
  size_t at = run_for(name);
  if (at == runs_.size()) return end();
  auto found = place_in(*runs_[at], name);
  if (found == runs_[at]->end() || found->first != name) return end();
  return {this, at, static_cast<size_t>(found - runs_[at]->begin())};
}

const ReleaseModel& ReleaseModels::at(const std::string& name) const {
  auto found = find(name);
  if (found == end()) throw Error(ErrorCode::kNotFound, "the release has no model " + name);
  return found->second;
}

bool ReleaseModels::operator==(const ReleaseModels& other) const {
  return std::equal(runs_.begin(), runs_.end(), other.runs_.begin(), other.runs_.end(),
                    [](const auto& a, const auto& b) { return a == b || *a == *b; });
}

void ReleaseModels::put(const std::string& name, const ReleaseModel& entry) {
  size_t at = run_for(name);
  if (at == runs_.size()) runs_.push_back(std::make_shared<RunOfModels>());
  RunOfModels run = *runs_[at];
  auto place = place_in(run, name);
  if (place != run.end() && place->first == name) {
    place->second = entry;
  } else {
    place = run.insert(place, {name, entry});
    if (ends_run(name) && place + 1 != run.end()) {
      auto rest = std::make_shared<RunOfModels>(place + 1, run.end());
      run.erase(place + 1, run.end());
      runs_.insert(runs_.begin() + static_cast<std::ptrdiff_t>(at) + 1, std::move(rest));
    }
  }
  runs_[at] = std::make_shared<const RunOfModels>(std::move(run));
}

void ReleaseModels::erase(const std::string& name) {
  size_t at = run_for(name);
  if (at == runs_.size()) return;
  RunOfModels run = *runs_[at];
  auto place = place_in(run, name);
  if (place == run.end() || place->first != name) return;
  run.erase(place);
  bool joins = ends_run(name) && at + 1 < runs_.size();  // its end is gone: the next belongs to it
  if (joins) run.insert(run.end(), runs_[at + 1]->begin(), runs_[at + 1]->end());
  auto begin = runs_.begin() + static_cast<std::ptrdiff_t>(at);
  if (joins) runs_.erase(begin + 1);
  if (run.empty()) {
    runs_.erase(runs_.begin() + static_cast<std::ptrdiff_t>(at));
  } else {
    runs_[at] = std::make_shared<const RunOfModels>(std::move(run));
  }
}

void ReleaseModels::share(const ReleaseModels& other) {
  auto theirs = other.runs_.begin();
  for (auto& mine : runs_) {
    while (theirs != other.runs_.end() && (*theirs)->back().first < mine->back().first) ++theirs;
    if (theirs == other.runs_.end()) return;
    if (*mine == **theirs) mine = *theirs;
  }
}

}  // namespace lockstep
