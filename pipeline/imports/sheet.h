// A sheet (CSV with a header) read as rows of a table: every cell of its column's type, every key
// once. Knows nothing of where the bytes came from or what the table holds now.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/core/source.h"

namespace lockstep {

struct Sheet {
  std::vector<std::string> columns;  // of the table, as the rows have them; the key among them
  std::vector<Row> rows;             // in canonical key order
};

// How a sheet's columns are called: column of the table → header of the sheet. Empty: the sheet has
// exactly the table's columns, under their own names. Otherwise these columns are read and no
// others, on both sides; the key must be among them.
using SheetColumns = std::map<std::string, std::string>;

// RFC 4180, UTF-8, with or without a byte order mark. An empty cell without quotes is NULL; bytes
// are base64; a column of ints also takes TRUE and FALSE, as spreadsheets write them. `place` names
// the sheet in messages. Throws Errors (invalid) with all that is wrong: nothing in it, columns
// that are missing, unknown or there twice; cells that are not of their type, keys without a value
// or there twice, each with its line. No more than `max_errors` are listed.
Sheet read_sheet(std::string_view csv, const std::string& place, const TableSchema& schema,
                 const SheetColumns& columns, size_t max_errors = 50);

// Key order of two rows, by the key's places in each.
std::strong_ordering compare_keys(const Row& a, const std::vector<size_t>& a_key, const Row& b,
                                  const std::vector<size_t>& b_key);
// Where the key's columns stand among `columns`.
std::vector<size_t> key_places(const TableSchema& schema, const std::vector<std::string>& columns);

}  // namespace lockstep
