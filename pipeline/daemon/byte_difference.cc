#include "pipeline/daemon/byte_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"
#include "pipeline/formats/safetensors.h"

namespace lockstep {
namespace {

constexpr uint64_t kMostCompared_bytes = 1ull << 30;

// Nothing where the bytes are no such thing.
template <class F>
auto read_as(F read) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string of_bytes(const std::string& was, const std::string& is) {
  const size_t most = std::min(was.size(), is.size());
  const auto at =
      std::mismatch(was.begin(), was.begin() + static_cast<ptrdiff_t>(most), is.begin());
  const size_t place = static_cast<size_t>(at.first - was.begin());
  if (was.size() != is.size()) {
    return fmt::format("{} bytes then, {} now; byte {} is the first that differs", was.size(),
                       is.size(), place);
  }
  return fmt::format("byte {} of {} is the first that differs", place, was.size());
}

std::string shape_text(const Tensor& tensor) {
  return fmt::format("{} [{}]", tensor.dtype, fmt::join(tensor.shape, ", "));
}

std::string of_tensors(const TensorFile& was, const TensorFile& is) {
  for (const Tensor& tensor : was.tensors) {
    const Tensor* other = is.find(tensor.name);
    const std::string name = printable(tensor.name);
    if (!other) return fmt::format("tensor `{}` is there no longer", name);
    if (tensor.dtype != other->dtype || tensor.shape != other->shape) {
      return fmt::format("tensor `{}` was {}, is {}", name, shape_text(tensor), shape_text(*other));
    }
    if (tensor.bytes == other->bytes) continue;
    size_t count = 0, first = tensor.bytes.size();
    for (size_t i = 0; i < tensor.bytes.size(); ++i) {
      if (tensor.bytes[i] == other->bytes[i]) continue;
      first = std::min(first, i);
      ++count;
    }
    return fmt::format("tensor `{}` is the first that differs: {} of {} bytes, from byte {}", name,
                       count, tensor.bytes.size(), first);
  }
  for (const Tensor& tensor : is.tensors) {
    if (!was.find(tensor.name)) return fmt::format("tensor `{}` is new", printable(tensor.name));
  }
  return "the tensors are equal, their file is not: its metadata or their order differs";
}

std::string of_folders(Artifacts& artifacts, const std::vector<FolderEntry>& was,
                       const std::vector<FolderEntry>& is) {
  for (const FolderEntry& entry : was) {
    auto other = std::find_if(is.begin(), is.end(),
                              [&](const FolderEntry& one) { return one.path == entry.path; });
    const std::string name = printable(entry.path);
    if (other == is.end()) return fmt::format("file `{}` is there no longer", name);
    if (other->digest == entry.digest && other->executable == entry.executable) continue;
    if (other->digest == entry.digest) return fmt::format("file `{}`: its mode differs", name);
    return fmt::format("file `{}`: {}", name,
                       first_difference(artifacts, entry.digest, other->digest));
  }
  for (const FolderEntry& entry : is) {
    const bool known = std::any_of(was.begin(), was.end(),
                                   [&](const FolderEntry& one) { return one.path == entry.path; });
    if (!known) return fmt::format("file `{}` is new", printable(entry.path));
  }
  return "the same files";
}

}  // namespace

std::string first_difference(Artifacts& artifacts, const Digest& was, const Digest& is) {
  for (const auto& [digest, when] : {std::pair(was, "then"), std::pair(is, "now")}) {
    if (!artifacts.has(digest)) return fmt::format("the bytes of {} are not here", when);
    if (artifacts.size(digest) > kMostCompared_bytes) return "too large to be compared";
  }
  const std::string before = artifacts.get(was), after = artifacts.get(is);
  auto old_list = read_as([&] { return parse_folder_listing(before); });
  auto new_list = read_as([&] { return parse_folder_listing(after); });
  if (old_list && new_list) return of_folders(artifacts, *old_list, *new_list);
  auto old_tensors = read_as([&] { return read_safetensors(before, "then"); });
  auto new_tensors = read_as([&] { return read_safetensors(after, "now"); });
  if (old_tensors && new_tensors) return of_tensors(*old_tensors, *new_tensors);
  return of_bytes(before, after);
}

}  // namespace lockstep
