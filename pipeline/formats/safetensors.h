// Tensors in one file: the safetensors format, read within bounds and written in one canonical
// form. Knows nothing of models, training or any tensor library.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

struct Tensor {
  std::string name;
  std::string dtype;  // BOOL U8 I8 F8_E5M2 F8_E4M3 I16 U16 F16 BF16 I32 U32 F32 I64 U64 F64
  std::vector<uint64_t> shape;  // row-major; empty for a scalar
  std::string bytes;            // little-endian values, product(shape) × size of dtype
};

struct TensorFile {
  std::map<std::string, std::string> metadata;
  std::vector<Tensor> tensors;

  const Tensor* find(std::string_view name) const;  // null when absent
};

inline constexpr uint64_t kMaxTensorHeaderBytes = 4u << 20;
inline constexpr size_t kMaxTensorDimensions = 16;

// Reads https://github.com/huggingface/safetensors (format section), strictly: the ranges of the
// tensors cover the whole buffer without gap or overlap, each as long as dtype × shape asks;
// duplicate keys, unknown fields, unknown dtypes and anything after the last tensor are refused.
// Tensors come in the order of their bytes. Throws corrupt, with `place` (a file name) as where.
TensorFile read_safetensors(std::string_view bytes, std::string_view place);

// One file, one form: tensors by name bytes, header as canonical JSON, padded with spaces so that
// the buffer starts at a multiple of 8. Throws invalid when a tensor's bytes do not fit its shape
// or two share a name.
std::string write_safetensors(const TensorFile& file);

}  // namespace lockstep
