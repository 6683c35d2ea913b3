#include "workflows/torch/layers.h"

namespace lockstep {

DenseLayer::DenseLayer(Parts parts, at::Device device, bool learns)
    : weight_(parts.weight, device, learns),
      bias_(parts.bias, device, learns),
      a_(parts.a, device, true),
      b_(parts.b, device, true),
      scale_(parts.scale) {}

at::Tensor DenseLayer::forward(const at::Tensor& x) {
  x_ = x;
  at::Tensor y = at::addmm(bias_.value(), x, weight_.value().t());
  if (a_.learns()) {
    narrow_ = at::mm(x, a_.value().t());
    y.addmm_(narrow_, b_.value().t(), 1, scale_);
  }
  return y;
}

at::Tensor DenseLayer::backward(const at::Tensor& gradient, const AdamStep& step) {
  at::Tensor below = at::mm(gradient, weight_.value());
  if (a_.learns()) {
    at::Tensor narrow = at::mm(gradient, b_.value()).mul_(scale_);
    below.addmm_(narrow, a_.value());
    b_.update(at::mm(gradient.t(), narrow_).mul_(scale_), step);
    a_.update(at::mm(narrow.t(), x_), step);
  }
  if (weight_.learns()) {
    weight_.update(at::mm(gradient.t(), x_), step);
    bias_.update(gradient.sum(0, true), step);
  }
  return below;
}

void DenseLayer::store() const {
  for (const Parameter* part : {&weight_, &bias_, &a_, &b_}) part->store();
}

InputLayer::InputLayer(TextModel& model, at::Device device, bool learns)
    : weight_(model.input_weight, device, learns),
      bias_(model.input_bias, device, learns),
      a_(model.input_a, device, true),
      b_(model.input_b, device, true),
      scale_(model.scale) {}

at::Tensor InputLayer::base(const Batch& batch) const {
  return sparse_product(batch, weight_.value()).add_(bias_.value());
}

at::Tensor InputLayer::add_lora(const Batch& batch, const at::Tensor& base) {
  if (!a_.learns()) return base;
  narrow_ = sparse_product(batch, a_.value());
  return at::addmm(base, narrow_, b_.value().t(), 1, scale_);
}

void InputLayer::backward(const Batch& batch, const at::Tensor& gradient, const AdamStep& step) {
  if (a_.learns()) {
    at::Tensor narrow = at::mm(gradient, b_.value()).mul_(scale_);
    b_.update(at::mm(gradient.t(), narrow_).mul_(scale_), step);
    a_.update_rows(batch, sparse_gradient(batch, narrow), step);
  }
  if (weight_.learns()) {
    weight_.update_rows(batch, sparse_gradient(batch, gradient), step);
    bias_.update(gradient.sum(0, true), step);
  }
}

void InputLayer::store() const {
  for (const Parameter* part : {&weight_, &bias_, &a_, &b_}) part->store();
}

}  // namespace lockstep
