#include "pipeline/snapshot/cells.h"

#include "pipeline/base/error.h"
#include "tests/pipeline/snapshot/fixture.h"

using namespace lockstep;

namespace {

struct Expected {
  ValueTag tag;
  std::vector<std::string> texts;
  ArrowType type;
};

const std::vector<Expected> kColumns = {
    {ValueTag::kInt, {"0", "-9223372036854775808", "9223372036854775807"}, ArrowType::kInt64},
    {ValueTag::kInt, {"1", "18446744073709551615"}, ArrowType::kUint64},
    {ValueTag::kInt, {"-1", "9223372036854775808"}, ArrowType::kUtf8},
    {ValueTag::kInt, {"1", "18446744073709551616"}, ArrowType::kUtf8},
    {ValueTag::kInt, {"-9223372036854775809"}, ArrowType::kUtf8},
    {ValueTag::kDecimal,
     {"0", "1.5", "-1.05", "0.000000000000000001", "-99999999999999999999.999999999999999999"},
     ArrowType::kDecimal128},
    {ValueTag::kDecimal, {"1.5", "100000000000000000000"}, ArrowType::kUtf8},
    {ValueTag::kDecimal, {"0.0000000000000000001"}, ArrowType::kUtf8},
    {ValueTag::kFloat, {"0", "-0.1", "1e308", "inf", "5e-324"}, ArrowType::kFloat64},
    {ValueTag::kText, {"", "öffne", "a\nb"}, ArrowType::kUtf8},
    {ValueTag::kBytes, {"", std::string("\0\xff", 2)}, ArrowType::kBinary},
    {ValueTag::kDate, {"0000-01-01", "1969-12-31", "2024-02-29", "9999-12-31"}, ArrowType::kDate32},
    {ValueTag::kDate, {"2026-03-03", "0000-00-00"}, ArrowType::kUtf8},
    {ValueTag::kTime, {"00:00:00", "23:59:59.999999"}, ArrowType::kTime64},
    {ValueTag::kTime, {"-00:00:01", "838:59:59"}, ArrowType::kDuration},
    {ValueTag::kDatetime,
     {"0000-01-01T00:00:00", "1969-12-31T23:59:59.999999", "9999-12-31T23:59:59.999999"},
     ArrowType::kTimestamp},
    {ValueTag::kDatetime, {"0000-00-00T00:00:00", "2026-03-03T00:00:00"}, ArrowType::kUtf8},
    {ValueTag::kJson, {"{\"a\":[1,null]}"}, ArrowType::kUtf8}};

}  // namespace

TEST_CASE("cells: every value of every type comes back as it was") {
  for (const Expected& one : kColumns) {
    INFO(word(one.tag) << " " << one.texts.back());
    CellColumn column({"c", one.tag}, 0);
    std::vector<Value> values = {null_value()};
    for (const std::string& text : one.texts) values.push_back(parse_value(one.tag, text));
    for (const Value& value : values) column.add(value);
    ArrowArray array = column.array();
    CHECK(array.type == one.type);
    CHECK(array.nulls == 1);
    for (size_t i = 0; i < values.size(); ++i) {
      INFO(i);
      CHECK(read_cell(array, i, one.tag) == values[i]);
    }
  }
}

TEST_CASE("cells: the type is the same in whatever order the values come") {
  for (const Expected& one : kColumns) {
    CellColumn column({"c", one.tag}, 0);
    for (size_t i = one.texts.size(); i-- > 0;) column.add(parse_value(one.tag, one.texts[i]));
    CHECK(column.array().type == one.type);
    CHECK(arrow_type(one.tag, column.facts()) == one.type);
  }
}

TEST_CASE("cells: a value of another type than its column is refused") {
  CellColumn column({"id", ValueTag::kInt}, 0);
  CHECK(code_of([&] { column.add(parse_value(ValueTag::kText, "x")); }) == ErrorCode::kInvalid);
}

TEST_CASE("cells: a number that is no date is corrupt, not another date") {
  ArrowBuilder days(ArrowType::kDate32), micros(ArrowType::kTimestamp);
  days.add_integer(INT32_MAX);
  micros.add_integer(INT64_MIN);
  CHECK(code_of([&] { read_cell(days.array(), 0, ValueTag::kDate); }) == ErrorCode::kCorrupt);
  CHECK(code_of([&] { read_cell(micros.array(), 0, ValueTag::kDatetime); }) == ErrorCode::kCorrupt);
}
