#include "workflows/torch/initial.h"

#include <cmath>
#include <utility>

#include "pipeline/base/error.h"
#include "pipeline/base/random.h"

namespace lockstep {
namespace {

Matrix uniform(uint64_t rows, uint64_t columns, double bound, Random& random) {
  Matrix out(rows, columns);
  auto scale = static_cast<float>(2 * bound);
  for (float& value : out.values) value = (random.uniform() - 0.5f) * scale;
  return out;
}

// Keeps the variance of what passes a relu (He et al. 2015).
Matrix before_relu(uint64_t rows, uint64_t columns, Random& random) {
  return uniform(rows, columns, std::sqrt(6.0 / static_cast<double>(columns)), random);
}

void new_head(TextModel& model, std::vector<std::string> labels, Random& random) {
  model.labels = std::move(labels);
  double bound = 1 / std::sqrt(static_cast<double>(model.top()));
  model.head_weight = uniform(model.labels.size(), model.top(), bound, random);
  model.head_bias = Matrix(1, model.labels.size());
}

}  // namespace

TextModel new_trunk(const TrunkShape& shape, std::vector<std::string> labels, uint64_t seed) {
  Random random(seed ^ 0x7472756e6b);
  TextModel model;
  model.features = shape.features;
  // Rows of input have unit length, whatever the number of features.
  model.input_weight = uniform(shape.features.buckets, shape.width, 1, random);
  model.input_bias = Matrix(1, shape.width);
  if (shape.hidden > 0) {
    model.hidden_weight = before_relu(shape.hidden, shape.width, random);
    model.hidden_bias = Matrix(1, shape.hidden);
  }
  new_head(model, std::move(labels), random);
  return model;
}

AdapterKind adapter_kind(std::string_view word) {
  if (word == "head") return AdapterKind::kHead;
  if (word == "bottleneck") return AdapterKind::kBottleneck;
  if (word == "lora") return AdapterKind::kLora;
  throw Error(ErrorCode::kInvalid, "there is no adapter " + std::string(word.substr(0, 64)));
}

void add_adapter(TextModel& model, const AdapterShape& shape, std::vector<std::string> labels,
                 uint64_t seed) {
  Random random(seed ^ 0x61646170746572);
  uint64_t rank = shape.rank;
  if (shape.kind == AdapterKind::kBottleneck) {
    model.down_weight = before_relu(rank, model.top(), random);
    model.down_bias = Matrix(1, rank);
    model.up_weight = Matrix(model.top(), rank);
    model.up_bias = Matrix(1, model.top());
  }
  if (shape.kind == AdapterKind::kLora) {
    if (shape.hidden && model.hidden_weight.empty()) {
      throw Error(ErrorCode::kInvalid, "the trunk has no hidden layer to adapt",
                  "leave `hidden` out of with.targets, or train the trunk with `hidden`");
    }
    model.scale = static_cast<float>(shape.alpha / shape.rank);
    double bound = std::sqrt(3.0 / static_cast<double>(rank));
    // Zero on the side of the input, not the output: an n-gram that no row holds changes nothing.
    if (shape.input) {
      model.input_a = Matrix(model.features.buckets, rank);
      model.input_b = uniform(model.width(), rank, bound, random);
    }
    if (shape.hidden) {
      model.hidden_a = Matrix(rank, model.width());
      model.hidden_b = uniform(model.hidden_weight.rows, rank, bound, random);
    }
  }
  new_head(model, std::move(labels), random);
}

}  // namespace lockstep
