#include "pipeline/engine/past.h"

#include <algorithm>

namespace lockstep {
namespace {

constexpr const char* kAccepted = "accepted/";

bool live(AttemptState state) {
  return state == AttemptState::kStarting || state == AttemptState::kRunning;
}

}  // namespace

Past::Past(Store& store, HasBytes has) : store_(store), has_(std::move(has)) {
  begin_again();
}

void Past::begin_again() {
  live_.clear();
  live_fingerprints_.clear();
  newer_.clear();
  older_.clear();
  accepted_.clear();
  for (AttemptRecord& attempt : store_.live_attempts()) {
    live_fingerprints_.insert(attempt.fingerprint);
    live_.emplace(attempt.id, std::move(attempt));
  }
}

const ResultRecord* Past::result(const Digest& fingerprint) {
  const ResultRecord* found = known(fingerprint);
  if (!found) {
    std::optional<ResultRecord> kept = store_.result(fingerprint);
    if (!kept) return nullptr;
    found = &hold(std::move(*kept));
  }
  const auto& outputs = found->outputs;
  bool present = std::all_of(outputs.begin(), outputs.end(),
                             [&](const auto& output) { return has_(output.second); });
  return present ? found : nullptr;
}

// In memory, where it stays for being asked for; null: it is not there.
const ResultRecord* Past::known(const Digest& fingerprint) {
  auto found = newer_.find(fingerprint);
  if (found != newer_.end()) return &found->second;
  auto older = older_.find(fingerprint);
  return older == older_.end() ? nullptr : &hold(std::move(older->second));
}

const ResultRecord& Past::hold(ResultRecord result) {
  const Digest fingerprint = result.fingerprint;
  older_.erase(fingerprint);
  if (newer_.size() >= room_) older_ = std::exchange(newer_, {});
  return newer_[fingerprint] = std::move(result);
}

void Past::put(const ResultRecord& result) {
  store_.put(result);
  hold(result);
}

void Past::put(const AttemptRecord& attempt) {
  store_.put(attempt);
  auto known = live_.find(attempt.id);
  if (known != live_.end()) {
    live_fingerprints_.erase(live_fingerprints_.find(attempt.fingerprint));
    live_.erase(known);
  }
  if (lockstep::live(attempt.state)) {
    live_fingerprints_.insert(attempt.fingerprint);
    live_.emplace(attempt.id, attempt);
  }
}

size_t Past::failures(const Digest& fingerprint) {
  size_t count = 0;
  for (const AttemptRecord& attempt : store_.attempts_of(fingerprint)) {
    count += attempt.counted && attempt.state == AttemptState::kFailed ? 1 : 0;
  }
  return count;
}

bool Past::used_up(const Digest& fingerprint) {
  size_t failed = 0;
  size_t allowed = 1;
  for (const AttemptRecord& attempt : store_.attempts_of(fingerprint)) {
    if (!attempt.counted || attempt.state != AttemptState::kFailed) continue;
    ++failed;
    allowed = attempt.context.value("attempts", size_t{1});
  }
  return failed > 0 && failed >= allowed;
}

void Past::forgive(const Digest& fingerprint, const std::string& except) {
  for (AttemptRecord& attempt : store_.attempts_of(fingerprint)) {
    if (!attempt.counted || attempt.state != AttemptState::kFailed) continue;
    if (attempt.run == except) continue;
    attempt.counted = false;
    store_.put(attempt);
  }
}

std::optional<Digest> Past::accepted(const std::string& name) {
  auto known = accepted_.find(name);
  if (known != accepted_.end()) return known->second;
  std::string hex = store_.get(kAccepted + name);
  if (hex.empty()) return std::nullopt;
  return accepted_[name] = Digest::parse(hex);
}

std::string Past::last_recipe(const std::string& name) {
  std::optional<Digest> fingerprint = accepted(name);
  if (!fingerprint) return "";
  if (const ResultRecord* held = known(*fingerprint)) return held->recipe;
  std::optional<ResultRecord> kept = store_.result(*fingerprint);
  return kept ? kept->recipe : "";
}

void Past::accept(const std::string& name, const Digest& fingerprint) {
  if (accepted(name) == fingerprint) return;
  store_.set(kAccepted + name, fingerprint.hex());
  accepted_[name] = fingerprint;
}

}  // namespace lockstep
