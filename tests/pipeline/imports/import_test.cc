// What an import finds, and every sheet that it refuses.
#include "pipeline/imports/import.h"

#include <random>

#include "pipeline/base/error.h"
#include "tests/catch.h"
#include "tests/fake/tables.h"

using namespace lockstep;

namespace {

constexpr const char* kHeader = "id,client,text,intent\n";

// The sheet that the table of `utterances` would be exported as.
std::string sheet_of(const FakeTable& table) {
  std::string out = kHeader;
  for (const Row& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) out += (i ? "," : "") + row[i].payload;
    out += "\n";
  }
  return out;
}

struct Import {
  explicit Import(FakeTable table = utterances({{1, "a"}, {2, "b"}, {3, "a"}})) {
    commit = store.commit({{"utterances", std::move(table)}});
  }
  ImportChange compare(const std::string& csv, size_t sample = 20) {
    return compare_sheet(store, commit, "utterances", csv, "sheet", rules, sample);
  }
  // All messages with their places, one to a line.
  std::string refused(const std::string& csv, ErrorCode code = ErrorCode::kInvalid) {
    try {
      compare(csv);
    } catch (const Errors& errors) {
      std::string out;
      for (const Error& error : errors.all) {
        CHECK(error.code == code);
        out += error.where + " " + error.message + "\n";
      }
      return out;
    } catch (const Error& error) {
      CHECK(error.code == code);
      return error.message;
    }
    return "nothing was refused";
  }

  FakeTables store;
  std::string commit;
  ImportRules rules;
};

FakeTable many(int rows) {
  std::vector<std::pair<int64_t, std::string>> all;
  for (int n = 1; n <= rows; ++n) all.emplace_back(n, "a");
  return utterances(all);
}

}  // namespace

TEST_CASE("imports: added, changed, removed; rows in any order") {
  Import import;
  const ImportChange found = import.compare(
      "\xEF\xBB\xBFintent,id,text,client\r\n"
      "stop,4,\"four, \"\"4\"\"\",c\r\nplay,1,text 1,a\r\nplay,3,changed,a\r\n");
  CHECK(found.counts() == "1 added, 1 changed, 1 removed");
  CHECK(found.unchanged == 1);
  CHECK(found.change.table == "utterances");
  CHECK(found.change.columns == std::vector<std::string>{"id", "client", "text", "intent"});
  CHECK(
      found.change.put ==
      std::vector<Row>{{int_cell(3), text_cell("a"), text_cell("changed"), text_cell("play")},
                       {int_cell(4), text_cell("c"), text_cell("four, \"4\""), text_cell("stop")}});
  CHECK(found.change.remove == std::vector<Row>{{int_cell(2)}});
  REQUIRE(found.sample.size() == 3);
  CHECK((found.sample[0].first && !found.sample[0].second));
  CHECK((found.sample[1].first && found.sample[1].second));
  CHECK((!found.sample[2].first && found.sample[2].second));
}

TEST_CASE("imports: the table's own export changes nothing") {
  Import import;
  CHECK(import.compare(sheet_of(import.store.now().at("utterances"))).empty());
  Import empty{utterances({})};
  CHECK(empty.compare(kHeader).empty());
  CHECK(empty.compare(std::string(kHeader) + "1,,\"\",x\n").change.put ==
        std::vector<Row>{{int_cell(1), null_value(), text_cell(""), text_cell("x")}});
}

