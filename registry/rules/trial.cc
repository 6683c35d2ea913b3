#include "registry/rules/trial.h"

#include <optional>
#include <utility>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

using Back = std::function<void()>;

constexpr size_t kMd5Digits = 32;  // releases are kept by these

// One value of a map as it is now.
template <class Map>
Back value_of(Map& map, const std::string& key) {
  auto found = map.find(key);
  if (found == map.end()) return [&map, key] { map.erase(key); };
  return [&map, key, before = found->second] { map.insert_or_assign(key, before); };
}

// One list of a map of lists, to which is only ever added.
template <class Map>
Back length_of(Map& map, const std::string& key) {
  auto found = map.find(key);
  const size_t before = found == map.end() ? 0 : found->second.size();
  return [&map, key, before] {
    auto now = map.find(key);
    if (now == map.end()) return;
    auto& list = now->second;
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(before), list.end());
    if (list.empty()) map.erase(now);
  };
}

// What takes a fact back that is about to be applied. It may be called where the fact was refused.
class Before {
 public:
  explicit Before(Registry& registry) : registry_(registry) {}

  Back operator()(const AliasMove& move) const {
    ModelState* model = known(move.model);
    if (!model) return [] {};
    return [alias = value_of(model->aliases, move.alias), model, length = model->moves.size()] {
      alias();
      auto& moves = model->moves;
      moves.erase(moves.begin() + static_cast<std::ptrdiff_t>(length), moves.end());
    };
  }

  Back operator()(const Pin& pin) const { return pins(pin.model, pin.alias); }
  Back operator()(const Unpin& unpin) const { return pins(unpin.model, unpin.alias); }

  Back operator()(const Withdrawal& mark) const {
    ModelState* model = known(mark.model);
    if (!model) return [] {};
    return [model, before = model->withdrawals] { model->withdrawals = before; };
  }

  Back operator()(const Approval& fact) const {
    ModelState* model = known(fact.model);
    if (!model) return [] {};
    auto found = model->approvals.find(fact.version);
    std::optional<Approval> before;
    if (found != model->approvals.end()) before = found->second;
    return [model, number = fact.version, before] {
      model->approvals.erase(number);
      if (before) model->approvals.emplace(number, *before);
    };
  }

  Back operator()(const Release& release) const {
    return length_of(registry_.releases, release.tag.substr(0, kMd5Digits));
  }

  Back operator()(const ChannelMove& move) const {
    return length_of(registry_.channels, move.channel);
  }

  // By its tag: another content of the same manifest may move it.
  Back operator()(const ReleaseWithdrawn& mark) const {
    const ReleaseState* release = registry_.release(mark.tag);
    if (!release) return [] {};
    auto before = release->withdrawn;
    return [&registry = registry_, tag = mark.tag, before = std::move(before)] {
      const_cast<ReleaseState*>(registry.release(tag))->withdrawn = before;
    };
  }

  template <class Other>
  Back operator()(const Other& fact) const {
    throw Error(ErrorCode::kInvalid, "a fact of kind " + fact_kind(fact) + " can't be tried");
  }

 private:
  ModelState* known(const std::string& name) const {
    auto found = registry_.models.find(name);
    return found == registry_.models.end() ? nullptr : &found->second;
  }

  Back pins(const std::string& name, const std::string& alias) const {
    ModelState* model = known(name);
    if (!model) return [] {};
    return [pin = value_of(model->pins, alias), at = value_of(model->pinned_at, alias)] {
      pin();
      at();
    };
  }

  Registry& registry_;
};

}  // namespace

Trial::Trial(Registry& registry)
    : registry_(registry), seq_(registry.last_seq), time_ms_(registry.last_time_ms) {}

Trial::~Trial() {
  for (auto back = back_.rbegin(); back != back_.rend(); ++back) (*back)();
  registry_.last_seq = seq_;
  registry_.last_time_ms = time_ms_;
}

void Trial::apply(const std::vector<Fact>& facts) {
  for (const Fact& fact : facts) {
    back_.push_back(std::visit(Before(registry_), fact));
    registry_.apply({registry_.last_seq + 1, registry_.last_time_ms, fact});
  }
}

}  // namespace lockstep
