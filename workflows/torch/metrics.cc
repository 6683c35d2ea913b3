#include "workflows/torch/metrics.h"

#include <algorithm>
#include <cmath>

namespace lockstep {
namespace {

constexpr size_t kMaxListedClasses = 200;

}  // namespace

Evaluation evaluate(const TextModel& model, const SparseRows& rows,
                    const std::vector<uint32_t>& labels) {
  Evaluation out;
  size_t classes = model.labels.size();
  out.rows = rows.size();
  out.actual.resize(classes + 1);
  out.answered.resize(classes);
  out.right.resize(classes);
  uint64_t right = 0;
  for (uint64_t i = 0; i < rows.size(); ++i) {
    std::vector<float> scores = softmax(logits(model, rows, i));
    size_t answer = std::max_element(scores.begin(), scores.end()) - scores.begin();
    ++out.actual[labels[i]];
    ++out.answered[answer];
    if (labels[i] == classes) continue;
    out.loss -= std::log(std::max(static_cast<double>(scores[labels[i]]), 1e-30));
    if (answer == labels[i]) {
      ++out.right[answer];
      ++right;
    }
  }
  uint64_t known = out.rows - out.actual[classes];
  if (known > 0) out.loss /= static_cast<double>(known);
  if (out.rows > 0) out.accuracy = static_cast<double>(right) / static_cast<double>(out.rows);
  return out;
}

Json metrics_json(const TextModel& model, const Evaluation& evaluation) {
  Json out = {{"accuracy", evaluation.accuracy},
              {"loss", evaluation.loss},
              {"holdout_rows", evaluation.rows},
              {"classes", model.labels.size()}};
  double sum = 0;
  uint64_t present = 0;
  for (size_t i = 0; i < model.labels.size(); ++i) {
    if (evaluation.actual[i] == 0) continue;
    auto right = static_cast<double>(evaluation.right[i]);
    auto actual = static_cast<double>(evaluation.actual[i]);
    double f1 = 2 * right / (actual + static_cast<double>(evaluation.answered[i]));
    sum += f1;
    ++present;
    if (i >= kMaxListedClasses) continue;
    out["f1[" + model.labels[i] + "]"] = f1;
    out["recall[" + model.labels[i] + "]"] = right / actual;
  }
  out["macro_f1"] = present == 0 ? 0.0 : sum / static_cast<double>(present);
  return out;
}

}  // namespace lockstep
