// The layers of a text model with their derivatives, each learning as the gradient passes through.
// Knows nothing of losses, epochs or labels.
#pragma once

#include "workflows/torch/kernels.h"

namespace lockstep {

// y = x · weightᵀ + bias [+ scale · (x · aᵀ) · bᵀ].
class DenseLayer {
 public:
  struct Parts {
    Matrix& weight;
    Matrix& bias;
    Matrix& a;  // both empty: no LoRA
    Matrix& b;
    float scale;
  };
  DenseLayer(Parts parts, at::Device device, bool learns);

  bool exists() const { return weight_.value().size(0) > 0; }
  bool learns() const { return weight_.learns() || a_.learns(); }
  at::Tensor forward(const at::Tensor& x);
  // Takes dL/dy, returns dL/dx (as the values were before this step), then learns.
  at::Tensor backward(const at::Tensor& gradient, const AdamStep& step);
  void store() const;

 private:
  Parameter weight_;
  Parameter bias_;
  Parameter a_;
  Parameter b_;
  float scale_;
  at::Tensor x_;
  at::Tensor narrow_;  // x · aᵀ
};

// The same for sparse x, whose matrices are kept by feature; nothing is below it.
class InputLayer {
 public:
  InputLayer(TextModel& model, at::Device device, bool learns);

  bool learns() const { return weight_.learns() || a_.learns(); }
  // x · weight + bias, the part that a LoRA leaves as it is.
  at::Tensor base(const Batch& batch) const;
  at::Tensor add_lora(const Batch& batch, const at::Tensor& base);
  void backward(const Batch& batch, const at::Tensor& gradient, const AdamStep& step);
  void store() const;

 private:
  Parameter weight_;
  Parameter bias_;
  Parameter a_;
  Parameter b_;
  float scale_;
  at::Tensor narrow_;
};

}  // namespace lockstep
