// A SQL column's type as canonical values: how its cells are asked for, ordered and read.
// Knows nothing of connections or of which table the column is in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/core/value.h"

namespace lockstep {

// A larger cell is refused: of every copy of it there is room for.
inline constexpr uint64_t kMaxCell_bytes = 64ull << 20;

struct SqlColumn {
  std::string name;
  std::string declared;   // as the server writes it: "enum('a','b')"
  std::string type;       // one lower-case word: "int", "varchar", "enum", "json"
  std::string collation;  // of text; empty elsewhere
  ValueTag tag = ValueTag::kText;

  bool operator==(const SqlColumn&) const = default;
};

// From what SHOW FULL COLUMNS and information_schema.columns say: `column_type` is "int unsigned",
// "enum('a','b')", "decimal(10,2)". MariaDB's json is a longtext with a check: pass "json" for it.
// Types without a canonical form of their own are bytes, as the server sends them.
SqlColumn sql_column(std::string name, std::string_view column_type, std::string collation);

// What to select so that read_cell() gets the exact value; `expression` is the quoted column, which
// may be qualified. FLOAT is widened by the server: as text it would be rounded.
std::string select_cell(const SqlColumn& column, const std::string& expression);

// What to ORDER BY for canonical order (compare_values): never a collation, nor an ENUM's index.
std::string order_cell(const SqlColumn& column, const std::string& expression);

// A condition that every row with this canonical payload satisfies, and few others: for an index
// of the server. Collations may let more through, so compare the payloads too. Empty: none.
std::string match_cell(const SqlColumn& column, const std::string& expression,
                       std::string_view payload);

// Throws invalid, saying what was expected, without a place; also above kMaxCell_bytes.
Value read_cell(const SqlColumn& column, const std::optional<std::string_view>& text);

// Which row this is, for messages: "row id=7" by the cells of its key, with the columns' names;
// "a row" without a key. Long cells are cut.
using SqlKey = std::vector<std::pair<std::string, std::optional<std::string_view>>>;
std::string name_row(const SqlKey& key);

// The value as this column takes it in a statement. Throws invalid for another type's value, and
// for types that can't be written by value.
std::string write_cell(const SqlColumn& column, const Value& value);

}  // namespace lockstep
