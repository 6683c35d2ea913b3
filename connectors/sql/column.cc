#include "connectors/sql/column.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "connectors/sql/quote.h"
#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

const std::map<std::string_view, ValueTag>& tags() {
  using enum ValueTag;
  static const std::map<std::string_view, ValueTag> all = {
      {"tinyint", kInt}, {"smallint", kInt},      {"mediumint", kInt},
      {"int", kInt},     {"integer", kInt},       {"bigint", kInt},
      {"bool", kInt},    {"boolean", kInt},       {"bit", kInt},
      {"year", kInt},    {"decimal", kDecimal},   {"numeric", kDecimal},
      {"float", kFloat}, {"double", kFloat},      {"real", kFloat},
      {"char", kText},   {"varchar", kText},      {"tinytext", kText},
      {"text", kText},   {"mediumtext", kText},   {"longtext", kText},
      {"enum", kText},   {"set", kText},          {"uuid", kText},
      {"inet4", kText},  {"inet6", kText},        {"date", kDate},
      {"time", kTime},   {"datetime", kDatetime}, {"timestamp", kDatetime},
      {"json", kJson},
  };
  return all;
}

// Collations that compare as the bytes of UTF-8 do, trailing spaces included.
bool binary_order(const std::string& collation) {
  return collation.empty() || collation == "binary" || collation == "utf8mb4_0900_bin" ||
         collation == "utf8mb4_nopad_bin";
}

// The members of "enum('a','it''s')", in their own order.
std::vector<std::string> members_of(const std::string& declared) {
  std::vector<std::string> out;
  bool inside = false;
  for (size_t i = declared.find('('); i < declared.size(); ++i) {
    const char c = declared[i];
    if (!inside) {
      if (c == ')') break;
      inside = c == '\'';
      if (inside) out.emplace_back();
    } else if (c != '\'') {
      out.back() += c;
    } else if (i + 1 < declared.size() && declared[i + 1] == '\'') {
      out.back() += declared[++i];
    } else {
      inside = false;
    }
  }
  return out;
}

// Each member's rank by its text, looked up by its index. Not CAST: Dolt casts an ENUM's index.
std::string order_enum(const SqlColumn& column, const std::string& expression) {
  const std::vector<std::string> members = members_of(column.declared);
  std::string out = "ELT(" + expression + " + 0";
  for (const std::string& member : members) {
    const auto less = [&](const std::string& other) { return other < member; };
    out += fmt::format(", {}", std::count_if(members.begin(), members.end(), less));
  }
  return out + ") + 0";
}

}  // namespace

SqlColumn sql_column(std::string name, std::string_view column_type, std::string collation) {
  std::string type(column_type.substr(0, column_type.find_first_of(" (")));
  std::transform(type.begin(), type.end(), type.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto known = tags().find(type);
  const ValueTag tag = known == tags().end() ? ValueTag::kBytes : known->second;
  if (tag != ValueTag::kText) collation.clear();
  return {std::move(name), std::string(column_type), std::move(type), std::move(collation), tag};
}

std::string select_cell(const SqlColumn& column, const std::string& expression) {
  if (column.type == "float") return "CAST(" + expression + " AS DOUBLE)";
  if (column.type == "bit") return "CAST(" + expression + " AS UNSIGNED)";
  return expression;
}

std::string order_cell(const SqlColumn& column, const std::string& expression) {
  if (column.type == "enum") return order_enum(column, expression);
  const bool own_order = column.type == "uuid" || column.type == "inet4" || column.type == "inet6";
  if (column.type == "set" || own_order || column.tag == ValueTag::kJson) {
    return "CAST(CAST(" + expression + " AS CHAR) AS BINARY)";
  }
  if (column.tag != ValueTag::kText || binary_order(column.collation)) return expression;
  // The bytes of another character set may lie in another order.
  const bool utf8 = column.collation.compare(0, 4, "utf8") == 0;
  const std::string text = utf8 ? expression : "CONVERT(" + expression + " USING utf8mb4)";
  return "CAST(" + text + " AS BINARY)";
}

std::string match_cell(const SqlColumn& column, const std::string& expression,
                       std::string_view payload) {
  switch (column.tag) {
    case ValueTag::kInt:
    case ValueTag::kDecimal:
    case ValueTag::kDate:
    case ValueTag::kDatetime:
      break;
    case ValueTag::kText:
      if (!valid_utf8(payload)) return "";
      break;
    default:
      return "";
  }
  try {
    const Value value = parse_value(column.tag, payload);
    if (value.payload == payload) return expression + " = " + quote_value(value);
  } catch (const Error&) {
    // No row of this column can have that payload; the comparison of payloads finds none.
  }
  return "";
}

Value read_cell(const SqlColumn& column, const std::optional<std::string_view>& text) {
  if (!text) return null_value();
  if (text->size() > kMaxCell_bytes) {
    throw Error(
        ErrorCode::kInvalid,
        fmt::format("a cell of {} bytes; at most {} are read", text->size(), kMaxCell_bytes),
        "keep it elsewhere, and its address here");
  }
  return parse_value(column.tag, *text);
}

std::string name_row(const SqlKey& key) {
  constexpr size_t kMostShown_bytes = 60;
  std::string out;
  for (const auto& [column, text] : key) {
    out += fmt::format("{}{}={}", out.empty() ? "row " : ", ", printable(column),
                       printable(text.value_or("NULL"), kMostShown_bytes));
  }
  return out.empty() ? "a row" : out;
}

std::string write_cell(const SqlColumn& column, const Value& value) {
  if (value.tag == ValueTag::kNull) return "NULL";
  if (value.tag != column.tag) {
    throw Error(ErrorCode::kInvalid, fmt::format("column {} takes {}, not {}", column.name,
                                                 word(column.tag), word(value.tag)));
  }
  const bool bytes = column.tag == ValueTag::kBytes;
  if (bytes && column.type.find("blob") == std::string::npos &&
      column.type.find("binary") == std::string::npos) {
    throw Error(ErrorCode::kInvalid, fmt::format("column {} is of type {}, which can't be written",
                                                 column.name, column.type));
  }
  return quote_value(value);
}

}  // namespace lockstep
