// CSV fields and partition folders as typed values. Knows nothing of tables, files or git.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/core/value.h"
#include "pipeline/formats/csv.h"

namespace lockstep {

// A type as schema files name it: those of word(ValueTag), and "bool", an int written as true,
// false, 1 or 0.
struct CellType {
  ValueTag tag = ValueTag::kText;
  bool boolean = false;

  bool operator==(const CellType&) const = default;
};

// nullopt for an unknown word.
std::optional<CellType> cell_type(std::string_view word);
std::string cell_type_words();  // all of them, for messages

// Unquoted and empty is NULL. The field's text is UTF-8, as CsvReader checks. Bytes are base64 (RFC
// 4648, section 4, with padding). Throws invalid, saying what was expected, without a place.
Value cell_value(CellType type, const CsvField& field);

// The field that cell_value reads as this value: NULL is nothing, `quoted` is set where only quotes
// tell it from NULL. Throws invalid for a value of another type, and for text that CSV can't hold
// (a NUL byte, not UTF-8).
CsvField cell_field(CellType type, const Value& value);

// The value of a hive folder `column=value`: %XX decoded, other '%' as they are (as Hive's
// FileUtils.unescapePathName); `__HIVE_DEFAULT_PARTITION__` is NULL.
Value partition_value(CellType type, std::string_view encoded);
// What stands behind `column=`: bytes that Hive's FileUtils.escapePathName escapes, and those that
// are spaces or control characters, as %XX. Throws invalid for a value of another type.
std::string partition_text(CellType type, const Value& value);

}  // namespace lockstep
