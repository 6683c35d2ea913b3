// Values of one column: read from a batch, collected into one.
#include "pipeline/formats/arrow.h"

#include <fmt/format.h>

#include <cstring>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

template <typename T>
T load(std::string_view bytes, uint64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
void append(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

}  // namespace

std::string_view word(ArrowType type) {
  static constexpr std::string_view kWords[] = {"int64",    "uint64",    "float64", "utf8",
                                                "binary",   "date32",    "time64",  "timestamp",
                                                "duration", "decimal128"};
  return kWords[static_cast<size_t>(type)];
}

size_t arrow_width(ArrowType type) {
  switch (type) {
    case ArrowType::kUtf8:
    case ArrowType::kBinary:
      return 0;
    case ArrowType::kDate32:
      return 4;
    case ArrowType::kDecimal128:
      return 16;
    default:
      return 8;
  }
}

int64_t ArrowArray::integer(uint64_t row) const {
  return type == ArrowType::kDate32 ? load<int32_t>(values, row) : load<int64_t>(values, row);
}

uint64_t ArrowArray::natural(uint64_t row) const {
  return load<uint64_t>(values, row);
}

double ArrowArray::real(uint64_t row) const {
  return load<double>(values, row);
}

__int128 ArrowArray::decimal(uint64_t row) const {
  return load<__int128>(values, row);
}

std::string_view ArrowArray::bytes(uint64_t row) const {
  auto begin = static_cast<size_t>(load<int32_t>(offsets, row));
  auto end = static_cast<size_t>(load<int32_t>(offsets, row + 1));
  return values.substr(begin, end - begin);
}

ArrowBuilder::ArrowBuilder(ArrowType type) : type_(type) {
  if (arrow_width(type) == 0) append<int32_t>(offsets_, 0);
}

void ArrowBuilder::add_valid(bool valid) {
  if (rows_ % 8 == 0) validity_ += '\0';
  if (valid) validity_.back() = static_cast<char>(validity_.back() | 1 << (rows_ % 8));
  ++rows_;
  nulls_ += valid ? 0 : 1;
}

template <typename T>
void ArrowBuilder::add_fixed(T value) {
  append(values_, value);
  add_valid(true);
}

void ArrowBuilder::add_null() {
  if (size_t width = arrow_width(type_)) {
    values_.append(width, '\0');
  } else {
    append(offsets_, static_cast<int32_t>(values_.size()));
  }
  add_valid(false);
}

void ArrowBuilder::add_integer(int64_t value) {
  type_ == ArrowType::kDate32 ? add_fixed(static_cast<int32_t>(value)) : add_fixed(value);
}

void ArrowBuilder::add_natural(uint64_t value) {
  add_fixed(value);
}

void ArrowBuilder::add_real(double value) {
  add_fixed(value);
}

void ArrowBuilder::add_decimal(__int128 value) {
  add_fixed(value);
}

void ArrowBuilder::add_bytes(std::string_view value) {
  if (value.size() > INT32_MAX - values_.size()) {
    throw Error(ErrorCode::kInvalid, "a column of more than 2 GiB in one Arrow batch",
                "keep values of this size in files of their own");
  }
  values_ += value;
  append(offsets_, static_cast<int32_t>(values_.size()));
  add_valid(true);
}

ArrowArray ArrowBuilder::array() const {
  std::string_view validity = nulls_ > 0 ? std::string_view(validity_) : std::string_view();
  return {type_, rows_, nulls_, validity, values_, offsets_};
}

}  // namespace lockstep
