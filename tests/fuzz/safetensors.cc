// Tensors: what is read and written has one form, and reads the same.
#include "pipeline/formats/safetensors.h"

#include <algorithm>

#include "tests/fuzz/fuzz.h"

using namespace lockstep;
using fuzz::claim;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  TensorFile file;
  if (!fuzz::reads([&] { file = read_safetensors(fuzz::text_of(data, size), "fuzz"); })) return 0;
  size_t bytes = 0;
  for (const Tensor& tensor : file.tensors) bytes += tensor.bytes.size();
  claim(bytes <= size, "no more bytes than there were");
  const std::string written = write_safetensors(file);
  const TensorFile again = read_safetensors(written, "written");
  claim(again.metadata == file.metadata, "the same metadata");
  claim(again.tensors.size() == file.tensors.size(), "as many tensors");
  for (const Tensor& tensor : file.tensors) {
    const Tensor* other = again.find(tensor.name);
    claim(other && other->dtype == tensor.dtype && other->shape == tensor.shape &&
              other->bytes == tensor.bytes,
          "the same tensor");
  }
  claim(write_safetensors(again) == written, "there is one way to write it");
  return 0;
}
