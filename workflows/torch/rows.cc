#include "workflows/torch/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "pipeline/base/digest.h"
#include "pipeline/base/error.h"
#include "pipeline/formats/csv.h"
#include "workflows/torch/settings.h"

namespace lockstep {
namespace {

constexpr size_t kMaxLabelBytes = 1024;
constexpr size_t kMaxLabels = 10000;

// A CSV document whose first row names the columns.
class Table {
 public:
  Table(std::string_view csv, std::string_view place) : reader_(csv, place), place_(place) {
    if (!reader_.next(header_)) throw Error(ErrorCode::kInvalid, "is empty", "", place_);
  }

  size_t column(std::string_view name) const {
    std::vector<std::string> names;
    for (const CsvField& field : header_) names.push_back(field.text);
    auto found = std::find(names.begin(), names.end(), name);
    if (found != names.end()) return static_cast<size_t>(found - names.begin());
    throw missing_column(name, names, place_ + ":1");
  }

  bool next() { return reader_.next(row); }

  // Of the row that was read last.
  std::string place() const { return fmt::format("{}:{}", place_, reader_.line()); }

  std::vector<CsvField> row;

 private:
  CsvReader reader_;
  std::string place_;
  std::vector<CsvField> header_;
};

bool is_null(const CsvField& field) {
  return field.text.empty() && !field.quoted;
}

bool for_validation(const std::string& text) {
  Digest digest = sha256(text);
  uint64_t first = 0;
  for (int i = 0; i < 8; ++i) first = first << 8 | digest.bytes[i];
  return first < UINT64_MAX / 10;
}

}  // namespace

void refuse_row(std::string_view column, const char* why, const std::string& place) {
  throw Error(ErrorCode::kInvalid, fmt::format("{} {}", column, why), "correct or drop the row",
              place);
}

void check_label(std::string_view column, const std::string& label, const std::string& place) {
  if (label.empty()) refuse_row(column, "is empty", place);
  if (label.size() > kMaxLabelBytes) refuse_row(column, "is longer than 1,024 bytes", place);
}

Error missing_column(std::string_view name, const std::vector<std::string>& names,
                     const std::string& place) {
  std::string near = nearest_word(name, names);
  return {ErrorCode::kInvalid, fmt::format("has no column {}", name),
          near.empty() ? "name the columns with `text` and `label` under `with`"
                       : fmt::format("did you mean {}?", near),
          place};
}

LabelledTexts read_labelled_texts(std::string_view csv, std::string_view place,
                                  std::string_view text_column, std::string_view label_column) {
  Table table(csv, place);
  size_t text = table.column(text_column);
  size_t label = table.column(label_column);
  LabelledTexts out;
  while (table.next()) {
    if (is_null(table.row[text])) refuse_row(text_column, "is NULL", table.place());
    std::string& name = table.row[label].text;
    check_label(label_column, name, table.place());
    out.texts.push_back(std::move(table.row[text].text));
    out.labels.push_back(std::move(name));
  }
  return out;
}

std::vector<std::string> read_column(std::string_view csv, std::string_view place,
                                     std::string_view column) {
  Table table(csv, place);
  size_t at = table.column(column);
  std::vector<std::string> out;
  while (table.next()) out.push_back(std::move(table.row[at].text));
  return out;
}

std::vector<std::string> distinct_labels(const LabelledTexts& rows, std::string_view place) {
  std::set<std::string> labels(rows.labels.begin(), rows.labels.end());
  std::string where(place);
  if (labels.empty()) throw Error(ErrorCode::kInvalid, "has no rows", "nothing to learn", where);
  if (labels.size() == 1) {
    throw Error(ErrorCode::kInvalid, fmt::format("every row is of the class {}", *labels.begin()),
                "a classifier needs at least two classes", where);
  }
  if (labels.size() > kMaxLabels) {
    throw Error(ErrorCode::kInvalid, fmt::format("has {} classes", labels.size()),
                "at most 10,000; is `label` the right column?", where);
  }
  return {labels.begin(), labels.end()};
}

std::vector<uint32_t> label_indices(const LabelledTexts& rows,
                                    const std::vector<std::string>& labels) {
  std::vector<uint32_t> out;
  for (const std::string& label : rows.labels) {
    auto found = std::lower_bound(labels.begin(), labels.end(), label);
    bool known = found != labels.end() && *found == label;
    out.push_back(static_cast<uint32_t>((known ? found : labels.end()) - labels.begin()));
  }
  return out;
}

Parts part_for_validation(LabelledTexts rows) {
  std::set<std::string> kept;  // classes with a row outside the tenth
  std::vector<bool> apart;
  for (size_t i = 0; i < rows.size(); ++i) {
    apart.push_back(for_validation(rows.texts[i]));
    if (!apart.back()) kept.insert(rows.labels[i]);
  }
  Parts parts;
  for (size_t i = 0; i < rows.size(); ++i) {
    bool validate = apart[i] && kept.count(rows.labels[i]) > 0;
    LabelledTexts& part = validate ? parts.validation : parts.training;
    part.texts.push_back(std::move(rows.texts[i]));
    part.labels.push_back(std::move(rows.labels[i]));
  }
  return parts;
}

}  // namespace lockstep
