// The models of a release, by name. Reads like a map; releases of one channel differ in few models,
// so that copies share what is equal: a thousand releases of a thousand models are no million.
// Knows nothing of manifests or digests.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/base/digest.h"

namespace lockstep {

struct ReleaseModel {
  int64_t version = 0;
  Digest digest;
  bool operator==(const ReleaseModel&) const = default;
};

// Kept as runs of neighbours, which end behind a name whose hash says so (content-defined
// chunking): whatever comes, goes or changes elsewhere, a run stays the same and can be shared.
class ReleaseModels {
 public:
  using value_type = std::pair<std::string, ReleaseModel>;

  class const_iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = ReleaseModels::value_type;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = const value_type&;

    const_iterator() = default;
    reference operator*() const { return (*of_->runs_[run_])[at_]; }
    pointer operator->() const { return &**this; }
    const_iterator& operator++() {
      if (++at_ == of_->runs_[run_]->size()) ++run_, at_ = 0;
      return *this;
    }
    const_iterator operator++(int) {
      const_iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const const_iterator&) const = default;

   private:
    friend class ReleaseModels;
    const_iterator(const ReleaseModels* of, size_t run, size_t at) : of_(of), run_(run), at_(at) {}
    const ReleaseModels* of_ = nullptr;
    size_t run_ = 0, at_ = 0;
  };

  ReleaseModels() = default;
  ReleaseModels(std::initializer_list<value_type> all) : ReleaseModels(std::vector(all)) {}
  // In any order; of a name given twice the last one counts.
  explicit ReleaseModels(std::vector<value_type> all);

  const_iterator begin() const { return {this, 0, 0}; }
  const_iterator end() const { return {this, runs_.size(), 0}; }
  size_t size() const;
  bool empty() const { return runs_.empty(); }
  const_iterator find(const std::string& name) const;
  size_t count(const std::string& name) const { return find(name) != end() ? 1 : 0; }
  // Throws not_found.
  const ReleaseModel& at(const std::string& name) const;
  bool operator==(const ReleaseModels& other) const;

  void put(const std::string& name, const ReleaseModel& entry);
  void erase(const std::string& name);
  // Takes those runs from `other` that are equal to its own.
  void share(const ReleaseModels& other);

 private:
  using RunOfModels = std::vector<value_type>;

  size_t run_for(const std::string& name) const;

  std::vector<std::shared_ptr<const RunOfModels>> runs_;  // none is empty
};

}  // namespace lockstep