TEST_CASE("imports: columns by other headers, and only those") {
  Import import;
  import.rules.columns = {{"id", "ID"}, { "text", "What they say" }};
  import.rules.remove = false;
  const ImportChange found =
      import.compare("notes,What they say,ID\nx,text 1,1\ny,new,2\nz,five,5\n");
  CHECK(found.counts() == "1 added, 1 changed, 0 removed");
  CHECK(found.kept == 1);
  CHECK(found.change.columns == std::vector<std::string>{"id", "text"});
  CHECK(found.change.put ==
        std::vector<Row>{{int_cell(2), text_cell("new")}, {int_cell(5), text_cell("five")}});
  CHECK(import.refused("What they say,Id\n") == "sheet:1 no column \"ID\"\n");
  import.rules.columns = {{"text", "What they say"}, { "colour", "Colour" }};
  CHECK(import.refused("What they say\n") ==
        "sheet:1 the table has no column \"colour\"\n"
        "sheet:1 the key column \"id\" is not imported\n");
}

TEST_CASE("imports: headers that are missing, unknown, twice or renamed") {
  Import import;
  CHECK(import.refused("id,client,text\n") == "sheet:1 no column \"intent\"\n");
  CHECK(import.refused("id,client,text,Intent,x\n") ==
        "sheet:1 no column \"intent\"; instead there is \"Intent\", \"x\"\n");
  CHECK(import.refused("id,client,text,intent,\n") ==
        "sheet:1 a column that the table does not have: \"\"\n");
  CHECK(import.refused("id,client,text,intent,text\n") == "sheet:1 two columns \"text\"\n");
  CHECK_THAT(import.refused("<!DOCTYPE html><html>"), Catch::Contains("no column \"id\""));
}

TEST_CASE("imports: nothing, a header only, text that is no CSV") {
  Import import;
  CHECK(import.refused("") == "sheet:1 there is nothing in it\n");
  CHECK(import.refused("\xEF\xBB\xBF") == "sheet:1 there is nothing in it\n");
  CHECK(import.refused(kHeader) == "sheet has a header and no rows, but utterances has 3");
  import.rules.accept = true;
  CHECK(import.refused(kHeader) == "sheet has a header and no rows, but utterances has 3");
  import.rules.remove = false;
  CHECK(import.refused(kHeader) == "sheet has a header and no rows, but utterances has 3");
  CHECK(import.refused(std::string(kHeader) + "1,a\n") ==
        "sheet:2 a row of 2 fields where the first row has 4\n");
  CHECK(import.refused(std::string(kHeader) + "1,a,\"open,b\n") ==
        "sheet:2 a quoted field that is never closed\n");
  CHECK(import.refused(std::string(kHeader) + "1,a,\xff,b\n") ==
        "sheet:2 a row that is not UTF-8\n");
  CHECK(import.refused(std::string("PK\x03\x04\0\0", 6)) ==
        "sheet:1 a row that holds a NUL byte\n"
        "sheet:1 there is nothing in it\n");
}

TEST_CASE("imports: all that is wrong in the cells, at once and bounded") {
  Import import;
  CHECK(import.refused(std::string(kHeader) +
                       "one,a,b,c\n,a,b,c\n7,a,\"x\ny\",c\n7,a,b,c\n1.5,a,b,c\n") ==
        "sheet:2 column \"id\": \"one\" is not int\n"
        "sheet:3 key column \"id\" is empty\n"
        "sheet:7 column \"id\": \"1.5\" is not int\n"
        "sheet:6 the key id=7 is already on line 4\n");
  std::string bad = kHeader;
  for (int n = 0; n < 200; ++n) bad += "x,a,b,c\n";
  const std::string said = import.refused(bad);
  CHECK(std::count(said.begin(), said.end(), '\n') == 51);
  CHECK_THAT(said, Catch::Contains("sheet and 150 more"));
}

