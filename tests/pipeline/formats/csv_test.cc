#include "pipeline/formats/csv.h"

#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

// One letter per field tells how it was written: q quoted, u unquoted.
std::vector<std::vector<std::string>> rows_of(std::string_view text, CsvLimits limits = {}) {
  CsvReader reader(text, "t.csv", limits);
  std::vector<std::vector<std::string>> rows;
  std::vector<CsvField> row;
  while (reader.next(row)) {
    rows.emplace_back();
    for (const CsvField& field : row) {
      rows.back().push_back((field.quoted ? "q:" : "u:") + field.text);
    }
  }
  return rows;
}

using Rows = std::vector<std::vector<std::string>>;

Error refusal(std::string_view text, CsvLimits limits = {}) {
  try {
    rows_of(text, limits);
  } catch (const Error& error) {
    return error;
  }
  FAIL("accepted");
  throw std::logic_error("unreachable");
}

}  // namespace

TEST_CASE("csv: quotes, doubled quotes, embedded newlines, CRLF and LF", "[csv]") {
  CHECK(rows_of("a,b\n1,\"x, \"\"y\"\"\r\nz\"\r\n,\"\"") ==
        Rows{{"u:a", "u:b"}, {"u:1", "q:x, \"y\"\r\nz"}, {"u:", "q:"}});
  CHECK(rows_of("").empty());
  CHECK(rows_of("\xEF\xBB\xBF"
                "a,b") == Rows{{"u:a", "u:b"}});
  CHECK(rows_of("a,") == Rows{{"u:a", "u:"}});
  CHECK(rows_of(" a , b \n") == Rows{{"u: a ", "u: b "}});
}

TEST_CASE("csv: the line of a row is where it began", "[csv]") {
  CsvReader reader("a,b\n\"1\n\n2\",3\n\r\n4,5\n", "t.csv");
  std::vector<CsvField> row;
  std::vector<uint64_t> lines;
  while (reader.next(row)) lines.push_back(reader.line());
  CHECK(lines == std::vector<uint64_t>{1, 2, 6});
}

TEST_CASE("csv: blank lines are rows only where there is one column", "[csv]") {
  CHECK(rows_of("a,b\n\n1,2\n\r\n\n") == Rows{{"u:a", "u:b"}, {"u:1", "u:2"}});
  CHECK(rows_of("a\n\n1\n\n") == Rows{{"u:a"}, {"u:"}, {"u:1"}, {"u:"}});
}

TEST_CASE("csv: what is not CSV is refused with file and line", "[csv]") {
  struct Case {
    std::string text, message, where;
  };
  const std::vector<Case> cases = {
      {"a,b\n1,x\"y\n", "a quote inside an unquoted field", "t.csv:2"},
      {"a,b\n1,\"x\"y\n", "text after a closing quote", "t.csv:2"},
      {"a,b\n\"1\n\n2\",\"x\n", "a quoted field that is never closed", "t.csv:4"},
      {"a,b\n1,\"", "a quoted field that is never closed", "t.csv:2"},
      {"a,b\n1,2\r3,4\n", "a carriage return that no line feed follows", "t.csv:2"},
      {"a,b\n1,2\r", "a carriage return that no line feed follows", "t.csv:2"},
      {"a,b\n\r1,2\n", "a carriage return that no line feed follows", "t.csv:2"},
      {std::string("a,b\n1,2\n3,x\0y\n", 14), "a row that holds a NUL byte", "t.csv:3"},
      {"a,b\n1,\xff\n", "a row that is not UTF-8", "t.csv:2"},
      {"a,b\n1,\xC0\xAF\n", "a row that is not UTF-8", "t.csv:2"},
      {"a,b\n1,\xED\xA0\x80\n", "a row that is not UTF-8", "t.csv:2"},
      {"a,b\n1,2\n3\n", "a row of 1 fields where the first row has 2", "t.csv:3"},
      {"a,b\n1,2,3\n", "a row of 3 fields where the first row has 2", "t.csv:2"},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const Error error = refusal(c.text);
    CHECK(error.code == ErrorCode::kInvalid);
    CHECK(error.message == c.message);
    CHECK(error.where == c.where);
  }
}

