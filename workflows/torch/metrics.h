// How well a model answers rows whose classes are known.
// Knows nothing of training or files.
#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/base/json.h"
#include "workflows/torch/text_model.h"

namespace lockstep {

struct Evaluation {
  double loss = 0;      // mean −log p of the right class, over rows whose class the model knows
  double accuracy = 0;  // rows of a class the model does not know count as wrong
  uint64_t rows = 0;
  std::vector<uint64_t> actual;    // per label: rows of that class; one more for unknown classes
  std::vector<uint64_t> answered;  // per label: rows answered so
  std::vector<uint64_t> right;     // per label: both
};

// `labels` holds an index into model.labels for each row, or model.labels.size().
Evaluation evaluate(const TextModel& model, const SparseRows& rows,
                    const std::vector<uint32_t>& labels);

// accuracy, loss, macro_f1, holdout_rows, classes; f1[…] and recall[…] of the first 200 classes.
// A class without rows here has no recall and no share in macro_f1.
Json metrics_json(const TextModel& model, const Evaluation& evaluation);

}  // namespace lockstep
