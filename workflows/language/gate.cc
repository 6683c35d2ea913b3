// What a step's gate asks of a version: bounds, the champion it is compared with, rows that must
// come out so.
#include <fmt/core.h>

#include <algorithm>

#include "workflows/language/readers.h"
#include "workflows/language/step.h"

namespace lockstep {
namespace {

constexpr int64_t kMostRows = 1'000'000'000;
constexpr int64_t kFewestRounds = 1000, kMostRounds = 1'000'000;
constexpr int64_t kLargestSeed = 9'007'199'254'740'991;  // 2^53 - 1: exact in every JSON reader
constexpr double kLargestLoss = 1e12;
constexpr size_t kMostSlices = 16, kMostLabels = 1000;

const std::vector<std::string> kMetrics = {"accuracy", "macro_f1", "micro_f1", "auc",
                                           "mae",      "rmse",     "r2"};
// Columns of predictions.csv, which no slice's column may take.
const std::vector<std::string> kAnswerColumns = {"key", "expected", "predicted", "score"};

bool is_word(std::string_view key) {
  return key == "champion" || key == "expect" || key == "approve-by" || key == "on-fail";
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

Bound read_bound(const YamlEntry& entry, const Fields& gate, Diagnostics& diagnostics) {
  Bound bound{entry.key, std::nullopt, std::nullopt};
  Fields fields(entry.value, gate.of(entry.key), diagnostics);
  if (!fields.is_map()) return bound;
  const YamlNode* min = fields.take("min");
  const YamlNode* max = fields.take("max");
  if (min) bound.min = read_number(*min, fields.of("min"), diagnostics);
  if (max) bound.max = read_number(*max, fields.of("max"), diagnostics);
  fields.finish();
  if (!fields.has("min") && !fields.has("max")) {
    expected(entry.value, fields.what(), "{min: …}, {max: …} or both", diagnostics);
  }
  if (bound.min && bound.max && *bound.min > *bound.max) {
    diagnostics.error(entry.value.place(), fields.what() + ": min is above max");
  }
  return bound;
}

// `champion: {…}`: keeps what was said, and refuses what would have no effect.
class ChampionReader {
 public:
  ChampionReader(const YamlNode& node, const std::string& what, Diagnostics& diagnostics)
      : node_(node), fields_(node, what, diagnostics), diagnostics_(diagnostics) {}

  Json read() {
    read_metric();
    alpha();
    texts("slices", kMostSlices);
    texts("labels", kMostLabels);
    for (const char* key : {"max-loss", "slice-max-loss"}) limit(key, kLargestLoss);
    for (const char* key : {"max-relative-loss", "slice-max-relative-loss"}) limit(key, 1);
    integer("min-rows", 1, kMostRows);
    integer("rounds", kFewestRounds, kMostRounds);
    integer("seed", 0, kLargestSeed);
    if (const YamlNode* node = fields_.take("positive")) {
      if (auto text = read_text(*node, fields_.of("positive"), diagnostics_))
        out_["positive"] = *text;
    }
    policy();
    fields_.finish();
    if (!fields_.has("metric") || out_.contains("metric")) check_metric();
    check_slices();
    return std::move(out_);
  }

 private:
  std::string metric() const { return out_.value("metric", "accuracy"); }

  void read_metric() {
    if (const YamlNode* node = fields_.take("metric")) {
      auto word = read_choice(*node, fields_.of("metric"), kMetrics, diagnostics_);
      if (word) out_["metric"] = *word;
    }
    const YamlNode* test = fields_.take("test");
    if (test == nullptr) return;
    std::vector<std::string> words = {"mcnemar", "bootstrap"};
    if (!fields_.has("metric") || out_.contains("metric")) words = {own_test()};
    read_choice(*test, fields_.of("test"), words, diagnostics_);  // said by the metric, not kept
  }

  std::string own_test() const { return metric() == "accuracy" ? "mcnemar" : "bootstrap"; }

  void alpha() {
    const YamlNode* node = fields_.take("alpha");
    if (node == nullptr) return;
    auto value = as_double(*node);
    if (value && *value > 0 && *value < 1) {
      out_["alpha"] = *value;
    } else {
      expected(*node, fields_.of("alpha"), "a number between 0 and 1", diagnostics_);
    }
  }

  void limit(const char* key, double most) {
    const YamlNode* node = fields_.take(key);
    if (node == nullptr) return;
    auto value = as_double(*node);
    if (value && *value >= 0 && *value <= most) {
      out_[key] = *value;
    } else {
      expected(*node, fields_.of(key), fmt::format("a number from 0 to {}", most), diagnostics_);
    }
  }

  void integer(const char* key, int64_t min, int64_t max) {
    const YamlNode* node = fields_.take(key);
    if (node == nullptr) return;
    auto value = read_integer(*node, fields_.of(key), min, max, diagnostics_);
    if (value) out_[key] = *value;
  }

  void texts(const char* key, size_t most) {
    const YamlNode* node = fields_.take(key);
    if (node == nullptr) return;
    out_[key] = read_texts(*node, fields_.of(key), diagnostics_);
    if (out_[key].size() <= most) return;
    diagnostics_.error(node->place(), fmt::format("{} has more than {}", fields_.of(key), most));
  }

  void policy() {
    const YamlNode* node = fields_.take("policy");
    if (node == nullptr) return;
    Fields verdicts(*node, fields_.of("policy"), diagnostics_);
    if (node->is_map() && node->entries().empty()) {
      expected(*node, verdicts.what(), "a map of verdicts", diagnostics_);
    }
    for (const char* key : {"better", "equal", "worse-within-noise", "worse", "not-judged"}) {
      const YamlNode* value = verdicts.take(key);
      if (value == nullptr) continue;
      auto word = read_choice(*value, verdicts.of(key), {"move", "ask", "hold"}, diagnostics_);
      if (word) out_["policy"][key] = *word;
    }
    verdicts.finish();
  }

  void no_effect(const char* key, const std::string& why) {
    if (const YamlNode* node = fields_.take(key)) {
      diagnostics_.error(node->place(), fields_.of(key) + " has no effect", why);
    }
  }

  void check_metric() {
    bool f1 = metric() == "macro_f1" || metric() == "micro_f1";
    if (!f1) no_effect("labels", "it names the classes that count for macro_f1 and micro_f1");
    if (metric() == "accuracy") {
      no_effect("rounds", "the test of accuracy is exact");
      no_effect("seed", "the test of accuracy is exact");
    }
    if (metric() != "auc") {
      no_effect("positive", "it names the class whose score auc looks at");
    } else if (!fields_.has("positive")) {
      diagnostics_.error(node_.place(), fields_.what() + " needs \"positive\" for auc",
                         "the class whose score is looked at");
    }
  }

  void check_slices() {
    if (!fields_.has("slices")) {
      for (const char* key : {"min-rows", "slice-max-loss", "slice-max-relative-loss"}) {
        no_effect(key, "it is for slices: slices: [COLUMN]");
      }
      return;
    }
    const YamlNode* slices = fields_.take("slices");
    if (slices == nullptr) return;  // empty: reported
    for (const YamlNode& item : slices->items()) {
      if (!contains(kAnswerColumns, item.text())) continue;
      diagnostics_.error(item.place(),
                         fmt::format("{} cannot be \"{}\"", fields_.of("slices"), item.text()),
                         "predictions have a column of that name themselves");
    }
  }

  const YamlNode& node_;
  Fields fields_;
  Diagnostics& diagnostics_;
  Json out_ = Json::object();
};

// `expect: {…}`. Its name and format are those of the rows that `evaluate` names.
void read_expect(const YamlNode& node, const std::string& what, const StepScope& scope,
                 GateSpec& judged) {
  Diagnostics& diagnostics = scope.diagnostics;
  InputTemplate rows;
  rows.place = node.place().str();
  Fields fields(node, what, diagnostics);
  if (!fields.is_map()) return;
  if (const YamlNode* table = fields.need("table", "with the rows that must come out so")) {
    if (auto text = read_text(*table, fields.of("table"), diagnostics)) {
      Prefixed found = resolve_table(*text, table->place(), scope.sources, diagnostics);
      rows.source = found.source;
      rows.table = found.rest;
    }
  }
  if (const YamlNode* columns = fields.take("columns")) {
    rows.columns = read_texts(*columns, fields.of("columns"), diagnostics);
  }
  if (const YamlNode* where = fields.take("where")) {
    read_where(*where, fields.of("where"), scope, rows);
  }
  if (const YamlNode* label = fields.take("label")) {
    judged.expect_label = read_text(*label, fields.of("label"), diagnostics).value_or("");
  }
  fields.finish();
  judged.expect = std::move(rows);
}

void read_words(Fields& fields, const StepScope& scope, GateSpec& judged) {
  Diagnostics& diagnostics = scope.diagnostics;
  fields.not_yet({"on-fail"});
  if (const YamlNode* node = fields.take("champion")) {
    ChampionReader reader(*node, fields.of("champion"), diagnostics);
    judged.champion = node->is_map() ? reader.read() : Json::object();
  }
  if (const YamlNode* node = fields.take("expect")) {
    read_expect(*node, fields.of("expect"), scope, judged);
  }
  if (const YamlNode* node = fields.take("approve-by")) {
    auto who = read_choice(*node, fields.of("approve-by"), {"anyone", "other"}, diagnostics);
    judged.approve_by_other = who == "other";
    if (!fields.has("champion")) {
      diagnostics.error(node->place(), fields.of("approve-by") + " has no effect",
                        "people are asked where champion says so");
    }
  }
}

}  // namespace

void read_gate(Fields& step_fields, const StepScope& scope, StepTemplate& step) {
  const YamlNode* node = step_fields.take("gate");
  if (node == nullptr) return;
  Fields fields(*node, step_fields.of("gate"), scope.diagnostics);
  if (node->is_map() && node->entries().empty()) {
    expected(*node, fields.what(), "a map of metrics", scope.diagnostics);
  }
  read_words(fields, scope, step.judged);
  for (const YamlEntry& entry : node->entries()) {
    if (is_word(entry.key)) continue;
    if (entry.key.empty() || entry.key.size() > 128 || entry.key != shown(entry.key)) {
      scope.diagnostics.error(entry.key_place,
                              fmt::format("\"{}\" is not a metric's name", shown(entry.key)));
    }
    step.gate.push_back(read_bound(entry, fields, scope.diagnostics));
  }
}

}  // namespace lockstep
