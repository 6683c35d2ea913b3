#include "connectors/sql/quote.h"

#include "connectors/sql/column.h"
#include "connectors/sql/error.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

Value value(ValueTag tag, const std::string& text) {
  return parse_value(tag, text);
}

SqlColumn column(const std::string& type, const std::string& collation = "") {
  return sql_column("c", type, collation);
}

}  // namespace

TEST_CASE("sql: names and texts can't end their quotes", "[sql]") {
  CHECK(quote_name("plain") == "`plain`");
  CHECK(quote_name("a`; DROP TABLE b; --") == "`a``; DROP TABLE b; --`");
  CHECK(quote_name("``") == "``````");
  CHECK_THROWS_AS(quote_name(""), Error);
  CHECK_THROWS_AS(quote_name(std::string("a\0b", 3)), Error);
  CHECK(quote_text("it's") == "'it\\'s'");
  CHECK(quote_text("\\'; --") == "'\\\\\\'; --'");
  CHECK(quote_text(std::string("a\0b\x1a", 4)) == "'a\\0b\\Z'");
  CHECK(quote_text("тест\n\"") == "'тест\n\"'");
  CHECK(quote_bytes(std::string("\x00\xff'", 3)) == "X'00ff27'");
}

TEST_CASE("sql: values keep their type in a statement", "[sql]") {
  CHECK(quote_value(null_value()) == "NULL");
  CHECK(quote_value(value(ValueTag::kInt, "18446744073709551615")) == "18446744073709551615");
  CHECK(quote_value(value(ValueTag::kDecimal, "-0.50")) == "-0.5");
  CHECK(quote_value(value(ValueTag::kFloat, "0.1")) == "0.1e0");
  CHECK(quote_value(value(ValueTag::kFloat, "1e300")) == "1e+300");
  CHECK_THROWS_AS(quote_value(value(ValueTag::kFloat, "inf")), Error);
  CHECK(quote_value(value(ValueTag::kDatetime, "2026-03-03T14:00:00Z")) ==
        "'2026-03-03 14:00:00.000000'");
  CHECK(quote_value(value(ValueTag::kTime, "-838:59:59")) == "'-838:59:59'");
}

TEST_CASE("sql: types of columns as canonical values", "[sql]") {
  using enum ValueTag;
  const std::vector<std::pair<std::string, ValueTag>> all = {
      {"int(10) unsigned", kInt},
      {"BIGINT UNSIGNED", kInt},
      {"tinyint(1)", kInt},
      {"bit(8)", kInt},
      {"year", kInt},
      {"decimal(10,2)", kDecimal},
      {"float", kFloat},
      {"double", kFloat},
      {"enum('a','b')", kText},
      {"set('a','b')", kText},
      {"varchar(20)", kText},
      {"longtext", kText},
      {"varbinary(20)", kBytes},
      {"longblob", kBytes},
      {"date", kDate},
      {"time(6)", kTime},
      {"datetime(6)", kDatetime},
      {"timestamp", kDatetime},
      {"json", kJson},
      {"geometry", kBytes},
      {"of the future", kBytes},
  };
  for (const auto& [type, tag] : all) {
    CAPTURE(type);
    CHECK(column(type).tag == tag);
  }
  CHECK(select_cell(column("float"), "`c`") == "CAST(`c` AS DOUBLE)");
  CHECK(select_cell(column("int"), "`c`") == "`c`");
}

TEST_CASE("sql: order never follows a collation, nor an ENUM's index", "[sql]") {
  CHECK(order_cell(column("int"), "`c`") == "`c`");
  CHECK(order_cell(column("varchar(9)", "utf8mb4_0900_bin"), "`c`") == "`c`");
  CHECK(order_cell(column("varchar(9)", "utf8mb4_0900_ai_ci"), "`c`") == "CAST(`c` AS BINARY)");
  // Pads with spaces: 'a\t' comes before 'a' there.
  CHECK(order_cell(column("varchar(9)", "utf8mb4_bin"), "`c`") == "CAST(`c` AS BINARY)");
  CHECK(order_cell(column("enum('z','it''s','a,)')", "utf8mb4_0900_bin"), "`c`") ==
        "ELT(`c` + 0, 2, 1, 0) + 0");
}

