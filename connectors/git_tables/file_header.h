// Which field of a CSV file holds which column of its table, as the file's first row says.
// Knows nothing of the rows below it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "connectors/git_tables/schema_file.h"

namespace lockstep {

struct FileHeader {
  static constexpr size_t kFolder = static_cast<size_t>(-1);
  std::vector<size_t> fields;  // by column of the schema: an index of a field, or kFolder
  Value partition;             // of the columns that are kFolder
};

// `header` names each column of the schema once, in any order; the partition column comes from the
// folder instead where `partition` is given. Throws invalid with where = "place:1".
FileHeader read_file_header(const TableFileSchema& schema, const std::vector<CsvField>& header,
                            const std::string& place, const std::optional<Value>& partition);

}  // namespace lockstep
