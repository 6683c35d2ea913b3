// The table of built-in actions.
#include "workflows/torch/revisions.h"
#include "workflows/torch/settings.h"

namespace lockstep {
namespace {

using Kind = SettingKind;

constexpr double kMaxSeed = 9007199254740991;  // what JSON keeps exactly

std::vector<SettingSpec> schedule(double learning_rate, int epochs) {
  return {
      {"epochs", Kind::kInteger, epochs, 1, 10000, {}, "how often every row is seen, at most"},
      {"batch", Kind::kInteger, 32, 1, 65536, {}, "rows per learning step"},
      {"learning-rate", Kind::kNumber, learning_rate, 1e-7, 10, {}, "of Adam"},
      {"dropout", Kind::kNumber, 0, 0, 0.95, {}, "share of what the head sees that is hidden"},
      {"patience",
       Kind::kInteger,
       5,
       0,
       10000,
       {},
       "epochs without a better validation loss before it stops; 0 trains on every row to the end"},
      {"seed", Kind::kInteger, 0, 0, kMaxSeed, {}, "of all chance; default LOCKSTEP_SEED, else 0"},
  };
}

std::vector<SettingSpec> joined(std::vector<SettingSpec> a, const std::vector<SettingSpec>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

ActionSpec trunk() {
  std::vector<SettingSpec> own = {
      {"text", Kind::kText, "text", 0, 0, {}, "the column with the texts"},
      {"label", Kind::kText, "label", 0, 0, {}, "the column with the classes"},
      {"features", Kind::kInteger, 4096, 16, 1 << 20, {}, "hash buckets for n-grams"},
      {"ngrams", Kind::kIntegers, Json::array({1, 2}), 1, 8, {}, "lengths of word n-grams"},
      {"characters",
       Kind::kIntegers,
       Json::array({3, 4}),
       1,
       16,
       {},
       "lengths of character n-grams within a word"},
      {"width", Kind::kInteger, 128, 1, 4096, {}, "units of the input layer"},
      {"hidden", Kind::kInteger, 0, 0, 4096, {}, "units of a second layer; 0: none"}};
  return {"torch/text-trunk",
          kTextTrunkRevision,
          "a text classifier whose layers others adapt",
          {{"corpus", true, "texts with their classes"}},
          {"model", "metrics"},
          joined(own, schedule(0.005, 30))};
}

ActionSpec adapter() {
  std::vector<SettingSpec> own = {
      {"text", Kind::kText, "text", 0, 0, {}, "the column with the texts"},
      {"label", Kind::kText, "intent", 0, 0, {}, "the column with the classes"},
      {"adapter",
       Kind::kText,
       "lora",
       0,
       0,
       {"head", "bottleneck", "lora"},
       "what learns beside the head"},
      {"rank", Kind::kInteger, 8, 1, 1024, {}, "of a lora; width of a bottleneck"},
      {"alpha", Kind::kNumber, 16, 1e-6, 1e6, {}, "a lora counts alpha / rank times"},
      {"targets",
       Kind::kTexts,
       Json::array({"input"}),
       0,
       0,
       {"input", "hidden"},
       "layers of the trunk that a lora changes"}};
  return {"torch/text-adapter",
          kTextAdapterRevision,
          "a small model on a frozen trunk",
          {{"rows", true, "texts with their classes"},
           {"trunk", false, "the safetensors file of a torch/text-trunk"}},
          {"model", "metrics"},
          joined(own, schedule(0.005, 30))};
}

ActionSpec evaluate() {
  return {
      "torch/evaluate",
      kEvaluateRevision,
      "answers held out rows (the one LOCKSTEP_INPUT_*_HOLDOUT) for a gate",
      {{"model", false, "the safetensors file of one of the others"},
       {"trunk", false, "the trunk, where the model is an adapter"}},
      {"predictions"},
      {{"text", Kind::kText, "text", 0, 0, {}, "the column with the texts"},
       {"label", Kind::kText, "label", 0, 0, {}, "the column with the classes"},
       {"key", Kind::kTexts, Json::array(), 0, 0, {}, "columns that name a row"},
       {"positive", Kind::kText, "", 0, 0, {}, "class whose probability is the score"},
       {"columns", Kind::kTexts, Json::array(), 0, 0, {}, "columns that are copied; else all"}}};
}

}  // namespace

const std::vector<ActionSpec>& built_in_actions() {
  static const std::vector<ActionSpec> actions = {trunk(), adapter(), evaluate()};
  return actions;
}

}  // namespace lockstep
