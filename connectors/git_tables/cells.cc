#include "connectors/git_tables/cells.h"

#include <array>
#include <cctype>
#include <utility>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

constexpr std::array<std::pair<std::string_view, ValueTag>, 9> kTypes = {{
    {"int", ValueTag::kInt},
    {"decimal", ValueTag::kDecimal},
    {"float", ValueTag::kFloat},
    {"text", ValueTag::kText},
    {"bytes", ValueTag::kBytes},
    {"date", ValueTag::kDate},
    {"time", ValueTag::kTime},
    {"datetime", ValueTag::kDatetime},
    {"json", ValueTag::kJson},
}};

Value bool_value(std::string_view text) {
  std::string lower(text.substr(0, 6));
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (lower == "true" || lower == "1") return {ValueTag::kInt, "1"};
  if (lower == "false" || lower == "0") return {ValueTag::kInt, "0"};
  throw Error(ErrorCode::kInvalid, "not bool", "expected true, false, 1 or 0");
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Strict, so that equal bytes have one spelling: padded, no line ends, no bits left over.
std::string base64_bytes(std::string_view text) {
  const Error bad(ErrorCode::kInvalid, "not base64", "expected RFC 4648 base64 with padding");
  if (text.size() % 4 != 0) throw bad;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const size_t padding = !last ? 0 : text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
    uint32_t word = 0;
    for (size_t k = 0; k < 4; ++k) {
      const int digit = k + padding >= 4 ? 0 : base64_digit(text[i + k]);
      if (digit < 0) throw bad;
      word = word << 6 | static_cast<uint32_t>(digit);
    }
    const char bytes[3] = {static_cast<char>(word >> 16), static_cast<char>(word >> 8),
                           static_cast<char>(word)};
    out.append(bytes, 3 - padding);
    if (word & ((1u << (8 * padding)) - 1)) throw bad;
  }
  return out;
}

Value text_value(CellType type, std::string_view text) {
  if (type.boolean) return bool_value(text);
  if (type.tag == ValueTag::kBytes) return {type.tag, base64_bytes(text)};
  return parse_value(type.tag, text);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

std::optional<CellType> cell_type(std::string_view word) {
  if (word == "bool") return CellType{ValueTag::kInt, true};
  for (const auto& [name, tag] : kTypes) {
    if (name == word) return CellType{tag, false};
  }
  return std::nullopt;
}

std::string cell_type_words() {
  std::string out;
  for (const auto& entry : kTypes) out.append(entry.first).append(", ");
  return out + "bool";
}

Value cell_value(CellType type, const CsvField& field) {
  if (field.text.empty() && !field.quoted) return null_value();
  if (type.tag == ValueTag::kText) return {type.tag, field.text};
  return text_value(type, field.text);
}

Value partition_value(CellType type, std::string_view encoded) {
  if (encoded == "__HIVE_DEFAULT_PARTITION__") return null_value();
  std::string text;
  for (size_t i = 0; i < encoded.size(); ++i) {
    const int high = encoded[i] == '%' && i + 2 < encoded.size() ? hex_digit(encoded[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(encoded[i + 2]) : -1;
    if (low < 0) {
      text.push_back(encoded[i]);
      continue;
    }
    text.push_back(static_cast<char>(high << 4 | low));
    i += 2;
  }
  if (text.find('\0') != text.npos) {
    throw Error(ErrorCode::kInvalid, "a partition folder whose value holds a NUL byte");
  }
  return text_value(type, text);
}

}  // namespace lockstep
