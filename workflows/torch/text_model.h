// A text classifier as plain numbers: hashed n-grams, a trunk, perhaps an adapter, and a head.
// Knows nothing of torch, files or training; what it answers is what predict and metrics use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workflows/torch/text_features.h"

namespace lockstep {

struct Matrix {
  uint64_t rows = 0;
  uint64_t columns = 0;
  std::vector<float> values;  // row-major

  Matrix() = default;
  Matrix(uint64_t rows_in, uint64_t columns_in)
      : rows(rows_in), columns(columns_in), values(rows_in * columns_in) {}
  bool empty() const { return rows == 0; }
  const float* row(uint64_t i) const { return values.data() + i * columns; }
  float* row(uint64_t i) { return values.data() + i * columns; }
};

// h = relu(x·input + bias [+ scale · (x·input_a)·input_bᵀ]); the hidden layer likewise, where there
// is one; then [h += up(relu(down(h)))]; answer = head(h). Parts that a model lacks are empty.
// What x meets first is kept by feature ([features, out]): a text gathers a few of its rows.
struct TextModel {
  FeatureSettings features;
  std::vector<std::string> labels;  // sorted by bytes; the order of the head's rows

  Matrix input_weight;   // [features, width]
  Matrix input_bias;     // [1, width]
  Matrix hidden_weight;  // [hidden, width]
  Matrix hidden_bias;    // [1, hidden]

  // LoRA (Hu et al. 2021).
  float scale = 0;  // alpha / rank
  Matrix input_a;   // [features, rank]
  Matrix input_b;   // [width, rank]
  Matrix hidden_a;  // [rank, width]
  Matrix hidden_b;  // [hidden, rank]

  // A bottleneck (Houlsby et al. 2019).
  Matrix down_weight;  // [rank, top]
  Matrix down_bias;    // [1, rank]
  Matrix up_weight;    // [top, rank]
  Matrix up_bias;      // [1, top]

  Matrix head_weight;  // [labels, top]
  Matrix head_bias;    // [1, labels]

  uint64_t width() const { return input_weight.columns; }
  uint64_t top() const { return hidden_weight.empty() ? width() : hidden_weight.rows; }
};

// One number per label, before the softmax, for row `row` of `rows`.
std::vector<float> logits(const TextModel& model, const SparseRows& rows, uint64_t row);

// The same as probabilities.
std::vector<float> softmax(std::vector<float> logits);

}  // namespace lockstep
