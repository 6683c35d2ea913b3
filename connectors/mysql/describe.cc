#include "connectors/mysql/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "connectors/sql/quote.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

std::string text(const std::optional<std::string>& cell) {
  return cell.value_or("");
}

using Names = std::set<std::pair<std::string, std::string>>;  // table, column

// MariaDB's json is a longtext with this check.
Names json_columns(SqlConnection& sql, const std::string& database, const std::string& one) {
  Names out;
  if (sql.value("SELECT VERSION() LIKE '%MariaDB%'") != "1") return out;
  for (const SqlCells& row :
       sql.rows("SELECT TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM "
                "information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = " +
                quote_text(database) + one)) {
    const std::string column = text(row.at(1));
    if (text(row.at(2)) == "json_valid(" + quote_name(column) + ")") {
      out.emplace(text(row.at(0)), column);
    }
  }
  return out;
}

void read_tables(SqlConnection& sql, const std::string& where,
                 std::map<std::string, MysqlTable>& out) {
  for (const SqlCells& row :
       sql.rows("SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE "
                "TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND " +
                where)) {
    MysqlTable table;
    table.name = text(row.at(0));
    table.versioned = text(row.at(1)) == "SYSTEM VERSIONED";
    table.row_start = "ROW_START";
    table.row_end = "ROW_END";
    table.transactional = text(row.at(2)) == "InnoDB";
    out[table.name] = std::move(table);
  }
}

void read_columns(SqlConnection& sql, const std::string& where, const Names& json,
                  std::map<std::string, MysqlTable>& out) {
  for (const SqlCells& row :
       sql.rows("SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COLLATION_NAME, "
                "GENERATION_EXPRESSION FROM information_schema.COLUMNS WHERE " +
                where + " ORDER BY TABLE_NAME, ORDINAL_POSITION")) {
    const auto found = out.find(text(row.at(0)));
    if (found == out.end()) continue;
    MysqlTable& table = found->second;
    const std::string name = text(row.at(1)), generated = text(row.at(4));
    const bool start = generated == "ROW START", end = generated == "ROW END";
    if (table.versioned && (start || end)) {
      (start ? table.row_start : table.row_end) = quote_name(name);
      table.by_transaction = text(row.at(2)).find("bigint") == 0;
      continue;
    }
    const bool is_json = json.count({table.name, name}) > 0;
    table.columns.push_back(sql_column(name, is_json ? "json" : text(row.at(2)), text(row.at(3))));
  }
}

// `one`: empty, or the condition that names one table.
void describe(SqlConnection& sql, const std::string& database, const std::string& one,
              std::map<std::string, MysqlTable>& out) {
  const std::string where = "TABLE_SCHEMA = " + quote_text(database) + one;
  read_tables(sql, where, out);
  read_columns(sql, where, json_columns(sql, database, one), out);
  for (const SqlCells& row :
       sql.rows("SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.STATISTICS WHERE "
                "INDEX_NAME = 'PRIMARY' AND " +
                where + " ORDER BY TABLE_NAME, SEQ_IN_INDEX")) {
    const auto found = out.find(text(row.at(0)));
    if (found == out.end()) continue;
    const std::string column = text(row.at(1));
    // A versioned table's key ends with the row's end, which is no column here.
    if (found->second.find(column)) found->second.key.push_back(column);
  }
}

}  // namespace

SnapshotSchema MysqlTable::schema() const {
  SnapshotSchema out;
  for (const SqlColumn& column : columns) out.columns.push_back({column.name, column.tag});
  out.key = key;
  return out;
}

const SqlColumn* MysqlTable::find(const std::string& wanted) const {
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const SqlColumn& column) { return column.name == wanted; });
  return found == columns.end() ? nullptr : &*found;
}

std::string MysqlTable::shape() const {
  Json json = Json::array({key});  // a list in braces may become an object
  for (const SqlColumn& column : columns) {
    json.push_back({column.name, column.declared, column.type, column.collation});
  }
  return sha256(json.dump(-1, ' ', false, Json::error_handler_t::replace)).hex();
}

std::map<std::string, MysqlTable> describe_mysql(SqlConnection& sql, const std::string& database,
                                                 const std::vector<std::string>& names) {
  std::map<std::string, MysqlTable> out;
  if (names.empty()) describe(sql, database, "", out);
  for (const std::string& name : names) {
    describe(sql, database, " AND TABLE_NAME = " + quote_text(name), out);
  }
  return out;
}

}  // namespace lockstep
