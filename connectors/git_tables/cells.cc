#include "connectors/git_tables/cells.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <utility>

#include "pipeline/base/base64.h"
#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "pipeline/base/text.h"

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

constexpr std::string_view kNoPartition = "__HIVE_DEFAULT_PARTITION__";

Value bool_value(std::string_view text) {
  std::string lower(text.substr(0, 6));
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (lower == "true" || lower == "1") return {ValueTag::kInt, "1"};
  if (lower == "false" || lower == "0") return {ValueTag::kInt, "0"};
  throw Error(ErrorCode::kInvalid, "not bool", "expected true, false, 1 or 0");
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

CsvField cell_field(CellType type, const Value& value) {
  CsvField field;
  if (value.tag == ValueTag::kNull) return field;
  const auto refuse = [&](const std::string& what) {
    return Error(ErrorCode::kInvalid, what, fmt::format("the column holds {}", word(type.tag)));
  };
  if (value.tag != type.tag) throw refuse(fmt::format("a value of type {}", word(value.tag)));
  const bool truth = value.payload == "1";
  if (type.boolean) {
    field.text = truth ? "true" : "false";
  } else {
    field.text = type.tag == ValueTag::kText    ? value.payload
                 : type.tag == ValueTag::kBytes ? base64(value.payload)
                                                : display(value);
  }
  field.quoted = field.text.empty();
  const bool text = valid_utf8(field.text) && field.text.find('\0') == field.text.npos;
  if (!text) throw refuse("text that holds a NUL byte or is not UTF-8");
  if (cell_value(type, field) != value) throw refuse("a value that can't be written");
  return field;
}

Value partition_value(CellType type, std::string_view encoded) {
  if (encoded == kNoPartition) return null_value();
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

std::string partition_text(CellType type, const Value& value) {
  static constexpr std::string_view kEscaped = "\"#%'*/:=?\\{}[]^";
  if (value.tag == ValueTag::kNull) return std::string(kNoPartition);
  const std::string text = cell_field(type, value).text;
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte > 0x20 && byte != 0x7f && kEscaped.find(c) == kEscaped.npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  // An escape keeps such a text apart from the folder that means NULL.
  return out == kNoPartition ? "%5F" + out.substr(1) : out;
}

}  // namespace lockstep
