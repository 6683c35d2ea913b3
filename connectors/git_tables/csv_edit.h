// One CSV file of a table with some rows changed, taken out or added: every other byte, and the way
// the file writes (quotes, line ends, byte order mark), stay. Knows nothing of git or of other
// files.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/git_tables/file_header.h"

namespace lockstep {

// What becomes of one row.
struct RowFate {
  enum class Kind { kStay, kChange, kLeave };
  Kind kind = Kind::kStay;
  const Row* values = nullptr;  // kChange: of the columns that an edit writes
};

class CsvEdit {
 public:
  // `columns`: which columns of the schema the values of a changed row are, in their order.
  // The schema must outlive the edit.
  CsvEdit(const TableFileSchema& schema, std::vector<size_t> columns, std::string place,
          std::optional<Value> partition, CsvLimits limits);

  // Calls `fate` with the cells of the key for each row of the file. `all` reads the whole row's
  // cells, in the schema's order. Throws invalid with where = "place:line".
  using AllCells = std::function<Row()>;
  using Fate = std::function<RowFate(const Row& key, uint64_t line, const AllCells& all)>;
  void read(std::string_view csv, const Fate& fate);

  // Adds a row with a cell for each column of the schema; read() must have been called.
  void append(const Row& cells);

  bool changed() const { return changed_; }
  // The file as it is now; after the first change, or the first append.
  const std::string& text() const { return text_; }

 private:
  void read_row(std::string_view csv, const Fate& fate);
  bool rewrite(const Row& values);
  void write_row(std::string_view line_end);
  Value cell(size_t column) const;
  Row all_cells() const;
  void learn_quotes();
  // The file up to `end` goes into the text as it is.
  void keep_to(std::string_view csv, size_t end);

  enum class Quotes : char { kUnseen, kAlways, kSometimes };

  const TableFileSchema& schema_;
  std::vector<size_t> columns_;
  std::string place_;
  std::optional<Value> partition_;
  CsvLimits limits_;
  FileHeader header_;
  std::vector<CsvField> row_;
  std::vector<Quotes> quotes_;  // by field
  std::string line_end_ = "\n";
  uint64_t line_ = 0;
  size_t kept_ = 0;  // bytes of the file that are in text_, or were left out of it
  bool changed_ = false;
  std::string text_;
};

// The line that begins a new file of a table: every column but the one that the folder holds.
std::string csv_header(const TableFileSchema& schema, bool without_partition);

}  // namespace lockstep
