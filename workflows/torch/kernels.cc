#include "workflows/torch/kernels.h"

#include <cmath>

namespace lockstep {
namespace {

// One row's worth of Adam; a plain loop that compilers turn into the same operations per element.
void adam_row(const float* gradient, float* first, float* second, float* value, int64_t size,
              float rate, float epsilon) {
  constexpr auto kKeep1 = static_cast<float>(AdamStep::kBeta1);
  constexpr auto kKeep2 = static_cast<float>(AdamStep::kBeta2);
  for (int64_t j = 0; j < size; ++j) {
    float g = gradient[j];
    first[j] = kKeep1 * first[j] + (1 - kKeep1) * g;
    second[j] = kKeep2 * second[j] + (1 - kKeep2) * (g * g);
    value[j] -= rate * first[j] / (std::sqrt(second[j]) + epsilon);
  }
}

void adam_tensors(const at::Tensor& gradient, at::Tensor& first, at::Tensor& second,
                  at::Tensor& value, const AdamStep& step) {
  first.mul_(AdamStep::kBeta1).add_(gradient, 1 - AdamStep::kBeta1);
  second.mul_(AdamStep::kBeta2).addcmul_(gradient, gradient, 1 - AdamStep::kBeta2);
  value.addcdiv_(first, second.sqrt().add_(step.epsilon()), -step.rate());
}

}  // namespace

float AdamStep::rate() const {
  return static_cast<float>(learning_rate * std::sqrt(1 - decay2) / (1 - decay1));
}

float AdamStep::epsilon() const {
  return static_cast<float>(1e-8 * std::sqrt(1 - decay2));
}

Parameter::Parameter(Matrix& home, at::Device device, bool learns)
    : home_(&home), learns_(learns && !home.empty()) {
  std::vector<int64_t> shape = {static_cast<int64_t>(home.rows),
                                static_cast<int64_t>(home.columns)};
  value_ = at::from_blob(home.values.data(), shape, at::kFloat).to(device);
  if (learns_) {
    first_ = at::zeros_like(value_);
    second_ = at::zeros_like(value_);
  }
}

void Parameter::update(const at::Tensor& gradient, const AdamStep& step) {
  if (value_.is_cpu()) {
    at::Tensor dense = gradient.contiguous();
    adam_row(dense.data_ptr<float>(), first_.data_ptr<float>(), second_.data_ptr<float>(),
             value_.data_ptr<float>(), value_.numel(), step.rate(), step.epsilon());
  } else {
    adam_tensors(gradient, first_, second_, value_, step);
  }
}

void Parameter::update_rows(const Batch& batch, const at::Tensor& gradient, const AdamStep& step) {
  if (batch.dense.defined()) {
    at::Tensor first = first_.index_select(0, batch.touched_tensor);
    at::Tensor second = second_.index_select(0, batch.touched_tensor);
    at::Tensor value = value_.index_select(0, batch.touched_tensor);
    adam_tensors(gradient, first, second, value, step);
    first_.index_copy_(0, batch.touched_tensor, first);
    second_.index_copy_(0, batch.touched_tensor, second);
    value_.index_copy_(0, batch.touched_tensor, value);
    return;
  }
  int64_t width = value_.size(1);
  float rate = step.rate();
  float epsilon = step.epsilon();
  const float* g = gradient.data_ptr<float>();
  for (uint32_t column : batch.touched) {
    int64_t at = static_cast<int64_t>(column) * width;
    adam_row(g, first_.data_ptr<float>() + at, second_.data_ptr<float>() + at,
             value_.data_ptr<float>() + at, width, rate, epsilon);
    g += width;
  }
}

void Parameter::store() const {
  if (!learns_ || value_.is_cpu()) return;
  at::from_blob(home_->values.data(), value_.sizes(), at::kFloat).copy_(value_);
}

at::Tensor sparse_product(const Batch& batch, const at::Tensor& by_feature) {
  if (batch.dense.defined()) return at::mm(batch.dense, by_feature);
  int64_t width = by_feature.size(1);
  at::Tensor out = at::zeros({static_cast<int64_t>(batch.rows.size()), width});
  const float* weights = by_feature.data_ptr<float>();
  float* to = out.data_ptr<float>();
  const SparseRows& source = *batch.source;
  for (uint64_t row : batch.rows) {
    for (uint64_t k = source.starts[row]; k < source.starts[row + 1]; ++k) {
      const float* from = weights + source.columns[k] * width;
      float value = source.values[k];
      for (int64_t j = 0; j < width; ++j) to[j] += value * from[j];
    }
    to += width;
  }
  return out;
}

at::Tensor sparse_gradient(const Batch& batch, const at::Tensor& gradient) {
  if (batch.dense.defined()) {
    return at::mm(batch.dense.t(), gradient).index_select(0, batch.touched_tensor);
  }
  at::Tensor rows = gradient.contiguous();
  int64_t width = rows.size(1);
  at::Tensor out = at::zeros({static_cast<int64_t>(batch.touched.size()), width});
  const float* from = rows.data_ptr<float>();
  const SparseRows& source = *batch.source;
  size_t entry = 0;
  for (uint64_t row : batch.rows) {
    for (uint64_t k = source.starts[row]; k < source.starts[row + 1]; ++k) {
      float* to = out.data_ptr<float>() + batch.slots[entry++] * width;
      float value = source.values[k];
      for (int64_t j = 0; j < width; ++j) to[j] += value * from[j];
    }
    from += width;
  }
  return out;
}

}  // namespace lockstep
