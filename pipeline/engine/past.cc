#include "pipeline/engine/past.h"

#include <algorithm>

namespace lockstep {
namespace {

constexpr const char* kAccepted = "accepted/";
constexpr size_t kMostCached = 20'000;

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
  cache_.clear();
  accepted_.clear();
  for (AttemptRecord& attempt : store_.live_attempts()) {
    live_fingerprints_.insert(attempt.fingerprint);
    live_.emplace(attempt.id, std::move(attempt));
  }
}

const ResultRecord* Past::result(const Digest& fingerprint) {
  auto found = cache_.find(fingerprint);
  if (found == cache_.end()) {
    std::optional<ResultRecord> kept = store_.result(fingerprint);
    if (!kept) return nullptr;
    if (cache_.size() >= kMostCached) cache_.clear();
    found = cache_.emplace(fingerprint, std::move(*kept)).first;
  }
  const auto& outputs = found->second.outputs;
  bool present = std::all_of(outputs.begin(), outputs.end(),
                             [&](const auto& output) { return has_(output.second); });
  return present ? &found->second : nullptr;
}

void Past::put(const ResultRecord& result) {
  store_.put(result);
  cache_[result.fingerprint] = result;
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
  auto cached = cache_.find(*fingerprint);
  if (cached != cache_.end()) return cached->second.recipe;
  std::optional<ResultRecord> kept = store_.result(*fingerprint);
  return kept ? kept->recipe : "";
}

void Past::accept(const std::string& name, const Digest& fingerprint) {
  if (accepted(name) == fingerprint) return;
  store_.set(kAccepted + name, fingerprint.hex());
  accepted_[name] = fingerprint;
}

}  // namespace lockstep
