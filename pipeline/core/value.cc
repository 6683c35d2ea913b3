#include "pipeline/core/value.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "pipeline/core/value_time.h"

namespace lockstep {
namespace {

constexpr std::array<std::string_view, 10> kWords = {
    "null", "int", "decimal", "float", "text", "bytes", "date", "time", "datetime", "json"};

// Deep enough for any real document; keeps recursion over hostile ones bounded.
constexpr int kMaxJsonDepth = 256;

[[noreturn]] void refuse(ValueTag type, std::string_view text, std::string_view expected) {
  const bool shown = valid_utf8(text);
  size_t end = std::min<size_t>(text.size(), 60);
  while (shown && end < text.size() && (text[end] & 0xc0) == 0x80) --end;
  throw Error(ErrorCode::kInvalid,
              shown ? fmt::format("not {}: \"{}{}\"", word(type), text.substr(0, end),
                                  end < text.size() ? "…" : "")
                    : fmt::format("not {}: bytes that are not UTF-8", word(type)),
              std::string(expected));
}

bool all_digits(std::string_view text) {
  return text.find_first_not_of("0123456789") == text.npos;
}

std::string_view without_leading_zeros(std::string_view digits) {
  const size_t first = digits.find_first_not_of('0');
  return first == digits.npos ? std::string_view() : digits.substr(first);
}

struct Sign {
  bool negative;
  std::string_view rest;
};

Sign split_sign(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    return {text.front() == '-', text.substr(1)};
  }
  return {false, text};
}

std::string signed_text(bool negative, std::string body) {
  return negative && body != "0" ? "-" + body : body;
}

std::optional<std::string> int_payload(std::string_view text) {
  const auto [negative, digits] = split_sign(text);
  if (digits.empty() || !all_digits(digits)) return std::nullopt;
  const std::string_view body = without_leading_zeros(digits);
  return signed_text(negative, body.empty() ? "0" : std::string(body));
}

std::optional<std::string> decimal_payload(std::string_view text) {
  const auto [negative, rest] = split_sign(text);
  const size_t dot = rest.find('.');
  const std::string_view whole = rest.substr(0, dot);
  std::string_view fraction = dot == rest.npos ? std::string_view() : rest.substr(dot + 1);
  if (!all_digits(whole) || !all_digits(fraction) || (whole.empty() && fraction.empty())) {
    return std::nullopt;
  }
  fraction = fraction.substr(0, fraction.find_last_not_of('0') + 1);
  const std::string_view digits = without_leading_zeros(whole);
  std::string body(digits.empty() ? "0" : digits);
  if (!fraction.empty()) body.append(".").append(fraction);
  return signed_text(negative, std::move(body));
}

std::optional<double> read_float(std::string_view text) {
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text.front() == '-') return std::nullopt;
  }
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc() || stopped != end || std::isnan(value)) return std::nullopt;
  return value;
}

double float_of(std::string_view payload) {
  uint64_t bits = 0;
  for (char c : payload) bits = bits << 8 | static_cast<unsigned char>(c);
  double value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

void check_json_depth(std::string_view text) {
  int depth = 0;
  bool in_text = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text && c == '\\') ++i;
    if (c == '"') in_text = !in_text;
    if (in_text) continue;
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (depth > kMaxJsonDepth) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("JSON nested more than {} levels deep", kMaxJsonDepth));
    }
  }
}

std::string json_payload(std::string_view text) {
  check_json_depth(text);
  return rfc8785_json(parse_json(text, "the value"));
}

// |a| against |b| as digits without leading zeros.
std::strong_ordering compare_digits(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return a.size() <=> b.size();
  return a.compare(b) <=> 0;
}

// Canonical ints and decimals: the sign, then the digits before the point, then those after it.
std::strong_ordering compare_numbers(std::string_view a, std::string_view b) {
  const auto [a_negative, a_body] = split_sign(a);
  const auto [b_negative, b_body] = split_sign(b);
  if (a_negative != b_negative) {
    return a_negative ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  const size_t a_dot = std::min(a_body.find('.'), a_body.size());
  const size_t b_dot = std::min(b_body.find('.'), b_body.size());
  std::strong_ordering order = compare_digits(a_body.substr(0, a_dot), b_body.substr(0, b_dot));
  if (order == 0) order = a_body.substr(a_dot).compare(b_body.substr(b_dot)) <=> 0;
  return a_negative ? 0 <=> order : order;
}

}  // namespace

std::string_view word(ValueTag tag) {
  return kWords[static_cast<size_t>(tag)];
}

Value null_value() {
  return {};
}

Value float_value(double value) {
  if (std::isnan(value)) {
    throw Error(ErrorCode::kInvalid, "not float: NaN", "use NULL where there is no number");
  }
  if (value == 0) value = 0;  // -0 too
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  std::string payload(8, '\0');
  for (int i = 7; i >= 0; --i, bits >>= 8) payload[i] = static_cast<char>(bits & 0xff);
  return {ValueTag::kFloat, std::move(payload)};
}

Value parse_value(ValueTag type, std::string_view text) {
  const auto made = [&](std::optional<std::string> payload, std::string_view expected) {
    if (!payload) refuse(type, text, expected);
    return Value{type, std::move(*payload)};
  };
  switch (type) {
    case ValueTag::kNull:
      return null_value();
    case ValueTag::kInt:
      return made(int_payload(text), "expected digits, as 42 or -7");
    case ValueTag::kDecimal:
      return made(decimal_payload(text), "expected a number as 12.50");
    case ValueTag::kFloat: {
      const auto value = read_float(text);
      if (!value) refuse(type, text, "expected a number as 0.5 or 1e-3 that a double can hold");
      return float_value(*value);
    }
    case ValueTag::kText:
      if (!valid_utf8(text)) refuse(type, text, "convert it to UTF-8");
      return {type, std::string(text)};
    case ValueTag::kBytes:
      return {type, std::string(text)};
    case ValueTag::kDate:
      return made(date_payload(text), "expected a day as 2026-03-03");
    case ValueTag::kTime:
      return made(time_payload(text), "expected a time as 14:00:00.5");
    case ValueTag::kDatetime:
      return made(datetime_payload(text), "expected a time as 2026-03-03T14:00:00Z");
    case ValueTag::kJson:
      return {type, json_payload(text)};
  }
  throw Error(ErrorCode::kInvalid, "a value of an unknown type");
}

std::string display(const Value& value) {
  if (value.tag == ValueTag::kTime) return time_text(value.payload);
  if (value.tag != ValueTag::kFloat) return value.payload;
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, float_of(value.payload));
  return std::string(buffer, end.ptr);
}

std::strong_ordering compare_values(const Value& a, const Value& b) {
  if (a.tag != b.tag) return a.tag <=> b.tag;
  switch (a.tag) {
    case ValueTag::kInt:
    case ValueTag::kDecimal:
    case ValueTag::kTime:
      return compare_numbers(a.payload, b.payload);
    case ValueTag::kFloat: {
      const double left = float_of(a.payload), right = float_of(b.payload);
      return left < right   ? std::strong_ordering::less
             : left > right ? std::strong_ordering::greater
                            : std::strong_ordering::equal;
    }
    default:
      return a.payload.compare(b.payload) <=> 0;
  }
}

}  // namespace lockstep
