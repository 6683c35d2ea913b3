#include "pipeline/formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::array<std::pair<std::string_view, uint64_t>, 15> kTypes = {{{"BOOL", 1},
                                                                           {"U8", 1},
                                                                           {"I8", 1},
                                                                           {"F8_E5M2", 1},
                                                                           {"F8_E4M3", 1},
                                                                           {"I16", 2},
                                                                           {"U16", 2},
                                                                           {"F16", 2},
                                                                           {"BF16", 2},
                                                                           {"I32", 4},
                                                                           {"U32", 4},
                                                                           {"F32", 4},
                                                                           {"I64", 8},
                                                                           {"U64", 8},
                                                                           {"F64", 8}}};

// The bytes a tensor takes; nothing when the type is unknown or the product overflows.
std::optional<uint64_t> byte_size(std::string_view dtype, const std::vector<uint64_t>& shape) {
  auto type = std::find_if(kTypes.begin(), kTypes.end(),
                           [&](const auto& entry) { return entry.first == dtype; });
  if (type == kTypes.end() || shape.size() > kMaxTensorDimensions) return std::nullopt;
  uint64_t size = type->second;
  for (uint64_t extent : shape) {
    if (__builtin_mul_overflow(size, extent, &size)) return std::nullopt;
  }
  return size;
}

// A hostile name as it may stand in a message: ASCII, quoted, not long.
std::string shown(const Json& name) {
  std::string text = name.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 80 ? text : text.substr(0, 76) + "…\"";
}

class Reader {
 public:
  Reader(std::string_view bytes, std::string_view place) : bytes_(bytes), place_(place) {}

  TensorFile read() {
    Json header = parse_header(header_text());
    TensorFile file;
    for (auto& [name, entry] : header.items()) {
      if (name == kMetadataKey) {
        read_metadata(entry, file.metadata);
      } else {
        read_entry(name, entry);
      }
    }
    check_ranges();
    for (Range& range : ranges_) {
      range.tensor.bytes = bytes_.substr(range.begin, range.end - range.begin);
      file.tensors.push_back(std::move(range.tensor));
    }
    return file;
  }