TEST_CASE("imports: types as the table has them") {
  FakeTable table;
  table.schema.columns = {{"k", ValueTag::kInt},      {"f", ValueTag::kFloat},
                          {"d", ValueTag::kDate},     {"x", ValueTag::kBytes},
                          {"ok", ValueTag::kInt},     {"j", ValueTag::kJson},
                          {"at", ValueTag::kDatetime}};
  table.schema.key = {"k"};
  FakeTables store;
  const std::string commit = store.commit({{"t", table}});
  const ImportChange found = compare_sheet(store, commit, "t",
                                           "k,f,d,x,ok,j,at\n1,0.5,2026-03-03,AP8=,TRUE,\"{"
                                           "\"\"b\"\":1, \"\"a\"\":2}\",2026-03-03T14:00:00+01:00\n"
                                           "2,,,,false,,\n",
                                           "sheet", {});
  REQUIRE(found.change.put.size() == 2);
  CHECK(found.change.put[0] == Row{int_cell(1),
                                   float_value(0.5),
                                   {ValueTag::kDate, "2026-03-03"},
                                   {ValueTag::kBytes, std::string("\0\xff", 2)},
                                   int_cell(1),
                                   {ValueTag::kJson, "{\"a\":2,\"b\":1}"},
                                   {ValueTag::kDatetime, "2026-03-03T13:00:00.000000"}});
  CHECK(found.change.put[1][4] == int_cell(0));
  CHECK(found.change.put[1][3] == null_value());
}

TEST_CASE("imports: a table without a key takes none") {
  FakeTable table = utterances({{1, "a"}});
  table.schema.key.clear();
  Import import{table};
  CHECK_THAT(import.refused(kHeader), Catch::Contains("a table without a key"));
}

TEST_CASE("imports: more than the stated part waits for --accept-change") {
  const int rows = GENERATE(20, 21, 22, 100);
  Import import{many(rows)};
  // Takes away one row more than half, and changes nothing else.
  FakeTable less = many(rows);
  less.rows.resize(static_cast<size_t>(rows - rows / 2 - 1));
  const std::string sheet = sheet_of(less);
  CHECK_THAT(import.refused(sheet, ErrorCode::kConflict),
             Catch::Contains(fmt::format("remove {} of the {} rows of utterances: more than 50 %",
                                         rows / 2 + 1, rows)));
  import.rules.accept = true;
  CHECK(import.compare(sheet).removed == static_cast<uint64_t>(rows / 2 + 1));
  import.rules.accept = false;
  import.rules.max_change = 0.9;
  CHECK(import.compare(sheet).removed == static_cast<uint64_t>(rows / 2 + 1));
  import.rules.max_change = 0;
  import.rules.always = static_cast<uint64_t>(rows);
  CHECK(import.compare(sheet).removed == static_cast<uint64_t>(rows / 2 + 1));
}

TEST_CASE("imports: a column that slipped by one row is a change of every row") {
  Import import{many(30)};
  std::string sheet = kHeader;
  for (int n = 1; n <= 30; ++n) sheet += fmt::format("{},a,text {},play\n", n, n % 30 + 1);
  CHECK_THAT(import.refused(sheet, ErrorCode::kConflict),
             Catch::Contains("would change 30 and remove 0 of the 30 rows"));
}

TEST_CASE("imports: the change found makes the table equal to the sheet") {
  std::mt19937 random(20260303);
  for (int round = 0; round < 200; ++round) {
    const auto rows = [&] {
      std::map<int64_t, std::string> all;
      for (size_t n = random() % 12; n > 0; --n) all[random() % 14] = random() % 2 ? "a" : "b";
      return utterances({all.begin(), all.end()});
    };
    const FakeTable before = rows();
    FakeTable after = rows();
    if (after.rows.empty()) continue;
    std::shuffle(after.rows.begin(), after.rows.end(), random);
    Import import{before};
    const ImportChange found = import.compare(sheet_of(after));
    std::map<std::string, Row> made, wanted;
    for (const Row& row : before.rows) made[row[0].payload] = row;
    for (const Row& row : found.change.put) made[row[0].payload] = row;
    for (const Row& key : found.change.remove) CHECK(made.erase(key[0].payload) == 1);
    for (const Row& row : after.rows) wanted[row[0].payload] = row;
    CHECK(made == wanted);
    CHECK(found.change.put.size() == found.added + found.changed);
  }
}
