// The metrics as functions of how often each row counts, for the bootstrap.
// Knows nothing of tests, verdicts or keys.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "registry/gates/compare.h"

namespace lockstep {

// A holdout row with both answers.
struct PairedRow {
  const PredictedRow* champion = nullptr;
  const PredictedRow* challenger = nullptr;
};

struct Kernel {
  std::vector<uint32_t> unit_of;  // row → unit; rows of one unit count alike
  uint32_t units = 0;
  std::function<MetricValues(const std::vector<uint32_t>&)> measure;  // of the counts of the units
};

// Of every metric but accuracy. Throws invalid where the rows don't have what the metric needs.
Kernel kernel_of(const std::vector<PairedRow>& rows, const ComparisonSettings& settings);

// |predicted − expected|; throws invalid on what is no finite number.
double absolute_error(const PredictedRow& row);

}  // namespace lockstep
