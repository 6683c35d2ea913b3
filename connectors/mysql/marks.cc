#include "connectors/mysql/marks.h"

#include <fmt/format.h>

#include "connectors/sql/quote.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

// Short cells as they are, long ones by their own MD5: what is put together stays small enough
// for the server, which would else answer NULL.
std::string part(const SqlColumn& column) {
  const std::string cell = select_cell(column, quote_name(column.name));
  const bool any_length = column.tag == ValueTag::kText || column.tag == ValueTag::kBytes ||
                          column.tag == ValueTag::kJson;
  const std::string text = any_length ? "MD5(" + cell + ")" : "CONCAT(" + cell + ")";
  return fmt::format("IFNULL(CONCAT(LENGTH({0}), ':', {0}), '-')", text);
}

}  // namespace

Json mysql_checksum(SqlConnection& sql, const MysqlTable& table) {
  std::string cells;
  for (const SqlColumn& column : table.columns) {
    cells += (cells.empty() ? "" : ", ") + part(column);
  }
  std::string sums;
  for (int i = 0; i < 4; ++i) {
    sums += fmt::format(", SUM(CAST(CONV(SUBSTR(h, {}, 8), 16, 10) AS UNSIGNED))", 1 + 8 * i);
  }
  const auto rows =
      sql.rows(fmt::format("SELECT COUNT(*){} FROM (SELECT MD5(CONCAT({})) AS h FROM {}) AS r",
                           sums, cells, quote_name(table.name)));
  Json out = Json::array();
  for (const auto& cell : rows.at(0)) out.push_back(cell.value_or("-"));
  return out;
}

uint64_t mysql_count(SqlConnection& sql, const MysqlTable& table) {
  return std::stoull(sql.value("SELECT COUNT(*) FROM " + quote_name(table.name)).value_or("0"));
}

std::string mysql_newest(SqlConnection& sql, const MysqlTable& table, const SqlColumn& column) {
  const auto text =
      sql.value("SELECT MAX(" + quote_name(column.name) + ") FROM " + quote_name(table.name));
  return text ? read_cell(column, *text).payload : "";
}

std::string mysql_at_or_after(const SqlColumn& column, const std::string& newest,
                              int64_t overlap_s) {
  const bool time = column.tag == ValueTag::kDatetime;
  if (!time && column.tag != ValueTag::kInt && column.tag != ValueTag::kDecimal &&
      column.tag != ValueTag::kDate) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("column {} of type {} can't tell which rows are newer",
                            printable(column.name), column.type),
                "name a column of numbers, dates or times, or use changes: scan");
  }
  if (newest.empty()) return "";
  const std::string value = quote_value({column.tag, newest});
  const std::string from =
      time ? fmt::format("IFNULL(CAST({0} AS DATETIME(6)) - INTERVAL {1} SECOND, {0})", value,
                         overlap_s)
           : value;
  return quote_name(column.name) + " >= " + from;
}

}  // namespace lockstep
