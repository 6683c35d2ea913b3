#include "pipeline/formats/csv.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"

namespace lockstep {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_ascii(std::string_view text) {
  uint64_t high = 0;
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    high |= word;
  }
  for (; i < text.size(); ++i) high |= static_cast<unsigned char>(text[i]);
  return (high & 0x8080808080808080u) == 0;
}

}  // namespace

CsvReader::CsvReader(std::string_view text, std::string_view place, CsvLimits limits)
    : text_(text), place_(place), limits_(limits) {
  if (text_.substr(0, kByteOrderMark.size()) == kByteOrderMark) at_ = kByteOrderMark.size();
}

CsvReader::CsvReader(std::string_view part, std::string_view place, CsvLimits limits,
                     CsvResume resume)
    : text_(part), place_(place), limits_(limits), line_(resume.line), columns_(resume.columns) {}

void CsvReader::fail(uint64_t line, std::string message, std::string hint) const {
  throw Error(ErrorCode::kInvalid, std::move(message), std::move(hint),
              fmt::format("{}:{}", place_, line));
}

bool CsvReader::next(std::vector<CsvField>& row) {
  if (columns_ > 1 && !skip_blank_lines()) return false;
  if (at_ >= text_.size()) return false;
  row_begin_ = at_;
  row_line_ = line_;
  read_row(row);
  return true;
}

bool CsvReader::skip_row() {
  // What is wrong with a whole row is seen behind its end, the rest in the middle of it.
  bool whole = at_ > row_begin_ && text_[at_ - 1] == '\n';
  if (!whole) {
    const size_t end = text_.find('\n', at_);
    if (end == text_.npos) return false;
    at_ = end + 1;
    ++line_;
  }
  return at_ < text_.size();
}

bool CsvReader::skip_blank_lines() {
  while (at_ < text_.size()) {
    if (text_[at_] == '\n') {
      at_ += 1;
    } else if (text_[at_] == '\r' && at_line_end()) {
      at_ += 2;
    } else {
      return true;
    }
    ++line_;
  }
  return false;
}

void CsvReader::read_row(std::vector<CsvField>& row) {
  size_t count = 0;
  for (bool more = true; more; ++count) {
    if (count >= limits_.max_columns) {
      fail(row_line_, fmt::format("a row with more than {} fields", limits_.max_columns));
    }
    if (count == row.size()) row.emplace_back();
    CsvField& field = row[count];
    field.text.clear();
    field.quoted = at_ < text_.size() && text_[at_] == '"';
    field.quoted ? read_quoted(field.text) : read_plain(field.text);
    more = read_separator();
  }
  row.resize(count);
  check_row(row, row_begin_);
}

void CsvReader::read_quoted(std::string& text) {
  const uint64_t opened_at_line = line_;
  ++at_;
  while (true) {
    // The search is bounded, so that a huge unterminated field fails at the limit.
    const size_t bound = std::min<uint64_t>(text_.size(), row_begin_ + limits_.max_row_bytes + 1);
    const size_t begin = std::min(at_, bound);
    const void* quote = std::memchr(text_.data() + begin, '"', bound - begin);
    const size_t end =
        quote ? static_cast<size_t>(static_cast<const char*>(quote) - text_.data()) : bound;
    line_ += static_cast<uint64_t>(std::count(text_.data() + begin, text_.data() + end, '\n'));
    text.append(text_, begin, end - begin);
    at_ = end;
    check_row_size();
    if (!quote) {
      fail(opened_at_line, "a quoted field that is never closed",
           "close it with a quote; inside quotes a quote is written twice");
    }
    ++at_;
    if (at_ >= text_.size() || text_[at_] != '"') return;
    text.push_back('"');
    ++at_;
  }
}

void CsvReader::read_plain(std::string& text) {
  const size_t begin = at_;
  const size_t bound = std::min<uint64_t>(text_.size(), row_begin_ + limits_.max_row_bytes + 1);
  while (at_ < bound) {
    const char c = text_[at_];
    if (c == ',' || c == '\n' || c == '\r') break;
    if (c == '"') {
      fail(line_, "a quote inside an unquoted field",
           "put the whole field in quotes and write the quote twice");
    }
    ++at_;
  }
  check_row_size();
  text.assign(text_, begin, at_ - begin);
}

bool CsvReader::at_line_end() const {
  return text_[at_] == '\n' ||
         (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n');
}

bool CsvReader::read_separator() {
  if (at_ >= text_.size()) return false;
  if (text_[at_] == ',') {
    ++at_;
    return true;
  }
  if (at_line_end()) {
    at_ += text_[at_] == '\n' ? 1 : 2;
    ++line_;
    return false;
  }
  if (text_[at_] == '\r') {
    fail(line_, "a carriage return that no line feed follows",
         "end lines with LF or CRLF, or put the field in quotes");
  }
  fail(line_, "text after a closing quote", "inside quotes a quote is written twice");
}

void CsvReader::check_row_size() const {
  if (at_ - row_begin_ > limits_.max_row_bytes) {
    fail(row_line_, fmt::format("a row larger than {} bytes", limits_.max_row_bytes),
         "is a quote never closed? larger values belong into files of their own");
  }
}

void CsvReader::check_row(const std::vector<CsvField>& row, size_t begin) {
  const std::string_view raw = text_.substr(begin, at_ - begin);
  if (std::memchr(raw.data(), '\0', raw.size())) {
    fail(row_line_, "a row that holds a NUL byte", "CSV is text; write bytes as base64");
  }
  if (!is_ascii(raw) && !valid_utf8(raw)) {
    fail(row_line_, "a row that is not UTF-8", "convert the file to UTF-8");
  }
  for (const CsvField& field : row) {
    if (field.text.size() > limits_.max_field_bytes) {
      fail(row_line_, fmt::format("a field larger than {} bytes", limits_.max_field_bytes));
    }
  }
  if (columns_ == 0) columns_ = row.size();
  if (row.size() != columns_) {
    fail(row_line_,
         fmt::format("a row of {} fields where the first row has {}", row.size(), columns_));
  }
}

void append_csv_field(std::string& out, std::optional<std::string_view> field, bool quoted) {
  if (!field) return;
  const bool plain = !quoted && !field->empty() && field->find_first_of(",\"\r\n") == field->npos &&
                     field->substr(0, kByteOrderMark.size()) != kByteOrderMark;
  if (plain) {
    out.append(*field);
    return;
  }
  out.push_back('"');
  for (char c : *field) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
}

std::string csv_row(std::span<const std::optional<std::string_view>> fields) {
  std::string out;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i) out.push_back(',');
    append_csv_field(out, fields[i]);
  }
  out.push_back('\n');
  return out;
}

}  // namespace lockstep
