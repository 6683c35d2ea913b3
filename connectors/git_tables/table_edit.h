// One table at a commit with a change of rows applied: which files it then has, and their bytes.
// Knows nothing of commits to be made, branches or what the change was computed from.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "connectors/git_tables/csv_edit.h"
#include "connectors/git_tables/layout.h"
#include "pipeline/core/table_writer.h"

namespace lockstep {

// The rows that a change names, by key.
class NamedRows {
 public:
  struct Named {
    Row key;
    const Row* put = nullptr;  // null: removed
    std::string place;         // where the table has it; empty: nowhere yet
  };

  // Throws not_found (no such column), invalid (the key is not among the columns, is NULL or named
  // twice; a row of another length; a value that does not fit its column).
  NamedRows(const TableFileSchema& schema, const TableChange& change);

  // nullptr: the change does not name it.
  Named* find(const Row& key);
  const std::vector<size_t>& columns() const { return columns_; }  // of the schema, as in `put`
  std::vector<Named>& all() { return rows_; }
  std::string text(const Row& key) const;  // "id=7", for messages

 private:
  void add(Row key, const Row* put);
  void check(const Row& row) const;

  const TableFileSchema& schema_;
  std::string table_;
  std::vector<size_t> columns_;
  std::vector<Named> rows_;
  std::unordered_map<std::string, size_t> by_key_;
};

class TableEdit {
 public:
  TableEdit(const GitRepository& repository, const TableLayout& layout, const TableAt& table,
            const TableChange& change, CsvLimits csv, uint64_t max_file_bytes);

  // The files that get other bytes, by path in the repository. A row stays where it is, in a file
  // that keeps its way of writing; where its partition value changes it moves to the end of the
  // first file of that partition. New rows go to the end of the partition's first file, or of the
  // first file, in canonical key order. A file whose last row goes keeps its header.
  // Throws invalid for rows that can't be read or written, naming file and line.
  std::map<std::string, std::string> files();

 private:
  struct File {
    std::string path;
    std::optional<Value> partition;
    std::unique_ptr<CsvEdit> edit;
  };

  void read(const TableFile& file);
  RowFate fate(const File& file, const Row& key, uint64_t line, const CsvEdit::AllCells& all);
  void write(const Row& put, Row& cells) const;
  void place_new_rows();
  File& file_for(const Row& cells);
  File& new_file(const std::optional<Value>& partition);
  std::string new_path(const std::optional<Value>& partition) const;

  const GitRepository& repository_;
  const TableLayout& layout_;
  const TableAt& table_;
  NamedRows rows_;
  CsvLimits csv_;
  uint64_t max_file_bytes_;
  std::vector<std::unique_ptr<File>> files_;
  std::vector<std::pair<Row, Row>> homeless_;  // key and cells of rows without a file
};

}  // namespace lockstep
