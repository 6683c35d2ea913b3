// A text model as safetensors files: the trunk in one, an adapter in another that names its trunk.
// Knows nothing of how they were trained.
#pragma once

#include <string>
#include <string_view>

#include "pipeline/base/digest.h"
#include "workflows/torch/initial.h"
#include "workflows/torch/text_model.h"

namespace lockstep {

inline constexpr uint64_t kMaxModelBytes = 1ull << 31;

std::string trunk_bytes(const TextModel& model);

// Only what the adapter adds; tensors are named as PEFT names them
// (base_model.model.input.lora_A.weight [rank, features], …lora_B.weight [out, rank]).
std::string adapter_bytes(const TextModel& model, const AdapterShape& shape, const Digest& trunk);

// True where the metadata says that these bytes are an adapter and need a trunk.
bool is_adapter(std::string_view bytes, std::string_view place);

// Throw corrupt (not safetensors, or tensors that do not fit each other or the metadata) and
// invalid (something else's file), with `place` as where. Every number is checked to be finite.
TextModel read_trunk(std::string_view bytes, std::string_view place);

// Adds the adapter to its trunk's model; `trunk` is the digest of the trunk's file. Throws conflict
// where the adapter was trained on another trunk.
void read_adapter(std::string_view bytes, std::string_view place, const Digest& trunk,
                  TextModel& model);

}  // namespace lockstep
