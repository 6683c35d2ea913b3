#include "connectors/git_tables/file_header.h"

#include <fmt/format.h>

#include "connectors/git/names.h"
#include "pipeline/base/error.h"

namespace lockstep {

FileHeader read_file_header(const TableFileSchema& schema, const std::vector<CsvField>& header,
                            const std::string& place, const std::optional<Value>& partition) {
  const auto refuse = [&](std::string message, std::string hint) {
    return Error(ErrorCode::kInvalid, std::move(message), std::move(hint), place + ":1");
  };
  constexpr size_t kUnknown = FileHeader::kFolder - 1;
  FileHeader map;
  map.fields.assign(schema.types.size(), kUnknown);
  if (partition) {
    map.partition = *partition;
    map.fields[schema.find(*schema.schema.partition)] = FileHeader::kFolder;
  }
  for (size_t i = 0; i < header.size(); ++i) {
    const size_t column = schema.find(header[i].text);
    const std::string name = printable(header[i].text);
    if (column == TableFileSchema::npos) {
      throw refuse(fmt::format("column \"{}\" is not in the schema", name),
                   "add it under columns: in the schema file");
    }
    if (map.fields[column] == FileHeader::kFolder) {
      throw refuse(fmt::format("column \"{}\" is in the file and in the folder's name", name),
                   "leave it out of the file");
    }
    if (map.fields[column] != kUnknown) {
      throw refuse(fmt::format("column \"{}\" is named twice", name), "");
    }
    map.fields[column] = i;
  }
  for (size_t column = 0; column < map.fields.size(); ++column) {
    if (map.fields[column] != kUnknown) continue;
    throw refuse(
        fmt::format("column \"{}\" of the schema is missing", schema.schema.columns[column].name),
        "the first line names all columns; take it out of the schema if it is gone");
  }
  return map;
}

}  // namespace lockstep
