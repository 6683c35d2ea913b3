#include "workflows/torch/model_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "pipeline/formats/safetensors.h"

namespace lockstep {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors values are little-endian");

constexpr std::string_view kTrunkFormat = "lockstep.text-trunk.1";
constexpr std::string_view kAdapterFormat = "lockstep.text-adapter.1";
constexpr std::string_view kPrefix = "base_model.model.";

Matrix transposed(const Matrix& in) {
  Matrix out(in.columns, in.rows);
  for (uint64_t i = 0; i < in.rows; ++i) {
    for (uint64_t j = 0; j < in.columns; ++j) out.row(j)[i] = in.row(i)[j];
  }
  return out;
}

class Writer {
 public:
  void add(std::string name, const Matrix& matrix) {
    if (!matrix.empty()) put(std::move(name), {matrix.rows, matrix.columns}, matrix);
  }
  void add_vector(std::string name, const Matrix& matrix) {
    if (!matrix.empty()) put(std::move(name), {matrix.columns}, matrix);
  }

  TensorFile file;

 private:
  void put(std::string name, std::vector<uint64_t> shape, const Matrix& matrix) {
    std::string bytes(matrix.values.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), matrix.values.data(), bytes.size());
    file.tensors.push_back({std::move(name), "F32", std::move(shape), std::move(bytes)});
  }
};

// Takes tensors out of a file and checks that they fit; what is left over at the end is refused.
class Reader {
 public:
  Reader(std::string_view bytes, std::string_view place)
      : place_(place), file_(read_safetensors(bytes, place)) {}

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(ErrorCode::kCorrupt, why, "train it again", place_);
  }

  void expect_format(std::string_view wanted, const char* action) const {
    if (text("format") == wanted) return;
    throw Error(ErrorCode::kInvalid, fmt::format("is not the output of {}", action),
                fmt::format("its metadata must say format {}", wanted), place_);
  }

  std::string text(const std::string& key) const {
    auto found = file_.metadata.find(key);
    return found == file_.metadata.end() ? "" : found->second;
  }

  Json json(const std::string& key) const {
    try {
      return Json::parse(text(key));
    } catch (const Json::exception&) {
      refuse("metadata " + key + " is missing or not JSON");
    }
  }

  uint64_t integer(const std::string& key, uint64_t min, uint64_t max) const {
    Json value = json(key);
    if (!value.is_number_unsigned() || value.get<uint64_t>() < min || value.get<uint64_t>() > max) {
      refuse(fmt::format("metadata {} is not from {} to {}", key, min, max));
    }
    return value.get<uint64_t>();
  }

  std::vector<uint32_t> lengths(const std::string& key) const {
    Json list = json(key);
    std::vector<uint32_t> out;
    if (!list.is_array() || list.size() > 16) refuse("metadata " + key + " is not a short list");
    for (const Json& value : list) {
      bool sound =
          value.is_number_unsigned() && value.get<uint64_t>() >= 1 && value.get<uint64_t>() <= 64;
      if (!sound) refuse("metadata " + key + " holds something odd");
      out.push_back(value.get<uint32_t>());
    }
    return out;
  }

  std::vector<std::string> labels() const {
    Json list = json("labels");
    if (!list.is_array() || list.size() < 2) refuse("metadata labels is not a list of classes");
    std::vector<std::string> out;
    for (const Json& value : list) {
      if (!value.is_string()) refuse("metadata labels holds something other than text");
      out.push_back(value.get<std::string>());
    }
    if (std::adjacent_find(out.begin(), out.end(), std::greater_equal<>()) != out.end()) {
      refuse("metadata labels is not sorted");
    }
    return out;
  }

  bool has(const std::string& name) const { return file_.find(name) != nullptr; }

  // `rows` or `columns` 0: as the file has it.
  Matrix matrix(const std::string& name, uint64_t rows, uint64_t columns) {
    const Tensor* tensor = file_.find(name);
    if (tensor == nullptr) refuse("lacks the tensor " + name);
    std::vector<uint64_t> shape = tensor->shape;
    if (shape.size() == 1) shape.insert(shape.begin(), 1);
    bool fits = tensor->dtype == "F32" && shape.size() == 2 && shape[0] > 0 && shape[1] > 0 &&
                (rows == 0 || shape[0] == rows) && (columns == 0 || shape[1] == columns);
    if (!fits) refuse("tensor " + name + " has another type or shape than the model needs");
    ++taken_;
    Matrix out(shape[0], shape[1]);
    std::memcpy(out.values.data(), tensor->bytes.data(), tensor->bytes.size());
    for (float value : out.values) {
      if (!std::isfinite(value)) refuse("tensor " + name + " holds a number that is not finite");
    }
    return out;
  }

  void finish() const {
    if (taken_ != file_.tensors.size()) refuse("has tensors that no such model has");
  }

 private:
  std::string place_;
  TensorFile file_;
  size_t taken_ = 0;
};

void read_head(Reader& reader, const std::string& prefix, TextModel& model) {
  model.labels = reader.labels();
  uint64_t classes = model.labels.size();
  model.head_weight = reader.matrix(prefix + "head.weight", classes, model.top());
  model.head_bias = reader.matrix(prefix + "head.bias", 1, classes);
}

std::string kind_word(AdapterKind kind) {
  return kind == AdapterKind::kHead ? "head" : kind == AdapterKind::kLora ? "lora" : "bottleneck";
}

}  // namespace