 private:
  struct Range {
    uint64_t begin;
    uint64_t end;
    Tensor tensor;
  };

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(ErrorCode::kCorrupt, "not a sound safetensors file: " + why,
                "write it again, or restore it from the store", place_);
  }

  // Takes the length and the header off bytes_, which is the buffer from then on.
  std::string_view header_text() {
    if (bytes_.size() < 8) refuse("shorter than its 8-byte header length");
    uint64_t length = 0;
    for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<uint8_t>(bytes_[i]);
    bytes_.remove_prefix(8);
    if (length > kMaxTensorHeaderBytes) {
      refuse(fmt::format("header of {} bytes, at most {}", length, kMaxTensorHeaderBytes));
    }
    if (length > bytes_.size()) refuse("ends inside its header");
    std::string_view header = bytes_.substr(0, length);
    bytes_.remove_prefix(length);
    if (header.empty() || header.front() != '{') refuse("the header does not begin with {");
    return header;
  }

  Json parse_header(std::string_view text) const {
    std::vector<std::set<std::string>> open;  // the keys of each object that is being read
    auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
      if (depth > 4) refuse("the header is nested too deep");
      if (event == Json::parse_event_t::object_start) open.emplace_back();
      if (event == Json::parse_event_t::object_end) open.pop_back();
      if (event == Json::parse_event_t::key &&
          !open.back().insert(parsed.get<std::string>()).second) {
        refuse("the header has a key twice: " + shown(parsed));
      }
      return true;
    };
    try {
      return Json::parse(text, watch);
    } catch (const Json::parse_error& failure) {
      refuse(fmt::format("the header is not JSON at byte {}", failure.byte));
    }
  }

  void read_metadata(const Json& entry, std::map<std::string, std::string>& metadata) const {
    if (!entry.is_object()) refuse("__metadata__ is not an object");
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) refuse("__metadata__ holds something other than text");
      metadata[key] = value.get<std::string>();
    }
  }

  std::vector<uint64_t> numbers(const std::string& name, const Json& list) const {
    std::vector<uint64_t> values;
    if (!list.is_array()) refuse("a list is missing in " + shown(name));
    for (const Json& value : list) {
      if (!value.is_number_unsigned()) {
        refuse(shown(name) + " has something other than a whole number");
      }
      values.push_back(value.get<uint64_t>());
    }
    return values;
  }

  void read_entry(const std::string& name, const Json& entry) {
    std::string label = shown(name);
    if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
        !entry.contains("shape") || !entry.contains("data_offsets") ||
        !entry["dtype"].is_string()) {
      refuse(label + " needs dtype, shape and data_offsets, and nothing else");
    }
    Tensor tensor{name, entry["dtype"].get<std::string>(), numbers(name, entry["shape"]), ""};
    std::vector<uint64_t> offsets = numbers(name, entry["data_offsets"]);
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > bytes_.size()) {
      refuse(label + " lies outside the file");
    }
    if (byte_size(tensor.dtype, tensor.shape) != offsets[1] - offsets[0]) {
      refuse(label + " is not as long as its dtype and shape ask");
    }
    ranges_.push_back({offsets[0], offsets[1], std::move(tensor)});
  }

  void check_ranges() {
    std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) {
      return std::tie(a.begin, a.end, a.tensor.name) < std::tie(b.begin, b.end, b.tensor.name);
    });
    uint64_t expected = 0;
    for (const Range& range : ranges_) {
      if (range.begin != expected) {
        refuse(shown(range.tensor.name) + " overlaps another tensor or leaves a gap");
      }
      expected = range.end;
    }
    if (expected != bytes_.size()) refuse("it goes on after its last tensor");
  }

  std::string_view bytes_;
  std::string place_;
  std::vector<Range> ranges_;
};

void check_tensor(const Tensor& tensor) {
  if (tensor.name == kMetadataKey) {
    throw Error(ErrorCode::kInvalid, "a tensor cannot be called __metadata__");
  }
  if (byte_size(tensor.dtype, tensor.shape) != tensor.bytes.size()) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("tensor {}: {} bytes do not fit dtype {} and its shape", tensor.name,
                            tensor.bytes.size(), tensor.dtype));
  }
}

}  // namespace

const Tensor* TensorFile::find(std::string_view name) const {
  for (const Tensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

TensorFile read_safetensors(std::string_view bytes, std::string_view place) {
  return Reader(bytes, place).read();
}

std::string write_safetensors(const TensorFile& file) {
  std::map<std::string, const Tensor*> sorted;
  for (const Tensor& tensor : file.tensors) {
    check_tensor(tensor);
    if (!sorted.emplace(tensor.name, &tensor).second) {
      throw Error(ErrorCode::kInvalid, "two tensors are called " + tensor.name);
    }
  }
  Json header = Json::object();
  if (!file.metadata.empty()) header[std::string(kMetadataKey)] = file.metadata;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : sorted) {
    header[name] = {{"dtype", tensor->dtype},
                    {"shape", tensor->shape},
                    {"data_offsets", {offset, offset + tensor->bytes.size()}}};
    offset += tensor->bytes.size();
  }
  std::string text = canonical_json(header);
  text.append((8 - text.size() % 8) % 8, ' ');
  if (text.size() > kMaxTensorHeaderBytes) {
    throw Error(ErrorCode::kInvalid, "the names, shapes and metadata exceed the header's 4 MiB");
  }
  std::string out;
  out.reserve(8 + text.size() + offset);
  for (int i = 0; i < 8; ++i) out += static_cast<char>(text.size() >> (8 * i) & 0xff);
  out += text;
  for (const auto& [name, tensor] : sorted) out += tensor->bytes;
  return out;
}

}  // namespace lockstep
