#include "registry/rules/registry.h"

#include <algorithm>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

constexpr size_t kMd5Digits = 32;

// What a version has in common with the one before it is in memory once.
void share(Version& version, const Version& before) {
  version.slices.share(before.slices);
  version.upstreams.share(before.upstreams);
  version.metrics.share(before.metrics);
  version.environment.share(before.environment);
  version.committers.share(before.committers);
}

// Applies one fact, which is then in the registry. Every function checks before it changes
// anything.
class Applier {
 public:
  Applier(Registry& registry, const Entry& entry) : registry_(registry), entry_(entry) {}

  void operator()(Version& version) const {
    if (version.model.empty()) corrupt("a version without a model");
    if (version.number <= registry_.highest(version.model)) {
      corrupt("number " + std::to_string(version.number) + " of " + version.model +
              " is used already");
    }
    const ModelState* known = registry_.model(version.model);
    if (known && known->find(version.fingerprint, version.digest)) {
      corrupt(version.model + " has a version with this fingerprint and digest already");
    }
    ModelState& model = registry_.models[version.model];
    if (!model.versions.empty()) share(version, model.versions.back());
    model.created_ms.push_back(entry_.time_ms);
    model.highest = version.number;
    model.by_fingerprint.emplace(version.fingerprint, version.number);
    model.versions.push_back(std::move(version));
  }

  void operator()(AliasMove& move) const {
    ModelState& model = known_model(move.model);
    if (move.alias.empty()) corrupt("an alias without a name");
    need_version(model, move.model, move.to);
    if (model.alias(move.alias) != move.from) {
      corrupt(move.alias + " of " + move.model + " moves from version " +
              std::to_string(move.from) + ", but is at " + std::to_string(model.alias(move.alias)));
    }
    if (move.to == 0) {
      model.aliases.erase(move.alias);
    } else {
      model.aliases[move.alias] = move.to;
    }
    model.moves.push_back({entry_.seq, entry_.time_ms, std::move(move)});
  }

  void operator()(const Pin& pin) const {
    ModelState& model = known_model(pin.model);
    if (pin.alias.empty()) corrupt("a pin without an alias");
    need_version(model, pin.model, pin.version);
    model.pins[pin.alias] = pin;
    model.pinned_at[pin.alias] = Moved{entry_.seq, entry_.time_ms, {}};
  }

  void operator()(const Unpin& unpin) const {
    ModelState& model = known_model(unpin.model);
    if (model.pins.erase(unpin.alias) == 0) {
      corrupt(unpin.alias + " of " + unpin.model + " is unpinned, but was not pinned");
    }
    model.pinned_at.erase(unpin.alias);
  }

  void operator()(const Withdrawal& mark) const {
    ModelState& model = known_model(mark.model);
    if (mark.version == 0) corrupt("no version of " + mark.model + " is withdrawn");
    need_version(model, mark.model, mark.version);
    auto& all = model.withdrawals;
    auto same = std::find_if(all.begin(), all.end(), [&](const Withdrawal& other) {
      return other.version == mark.version && other.channel == mark.channel;
    });
    if (mark.lifted) {
      if (same == all.end())
        corrupt("a withdrawal of " + mark.model + " is lifted, but is not set");
      all.erase(same);
    } else if (same != all.end()) {
      *same = mark;
    } else {
      all.push_back(mark);
    }
  }

  void operator()(GateReport& report) const {
    ModelState& model = known_model(report.model);
    if (report.version == 0) corrupt("a gate report without a version");
    need_version(model, report.model, report.version);
    if (!model.gates.empty()) report.checks.share(model.gates.rbegin()->second.checks);
    const int64_t number = report.version;  // mostly the greatest
    model.gates.insert_or_assign(model.gates.end(), number, std::move(report));
  }

  void operator()(const Approval& fact) const {
    ModelState& model = known_model(fact.model);
    need_version(model, fact.model, fact.version);
    model.approvals[fact.version] = fact;
  }

