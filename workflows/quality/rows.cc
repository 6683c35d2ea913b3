#include "workflows/quality/rows.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <set>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

[[noreturn]] void invalid(const std::string& message) {
  throw Error(ErrorCode::kInvalid, message);
}

void check_shape(const LabelledRows& rows, const std::string& whose) {
  if (rows.labels.size() != rows.size()) invalid(whose + ": not one label for each key");
  std::set<std::string> names = {rows.label_column};
  for (const FeatureColumn& column : rows.columns) {
    if (column.values.size() != rows.size()) {
      invalid(whose + ": column " + printable(column.name) + " has not one value for each key");
    }
    if (!names.insert(column.name).second) {
      invalid(whose + ": column " + printable(column.name) + " is there twice");
    }
  }
}

void check_numbers(const LabelledRows& rows, const std::string& whose) {
  for (const FeatureColumn& column : rows.columns) {
    if (column.kind != FeatureKind::kNumber) continue;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!column.values[i] || number_at(column, i)) continue;
      invalid(whose + ": row " + printable(rows.keys[i]) + ", column " + printable(column.name) +
              ": '" + printable(*column.values[i]) + "' is no finite number");
    }
  }
}

template <class T>
std::vector<T> in_order(const std::vector<T>& items, const std::vector<size_t>& order) {
  std::vector<T> out;
  out.reserve(items.size());
  for (size_t i : order) out.push_back(items[i]);
  return out;
}

}  // namespace

LabelledRows sorted_rows(const LabelledRows& rows, const std::string& whose) {
  check_shape(rows, whose);
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return rows.keys[a] < rows.keys[b]; });
  LabelledRows out = {
      in_order(rows.keys, order), rows.label_column, in_order(rows.labels, order), {}};
  const auto twice = std::adjacent_find(out.keys.begin(), out.keys.end());
  if (twice != out.keys.end()) invalid(whose + ": key " + printable(*twice) + " is there twice");
  for (const FeatureColumn& column : rows.columns) {
    out.columns.push_back({column.name, column.kind, in_order(column.values, order)});
  }
  std::sort(out.columns.begin(), out.columns.end(),
            [](auto& a, auto& b) { return a.name < b.name; });
  check_numbers(out, whose);
  return out;
}

std::vector<Digest> contents(const LabelledRows& rows) {
  std::vector<const FeatureColumn*> columns;
  for (const FeatureColumn& column : rows.columns) columns.push_back(&column);
  std::sort(columns.begin(), columns.end(), [](auto* a, auto* b) { return a->name < b->name; });
  std::vector<Digest> out;
  std::string bytes;
  for (size_t i = 0; i < rows.size(); ++i) {
    bytes.clear();
    for (const FeatureColumn* column : columns) {
      const auto& value = column->values[i];
      bytes += value ? std::to_string(value->size()) + ":" + *value : std::string("-");
    }
    out.push_back(sha256(bytes));
  }
  return out;
}

std::optional<double> number_at(const FeatureColumn& column, size_t row) {
  const auto& text = column.values[row];
  if (!text) return {};
  double value = 0;
  const char* end = text->data() + text->size();
  const auto [stop, problem] = std::from_chars(text->data(), end, value);
  if (problem != std::errc() || stop != end || !std::isfinite(value)) return {};
  return value;
}

}  // namespace lockstep
