#include "connectors/sql_bulk/batch.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

template <typename T>
bool number(std::string_view text, T& value) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size();
}

}  // namespace

ArrowType bulk_type(const SqlColumn& column) {
  switch (column.tag) {
    case ValueTag::kInt: {
      const bool wide =
          column.type == "bit" ||
          (column.type == "bigint" && column.declared.find("unsigned") != std::string::npos);
      return wide ? ArrowType::kUint64 : ArrowType::kInt64;
    }
    case ValueTag::kFloat:
      return ArrowType::kFloat64;
    case ValueTag::kBytes:
      return ArrowType::kBinary;
    default:
      return ArrowType::kUtf8;
  }
}

BulkBatch::BulkBatch(const std::vector<SqlColumn>& columns) : columns_(&columns) {
  for (const SqlColumn& column : columns) builders_.emplace_back(bulk_type(column));
}

void BulkBatch::add_null(size_t column) {
  builders_[column].add_null();
}

void BulkBatch::add_int(size_t column, int64_t value) {
  builders_[column].add_integer(value);
}

void BulkBatch::add_natural(size_t column, uint64_t value) {
  builders_[column].add_natural(value);
}

void BulkBatch::add_real(size_t column, double value) {
  if (std::isnan(value)) return add_payload(column, "nan");  // refused there
  builders_[column].add_real(value == 0 ? 0 : value);        // -0 is 0
}

void BulkBatch::add_text(size_t column, std::string_view text) {
  ArrowBuilder& builder = builders_[column];
  switch (builder.type()) {
    case ArrowType::kInt64:
      if (int64_t value = 0; number(text, value)) return builder.add_integer(value);
      break;
    case ArrowType::kUint64:
      if (uint64_t value = 0; number(text, value)) return builder.add_natural(value);
      break;
    case ArrowType::kFloat64:
      if (double value = 0; number(text, value)) return add_real(column, value);
      break;
    case ArrowType::kBinary:
      text_bytes_ += text.size();
      return builder.add_bytes(text);
    default:
      if ((*columns_)[column].tag == ValueTag::kText && valid_utf8(text)) {
        text_bytes_ += text.size();
        return builder.add_bytes(text);
      }
  }
  add_payload(column, text);
}

// The long way: through the canonical value, which says what is wrong with the text.
void BulkBatch::add_payload(size_t column, std::string_view text) {
  const SqlColumn& of = (*columns_)[column];
  try {
    const Value value = parse_value(of.tag, text);
    if (builders_[column].type() != ArrowType::kUtf8) {
      throw Error(ErrorCode::kInvalid, fmt::format("\"{}\" does not fit the declared type {}",
                                                   printable(text, 60), of.declared));
    }
    text_bytes_ += value.payload.size();
    builders_[column].add_bytes(value.payload);
  } catch (const Error& error) {
    throw Error(error.code, fmt::format("column {}: {}", printable(of.name), error.message),
                error.hint, error.where);
  }
}

std::vector<ArrowArray> BulkBatch::arrays() const {
  std::vector<ArrowArray> out;
  for (const ArrowBuilder& builder : builders_) out.push_back(builder.array());
  return out;
}

std::optional<int64_t> BulkBatch::last_int(size_t column) const {
  if (rows_ == 0) return std::nullopt;
  const ArrowArray array = builders_[column].array();
  if (array.null(rows_ - 1)) return std::nullopt;
  return array.integer(rows_ - 1);
}

}  // namespace lockstep
