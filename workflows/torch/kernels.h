// Batches of sparse rows, and the arithmetic of a learning step in plain loops or torch operations.
// Knows nothing of layers. Loops run in one fixed order: the same bits on every CPU of one kind.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "workflows/torch/text_model.h"

namespace lockstep {

// Some rows of a SparseRows, and which columns they touch.
struct Batch {
  std::vector<uint64_t> rows;
  std::vector<uint32_t> touched;  // distinct columns, in the order of their first use
  std::vector<uint32_t> slots;    // per entry of these rows: its place in `touched`
  const SparseRows* source = nullptr;
  at::Tensor dense;           // [rows, features] where products are dense; else undefined
  at::Tensor touched_tensor;  // `touched` on that device
};

// Adam (Kingma, Ba 2015) with its bias correction folded into two numbers of the step.
struct AdamStep {
  explicit AdamStep(double rate) : learning_rate(rate) {}
  void advance() {
    decay1 *= kBeta1;
    decay2 *= kBeta2;
  }
  float rate() const;
  float epsilon() const;

  static constexpr double kBeta1 = 0.9;
  static constexpr double kBeta2 = 0.999;
  double learning_rate;
  double decay1 = 1;  // kBeta1 to the number of steps
  double decay2 = 1;
};

// A matrix that learns or stays, on the device. On the CPU it shares the memory of its home.
class Parameter {
 public:
  Parameter(Matrix& home, at::Device device, bool learns);

  bool learns() const { return learns_; }
  const at::Tensor& value() const { return value_; }
  void update(const at::Tensor& gradient, const AdamStep& step);
  // `gradient` has one row per touched column; only these rows and their moments move.
  void update_rows(const Batch& batch, const at::Tensor& gradient, const AdamStep& step);
  // Brings the values home; free on the CPU.
  void store() const;

 private:
  Matrix* home_;
  bool learns_;
  at::Tensor value_;
  at::Tensor first_;  // moments
  at::Tensor second_;
};

// x · by_feature: [rows, out].
at::Tensor sparse_product(const Batch& batch, const at::Tensor& by_feature);

// The gradient of by_feature's touched rows: [touched, out].
at::Tensor sparse_gradient(const Batch& batch, const at::Tensor& gradient);

}  // namespace lockstep
