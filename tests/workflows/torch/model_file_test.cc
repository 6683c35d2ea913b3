#include "workflows/torch/model_file.h"

#include "pipeline/base/error.h"
#include "pipeline/formats/safetensors.h"
#include "tests/catch.h"
#include "workflows/torch/predict.h"

namespace lockstep {
namespace {

TextModel trunk(uint32_t hidden) {
  return new_trunk({{64, {1, 2}, {3}}, 8, hidden}, {"a", "b"}, 1);
}

std::vector<float> answer(const TextModel& model) {
  SparseRows rows;
  add_text(model.features, "turn it off", rows);
  return logits(model, rows, 0);
}

// The file of a trunk after `change` has had its way with it.
template <typename Change>
std::string changed(Change change) {
  TensorFile file = read_safetensors(trunk_bytes(trunk(4)), "t");
  change(file);
  return write_safetensors(file);
}

std::string refusal(const std::string& bytes) {
  try {
    read_trunk(bytes, "t.safetensors");
  } catch (const Error& error) {
    CHECK(error.where == "t.safetensors");
    return error.message;
  }
  return "";
}

Tensor& tensor(TensorFile& file, const std::string& name) {
  for (Tensor& one : file.tensors) {
    if (one.name == name) return one;
  }
  throw Error(ErrorCode::kNotFound, "no tensor " + name);
}

TEST_CASE("model file: a trunk reads back as it was, with and without a hidden layer") {
  for (uint32_t hidden : {0u, 4u}) {
    TextModel model = trunk(hidden);
    std::string bytes = trunk_bytes(model);
    TextModel back = read_trunk(bytes, "t");
    CHECK(back.features == model.features);
    CHECK(back.labels == model.labels);
    CHECK(answer(back) == answer(model));
    CHECK(trunk_bytes(back) == bytes);
    CHECK_FALSE(is_adapter(bytes, "t"));
  }
  TensorFile file = read_safetensors(trunk_bytes(trunk(0)), "t");
  CHECK(file.find("input.weight")->shape == std::vector<uint64_t>{8, 64});
}

TEST_CASE("model file: every kind of adapter reads back onto its trunk, and only its trunk") {
  std::string base = trunk_bytes(trunk(4));
  for (AdapterShape shape :
       {AdapterShape{AdapterKind::kHead}, AdapterShape{AdapterKind::kBottleneck, 3},
        AdapterShape{AdapterKind::kLora, 2, 4, true, true},
        AdapterShape{AdapterKind::kLora, 2, 0.5, false, true}}) {
    TextModel model = read_trunk(base, "t");
    add_adapter(model, shape, {"x", "y", "z"}, 7);
    for (Matrix* part : {&model.input_a, &model.hidden_a, &model.up_weight}) {
      for (float& value : part->values) value = 0.25f;
    }
    std::string bytes = adapter_bytes(model, shape, sha256(base));
    CHECK(is_adapter(bytes, "a"));
    TextModel back = read_trunk(base, "t");
    read_adapter(bytes, "a", sha256(base), back);
    CHECK(back.labels == std::vector<std::string>{"x", "y", "z"});
    CHECK(answer(back) == answer(model));
    CHECK(adapter_bytes(back, shape, sha256(base)) == bytes);
    TextModel other = trunk(4);
    CHECK_THROWS_WITH(read_adapter(bytes, "a", sha256("other"), other),
                      Catch::Contains("another trunk"));
  }
}

TEST_CASE("model file: a lora's tensors are named and shaped as PEFT has them") {
  TextModel model = trunk(0);
  AdapterShape shape{AdapterKind::kLora, 2};
  add_adapter(model, shape, {"x", "y"}, 7);
  TensorFile file = read_safetensors(adapter_bytes(model, shape, sha256("t")), "a");
  REQUIRE(file.tensors.size() == 4);
  const Tensor* a = file.find("base_model.model.input.lora_A.weight");
  REQUIRE(a != nullptr);
  CHECK(a->shape == std::vector<uint64_t>{2, 64});
  CHECK(file.find("base_model.model.input.lora_B.weight")->shape == std::vector<uint64_t>{8, 2});
  CHECK(file.find("base_model.model.head.bias")->shape == std::vector<uint64_t>{2});
  CHECK(file.metadata.at("trunk_sha256") == sha256("t").hex());
  CHECK(file.metadata.at("labels") == R"(["x","y"])");
}

TEST_CASE("model file: tensors that do not fit are refused") {
  CHECK(refusal(changed([](TensorFile&) {})) == "");
  auto refused = [](auto change, const char* why) {
    std::string message = refusal(changed(change));
    INFO(message);
    CHECK(message.find(why) != std::string::npos);
  };
  refused([](TensorFile& f) { f.metadata["format"] = "other"; }, "not the output of");
  refused([](TensorFile& f) { f.metadata["features"] = "63"; }, "another type or shape");
  refused([](TensorFile& f) { f.metadata["features"] = "1e9"; }, "metadata features");
  refused([](TensorFile& f) { f.metadata["ngrams"] = "[0]"; }, "something odd");
  refused([](TensorFile& f) { f.metadata["ngrams"] = "[4294967296]"; }, "something odd");
  refused([](TensorFile& f) { f.metadata["labels"] = R"(["b","a"])"; }, "not sorted");
  refused([](TensorFile& f) { f.metadata["labels"] = R"(["a"])"; }, "not a list of classes");
  refused([](TensorFile& f) { f.metadata["labels"] = R"(["a",1])"; }, "other than text");
  refused([](TensorFile& f) { f.metadata.erase("labels"); }, "missing or not JSON");
  refused([](TensorFile& f) { f.tensors.pop_back(); }, "lacks the tensor");
  refused([](TensorFile& f) { f.tensors.push_back({"more", "F32", {0}, ""}); }, "no such model");
  refused([](TensorFile& f) { tensor(f, "head.bias").dtype = "I32"; }, "another type or shape");
  refused(
      [](TensorFile& f) {
        tensor(f, "hidden.weight").shape = {8, 4};
      },
      "another type or shape");
  refused([](TensorFile& f) { tensor(f, "head.bias").bytes.replace(0, 4, "\xff\xff\xff\xff", 4); },
          "not finite");
}

TEST_CASE("predict: the likeliest three, likeliest first") {
  TextModel model = trunk(0);
  model.labels = {"a", "b", "c", "d"};
  model.head_weight = Matrix(4, 8);
  model.head_bias = Matrix(1, 4);
  model.head_bias.values = {0, 2, 1, 2};
  Json answer = predict(model, "turn it off");
  CHECK(answer["label"] == "b");
  REQUIRE(answer["scores"].size() == 3);
  CHECK(answer["scores"][1]["label"] == "d");
  CHECK(answer["scores"][2]["label"] == "c");
  CHECK(answer["score"].get<double>() > 0.3);
}

TEST_CASE("adapter: at first it changes no layer, and it needs the layer it targets") {
  TextModel model = trunk(0);
  SparseRows rows;
  add_text(model.features, "turn it off", rows);
  AdapterShape shape{AdapterKind::kLora, 2};
  TextModel adapted = model;
  add_adapter(adapted, shape, model.labels, 7);
  adapted.head_weight = model.head_weight;
  CHECK(logits(adapted, rows, 0) == logits(model, rows, 0));
  CHECK_THROWS_WITH(add_adapter(model, {AdapterKind::kLora, 2, 16, false, true}, {"x", "y"}, 7),
                    Catch::Contains("no hidden layer"));
}

}  // namespace
}  // namespace lockstep
