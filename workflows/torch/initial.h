// The values a model has before it learns, from a seed.
// Knows nothing of files, rows or torch.
#pragma once

#include <string>
#include <vector>

#include "workflows/torch/text_model.h"

namespace lockstep {

struct TrunkShape {
  FeatureSettings features;
  uint32_t width = 128;
  uint32_t hidden = 0;  // 0: no second layer
};

TextModel new_trunk(const TrunkShape& shape, std::vector<std::string> labels, uint64_t seed);

enum class AdapterKind { kHead, kBottleneck, kLora };

// "head", "bottleneck", "lora"; throws invalid.
AdapterKind adapter_kind(std::string_view word);

struct AdapterShape {
  AdapterKind kind = AdapterKind::kLora;
  uint32_t rank = 8;
  double alpha = 16;
  bool input = true;  // a lora's targets
  bool hidden = false;
};

// Gives a trunk a new head for `labels` and the parts of an adapter, which change nothing yet.
// Throws invalid where the trunk lacks a targeted layer.
void add_adapter(TextModel& model, const AdapterShape& shape, std::vector<std::string> labels,
                 uint64_t seed);

}  // namespace lockstep
