// CSV as RFC 4180 defines it, read strictly and written with the fewest quotes.
// Knows nothing of tables, types or NULL beyond "was this field quoted".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

struct CsvField {
  std::string text;     // without the quotes, doubled quotes made single
  bool quoted = false;  // tells `""` (empty text) from nothing at all (NULL)
};

struct CsvLimits {
  uint64_t max_row_bytes = 64ull << 20;    // as written, quotes and commas included
  uint64_t max_field_bytes = 64ull << 20;  // as read
  uint64_t max_columns = 65536;
};

// Where a part of a document begins whose first row was read elsewhere.
struct CsvResume {
  uint64_t line = 1;
  size_t columns = 0;  // of the first row of the whole document
};

// Rows of one document that is already in memory. Accepts LF and CRLF, a UTF-8 byte order mark, a
// missing last newline. Every row has as many fields as the first (RFC 4180, section 2, rule 4).
// A line with nothing on it is skipped when the first row has more than one field; in a document
// of one column it is a row whose only field is empty and unquoted.
// A document cut inside its last field can't be told from one that ends there: whoever needs
// completeness reads bytes named by a digest.
class CsvReader {
 public:
  // `place` names the document in errors ("tables@1f3c9ab:utterances.csv"). `text` must outlive
  // the reader.
  CsvReader(std::string_view text, std::string_view place, CsvLimits limits = {});

  // Reads a part that begins at a row's beginning, with the document's own line numbers.
  CsvReader(std::string_view part, std::string_view place, CsvLimits limits, CsvResume resume);

  // Fills `row` and returns true, or returns false at the end. Throws invalid with where =
  // "place:line": bare CR, NUL, text that is not UTF-8, a quote inside an unquoted field, text
  // after a closing quote, an unterminated quote, ragged rows, anything above the limits.
  bool next(std::vector<CsvField>& row);

  // After next() has thrown: goes on behind the line that was wrong, so that what follows can be
  // looked at, too. False where nothing follows.
  bool skip_row();

  // The 1-based line where the last row began.
  uint64_t line() const { return row_line_; }
  // The last row as it is written, with its line end where it has one; a part of `text`.
  std::string_view raw() const { return text_.substr(row_begin_, at_ - row_begin_); }

 private:
  void read_row(std::vector<CsvField>& row);
  void read_quoted(std::string& text);
  void read_plain(std::string& text);
  // Steps over what ends a field; true when the row goes on.
  bool read_separator();
  bool at_line_end() const;
  bool skip_blank_lines();
  void check_row(const std::vector<CsvField>& row, size_t begin);
  void check_row_size() const;
  [[noreturn]] void fail(uint64_t line, std::string message, std::string hint = "") const;

  std::string_view text_;
  std::string place_;
  CsvLimits limits_;
  size_t at_ = 0;
  size_t row_begin_ = 0;
  uint64_t line_ = 1;      // of at_
  uint64_t row_line_ = 0;  // of row_begin_
  size_t columns_ = 0;     // 0 until the first row is read
};

// Appends one field: NULL as nothing, empty text as `""`, other text in quotes only if it holds a
// comma, a quote, CR, LF, or begins with a byte order mark; or where `quoted` asks for them.
void append_csv_field(std::string& out, std::optional<std::string_view> field, bool quoted = false);

// One line that ends with LF. What CsvReader reads back is what was given.
std::string csv_row(std::span<const std::optional<std::string_view>> fields);

}  // namespace lockstep
