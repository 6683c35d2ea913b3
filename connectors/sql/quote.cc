#include "connectors/sql/quote.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "pipeline/base/digest.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {

std::string quote_name(std::string_view name) {
  if (name.empty() || name.find('\0') != name.npos) {
    throw Error(ErrorCode::kInvalid, fmt::format("\"{}\" is no name in SQL", printable(name)));
  }
  std::string out = "`";
  for (char c : name) out.append(c == '`' ? 2 : 1, c);
  return out + "`";
}

std::string quote_text(std::string_view text) {
  std::string out = "'";
  out.reserve(text.size() + 2);
  for (char c : text) {
    if (c == '\0') {
      out += "\\0";
    } else if (c == '\x1a') {
      out += "\\Z";
    } else {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "'";
}

std::string quote_bytes(std::string_view bytes) {
  const auto* first = reinterpret_cast<const uint8_t*>(bytes.data());
  return "X'" + hex(std::span(first, bytes.size())) + "'";
}

std::string quote_value(const Value& value) {
  switch (value.tag) {
    case ValueTag::kNull:
      return "NULL";
    case ValueTag::kInt:
    case ValueTag::kDecimal:
      return value.payload;
    case ValueTag::kFloat: {
      const std::string digits = display(value);
      if (digits.find("inf") != digits.npos) {
        throw Error(ErrorCode::kInvalid, "infinity fits no SQL column");
      }
      // With an exponent it is read as a double, never as a decimal.
      return digits.find('e') == digits.npos ? digits + "e0" : digits;
    }
    case ValueTag::kBytes:
      return quote_bytes(value.payload);
    case ValueTag::kDatetime: {
      std::string text = value.payload;
      std::replace(text.begin(), text.end(), 'T', ' ');
      return quote_text(text);
    }
    default:
      return quote_text(display(value));
  }
}

}  // namespace lockstep