  void operator()(const Retired& fact) const { known_model(fact.model).retired = fact.retired; }

  void operator()(const Renamed& fact) const {
    ModelState& old = known_model(fact.from);
    if (fact.to.empty() || registry_.models.count(fact.to)) {
      corrupt(fact.from + " is renamed to " + fact.to + ", which exists");
    }
    int64_t highest = std::max(old.highest, registry_.highest(fact.to));
    registry_.former[fact.from] = std::max(old.highest, registry_.former[fact.from]);
    registry_.renamed[fact.from] = fact.to;
    registry_.renamed.erase(fact.to);
    auto node = registry_.models.extract(fact.from);
    node.key() = fact.to;
    ModelState& model = registry_.models.insert(std::move(node)).position->second;
    model.highest = highest;
    for (Version& version : model.versions) version.model = fact.to;
    for (Moved& moved : model.moves) moved.move.model = fact.to;
    for (auto& [alias, pin] : model.pins) pin.model = fact.to;
    for (Withdrawal& mark : model.withdrawals) mark.model = fact.to;
    for (auto& [number, report] : model.gates) report.model = fact.to;
    for (auto& [number, approval] : model.approvals) approval.model = fact.to;
  }

  void operator()(Release& release) const {
    // Without one it is as it was kept: its digests were compared when it came in.
    bool whole = release.manifest.empty() || (release.tag.starts_with(md5_hex(release.manifest)) &&
                                              release.manifest_sha256 == sha256(release.manifest));
    if (!whole || release.tag.size() < kMd5Digits) {
      corrupt("release " + release.tag + " does not have the digests of its manifest");
    }
    if (registry_.release(release.tag)) corrupt("release " + release.tag + " exists already");
    if (const ChannelMoved* last = last_move(release.channel)) {
      release.models.share(known_release(last->move.to).release.models);
    }
    if (follows_from_models(release)) std::string().swap(release.manifest);
    registry_.releases[release.tag.substr(0, kMd5Digits)].push_back(
        {std::move(release), entry_.seq, entry_.time_ms, {}, {}, {}});
  }

  void operator()(const ReleaseBuilt& built) const {
    ReleaseState& release = known_release(built.tag);
    if (release.image && *release.image != built.image) {
      corrupt("release " + built.tag + " was built with another image already");
    }
    release.image = built.image;
  }

  void operator()(ChannelMove& move) const {
    if (move.channel.empty()) corrupt("a channel without a name");
    known_release(move.to);
    const ChannelMoved* last = last_move(move.channel);
    if (last ? last->move.to != move.from : !move.from.empty()) {
      corrupt("channel " + move.channel + " moves from " + move.from + ", but is at " +
              registry_.live(move.channel));
    }
    auto& moves = registry_.channels[move.channel];
    moves.push_back({entry_.seq, entry_.time_ms, std::move(move)});
  }

  void operator()(const ReleaseWithdrawn& mark) const {
    ReleaseState& release = known_release(mark.tag);
    if (!mark.lifted) {
      release.withdrawn[mark.channel] = mark;
    } else if (release.withdrawn.erase(mark.channel) == 0) {
      corrupt("the withdrawal of release " + mark.tag + " is lifted, but is not set");
    }
  }

  void operator()(const ReleaseSigned& fact) const {
    if (fact.key.empty() || fact.signature.empty()) {
      corrupt("a signature of release " + fact.tag + " without a key or without bytes");
    }
    known_release(fact.tag).signatures[fact.key] = fact.signature;
    if (registry_.first_signed == 0) registry_.first_signed = entry_.seq;
  }

  void operator()(const Restored& fact) const {
    if (fact.above < registry_.restored_above) corrupt("a restore goes back behind an earlier one");
    registry_.restored_above = fact.above;
  }

  void operator()(const Note& note) const {
    remarks(note).notes.push_back({entry_.time_ms, note.who, note.text});
  }