std::string trunk_bytes(const TextModel& model) {
  Writer writer;
  writer.file.metadata = {{"format", std::string(kTrunkFormat)},
                          {"features", std::to_string(model.features.buckets)},
                          {"ngrams", canonical_json(model.features.words)},
                          {"characters", canonical_json(model.features.characters)},
                          {"labels", canonical_json(model.labels)}};
  writer.add("input.weight", transposed(model.input_weight));
  writer.add_vector("input.bias", model.input_bias);
  writer.add("hidden.weight", model.hidden_weight);
  writer.add_vector("hidden.bias", model.hidden_bias);
  writer.add("head.weight", model.head_weight);
  writer.add_vector("head.bias", model.head_bias);
  return write_safetensors(writer.file);
}

std::string adapter_bytes(const TextModel& model, const AdapterShape& shape, const Digest& trunk) {
  Writer writer;
  writer.file.metadata = {{"format", std::string(kAdapterFormat)},
                          {"adapter", kind_word(shape.kind)},
                          {"features", std::to_string(model.features.buckets)},
                          {"labels", canonical_json(model.labels)},
                          {"trunk_sha256", trunk.hex()}};
  if (shape.kind != AdapterKind::kHead) writer.file.metadata["rank"] = std::to_string(shape.rank);
  if (shape.kind == AdapterKind::kLora) writer.file.metadata["alpha"] = canonical_json(shape.alpha);
  std::string prefix(kPrefix);
  writer.add(prefix + "input.lora_A.weight", transposed(model.input_a));
  writer.add(prefix + "input.lora_B.weight", model.input_b);
  writer.add(prefix + "hidden.lora_A.weight", model.hidden_a);
  writer.add(prefix + "hidden.lora_B.weight", model.hidden_b);
  writer.add(prefix + "bottleneck.down.weight", model.down_weight);
  writer.add_vector(prefix + "bottleneck.down.bias", model.down_bias);
  writer.add(prefix + "bottleneck.up.weight", model.up_weight);
  writer.add_vector(prefix + "bottleneck.up.bias", model.up_bias);
  writer.add(prefix + "head.weight", model.head_weight);
  writer.add_vector(prefix + "head.bias", model.head_bias);
  return write_safetensors(writer.file);
}

bool is_adapter(std::string_view bytes, std::string_view place) {
  return Reader(bytes, place).text("format") == kAdapterFormat;
}

TextModel read_trunk(std::string_view bytes, std::string_view place) {
  Reader reader(bytes, place);
  reader.expect_format(kTrunkFormat, "torch/text-trunk");
  TextModel model;
  model.features = {static_cast<uint32_t>(reader.integer("features", 1, 1 << 24)),
                    reader.lengths("ngrams"), reader.lengths("characters")};
  model.input_weight = transposed(reader.matrix("input.weight", 0, model.features.buckets));
  model.input_bias = reader.matrix("input.bias", 1, model.width());
  if (reader.has("hidden.weight")) {
    model.hidden_weight = reader.matrix("hidden.weight", 0, model.width());
    model.hidden_bias = reader.matrix("hidden.bias", 1, model.hidden_weight.rows);
  }
  read_head(reader, "", model);
  reader.finish();
  return model;
}

void read_adapter(std::string_view bytes, std::string_view place, const Digest& trunk,
                  TextModel& model) {
  Reader reader(bytes, place);
  reader.expect_format(kAdapterFormat, "torch/text-adapter");
  if (reader.text("trunk_sha256") != trunk.hex()) {
    throw Error(ErrorCode::kConflict, "was trained on another trunk",
                "it needs the one with SHA-256 " + reader.text("trunk_sha256").substr(0, 64),
                std::string(place));
  }
  std::string prefix(kPrefix);
  AdapterKind kind = adapter_kind(reader.text("adapter"));
  uint64_t rank = kind == AdapterKind::kHead ? 0 : reader.integer("rank", 1, 1 << 16);
  if (kind == AdapterKind::kLora) {
    Json alpha = reader.json("alpha");
    if (!alpha.is_number()) reader.refuse("metadata alpha is not a number");
    model.scale = static_cast<float>(alpha.get<double>() / static_cast<double>(rank));
    if (reader.has(prefix + "input.lora_A.weight")) {
      model.input_a =
          transposed(reader.matrix(prefix + "input.lora_A.weight", rank, model.features.buckets));
      model.input_b = reader.matrix(prefix + "input.lora_B.weight", model.width(), rank);
    }
    if (reader.has(prefix + "hidden.lora_A.weight")) {
      if (model.hidden_weight.empty()) reader.refuse("adapts a layer that its trunk lacks");
      model.hidden_a = reader.matrix(prefix + "hidden.lora_A.weight", rank, model.width());
      model.hidden_b = reader.matrix(prefix + "hidden.lora_B.weight", model.top(), rank);
    }
  } else if (kind == AdapterKind::kBottleneck) {
    model.down_weight = reader.matrix(prefix + "bottleneck.down.weight", rank, model.top());
    model.down_bias = reader.matrix(prefix + "bottleneck.down.bias", 1, rank);
    model.up_weight = reader.matrix(prefix + "bottleneck.up.weight", model.top(), rank);
    model.up_bias = reader.matrix(prefix + "bottleneck.up.bias", 1, model.top());
  }
  read_head(reader, prefix, model);
  reader.finish();
}

}  // namespace lockstep
