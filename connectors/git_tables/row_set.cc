#include "connectors/git_tables/row_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "connectors/git/names.h"
#include "pipeline/base/error.h"

namespace lockstep {

RowSet::RowSet(const TableFileSchema& schema, const std::vector<std::string>& columns,
               const std::vector<std::pair<std::string, std::string>>& where)
    : schema_(schema), asked_(columns.size()) {
  for (const std::string& name : columns) stored_.push_back(schema.find(name));
  for (const std::string& name : schema.schema.key) {
    const size_t column = schema.find(name);
    auto found = std::find(stored_.begin(), stored_.end(), column);
    key_.push_back(static_cast<size_t>(found - stored_.begin()));
    if (found == stored_.end()) stored_.push_back(column);
  }
  for (const auto& [name, payload] : where) where_.emplace_back(schema.find(name), payload);
}

Value RowSet::read_cell(size_t column, const CsvField& field, const std::string& place,
                        uint64_t line) const {
  try {
    return cell_value(schema_.types[column], field);
  } catch (const Error& error) {
    const bool empty = field.text.empty();
    throw Error(
        ErrorCode::kInvalid,
        fmt::format("column \"{}\": {}", schema_.schema.columns[column].name, error.message),
        empty ? "an empty field without quotes is NULL" : error.hint,
        fmt::format("{}:{}", place, line));
  }
}

bool RowSet::add_row(const FileHeader& map, const std::vector<CsvField>& row,
                     const std::string& place, uint64_t line) {
  const auto cell = [&](size_t column) {
    const size_t field = map.fields[column];
    return field == FileHeader::kFolder ? map.partition
                                        : read_cell(column, row[field], place, line);
  };
  for (const auto& [column, payload] : where_) {
    const Value value = cell(column);
    if (value.tag == ValueTag::kNull || value.payload != payload) return false;
  }
  if (problems_) {
    for (size_t column = 0; column < map.fields.size(); ++column) cell(column);
  }
  const size_t begin = cells_.size();
  for (const size_t column : stored_) cells_.push_back(cell(column));
  for (const size_t at : key_) {
    if (cells_[begin + at].tag != ValueTag::kNull) continue;
    throw Error(ErrorCode::kInvalid,
                fmt::format("key column \"{}\" is NULL", schema_.schema.columns[stored_[at]].name),
                "every row needs its key", fmt::format("{}:{}", place, line));
  }
  return true;
}

void RowSet::collect(std::vector<Error>& problems, size_t most) {
  problems_ = &problems;
  most_problems_ = most;
}

void RowSet::found(Error problem) {
  if (!problems_) throw problem;
  if (problems_->size() < most_problems_) problems_->push_back(std::move(problem));
}

// The next row that has as many fields as there are columns.
bool RowSet::next_row(CsvReader& reader, std::vector<CsvField>& row) {
  while (true) {
    try {
      return reader.next(row);
    } catch (const Error& error) {
      found(error);
      if (!reader.skip_row()) return false;
    }
  }
}

void RowSet::add(const Source& source, std::string_view csv) {
  const RawRow header = first_row(csv);
  add(source, header.text, {{csv.substr(header.text.size()), 1 + header.line_ends}});
}

void RowSet::add(const Source& source, std::string_view header, const std::vector<CsvPart>& parts) {
  std::vector<CsvField> row;
  CsvReader first(header, source.place, source.limits);
  if (!first.next(row)) {
    throw Error(ErrorCode::kInvalid, "the file is empty", "the first line names the columns",
                source.place + ":1");
  }
  const FileHeader map = read_file_header(schema_, row, source.place, source.partition);
  const size_t columns = row.size();
  files_.push_back(source.place);
  const auto file = static_cast<uint32_t>(files_.size() - 1);
  for (const CsvPart& part : parts) {
    reserve(static_cast<size_t>(std::count(part.text.begin(), part.text.end(), '\n')) + 1);
    CsvReader reader(part.text, source.place, source.limits, {part.line, columns});
    while (next_row(reader, row)) {
      const size_t before = cells_.size();
      try {
        if (add_row(map, row, source.place, reader.line())) {
          origins_.push_back({file, static_cast<uint32_t>(reader.line())});
        }
      } catch (const Error& error) {
        found(error);
        cells_.resize(before);
      }
    }
  }
}

// Room for so many more rows, at most doubling: with `where` most of them may not stay.
void RowSet::reserve(size_t rows) {
  const size_t wanted = origins_.size() + rows;
  if (wanted <= origins_.capacity() || !where_.empty()) return;
  const size_t room = std::max(wanted, 2 * origins_.size());
  origins_.reserve(room);
  cells_.reserve(room * stride());
}

std::strong_ordering RowSet::compare_rows(size_t a, size_t b) const {
  for (const size_t at : key_) {
    const auto order = compare_values(cells_[a * stride() + at], cells_[b * stride() + at]);
    if (order != 0) return order;
  }
  return std::strong_ordering::equal;
}

std::strong_ordering RowSet::compare_keys(const RowSet& a, size_t i, const RowSet& b, size_t j) {
  for (const size_t at : a.key_) {
    const auto order = compare_values(a.cells(i)[at], b.cells(j)[at]);
    if (order != 0) return order;
  }
  return std::strong_ordering::equal;
}

std::string RowSet::place_of(size_t row) const {
  return fmt::format("{}:{}", files_[origins_[row].file], origins_[row].line);
}

void RowSet::sort() {
  order_.resize(origins_.size());
  std::iota(order_.begin(), order_.end(), size_t{0});
  const auto less = [&](size_t a, size_t b) { return compare_rows(a, b) < 0; };
  if (!std::is_sorted(order_.begin(), order_.end(), less)) {
    std::stable_sort(order_.begin(), order_.end(), less);
  }
  for (size_t i = 1; i < order_.size(); ++i) {
    if (compare_rows(order_[i - 1], order_[i]) != 0) continue;
    if (problems_ && problems_->size() >= most_problems_) return;
    std::string key;
    for (const size_t at : key_) {
      key +=
          fmt::format("{}{}={}", key.empty() ? "" : ", ", schema_.schema.columns[stored_[at]].name,
                      printable(display(cells(i)[at]), 60));
    }
    found(Error(ErrorCode::kInvalid,
                fmt::format("the key {} is already at {}", key, place_of(order_[i - 1])),
                "keys are unique in a table", place_of(order_[i])));
  }
}

void RowSet::take(size_t index, Row& row) {
  row.resize(asked_);
  Value* from = &cells_[order_[index] * stride()];
  for (size_t i = 0; i < asked_; ++i) row[i] = std::move(from[i]);
}

}  // namespace lockstep