  void operator()(const Tagged& tag) const {
    if (tag.key.empty()) corrupt("a tag without a key");
    Remarks& all = remarks(tag);
    if (tag.removed && all.tags.erase(tag.key) == 0) {
      corrupt("the tag " + tag.key + " is taken off, but is not there");
    }
    if (!tag.removed) all.tags[tag.key] = tag.value;
    all.tag_moves.push_back({entry_.time_ms, tag.who, tag.key, tag.value, tag.removed});
  }

  void operator()(const ReleaseKept& mark) const {
    ReleaseState& release = known_release(mark.tag);
    if (!mark.kept && !release.kept) corrupt("release " + mark.tag + " was not marked to be kept");
    release.kept = mark.kept ? std::optional(mark) : std::nullopt;
  }

 private:
  [[noreturn]] void corrupt(const std::string& what) const {
    throw Error(ErrorCode::kCorrupt, "ledger entry " + std::to_string(entry_.seq) + ": " + what,
                "the ledger was changed from outside or damaged; restore it from a backup");
  }

  ModelState& known_model(const std::string& name) const {
    auto it = registry_.models.find(name);
    if (it == registry_.models.end()) corrupt("unknown model " + name);
    return it->second;
  }

  // Of the version, or of the release, that a remark is about.
  template <class R>
  Remarks& remarks(const R& remark) const {
    if (remark.model.empty()) return known_release(remark.release).remarks;
    ModelState& model = known_model(remark.model);
    if (remark.version == 0) corrupt("a remark about no version of " + remark.model);
    need_version(model, remark.model, remark.version);
    return model.remarks[remark.version];
  }

  // 0 means: none.
  void need_version(const ModelState& model, const std::string& name, int64_t number) const {
    if (number != 0 && !model.version(number)) {
      corrupt("unknown version " + std::to_string(number) + " of " + name);
    }
  }

  // Of a channel; null: it never moved.
  const ChannelMoved* last_move(const std::string& channel) const {
    auto it = registry_.channels.find(channel);
    return it == registry_.channels.end() ? nullptr : &it->second.back();
  }

  ReleaseState& known_release(const std::string& tag) const {
    const ReleaseState* found = registry_.release(tag);
    if (!found) corrupt("unknown release " + tag);
    return const_cast<ReleaseState&>(*found);  // registry_ is ours to change
  }

  Registry& registry_;
  const Entry& entry_;
};

}  // namespace

bool imported(const ChannelMove& move) {
  return move.why.starts_with(kImported);
}

const Version* ModelState::version(int64_t number) const {
  // Where no number was left out, it says the place.
  int64_t place = versions.empty() ? -1 : number - versions.front().number;
  if (place >= 0 && place < static_cast<int64_t>(versions.size())) {
    const Version& there = versions[static_cast<size_t>(place)];
    if (there.number == number) return &there;
  }
  auto it = std::lower_bound(versions.begin(), versions.end(), number,
                             [](const Version& v, int64_t n) { return v.number < n; });
  return it != versions.end() && it->number == number ? &*it : nullptr;
}

const Version* ModelState::find(const Digest& fingerprint, const Digest& digest) const {
  auto [begin, end] = by_fingerprint.equal_range(fingerprint);
  for (auto it = begin; it != end; ++it) {
    const Version* found = version(it->second);
    if (found->digest == digest) return found;
  }
  return nullptr;
}

int64_t ModelState::alias(const std::string& name) const {
  auto it = aliases.find(name);
  return it == aliases.end() ? 0 : it->second;
}

const Pin* ModelState::pin(const std::string& name) const {
  auto it = pins.find(name);
  return it == pins.end() ? nullptr : &it->second;
}

bool ModelState::held(int64_t number, const std::string& name) const {
  return std::any_of(moves.begin(), moves.end(), [&](const Moved& moved) {
    return moved.move.to == number && moved.move.alias == name;
  });
}

