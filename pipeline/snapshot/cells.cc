#include "pipeline/snapshot/cells.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"
#include "pipeline/core/value_time.h"

namespace lockstep {
namespace {

constexpr CellFacts kNegative = 1;
constexpr CellFacts kAbove = 2;   // an int above int64, a time outside of one day
constexpr CellFacts kBeyond = 4;  // no number holds it: text does

constexpr int64_t kDay_us = 86'400'000'000;

template <typename T>
std::optional<T> number(std::string_view text) {
  T value = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

CellFacts int_facts(std::string_view text) {
  if (number<int64_t>(text)) return text.front() == '-' ? kNegative : 0;
  return number<uint64_t>(text) ? kAbove : kBeyond;
}

// A canonical decimal times 10^18, or nothing where it has more digits than the type.
std::optional<__int128> scaled(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  size_t dot = std::min(text.find('.'), text.size());
  std::string_view fraction = text.substr(std::min(dot + 1, text.size()));
  if (dot > kDecimalDigits - kDecimalScale || fraction.size() > kDecimalScale) return std::nullopt;
  __int128 value = 0;
  for (char c : text.substr(0, dot)) value = value * 10 + (c - '0');
  for (size_t i = 0; i < kDecimalScale; ++i) {
    value = value * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
  }
  return negative ? -value : value;
}

std::string decimal_text(__int128 value) {
  auto size = static_cast<unsigned __int128>(value);
  if (value < 0) size = -size;
  constexpr uint64_t one = 1'000'000'000'000'000'000;
  static_assert(kDecimalScale == 18);
  std::string fraction = fmt::format("{:018}", static_cast<uint64_t>(size % one));
  fraction.resize(fraction.find_last_not_of('0') + 1);
  return fmt::format("{}{}{}{}", value < 0 ? "-" : "", size / one, fraction.empty() ? "" : ".",
                     fraction);
}

double real_of(std::string_view payload) {
  uint64_t bits = 0;
  for (char c : payload) bits = bits << 8 | static_cast<unsigned char>(c);
  double value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

int64_t needed(std::optional<int64_t> value, const Value& cell) {
  if (value) return *value;
  throw Error(ErrorCode::kInvalid,
              fmt::format("not {}: \"{}\"", word(cell.tag), printable(cell.payload, 60)));
}

Value read_time(ValueTag tag, std::optional<std::string> payload) {
  if (payload) return {tag, std::move(*payload)};
  throw Error(ErrorCode::kCorrupt, fmt::format("a {} outside the years 0 to 9999", word(tag)));
}

}  // namespace

ArrowType arrow_type(ValueTag tag, CellFacts facts) {
  if (facts & kBeyond) return ArrowType::kUtf8;
  switch (tag) {
    case ValueTag::kInt:
      if (!(facts & kAbove)) return ArrowType::kInt64;
      return facts & kNegative ? ArrowType::kUtf8 : ArrowType::kUint64;
    case ValueTag::kDecimal:
      return ArrowType::kDecimal128;
    case ValueTag::kFloat:
      return ArrowType::kFloat64;
    case ValueTag::kBytes:
      return ArrowType::kBinary;
    case ValueTag::kDate:
      return ArrowType::kDate32;
    case ValueTag::kTime:
      return facts & kAbove ? ArrowType::kDuration : ArrowType::kTime64;
    case ValueTag::kDatetime:
      return ArrowType::kTimestamp;
    default:
      return ArrowType::kUtf8;
  }
}

CellFacts cell_facts(const Value& value) {
  switch (value.tag) {
    case ValueTag::kInt:
      return int_facts(value.payload);
    case ValueTag::kDecimal:
      return scaled(value.payload) ? 0 : kBeyond;
    case ValueTag::kDate:
      return days_of(value.payload) ? 0 : kBeyond;
    case ValueTag::kTime: {
      int64_t us = needed(number<int64_t>(value.payload), value);
      return us < 0 || us >= kDay_us ? kAbove : 0;
    }
    case ValueTag::kDatetime:
      return micros_of(value.payload) ? 0 : kBeyond;
    default:
      return 0;
  }
}

void add_cell(ArrowBuilder& builder, const Value& value) {
  if (value.tag == ValueTag::kNull) return builder.add_null();
  switch (builder.type()) {
    case ArrowType::kInt64:
    case ArrowType::kTime64:
    case ArrowType::kDuration:
      return builder.add_integer(needed(number<int64_t>(value.payload), value));
    case ArrowType::kUint64:
      return builder.add_natural(number<uint64_t>(value.payload).value_or(0));
    case ArrowType::kFloat64:
      return builder.add_real(real_of(value.payload));
    case ArrowType::kDate32:
      return builder.add_integer(needed(days_of(value.payload), value));
    case ArrowType::kTimestamp:
      return builder.add_integer(needed(micros_of(value.payload), value));
    case ArrowType::kDecimal128:
      return builder.add_decimal(scaled(value.payload).value_or(0));
    default:
      return builder.add_bytes(value.payload);
  }
}

Value read_cell(const ArrowArray& array, uint64_t row, ValueTag tag) {
  if (array.null(row)) return null_value();
  switch (array.type) {
    case ArrowType::kInt64:
    case ArrowType::kTime64:
    case ArrowType::kDuration:
      return {tag, std::to_string(array.integer(row))};
    case ArrowType::kUint64:
      return {tag, std::to_string(array.natural(row))};
    case ArrowType::kFloat64:
      return float_value(array.real(row));
    case ArrowType::kDate32:
      return read_time(tag, date_of(array.integer(row)));
    case ArrowType::kTimestamp:
      return read_time(tag, datetime_of(array.integer(row)));
    case ArrowType::kDecimal128:
      return {tag, decimal_text(array.decimal(row))};
    default:
      return {tag, std::string(array.bytes(row))};
  }
}

CellColumn::CellColumn(Column column, CellFacts facts)
    : column_(std::move(column)), facts_(facts), builder_(arrow_type(column_.type, facts)) {}

void CellColumn::add(const Value& value) {
  if (value.tag == ValueTag::kNull) return builder_.add_null();
  if (value.tag != column_.type) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("column {} holds a value of type {} where its table says {}",
                            printable(column_.name), word(value.tag), word(column_.type)));
  }
  CellFacts more = cell_facts(value);
  if (more & ~facts_) {
    facts_ |= more;
    ArrowType type = arrow_type(column_.type, facts_);
    if (type != builder_.type()) builder_ = converted(builder_.array(), column_.type, type);
  }
  add_cell(builder_, value);
}

ArrowBuilder converted(const ArrowArray& array, ValueTag tag, ArrowType to) {
  ArrowBuilder out(to);
  for (uint64_t row = 0; row < array.rows; ++row) add_cell(out, read_cell(array, row, tag));
  return out;
}

}  // namespace lockstep
