#include "pipeline/imports/sheet.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "pipeline/base/base64.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"
#include "pipeline/formats/csv.h"

namespace lockstep {
namespace {

constexpr size_t kShown = 60;  // bytes of a cell in a message

std::string quoted(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    out += fmt::format("{}\"{}\"", out.empty() ? "" : ", ", printable(name, kShown));
  }
  return out;
}

Value sheet_value(ValueTag type, const CsvField& field) {
  if (field.text.empty() && !field.quoted) return null_value();
  if (type == ValueTag::kText) return {type, field.text};
  if (type == ValueTag::kBytes) return {type, base64_bytes(field.text)};
  if (type == ValueTag::kInt && (field.text.size() == 4 || field.text.size() == 5)) {
    std::string lower = field.text;
    for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    if (lower == "true") return {type, "1"};
    if (lower == "false") return {type, "0"};
  }
  return parse_value(type, field.text);
}

// Collects what is wrong, and ends the reading where that is too much.
class Complaints {
 public:
  Complaints(std::string place, size_t limit) : place_(std::move(place)), limit_(limit) {}

  void add(uint64_t line, std::string message, std::string hint = "") {
    ++count_;
    if (all_.size() >= limit_) return;
    all_.emplace_back(ErrorCode::kInvalid, std::move(message), std::move(hint),
                      fmt::format("{}:{}", place_, line));
  }
  void add(const Error& error) {
    ++count_;
    if (all_.size() < limit_) all_.push_back(error);
  }
  void throw_if_any() {
    if (count_ == 0) return;
    if (count_ > all_.size()) {
      all_.emplace_back(ErrorCode::kInvalid, fmt::format("and {} more", count_ - all_.size()), "",
                        place_);
    }
    throw Errors(std::move(all_));
  }

 private:
  std::string place_;
  size_t limit_;
  size_t count_ = 0;
  std::vector<Error> all_;
};

class SheetReader {
 public:
  SheetReader(std::string_view csv, const std::string& place, const TableSchema& schema,
              const SheetColumns& columns, size_t max_errors)
      : csv_(csv, place),
        place_(place),
        schema_(schema),
        wanted_(columns),
        said_(place, max_errors) {}

  Sheet read() {
    choose_columns();
    read_header();
    said_.throw_if_any();
    read_rows();
    sort();
    said_.throw_if_any();
    return std::move(out_);
  }

 private:
  void choose_columns() {
    for (const auto& [name, header] : wanted_) {
      const bool known = std::any_of(schema_.columns.begin(), schema_.columns.end(),
                                     [&, n = name](const Column& c) { return c.name == n; });
      if (!known) said_.add(1, fmt::format("the table has no column \"{}\"", printable(name)));
    }
    for (const Column& column : schema_.columns) {
      const auto found = wanted_.find(column.name);
      if (!wanted_.empty() && found == wanted_.end()) continue;
      out_.columns.push_back(column.name);
      types_.push_back(column.type);
      headers_.push_back(wanted_.empty() ? column.name : found->second);
    }
    for (const std::string& name : schema_.key) {
      if (std::count(out_.columns.begin(), out_.columns.end(), name) > 0) continue;
      said_.add(1, fmt::format("the key column \"{}\" is not imported", name),
                "name its header under columns:");
    }
    said_.throw_if_any();
    key_ = key_places(schema_, out_.columns);
  }

  void read_header() {
    std::vector<CsvField> row;
    if (!next(row)) {
      said_.add(1, "there is nothing in it", "a sheet without rows still has its header");
      return;
    }
    fields_.assign(headers_.size(), row.size());
    std::vector<std::string> unknown;
    for (size_t i = 0; i < row.size(); ++i) {
      const auto at = std::find(headers_.begin(), headers_.end(), row[i].text);
      if (at == headers_.end()) {
        if (wanted_.empty()) unknown.push_back(row[i].text);
        continue;
      }
      size_t& field = fields_[static_cast<size_t>(at - headers_.begin())];
      if (field != row.size()) said_.add(1, fmt::format("two columns {}", quoted({row[i].text})));
      field = i;
    }
    std::vector<std::string> missing;
    for (size_t i = 0; i < headers_.size(); ++i) {
      if (fields_[i] == row.size()) missing.push_back(headers_[i]);
    }
    if (!missing.empty()) {
      said_.add(1,
                fmt::format("no column {}{}", quoted(missing),
                            unknown.empty() ? "" : "; instead there is " + quoted(unknown)),
                "if a column has another header now, name it under the import's columns:");
    } else if (!unknown.empty()) {
      said_.add(1, fmt::format("a column that the table does not have: {}", quoted(unknown)),
                "add it to the table, or list under columns: what is to be imported");
    }
  }

