// Verdicts and actions, once everything that is decided together is measured.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"
#include "registry/gates/compare.h"

namespace lockstep {
namespace {

struct MetricWord {
  Metric metric;
  std::string_view word;
  bool higher_is_better;
};
constexpr MetricWord kMetrics[] = {
    {Metric::kAccuracy, "accuracy", true},
    {Metric::kMacroF1, "macro_f1", true},
    {Metric::kMicroF1, "micro_f1", true},
    {Metric::kAuc, "auc", true},
    {Metric::kMae, "mae", false},
    {Metric::kRmse, "rmse", false},
    {Metric::kR2, "r2", true},
};

const MetricWord& entry(Metric metric) {
  return *std::find_if(std::begin(kMetrics), std::end(kMetrics),
                       [&](const MetricWord& one) { return one.metric == metric; });
}

// Holm's correction over one family of tests, to which others belong.
void adjust(const std::vector<Measurement*>& tests, const std::vector<double>& other_p,
            uint64_t yet_to_come) {
  std::vector<double> p;
  for (const Measurement* one : tests) p.push_back(one->p);
  p.insert(p.end(), other_p.begin(), other_p.end());
  p.insert(p.end(), yet_to_come, 1.0);
  const std::vector<double> adjusted = holm(p);
  for (size_t i = 0; i < tests.size(); ++i) {
    tests[i]->adjusted_p = adjusted[i];
    tests[i]->together = p.size();
  }
}

// 0.90 to 0.88 is 0.02, whatever the last digit of a difference of doubles says.
bool above(double value, double limit) {
  return value > limit + 1e-12 * std::max(1.0, limit);
}

// What limit on losses is broken; empty: none.
std::string beyond(const Measurement& one, double loss) {
  const double relative = one.relative_change ? std::fabs(*one.relative_change) : 0;
  if (one.limit.absolute && above(loss, *one.limit.absolute)) {
    return fmt::format("{:.4g} worse, at most {:.4g} is allowed", loss, *one.limit.absolute);
  }
  if (one.limit.relative && loss > 0 && !one.relative_change) {
    return "worse than a champion of 0, for which no relative loss is defined";
  }
  if (one.limit.relative && loss > 0 && above(relative, *one.limit.relative)) {
    return fmt::format("{:.4g} % worse, at most {:.4g} % is allowed", relative * 100,
                       *one.limit.relative * 100);
  }
  return "";
}

void judge_one(Measurement& one, bool higher, double alpha) {
  const double loss = higher ? -one.change : one.change;
  const bool sure = one.adjusted_p <= alpha;
  const std::string p = one.together > 1 ? fmt::format("p = {:.3g}, {:.3g} after Holm's correction",
                                                       one.p, one.adjusted_p)
                                         : fmt::format("p = {:.3g}", one.p);
  const std::string limit = beyond(one, loss);
  if (!limit.empty()) {
    one.verdict = GateVerdict::kWorse;
    one.why = limit + " (" + p + ")";
    return;
  }
  if (loss == 0) {
    one.verdict = GateVerdict::kEqual;
    one.why = "no difference";
    return;
  }
  if (sure) {
    one.verdict = loss > 0 ? GateVerdict::kWorse : GateVerdict::kBetter;
  } else {
    one.verdict = loss > 0 ? GateVerdict::kWorseWithinNoise : GateVerdict::kEqual;
  }
  one.why = (loss > 0 ? "worse" : "better") + std::string(sure ? "" : " within noise") + ": " + p;
}

GateAction action_of(GateVerdict verdict, const GatePolicy& policy) {
  switch (verdict) {
    case GateVerdict::kBetter:
      return policy.better;
    case GateVerdict::kEqual:
      return policy.equal;
    case GateVerdict::kWorseWithinNoise:
      return policy.worse_within_noise;
    default:
      return policy.worse;
  }
}

void conclude(Comparison& comparison, const GatePolicy& policy) {
  const Measurement& all = comparison.all;
  const Measurement* slice = nullptr;
  size_t worse = 0;
  for (const Measurement& one : comparison.slices) {
    if (!one.not_judged.empty() || one.verdict != GateVerdict::kWorse) continue;
    if (worse++ == 0) slice = &one;
  }
  const std::string more = worse > 1 ? fmt::format(", and {} more", worse - 1) : "";
  if (slice && (!all.not_judged.empty() || all.verdict != GateVerdict::kWorse)) {
    comparison.verdict = GateVerdict::kWorse;
    comparison.action = policy.worse;
    comparison.why = "slice " + printable(slice->slice) + ": " + slice->why + more;
  } else if (!all.not_judged.empty()) {
    comparison.verdict = GateVerdict::kEqual;
    comparison.action = policy.not_judged;
    comparison.why = "not judged: " + all.not_judged;
  } else {
    comparison.verdict = all.verdict;
    comparison.action = action_of(all.verdict, policy);
    comparison.why = all.why;
  }
}

}  // namespace

std::string_view word(Metric metric) {
  return entry(metric).word;
}

bool higher_is_better(Metric metric) {
  return entry(metric).higher_is_better;
}

Metric metric_of(std::string_view word) {
  for (const MetricWord& one : kMetrics) {
    if (one.word == word) return one.metric;
  }
  throw Error(ErrorCode::kInvalid, "'" + printable(word) + "' is no metric of a comparison",
              "accuracy, macro_f1, micro_f1, auc, mae, rmse or r2");
}

std::string_view word(GateVerdict verdict) {
  switch (verdict) {
    case GateVerdict::kBetter:
      return "better";
    case GateVerdict::kEqual:
      return "equal";
    case GateVerdict::kWorseWithinNoise:
      return "worse within noise";
    default:
      return "worse";
  }
}

std::string_view word(GateAction action) {
  return action == GateAction::kMove ? "move" : action == GateAction::kAsk ? "ask" : "hold";
}

void decide_gates(std::vector<Comparison>& together, const GatePolicy& policy,
                  const std::vector<double>& other_p, uint64_t yet_to_come) {
  if (!(policy.alpha > 0 && policy.alpha < 1)) {
    throw Error(ErrorCode::kInvalid, "alpha must be between 0 and 1");
  }
  std::vector<Measurement*> models, slices;
  for (Comparison& comparison : together) {
    if (comparison.all.not_judged.empty()) models.push_back(&comparison.all);
    for (Measurement& slice : comparison.slices) {
      if (slice.not_judged.empty()) slices.push_back(&slice);
    }
  }
  adjust(models, other_p, yet_to_come);
  adjust(slices, {}, 0);
  for (Comparison& comparison : together) {
    const bool higher = higher_is_better(comparison.metric);
    comparison.alpha = policy.alpha;
    if (comparison.all.not_judged.empty()) judge_one(comparison.all, higher, policy.alpha);
    for (Measurement& slice : comparison.slices) {
      if (slice.not_judged.empty()) judge_one(slice, higher, policy.alpha);
    }
    conclude(comparison, policy);
  }
}

}  // namespace lockstep
