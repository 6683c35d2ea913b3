// Rows of one table read from CSV files, held in key order: what reading and comparing share.
// Knows nothing of git or of which files there are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/git_tables/file_header.h"
#include "connectors/git_tables/row_delta.h"
#include "connectors/git_tables/schema_file.h"
#include "pipeline/base/error.h"

namespace lockstep {

class RowSet {
 public:
  // Delivers `columns` in this order; rows must equal `where` (column → canonical payload). All
  // columns are in `schema`, which must outlive the set.
  RowSet(const TableFileSchema& schema, const std::vector<std::string>& columns,
         const std::vector<std::pair<std::string, std::string>>& where = {});

  // Adds the rows of one CSV file with a header. The header names each column of the schema once,
  // in any order; the partition column comes from the folder instead where `partition` is given.
  // Only needed cells are read. Throws invalid with where = "place:line".
  struct Source {
    std::string place;
    std::optional<Value> partition;
    CsvLimits limits;
  };
  void add(const Source& source, std::string_view csv);
  // Only these parts of the file; `header` is its first row as written.
  void add(const Source& source, std::string_view header, const std::vector<CsvPart>& parts);

  // From here on every cell is looked at, and what is wrong with rows is added to `problems`, at
  // most `most` in all; those rows are left out, nothing is thrown for them.
  void collect(std::vector<Error>& problems, size_t most);

  // To be called once, after the last add(). Throws invalid for a key that occurs twice, naming
  // both places.
  void sort();

  size_t size() const { return order_.size(); }
  // Cells of the row at `index` in key order: those asked for, then other key columns.
  const Value* cells(size_t index) const { return &cells_[order_[index] * stride()]; }
  // The asked cells, moved out: a row can be taken once.
  void take(size_t index, Row& row);
  size_t asked() const { return asked_; }

  // Key order of a row of `a` against one of `b`, two sets over the same columns and key.
  static std::strong_ordering compare_keys(const RowSet& a, size_t i, const RowSet& b, size_t j);

 private:
  struct Origin {
    uint32_t file;
    uint32_t line;
  };

  size_t stride() const { return stored_.size(); }
  Value read_cell(size_t column, const CsvField& field, const std::string& place,
                  uint64_t line) const;
  bool add_row(const FileHeader& map, const std::vector<CsvField>& row, const std::string& place,
               uint64_t line);
  bool next_row(CsvReader& reader, std::vector<CsvField>& row);
  void found(Error problem);
  void reserve(size_t rows);
  std::strong_ordering compare_rows(size_t a, size_t b) const;
  std::string place_of(size_t row) const;

  const TableFileSchema& schema_;
  size_t asked_;
  std::vector<size_t> stored_;  // columns of the schema, as cells_ holds them
  std::vector<size_t> key_;     // places in stored_
  std::vector<std::pair<size_t, std::string>> where_;
  std::vector<std::string> files_;
  std::vector<Value> cells_;  // stride() to a row
  std::vector<Origin> origins_;
  std::vector<size_t> order_;
  std::vector<Error>* problems_ = nullptr;
  size_t most_problems_ = 0;
};

}  // namespace lockstep
