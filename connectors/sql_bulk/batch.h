// One batch under way: what the wire brings for a cell, taken into its column exactly.
// Knows nothing of connections; for read_bulk() only.
#pragma once

#include <string_view>
#include <vector>

#include "connectors/sql_bulk/bulk.h"

namespace lockstep {

class BulkBatch {
 public:
  explicit BulkBatch(const std::vector<SqlColumn>& columns);

  // Cells of one row in any order of columns, each once; then end_row().
  void add_null(size_t column);
  void add_int(size_t column, int64_t value);
  void add_natural(size_t column, uint64_t value);
  void add_real(size_t column, double value);
  // As the text protocol shows it. Throws invalid, naming the column, for what is no such value.
  void add_text(size_t column, std::string_view text);
  void end_row() { ++rows_; }

  uint64_t rows() const { return rows_; }
  uint64_t bytes() const { return text_bytes_ + rows_ * 8 * builders_.size(); }
  std::vector<ArrowArray> arrays() const;
  // The last row's value of an integer column, if there is a row and it is no NULL.
  std::optional<int64_t> last_int(size_t column) const;

 private:
  void add_payload(size_t column, std::string_view text);

  const std::vector<SqlColumn>* columns_;
  std::vector<ArrowBuilder> builders_;
  uint64_t rows_ = 0;
  uint64_t text_bytes_ = 0;
};

}  // namespace lockstep
