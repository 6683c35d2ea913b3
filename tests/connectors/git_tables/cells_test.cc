#include "connectors/git_tables/cells.h"

#include "connectors/git_tables/schema_file.h"
#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

Value cell(const std::string& type, const std::string& text) {
  return cell_value(*cell_type(type), {text, false});
}

std::vector<std::string> mistakes(const std::string& text) {
  try {
    read_schema_file(text, "t.schema.yaml");
  } catch (const Errors& errors) {
    std::vector<std::string> out;
    for (const Error& error : errors.all) out.push_back(error.where + " " + error.message);
    return out;
  }
  return {};
}

}  // namespace

TEST_CASE("cells: NULL is an unquoted empty field, for every type", "[git_tables]") {
  for (const char* type :
       {"int", "decimal", "float", "text", "bytes", "date", "time", "datetime", "json", "bool"}) {
    INFO(type);
    CHECK(cell(type, "") == null_value());
  }
  CHECK(cell_value({ValueTag::kText, false}, {"", true}) == Value{ValueTag::kText, ""});
  CHECK(cell_value({ValueTag::kBytes, false}, {"", true}) == Value{ValueTag::kBytes, ""});
  CHECK_THROWS_AS(cell_value({ValueTag::kInt, false}, {"", true}), Error);
  CHECK_FALSE(cell_type("integer"));
}

TEST_CASE("cells: bools are ints, bytes are base64", "[git_tables]") {
  for (const char* text : {"true", "TRUE", "1"}) CHECK(cell("bool", text).payload == "1");
  for (const char* text : {"false", "False", "0"}) CHECK(cell("bool", text).payload == "0");
  for (const char* text : {"yes", "2", "truefalse", " true"}) {
    CHECK_THROWS_AS(cell("bool", text), Error);
  }
  CHECK(cell("bytes", "AP8=").payload == std::string("\0\xff", 2));
  CHECK(cell("bytes", "Zg==").payload == "f");
  CHECK(cell("bytes", "Zm9v").payload == "foo");
  for (const char* text :
       {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm-v", "=Zg="}) {
    INFO(text);
    CHECK_THROWS_AS(cell("bytes", text), Error);
  }
}

TEST_CASE("cells: values of hive folders are percent-decoded", "[git_tables]") {
  const CellType text{};
  CHECK(partition_value(text, "a%2Fb%3d%25").payload == "a/b=%");
  CHECK(partition_value(text, "100%").payload == "100%");
  CHECK(partition_value(text, "%zz%4").payload == "%zz%4");
  CHECK(partition_value(text, "%C3%B6").payload == "ö");
  CHECK(partition_value(text, "") == Value{ValueTag::kText, ""});
  CHECK(partition_value(text, "__HIVE_DEFAULT_PARTITION__") == null_value());
  CHECK(partition_value({ValueTag::kInt, false}, "007").payload == "7");
  CHECK_THROWS_AS(partition_value(text, "%FF"), Error);
  CHECK_THROWS_AS(partition_value(text, "a%00b"), Error);
}

TEST_CASE("schema files: what they say", "[git_tables]") {
  const TableFileSchema read = read_schema_file(
      "key: [client, id]\npartition: client\ncolumns: {id: int, client: text, live: bool}\n", "x");
  CHECK(read.schema.key == std::vector<std::string>{"client", "id"});
  CHECK(read.schema.partition == "client");
  CHECK(read.schema.columns == std::vector<Column>{{"id", ValueTag::kInt},
                                                   {"client", ValueTag::kText},
                                                   {"live", ValueTag::kInt}});
  CHECK(read.types[2].boolean);
  CHECK(read_schema_file("key: id\ncolumns: {id: int}\n", "x").schema.key.size() == 1);
}

TEST_CASE("schema files: every mistake at once, with its place", "[git_tables]") {
  CHECK(mistakes("keys: [id]\npartition: cleint\ncolumns:\n  id: integer\n  client: text\n") ==
        std::vector<std::string>{"t.schema.yaml:1:1 unknown word keys",
                                 "t.schema.yaml:1:1 key: is missing",
                                 "t.schema.yaml:2:12 partition: cleint is not among the columns",
                                 "t.schema.yaml:4:7 column id has no known type"});
  for (const char* text :
       {"", "[]", "key: [id]", "columns: {id: int}", "key: []\ncolumns: {id: int}",
        "key: [id, id]\ncolumns: {id: int}", "key: [{}]\ncolumns: {id: int}",
        "key: [id]\ncolumns: []", "key: [id]\ncolumns: {id: [int]}",
        "key: [id]\npartition: [id]\ncolumns: {id: int}"}) {
    INFO(text);
    CHECK_FALSE(mistakes(text).empty());
  }
}

TEST_CASE("schema files: a suggestion is one that reads", "[git_tables]") {
  const std::string text =
      suggest_schema("id,text,\"a b: \"\"c\",when,w\n1,x,2.5,2026-03-03,\n2,,1,,\n");
  const TableFileSchema read = read_schema_file(text, "x");
  CHECK(read.schema.key == std::vector<std::string>{"id"});
  CHECK(read.schema.columns == std::vector<Column>{{"id", ValueTag::kInt},
                                                   {"text", ValueTag::kText},
                                                   {"a b: \"c", ValueTag::kFloat},
                                                   {"when", ValueTag::kDate},
                                                   {"w", ValueTag::kText}});
}