  // False at the end, and where the text is no CSV from here on (which was noted).
  bool next(std::vector<CsvField>& row) {
    try {
      return csv_.next(row);
    } catch (const Error& error) {
      said_.add(error);
      return false;
    }
  }

  void read_rows() {
    std::vector<CsvField> row;
    while (next(row)) {
      Row cells;
      cells.reserve(fields_.size());
      bool good = true;
      for (size_t i = 0; i < fields_.size(); ++i) {
        try {
          cells.push_back(sheet_value(types_[i], row[fields_[i]]));
        } catch (const Error& error) {
          said_.add(csv_.line(),
                    fmt::format("column {}: \"{}\" is not {}", quoted({headers_[i]}),
                                printable(row[fields_[i]].text, kShown), word(types_[i])),
                    error.hint);
          good = false;
        }
      }
      if (!good) continue;
      for (const size_t at : key_) {
        if (cells[at].tag != ValueTag::kNull) continue;
        said_.add(csv_.line(), fmt::format("key column {} is empty", quoted({headers_[at]})),
                  "every row needs its key");
        good = false;
      }
      if (!good) continue;
      lines_.push_back(csv_.line());
      out_.rows.push_back(std::move(cells));
    }
  }

  void sort() {
    std::vector<size_t> order(out_.rows.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const auto compare = [&](size_t a, size_t b) {
      return compare_keys(out_.rows[a], key_, out_.rows[b], key_);
    };
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return compare(a, b) < 0; });
    std::vector<Row> sorted;
    sorted.reserve(order.size());
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0 && compare_keys(sorted.back(), key_, out_.rows[order[i]], key_) == 0) {
        said_.add(lines_[order[i]],
                  fmt::format("the key {} is already on line {}", key_text(sorted.back()),
                              lines_[order[i - 1]]),
                  "keys are unique in a table");
      }
      sorted.push_back(std::move(out_.rows[order[i]]));
    }
    out_.rows = std::move(sorted);
  }

  std::string key_text(const Row& row) const {
    std::vector<std::string> parts;
    for (const size_t at : key_) {
      parts.push_back(
          fmt::format("{}={}", printable(headers_[at]), printable(display(row[at]), kShown)));
    }
    return fmt::format("{}", fmt::join(parts, ", "));
  }

  CsvReader csv_;
  std::string place_;
  const TableSchema& schema_;
  const SheetColumns& wanted_;
  Complaints said_;
  Sheet out_;
  std::vector<ValueTag> types_;       // of out_.columns
  std::vector<std::string> headers_;  // of out_.columns, as the sheet writes them
  std::vector<size_t> fields_;        // of out_.columns, in a row of the sheet
  std::vector<size_t> key_;           // places in out_.columns
  std::vector<uint64_t> lines_;       // of out_.rows before they are sorted
};

}  // namespace

std::vector<size_t> key_places(const TableSchema& schema, const std::vector<std::string>& columns) {
  std::vector<size_t> out;
  for (const std::string& name : schema.key) {
    const auto at = std::find(columns.begin(), columns.end(), name);
    out.push_back(static_cast<size_t>(at - columns.begin()));
  }
  return out;
}

std::strong_ordering compare_keys(const Row& a, const std::vector<size_t>& a_key, const Row& b,
                                  const std::vector<size_t>& b_key) {
  for (size_t i = 0; i < a_key.size(); ++i) {
    const auto order = compare_values(a[a_key[i]], b[b_key[i]]);
    if (order != 0) return order;
  }
  return std::strong_ordering::equal;
}

Sheet read_sheet(std::string_view csv, const std::string& place, const TableSchema& schema,
                 const SheetColumns& columns, size_t max_errors) {
  if (schema.key.empty()) {
    throw Error(ErrorCode::kInvalid, fmt::format("{} goes into a table without a key", place),
                "an import tells rows apart by the table's key: give the table one");
  }
  return SheetReader(csv, place, schema, columns, max_errors).read();
}

}  // namespace lockstep
