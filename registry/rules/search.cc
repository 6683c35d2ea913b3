#include "registry/rules/search.h"

#include <algorithm>
#include <cmath>

#include "pipeline/base/error.h"
#include "pipeline/core/names.h"

namespace lockstep {
namespace {

using Op = MetricBound::Op;

const Remarks* remarks_of(const ModelState& model, int64_t version) {
  auto found = model.remarks.find(version);
  return found == model.remarks.end() ? nullptr : &found->second;
}

bool has_tags(const VersionQuery& wanted, const Remarks* remarks) {
  return std::all_of(wanted.tags.begin(), wanted.tags.end(), [&](const auto& one) {
    if (!remarks) return false;
    auto tag = remarks->tags.find(one.first);
    return tag != remarks->tags.end() && (!one.second || tag->second == *one.second);
  });
}

bool has_hash(const Version& version, const std::string& hash) {
  return version.digest.hex().starts_with(hash) || version.fingerprint.hex().starts_with(hash) ||
         version.code_tree.starts_with(hash);
}

bool has_commit(const Version& version, const std::string& commit) {
  return std::any_of(version.commits.begin(), version.commits.end(),
                     [&](const auto& one) { return one.second.starts_with(commit); });
}

bool has_committer(const Version& version, const std::string& text) {
  for (const Json& one : version.committers.json()) {
    for (const char* field : {"author", "email"}) {
      if (one.value(field, "").find(text) != std::string::npos) return true;
    }
  }
  return false;
}

bool has_metrics(const Version& version, const std::vector<MetricBound>& bounds) {
  if (bounds.empty()) return true;
  const Json metrics = version.metrics.json();
  return std::all_of(bounds.begin(), bounds.end(), [&](const MetricBound& bound) {
    auto found = metrics.find(bound.metric);
    return found != metrics.end() && found->is_number() && bound.holds(found->get<double>());
  });
}

// Cheap conditions first.
bool is_wanted(const VersionQuery& wanted, const ModelState& model, const Version& version) {
  return has_tags(wanted, remarks_of(model, version.number)) &&
         (wanted.hash.empty() || has_hash(version, wanted.hash)) &&
         (wanted.commit.empty() || has_commit(version, wanted.commit)) &&
         has_metrics(version, wanted.metrics) &&
         (wanted.committer.empty() || has_committer(version, wanted.committer));
}

}  // namespace

bool MetricBound::holds(double found) const {
  switch (op) {
    case Op::kLess:
      return found < value;
    case Op::kAtMost:
      return found <= value;
    case Op::kEqual:
      return found == value;
    case Op::kUnequal:
      return found != value && !std::isnan(found);
    case Op::kAtLeast:
      return found >= value;
    case Op::kMore:
      return found > value;
  }
  return false;
}

MetricBound MetricBound::parse(const std::string& text) {
  static const std::pair<const char*, Op> kOps[] = {
      {"<=", Op::kAtMost}, {">=", Op::kAtLeast}, {"!=", Op::kUnequal}, {"==", Op::kEqual},
      {"<", Op::kLess},    {">", Op::kMore},     {"=", Op::kEqual}};
  const size_t at = text.find_first_of("<>=!");
  for (const auto& [sign, op] : kOps) {
    if (at == 0 || at == text.npos || text.compare(at, std::string(sign).size(), sign) != 0) {
      continue;
    }
    std::optional<double> number;
    try {
      Json value = parse_json(text.substr(at + std::string(sign).size()), "");
      if (value.is_number()) number = value.get<double>();
    } catch (const Error&) {
      // said below
    }
    if (number && std::isfinite(*number)) return {text.substr(0, at), op, *number};
  }
  throw Error(ErrorCode::kInvalid, "`" + text.substr(0, 100) + "` is no bound of a metric",
              "write it as accuracy>=0.9, with one of < <= = != >= >");
}

std::vector<FoundVersion> search_versions(const Registry& registry, const VersionQuery& wanted) {
  std::vector<FoundVersion> found;
  for (const auto& [name, model] : registry.models) {
    if (!wanted.name.empty() && !matches(wanted.name, name)) continue;
    for (size_t i = 0; i < model.versions.size(); ++i) {
      const int64_t created_ms = model.created_ms[i];
      if (wanted.since_ms && created_ms < *wanted.since_ms) continue;
      if (wanted.until_ms && created_ms > *wanted.until_ms) continue;
      if (!is_wanted(wanted, model, model.versions[i])) continue;
      found.push_back({&model, &model.versions[i], created_ms});
    }
  }
  // Of one time: by name, as they were found, and the newest number first.
  std::stable_sort(found.begin(), found.end(), [](const FoundVersion& a, const FoundVersion& b) {
    if (a.created_ms != b.created_ms) return a.created_ms > b.created_ms;
    return a.model == b.model && a.version->number > b.version->number;
  });
  if (found.size() > wanted.limit) found.resize(wanted.limit);
  return found;
}

}  // namespace lockstep
