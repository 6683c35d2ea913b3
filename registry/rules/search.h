// Versions found by what is recorded of them: one pass over the registry in memory.
// Knows nothing of who asks or how the answer is shown.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "registry/rules/registry.h"

namespace lockstep {

// "accuracy>=0.9": a metric beside a number. NaN and a metric that is not there never hold.
struct MetricBound {
  enum class Op { kLess, kAtMost, kEqual, kUnequal, kAtLeast, kMore };
  std::string metric;
  Op op = Op::kEqual;
  double value = 0;

  bool holds(double found) const;
  // Throws invalid, with how to write one.
  static MetricBound parse(const std::string& text);
};

struct VersionQuery {
  std::string name;  // of the model, with '*' for any text; empty: all
  std::vector<MetricBound> metrics;
  std::string hash;       // beginning of the digest of its bytes, its fingerprint or code tree
  std::string commit;     // beginning of a commit it was made at
  std::string committer;  // part of an author's name or address, or of who it is recorded by
  std::optional<int64_t> since_ms, until_ms;                             // when it was recorded
  std::vector<std::pair<std::string, std::optional<std::string>>> tags;  // key, and value
  size_t limit = 50;
};

struct FoundVersion {
  const ModelState* model = nullptr;
  const Version* version = nullptr;
  int64_t created_ms = 0;
};

// All conditions hold; newest first, at most `limit`. Valid while the registry stays as it is.
std::vector<FoundVersion> search_versions(const Registry& registry, const VersionQuery& wanted);

}  // namespace lockstep
