#include "workflows/torch/text_model.h"

#include <algorithm>
#include <cmath>

namespace lockstep {
namespace {

using Vector = std::vector<float>;

// out += x · by_feature, for a sparse x.
void gather(const Matrix& by_feature, const SparseRows& rows, uint64_t row, Vector& out) {
  for (uint64_t k = rows.starts[row]; k < rows.starts[row + 1]; ++k) {
    const float* weights = by_feature.row(rows.columns[k]);
    float value = rows.values[k];
    for (uint64_t j = 0; j < out.size(); ++j) out[j] += value * weights[j];
  }
}

// out += scale · weight · x. Four sums at a time, always in this order.
void add_product(const Matrix& weight, const Vector& x, float scale, Vector& out) {
  for (uint64_t i = 0; i < weight.rows; ++i) {
    const float* row = weight.row(i);
    float sums[4] = {0, 0, 0, 0};
    uint64_t j = 0;
    for (; j + 4 <= x.size(); j += 4) {
      for (int k = 0; k < 4; ++k) sums[k] += row[j + k] * x[j + k];
    }
    for (; j < x.size(); ++j) sums[0] += row[j] * x[j];
    out[i] += scale * ((sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
}

Vector linear(const Matrix& weight, const Matrix& bias, const Vector& x) {
  Vector out = bias.values;
  add_product(weight, x, 1, out);
  return out;
}

void relu(Vector& x) {
  for (float& value : x) value = std::max(value, 0.0f);
}

Vector input_layer(const TextModel& model, const SparseRows& rows, uint64_t row) {
  Vector out = model.input_bias.values;
  gather(model.input_weight, rows, row, out);
  if (!model.input_a.empty()) {
    Vector narrow(model.input_a.columns);
    gather(model.input_a, rows, row, narrow);
    add_product(model.input_b, narrow, model.scale, out);
  }
  relu(out);
  return out;
}

Vector hidden_layer(const TextModel& model, const Vector& x) {
  Vector out = linear(model.hidden_weight, model.hidden_bias, x);
  if (!model.hidden_a.empty()) {
    Vector narrow(model.hidden_a.rows);
    add_product(model.hidden_a, x, 1, narrow);
    add_product(model.hidden_b, narrow, model.scale, out);
  }
  relu(out);
  return out;
}

}  // namespace

std::vector<float> logits(const TextModel& model, const SparseRows& rows, uint64_t row) {
  Vector top = input_layer(model, rows, row);
  if (!model.hidden_weight.empty()) top = hidden_layer(model, top);
  if (!model.down_weight.empty()) {
    Vector narrow = linear(model.down_weight, model.down_bias, top);
    relu(narrow);
    add_product(model.up_weight, narrow, 1, top);
    for (uint64_t j = 0; j < top.size(); ++j) top[j] += model.up_bias.values[j];
  }
  return linear(model.head_weight, model.head_bias, top);
}

std::vector<float> softmax(std::vector<float> logits) {
  float most = *std::max_element(logits.begin(), logits.end());
  float sum = 0;
  for (float& value : logits) sum += value = std::exp(value - most);
  for (float& value : logits) value /= sum;
  return logits;
}

}  // namespace lockstep