TEST_CASE("sql: a condition for the server's index, where one is safe", "[sql]") {
  CHECK(match_cell(column("varchar(9)"), "`c`", "it's") == "`c` = 'it\\'s'");
  CHECK(match_cell(column("int"), "`c`", "42") == "`c` = 42");
  CHECK(match_cell(column("int"), "`c`", "042").empty());  // no canonical payload
  CHECK(match_cell(column("int"), "`c`", "1 OR 1=1").empty());
  CHECK(match_cell(column("float"), "`c`", "12345678").empty());
  CHECK(match_cell(column("varchar(9)"), "`c`", "\xff").empty());
}

TEST_CASE("sql: what a column takes when it is written", "[sql]") {
  CHECK(write_cell(column("int"), null_value()) == "NULL");
  CHECK(write_cell(column("int"), value(ValueTag::kInt, "7")) == "7");
  CHECK(write_cell(column("blob"), value(ValueTag::kBytes, "a")) == "X'61'");
  CHECK_THROWS_AS(write_cell(column("int"), value(ValueTag::kText, "7")), Error);
  CHECK_THROWS_AS(write_cell(column("point"), value(ValueTag::kBytes, "7")), Error);
}

TEST_CASE("sql: a cell is read whole or refused", "[sql]") {
  std::string cell(kMaxCell_bytes, 'x');
  CHECK(read_cell(column("longtext"), cell).payload.size() == kMaxCell_bytes);
  cell += 'x';
  for (const char* type : {"longtext", "longblob"}) {
    try {
      read_cell(column(type), cell);
      FAIL("taken");
    } catch (const Error& error) {
      CHECK(error.code == ErrorCode::kInvalid);
      CHECK(error.message == "a cell of 67108865 bytes; at most 67108864 are read");
    }
  }
  CHECK(name_row({{"id", "7"}, {"word", std::string(100, 'a')}}).size() < 90);
  CHECK(name_row({{"id", "7"}, {"at", std::nullopt}}) == "row id=7, at=NULL");
  CHECK(name_row({}) == "a row");
}

TEST_CASE("sql: what an answer means", "[sql]") {
  const auto code = [](int number, const std::string& state = "HY000") {
    return SqlError(number, state, "answer", "db:3306").code;
  };
  CHECK(code(2013) == ErrorCode::kUnavailable);
  CHECK(code(2057) == ErrorCode::kUnavailable);
  CHECK(code(1053) == ErrorCode::kUnavailable);
  CHECK(code(1045) == ErrorCode::kDenied);
  CHECK(code(2026) == ErrorCode::kDenied);
  CHECK(code(1146) == ErrorCode::kNotFound);
  CHECK(code(1213) == ErrorCode::kConflict);
  CHECK(code(1105, "40001") == ErrorCode::kConflict);
  CHECK(code(1105) == ErrorCode::kInvalid);
  CHECK(code(1153) == ErrorCode::kInvalid);  // too large: asking again is of no use
  CHECK(code(2020) == ErrorCode::kInvalid);
  CHECK(SqlError(1153, "08S01", "x", "s").fatal());
  CHECK(SqlError(2057, "HY000", "x", "s").fatal());
  CHECK(SqlError(1105, "HY000", "performed an online garbage collection.", "s").fatal());
  CHECK_FALSE(SqlError(1105, "HY000", "x", "s").fatal());
  CHECK(SqlError(1105, "HY000", std::string("a\x1b[2J\n"), "db:3306").message ==
        "db:3306: a?[2J? (1105)");
}
