#include "connectors/git_tables/csv_edit.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

std::string_view line_end_of(std::string_view raw) {
  if (raw.empty() || raw.back() != '\n') return "";
  const bool crlf = raw.size() > 1 && raw[raw.size() - 2] == '\r';
  return raw.substr(raw.size() - (crlf ? 2 : 1));
}

}  // namespace

CsvEdit::CsvEdit(const TableFileSchema& schema, std::vector<size_t> columns, std::string place,
                 std::optional<Value> partition, CsvLimits limits)
    : schema_(schema),
      columns_(std::move(columns)),
      place_(std::move(place)),
      partition_(std::move(partition)),
      limits_(limits) {}

void CsvEdit::read(std::string_view csv, const Fate& fate) {
  CsvReader reader(csv, place_, limits_);
  if (!reader.next(row_)) {
    throw Error(ErrorCode::kInvalid, "the file is empty", "the first line names the columns",
                place_ + ":1");
  }
  header_ = read_file_header(schema_, row_, place_, partition_);
  quotes_.assign(row_.size(), Quotes::kUnseen);
  const std::string_view end = line_end_of(reader.raw());
  if (!end.empty()) line_end_ = end;
  while (reader.next(row_)) {
    line_ = reader.line();
    learn_quotes();
    const std::string_view raw = reader.raw();
    const auto begin = static_cast<size_t>(raw.data() - csv.data());
    Row key;
    for (const std::string& name : schema_.schema.key) key.push_back(cell(schema_.find(name)));
    const RowFate what = fate(key, line_, [this] { return all_cells(); });
    if (what.kind == RowFate::Kind::kStay) continue;
    if (what.kind == RowFate::Kind::kChange && !rewrite(*what.values)) continue;
    changed_ = true;
    keep_to(csv, begin);
    if (what.kind == RowFate::Kind::kChange) write_row(line_end_of(raw));
    kept_ = begin + raw.size();
  }
  keep_to(csv, csv.size());
}

void CsvEdit::keep_to(std::string_view csv, size_t end) {
  text_.append(csv.substr(kept_, end - kept_));
  kept_ = end;
}

void CsvEdit::learn_quotes() {
  for (size_t i = 0; i < row_.size(); ++i) {
    if (row_[i].text.empty()) continue;
    if (!row_[i].quoted) quotes_[i] = Quotes::kSometimes;
    if (quotes_[i] == Quotes::kUnseen) quotes_[i] = Quotes::kAlways;
  }
}

Value CsvEdit::cell(size_t column) const {
  const size_t field = header_.fields[column];
  if (field == FileHeader::kFolder) return header_.partition;
  try {
    return cell_value(schema_.types[column], row_[field]);
  } catch (const Error& error) {
    throw Error(
        error.code,
        fmt::format("column \"{}\": {}", schema_.schema.columns[column].name, error.message),
        error.hint, fmt::format("{}:{}", place_, line_));
  }
}

Row CsvEdit::all_cells() const {
  Row out;
  for (size_t column = 0; column < schema_.types.size(); ++column) out.push_back(cell(column));
  return out;
}

// Puts the values into the row's fields; false where they are there already.
bool CsvEdit::rewrite(const Row& values) {
  bool differs = false;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const size_t field = header_.fields[columns_[i]];
    if (field == FileHeader::kFolder || cell(columns_[i]) == values[i]) continue;
    CsvField written = cell_field(schema_.types[columns_[i]], values[i]);
    written.quoted |= values[i].tag != ValueTag::kNull && row_[field].quoted;
    row_[field] = std::move(written);
    differs = true;
  }
  return differs;
}

void CsvEdit::write_row(std::string_view line_end) {
  for (size_t i = 0; i < row_.size(); ++i) {
    if (i) text_ += ',';
    const bool null = row_[i].text.empty() && !row_[i].quoted;
    if (!null) append_csv_field(text_, row_[i].text, row_[i].quoted);
  }
  text_ += line_end;
}

void CsvEdit::append(const Row& cells) {
  if (!text_.empty() && text_.back() != '\n') text_ += line_end_;
  for (size_t column = 0; column < cells.size(); ++column) {
    const size_t field = header_.fields[column];
    if (field == FileHeader::kFolder) continue;
    row_.resize(quotes_.size());
    row_[field] = cell_field(schema_.types[column], cells[column]);
    const bool null = cells[column].tag == ValueTag::kNull;
    row_[field].quoted |= !null && quotes_[field] == Quotes::kAlways;
  }
  write_row(line_end_);
  changed_ = true;
}

std::string csv_header(const TableFileSchema& schema, bool without_partition) {
  std::string out;
  for (const Column& column : schema.schema.columns) {
    if (without_partition && column.name == schema.schema.partition) continue;
    if (!out.empty()) out += ',';
    append_csv_field(out, column.name);
  }
  return out + "\n";
}

}  // namespace lockstep