TEST_CASE("csv: limits on rows, fields and columns", "[csv]") {
  CsvLimits small;
  small.max_row_bytes = 20;
  const std::string fits = "a,b\n1," + std::string(17, 'x') + "\n";
  CHECK(rows_of(fits, small).size() == 2);
  CHECK(refusal("a,b\n1," + std::string(200, 'x') + "\n", small).message ==
        "a row larger than 20 bytes");
  const Error quoted = refusal("a,b\n1,\"" + std::string(200, '\n'), small);
  CHECK(quoted.message == "a row larger than 20 bytes");
  CHECK(quoted.where == "t.csv:2");
  small = {};
  small.max_field_bytes = 3;
  CHECK(rows_of("abc,b\n", small).size() == 1);
  CHECK(refusal("abcd,b\n", small).message == "a field larger than 3 bytes");
  small = {};
  small.max_columns = 2;
  CHECK(refusal(",,\n", small).message == "a row with more than 2 fields");
}

TEST_CASE("csv: at every truncation a clean error or a prefix", "[csv]") {
  const std::string whole =
      "\xEF\xBB\xBFid,text,\"in\"\"tent\"\r\n1,\"a "
      "\"\"b\"\"\r\n,c\",\n\n2,\xC3\xB6\xE2\x82\xAC,\"\""
      "\r\n3,\"\xF0\x9F\x8E\xB7\",x";
  const Rows full = rows_of(whole);
  REQUIRE(full.size() == 4);
  size_t refused = 0;
  for (size_t length = 0; length < whole.size(); ++length) {
    INFO(length);
    try {
      const Rows part = rows_of(std::string_view(whole).substr(0, length));
      REQUIRE(part.size() <= full.size());
      for (size_t r = 0; r < part.size(); ++r) {
        if (r + 1 < part.size()) REQUIRE(part[r] == full[r]);
        REQUIRE((r == 0 || part[r].size() == part[0].size()));
        for (size_t f = 0; f < part[r].size(); ++f) {
          // Nothing of the field is there yet: not even its opening quote.
          if (part[r][f] == "u:" && r + 1 == part.size()) continue;
          REQUIRE(full[r][f].substr(0, part[r][f].size()) == part[r][f]);
        }
      }
    } catch (const Error& error) {
      REQUIRE(error.code == ErrorCode::kInvalid);
      REQUIRE(error.where.substr(0, 6) == "t.csv:");
      ++refused;
    }
  }
  CHECK(refused > 20);
}

TEST_CASE("csv: written rows read back as given", "[csv]") {
  using Field = std::optional<std::string_view>;
  const std::vector<Field> fields = {"a", std::nullopt, "", "x,y", "q\"q", "l\nl", "c\rc", " s "};
  const std::string line = csv_row(fields);
  CHECK(line == "a,,\"\",\"x,y\",\"q\"\"q\",\"l\nl\",\"c\rc\", s \n");
  CHECK(rows_of(line) == Rows{{"u:a", "u:", "q:", "q:x,y", "q:q\"q", "q:l\nl", "q:c\rc", "u: s "}});
  const std::vector<Field> mark = {"\xEF\xBB\xBFid"};
  CHECK(rows_of(csv_row(mark)) == Rows{{"q:\xEF\xBB\xBFid"}});
  const std::vector<Field> null_only = {std::nullopt};
  CHECK(rows_of("a\n" + csv_row(null_only)) == Rows{{"u:a"}, {"u:"}});
}

TEST_CASE("csv: a part is read with the lines and columns of the whole", "[csv]") {
  CsvReader reader("1,2\n\n3\n", "t.csv", {}, {7, 2});
  std::vector<CsvField> row;
  REQUIRE(reader.next(row));
  CHECK(reader.line() == 7);
  try {
    reader.next(row);
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.where == "t.csv:9");
    CHECK(error.message == "a row of 1 fields where the first row has 2");
  }
  CsvReader marked(
      "\xEF\xBB\xBF"
      "1,2\n",
      "t.csv", {}, {2, 2});
  REQUIRE(marked.next(row));
  CHECK(row[0].text ==
        "\xEF\xBB\xBF"
        "1");
}
