// A table's cell in its canonical form: the tag and payload that slice digests are made of.
// Knows nothing of CSV, SQL or where the row came from.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// Numbers are part of the slice digest's format (docs/FORMATS.md): never renumber.
enum class ValueTag : uint8_t {
  kNull = 0,
  kInt = 1,      // decimal text; bool and BIT are ints
  kDecimal = 2,  // plain decimal text, trailing fraction zeros stripped
  kFloat = 3,    // 8 bytes, IEEE 754 big-endian
  kText = 4,     // UTF-8 as it is
  kBytes = 5,
  kDate = 6,      // YYYY-MM-DD
  kTime = 7,      // microseconds as decimal text
  kDatetime = 8,  // YYYY-MM-DDTHH:MM:SS.ffffff
  kJson = 9       // RFC 8785
};

struct Value {
  ValueTag tag = ValueTag::kNull;
  std::string payload;  // empty for NULL

  bool operator==(const Value&) const = default;
};

struct Column {
  std::string name;
  ValueTag type = ValueTag::kText;

  bool operator==(const Column&) const = default;
};

// Values in the order of the columns that were asked for.
using Row = std::vector<Value>;

// Reads `text` as a value of `type` into canonical form. kBytes takes raw bytes. A datetime with
// an offset becomes UTC. Throws invalid, saying what was expected.
Value parse_value(ValueTag type, std::string_view text);
Value null_value();
Value float_value(double value);  // throws invalid on NaN

// The text a person or a CSV file shows: floats as their shortest digits, times as HH:MM:SS[.f].
// parse_value(type, display(v)) == v for every value but NULL.
std::string display(const Value& value);

// Canonical order: NULL first; ints, decimals, floats and times by value; the rest by bytes.
std::strong_ordering compare_values(const Value& a, const Value& b);

// "int", "decimal", "float", "text", "bytes", "date", "time", "datetime", "json".
std::string_view word(ValueTag tag);

}  // namespace lockstep
