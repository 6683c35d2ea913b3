#include "workflows/quality/noise.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

constexpr double kNeverReached = 2;

void check(const std::vector<uint32_t>& labels, const Probabilities& p) {
  if (p.classes == 0 || p.values.size() != labels.size() * p.classes) {
    throw Error(ErrorCode::kInvalid, "not one probability for each row and class");
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    double sum = 0;
    bool inside = true;
    for (uint32_t c = 0; c < p.classes; ++c) {
      inside = inside && p.at(i, c) >= 0 && p.at(i, c) <= 1;
      sum += p.at(i, c);
    }
    if (inside && std::fabs(sum - 1) < 1e-3) continue;
    throw Error(ErrorCode::kInvalid,
                "probabilities of row " + std::to_string(i + 1) + " don't add up to 1",
                "each is 0 to 1, and those of one row add up to 1");
  }
  for (uint32_t label : labels) {
    if (label != kNoLabel && label >= p.classes) {
      throw Error(ErrorCode::kInvalid, "a label that has no probabilities");
    }
  }
}

std::vector<double> thresholds_of(const std::vector<uint32_t>& labels, const Probabilities& p,
                                  uint64_t min_rows) {
  std::vector<double> sum(p.classes, 0);
  std::vector<uint64_t> rows(p.classes, 0);
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == kNoLabel) continue;
    sum[labels[i]] += p.at(i, labels[i]);
    ++rows[labels[i]];
  }
  std::vector<double> out(p.classes, kNeverReached);
  for (uint32_t c = 0; c < p.classes; ++c) {
    if (rows[c] > 0 && rows[c] >= min_rows) out[c] = sum[c] / static_cast<double>(rows[c]);
  }
  return out;
}

// The class that the row is confidently of, or kNoLabel.
uint32_t confident_class(const Probabilities& p, size_t row,
                         const std::vector<double>& thresholds) {
  uint32_t best = kNoLabel;
  for (uint32_t c = 0; c < p.classes; ++c) {
    // A mean of equal values may come out a digit above them.
    if (p.at(row, c) < thresholds[c] - 1e-12) continue;
    if (best == kNoLabel || p.at(row, c) > p.at(row, best)) best = c;
  }
  return best;
}

// The most likely class but `given`, of those with a threshold; kNoLabel: none.
uint32_t likeliest(const Probabilities& p, size_t row, uint32_t given,
                   const std::vector<double>& thresholds) {
  uint32_t best = kNoLabel;
  for (uint32_t c = 0; c < p.classes; ++c) {
    if (c == given || thresholds[c] == kNeverReached) continue;
    if (best == kNoLabel || p.at(row, c) > p.at(row, best)) best = c;
  }
  return best;
}

// Share off the diagonal when row i of the joint adds up to the rows labelled i.
double noise_of(const LabelNoise& found, const std::vector<uint64_t>& rows, uint32_t classes) {
  double wrong = 0;
  for (uint32_t i = 0; i < classes; ++i) {
    uint64_t all = 0;
    for (uint32_t j = 0; j < classes; ++j) all += found.joint[size_t{i} * classes + j];
    if (all == 0) continue;
    const uint64_t off = all - found.joint[size_t{i} * classes + i];
    wrong += static_cast<double>(off) / static_cast<double>(all) * static_cast<double>(rows[i]);
  }
  return found.judged == 0 ? 0 : wrong / static_cast<double>(found.judged);
}

}  // namespace

LabelNoise confident_learning(const std::vector<uint32_t>& labels, const Probabilities& p,
                              uint64_t min_rows) {
  check(labels, p);
  LabelNoise out;
  out.thresholds = thresholds_of(labels, p, min_rows);
  out.joint.assign(size_t{p.classes} * p.classes, 0);
  std::vector<uint64_t> rows(p.classes, 0);
  for (size_t i = 0; i < labels.size(); ++i) {
    const uint32_t given = labels[i];
    if (given == kNoLabel || out.thresholds[given] == kNeverReached) continue;
    ++out.judged;
    ++rows[given];
    const uint32_t likely = confident_class(p, i, out.thresholds);
    if (likely != kNoLabel) ++out.joint[size_t{given} * p.classes + likely];
    const uint32_t other = likeliest(p, i, given, out.thresholds);
    if (other == kNoLabel || p.at(i, other) <= p.at(i, given)) continue;
    const double margin = p.at(i, given) - p.at(i, other);
    out.suspects.push_back({i, given, other, p.at(i, given), p.at(i, other), margin});
  }
  out.noise = noise_of(out, rows, p.classes);
  std::sort(out.suspects.begin(), out.suspects.end(), [](auto& a, auto& b) {
    return a.margin != b.margin ? a.margin < b.margin : a.row < b.row;
  });
  const auto wrong = static_cast<size_t>(std::llround(out.noise * static_cast<double>(out.judged)));
  if (out.suspects.size() > wrong) out.suspects.resize(wrong);
  return out;
}

}  // namespace lockstep