bool ModelState::only_previews() const {
  return moves.empty() && !versions.empty() &&
         std::all_of(versions.begin(), versions.end(),
                     [](const Version& version) { return !version.preview.empty(); });
}

const Approval* ModelState::approved(int64_t number) const {
  auto report = gates.find(number);
  auto found = approvals.find(number);
  if (report == gates.end() || found == approvals.end()) return nullptr;
  return found->second.basis == report->second.basis ? &found->second : nullptr;
}

const Withdrawal* ModelState::withdrawn(int64_t number, const std::string& name) const {
  for (const Withdrawal& mark : withdrawals) {
    if (mark.version != number) continue;
    if (mark.channel.empty() || (name != kChampion && mark.channel == name)) return &mark;
  }
  return nullptr;
}

void Registry::apply(Entry entry) {
  if (entry.seq <= last_seq || entry.time_ms < last_time_ms) {
    throw Error(ErrorCode::kCorrupt, "ledger entry " + std::to_string(entry.seq) +
                                         " does not follow entry " + std::to_string(last_seq));
  }
  std::visit(Applier(*this, entry), entry.fact);
  last_seq = entry.seq;
  last_time_ms = entry.time_ms;
}

const ModelState* Registry::model(const std::string& name) const {
  auto it = models.find(name);
  return it == models.end() ? nullptr : &it->second;
}

const ReleaseState* Registry::release(const std::string& tag) const {
  auto it = releases.find(std::string_view(tag).substr(0, kMd5Digits));
  if (it == releases.end()) return nullptr;
  for (const ReleaseState& state : it->second) {
    if (state.release.tag == tag) return &state;
  }
  return nullptr;
}

std::string Registry::live(const std::string& channel) const {
  auto it = channels.find(channel);
  return it == channels.end() ? "" : it->second.back().move.to;
}

const ChannelMoved* Registry::move_at(const std::string& channel, int64_t time_ms) const {
  auto it = channels.find(channel);
  if (it == channels.end()) return nullptr;
  const std::vector<ChannelMoved>& moves = it->second;
  auto after = std::upper_bound(moves.begin(), moves.end(), time_ms,
                                [](int64_t t, const ChannelMoved& m) { return t < m.time_ms; });
  const ChannelMoved* last = after == moves.begin() ? nullptr : &*std::prev(after);
  // What came in later may tell of earlier.
  for (; after != moves.end(); ++after) {
    if (after->move.told_ms != 0 && after->move.told_ms <= time_ms) last = &*after;
  }
  return last;
}

int64_t Registry::alias(const std::string& name, const std::string& alias) const {
  const ModelState* state = model(name);
  return state ? state->alias(alias) : 0;
}

int64_t Registry::highest(const std::string& name) const {
  const ModelState* state = model(name);
  auto given_up = former.find(name);
  return std::max({state ? state->highest : 0, given_up == former.end() ? 0 : given_up->second,
                   restored_above});
}

// A rename to a name used before takes that name's own onward step away: no chain is a circle.
std::string Registry::name_today(const std::string& name) const {
  std::string today = name;
  for (auto it = renamed.find(today); it != renamed.end(); it = renamed.find(today)) {
    today = it->second;
  }
  return today;
}

std::string Registry::holder_name(const std::string& name, const ReleaseModel& entry) const {
  std::string today = name;
  while (true) {
    const ModelState* state = model(today);
    const Version* version = state ? state->version(entry.version) : nullptr;
    if (version && version->digest == entry.digest) return today;
    auto next = renamed.find(today);
    if (next == renamed.end()) return name;
    today = next->second;
  }
}

const ModelState* Registry::holder(const std::string& name, const ReleaseModel& entry) const {
  const ModelState* state = model(holder_name(name, entry));
  const Version* version = state ? state->version(entry.version) : nullptr;
  return version && version->digest == entry.digest ? state : nullptr;
}

}  // namespace lockstep
