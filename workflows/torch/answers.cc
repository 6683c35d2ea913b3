#include "workflows/torch/answers.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.h"
#include "pipeline/formats/csv.h"
#include "workflows/torch/model_file.h"
#include "workflows/torch/place.h"
#include "workflows/torch/rows.h"

namespace lockstep {
namespace {

constexpr std::string_view kOwnColumns[] = {"key", "expected", "predicted", "score"};

bool is_null(const CsvField& field) {
  return field.text.empty() && !field.quoted;
}

size_t index_of(const std::vector<std::string>& names, std::string_view name) {
  return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

// Which fields of a row are what.
struct Layout {
  std::vector<std::string> names;
  size_t text = 0, label = 0;
  std::vector<size_t> key, copied;

  Layout(const std::vector<CsvField>& header, const std::string& place,
         const AnswerSettings& settings) {
    for (const CsvField& field : header) names.push_back(field.text);
    auto need = [&](const std::string& name) {
      size_t at = index_of(names, name);
      if (at == names.size()) throw missing_column(name, names, place);
      return at;
    };
    text = need(settings.text);
    label = need(settings.label);
    for (const std::string& name : settings.key) {
      if (index_of(names, name) < names.size()) key.push_back(index_of(names, name));
    }
    if (key.size() < settings.key.size()) key.clear();
    for (size_t i = 0; !settings.columns && i < names.size(); ++i) {
      if (i != label) copied.push_back(i);
    }
    if (settings.columns) {
      for (const std::string& name : *settings.columns) copied.push_back(need(name));
    }
    check_copied(place);
  }

 private:
  void check_copied(const std::string& place) const {
    for (size_t at : copied) {
      if (std::find(std::begin(kOwnColumns), std::end(kOwnColumns), names[at]) ==
          std::end(kOwnColumns)) {
        continue;
      }
      throw Error(ErrorCode::kInvalid,
                  fmt::format("the column {} cannot be copied beside the predictions, which have "
                              "one of that name",
                              names[at]),
                  "leave it out: columns: […]", place);
    }
  }
};

std::string key_of(const Layout& layout, const std::vector<CsvField>& row, uint64_t number) {
  if (layout.key.empty()) return std::to_string(number);
  std::string key;
  for (size_t i = 0; i < layout.key.size(); ++i) {
    if (i > 0) key += ',';
    key += row[layout.key[i]].text;
  }
  return key;
}

// The label that `text` gets, and the probability that counts.
std::pair<std::string_view, float> answer(const TextModel& model, const std::string& text,
                                          const std::string& positive) {
  SparseRows rows;
  add_text(model.features, text, rows);
  std::vector<float> scores = softmax(logits(model, rows, 0));
  size_t best =
      static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
  if (positive.empty()) return {model.labels[best], scores[best]};
  auto found = std::lower_bound(model.labels.begin(), model.labels.end(), positive);
  bool known = found != model.labels.end() && *found == positive;
  return {model.labels[best],
          known ? scores[static_cast<size_t>(found - model.labels.begin())] : 0};
}

TextModel read_model(const AttemptPlace& place) {
  AttemptFile file = place.input("model");
  if (!is_adapter(file.bytes, file.name)) return read_trunk(file.bytes, file.name);
  AttemptFile trunk = place.input("trunk");
  TextModel model = read_trunk(trunk.bytes, trunk.name);
  read_adapter(file.bytes, file.name, sha256(trunk.bytes), model);
  return model;
}

// `with` in its order: that of the columns of a key counts.
AnswerSettings answer_settings(const ActionSpec& action, const Json& with) {
  Settings checked(action, with);
  AnswerSettings settings;
  settings.text = checked.text("text");
  settings.label = checked.text("label");
  if (checked.given("positive")) settings.positive = checked.text("positive");
  if (checked.given("key")) settings.key = with["key"].get<std::vector<std::string>>();
  if (checked.given("columns")) settings.columns = with["columns"].get<std::vector<std::string>>();
  return settings;
}

}  // namespace

std::string answer_rows(const TextModel& model, std::string_view csv, std::string_view place,
                        const AnswerSettings& settings) {
  CsvReader reader(csv, place);
  std::vector<CsvField> row;
  if (!reader.next(row)) throw Error(ErrorCode::kInvalid, "is empty", "", std::string(place));
  const Layout layout(row, fmt::format("{}:1", place), settings);
  std::string out = "key,expected,predicted,score";
  for (size_t at : layout.copied) {
    out += ',';
    append_csv_field(out, layout.names[at]);
  }
  out += '\n';
  for (uint64_t number = 1; reader.next(row); ++number) {
    std::string where = fmt::format("{}:{}", place, reader.line());
    if (is_null(row[layout.text])) refuse_row(settings.text, "is NULL", where);
    check_label(settings.label, row[layout.label].text, where);
    auto [label, score] = answer(model, row[layout.text].text, settings.positive);
    append_csv_field(out, key_of(layout, row, number));
    for (std::string_view field : {std::string_view(row[layout.label].text), label}) {
      out += ',';
      append_csv_field(out, field);
    }
    out += fmt::format(",{}", score);
    for (size_t at : layout.copied) {
      out += ',';
      if (!is_null(row[at])) append_csv_field(out, row[at].text);
    }
    out += '\n';
  }
  return out;
}

void run_evaluation(const Variables& variables) {
  const ActionSpec& action = find_action("torch/evaluate");
  AttemptPlace place(action, variables);
  AnswerSettings settings = answer_settings(action, place.with());
  AttemptFile rows = place.only_holdout();
  TextModel model = read_model(place);
  place.write("predictions", answer_rows(model, rows.bytes, rows.name, settings));
}

}  // namespace lockstep
