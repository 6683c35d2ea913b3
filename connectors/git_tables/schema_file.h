// The `NAME.schema.yaml` beside a table: key, partition column, columns with types.
// Knows nothing of rows or of git.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "connectors/git_tables/cells.h"
#include "pipeline/core/source.h"
#include "pipeline/formats/csv.h"

namespace lockstep {

struct TableFileSchema {
  TableSchema schema;
  std::vector<CellType> types;  // one per schema.columns

  // Index into schema.columns; npos where there is none.
  size_t find(std::string_view column) const;
  static constexpr size_t npos = static_cast<size_t>(-1);
};

// Reads
//   key: [id]                     # or one name; never empty
//   partition: client             # optional
//   columns: {id: int, client: text, amount: decimal}
// `place` is the file in messages. Throws Errors with every mistake in it, each with its place.
TableFileSchema read_schema_file(std::string_view text, std::string_view place);

// A schema file for CSV that has none: types guessed from the first rows, the first column as key.
// For a hint; throws where `csv` has no header.
std::string suggest_schema(std::string_view csv);

}  // namespace lockstep
