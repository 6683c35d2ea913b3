#include "pipeline/exec/prepare.h"

#include <set>

#include "pipeline/base/folder.h"
#include "pipeline/core/slice.h"
#include "pipeline/formats/arrow.h"
#include "tests/catch.h"
#include "tests/fake/artifacts.h"
#include "tests/fake/code.h"
#include "tests/fake/tables.h"

using namespace lockstep;

namespace {

struct Place {
  FakeTables tables;
  FakeCode code;
  FakeArtifacts artifacts;
  std::map<std::string, std::string> secrets;

  AttemptSpec prepare(const std::vector<Json>& inputs,
                      const Json& names_of_secrets = Json::array()) {
    Json spec = {{"step", "train[client=a]"},
                 {"uses", ""},
                 {"run", "make"},
                 {"with", {{"epochs", 4}}},
                 {"env", {{"LANG", "C"}}},
                 {"secrets", names_of_secrets},
                 {"outputs", {{"model", "m.bin"}}},
                 {"inputs", inputs},
                 {"seed", 7},
                 {"timeout_ms", 1000},
                 {"checkpoint", "abc"}};
    PrepareFrom from{{{"tables", &tables}}, {{"code", &code}}, [this](const std::string& name) {
                       auto found = secrets.find(name);
                       if (found != secrets.end()) return found->second;
                       throw Error(ErrorCode::kNotFound, "no secret " + name);
                     }};
    return prepare_attempt("a1", {{"spec", spec}, {"slot", "gpu0"}, {"device", "0"}}, from,
                           artifacts);
  }
  std::string bytes(const AttemptSpec& spec, const std::string& name) {
    for (const AttemptInput& input : spec.inputs) {
      if (input.name == name) return artifacts.get(input.digest);
    }
    FAIL("no input " << name);
    return "";
  }
  Json rows(const std::string& table, std::vector<std::string> columns = {}) const {
    return {{"name", "rows"},  {"kind", "rows"},         {"source", "tables"},
            {"table", table},  {"columns", columns},     {"commit", tables.history.head},
            {"format", "csv"}, {"where", Json::object()}};
  }
  Json code_paths(std::vector<std::string> paths) const {
    return {{"name", "code"},
            {"kind", "code"},
            {"source", "code"},
            {"commit", code.history.head},
            {"paths", paths}};
  }
};

// One row of every type, beside awkward texts.
FakeTable odd_table() {
  FakeTable table;
  table.schema.columns = {
      {"id", ValueTag::kInt},         {"text", ValueTag::kText},     {"blob", ValueTag::kBytes},
      {"amount", ValueTag::kDecimal}, {"ratio", ValueTag::kFloat},   {"day", ValueTag::kDate},
      {"at", ValueTag::kTime},        {"seen", ValueTag::kDatetime}, {"extra", ValueTag::kJson}};
  table.schema.key = {"id"};
  Row full = {int_cell(10),
              text_cell("say \"hi\",\nö"),
              {ValueTag::kBytes, std::string("\x00\xff\x41\x42", 4)},
              parse_value(ValueTag::kDecimal, "1.50"),
              float_value(0.1),
              parse_value(ValueTag::kDate, "2026-03-03"),
              parse_value(ValueTag::kTime, "14:00:00.5"),
              parse_value(ValueTag::kDatetime, "2026-03-03T14:00:00Z"),
              parse_value(ValueTag::kJson, R"({"b":1,"a":[]})")};
  Row empty(9), blank(9);
  empty[0] = int_cell(9);
  blank[0] = int_cell(-5);
  blank[1] = text_cell("");
  table.rows = {full, empty, blank};
  return table;
}

std::set<std::string> lines(const std::string& text) {
  std::set<std::string> all;
  for (size_t at = text.find('\n') + 1, end; at < text.size(); at = end + 1) {
    end = text.find('\n', at);
    all.insert(text.substr(at, end - at));
  }
  return all;
}

}  // namespace

TEST_CASE("delivered CSV: ordered by key, NULL apart from empty, quoted where it must be") {
  Place p;
  p.tables.commit({{"odd", odd_table()}});
  AttemptSpec spec = p.prepare(
      {p.rows("odd", {"text", "id", "blob", "amount", "ratio", "day", "at", "seen", "extra"})});
  CHECK(p.bytes(spec, "rows") ==
        "text,id,blob,amount,ratio,day,at,seen,extra\n"
        "\"\",-5,,,,,,,\n"
        ",9,,,,,,,\n"
        "\"say \"\"hi\"\",\nö\",10,AP9BQg==,1.5,0.1,2026-03-03,14:00:00.5,"
        "2026-03-03T14:00:00.000000,\"{\"\"a\"\":[],\"\"b\"\":1}\"\n");
  CHECK(spec.inputs.at(0).file == "rows.csv");
  CHECK_FALSE(spec.inputs.at(0).folder);
}

TEST_CASE("columns come in declared order, or all of them sorted by name") {
  Place p;
  p.tables.commit({{"utterances", utterances({{10, "b"}, {9, "a"}})}});
  AttemptSpec some = p.prepare({p.rows("utterances", {"text", "client"})});
  CHECK(p.bytes(some, "rows") == "text,client\ntext 9,a\ntext 10,b\n");
  AttemptSpec all = p.prepare({p.rows("utterances")});
  CHECK(p.bytes(all, "rows") == "client,id,intent,text\na,9,play,text 9\nb,10,play,text 10\n");
}

TEST_CASE("a slice is delivered, and the rows without a value") {
  Place p;
  FakeTable table = utterances({{1, "a"}, {2, ""}, {3, "b"}, {4, ""}});
  table.rows[3][1] = text_cell("");  // empty and NULL belong together
  p.tables.commit({{"utterances", table}});
  Json input = p.rows("utterances", {"id"});
  input["where"] = {{"client", "b"}};
  CHECK(p.bytes(p.prepare({input}), "rows") == "id\n3\n");
  input["where"] = {{"client", ""}};
  CHECK(p.bytes(p.prepare({input}), "rows") == "id\n2\n4\n");
  input["where"] = {{"client", "nobody"}};
  CHECK(p.bytes(p.prepare({input}), "rows") == "id\n");
}

TEST_CASE("delivered JSON lines: declared order, types kept where JSON has them") {
  Place p;
  FakeTable table = odd_table();
  table.rows[1][0] = parse_value(ValueTag::kInt, "123456789012345678901234567890");
  table.rows[1][4] = float_value(INFINITY);
  p.tables.commit({{"odd", table}});
  Json input = p.rows("odd", {"text", "id", "blob", "ratio", "amount", "extra"});
  input["format"] = "jsonl";
  AttemptSpec spec = p.prepare({input});
  CHECK(spec.inputs.at(0).file == "rows.jsonl");
  CHECK(p.bytes(spec, "rows") ==
        R"({"text":"","id":-5,"blob":null,"ratio":null,"amount":null,"extra":null})"
        "\n"
        R"({"text":"say \"hi\",\nö","id":10,"blob":"AP9BQg==","ratio":0.1,"amount":"1.5",)"
        R"("extra":{"a":[],"b":1}})"
        "\n"
        R"({"text":null,"id":"123456789012345678901234567890","blob":null,"ratio":"inf",)"
        R"("amount":null,"extra":null})"
        "\n");
}

TEST_CASE("delivered Arrow: a folder for each part, types from the table") {
  Place p;
  FakeTable table = odd_table();
  table.rows[1][0] = parse_value(ValueTag::kInt, "18446744073709551615");
  table.rows[2][0] = int_cell(5);
  p.tables.commit({{"odd", table}});
  Json input = p.rows("odd", {"text", "id", "day"});
  input["format"] = "arrow";
  input["holdout"] = {{"fraction", 0.5}, {"key", {"amount"}}, {"salt", "v1"}};
  AttemptSpec spec = p.prepare({input});
  REQUIRE(spec.inputs.size() == 2);
  CHECK(spec.inputs[0].file == "rows");
  CHECK(spec.inputs[1].name == "rows_HOLDOUT");
  CHECK(spec.inputs[1].file == "rows.holdout");
  uint64_t rows = 0;
  for (const AttemptInput& one : spec.inputs) {
    CHECK(one.folder);
    auto listing = parse_folder_listing(p.artifacts.get(one.digest));
    REQUIRE(listing.size() == 1);
    CHECK(listing[0].path == "part-00000.arrow");
    std::string bytes = p.artifacts.get(listing[0].digest);
    ArrowFile file(bytes, "rows");
    REQUIRE(file.columns().size() == 3);
    CHECK(file.columns()[0] == ArrowColumn{"text", ArrowType::kUtf8});
    CHECK(file.columns()[2] == ArrowColumn{"day", ArrowType::kDate32});
    if (file.batches() > 0) rows += file.batch(0)[0].rows;
  }
  CHECK(rows == 3);
}

TEST_CASE("a holdout: both parts are delivered, and no row ever crosses") {
  Place p;
  std::vector<std::pair<int64_t, std::string>> some, more;
  for (int64_t id = 1; id <= 200; ++id) some.emplace_back(id, "a");
  for (int64_t id = -50; id <= 400; ++id) more.emplace_back(id, "a");
  auto parts = [&](const std::vector<std::pair<int64_t, std::string>>& rows, double fraction) {
    p.tables.commit({{"utterances", utterances(rows)}});
    Json input = p.rows("utterances", {"text"});  // the holdout's key need not be delivered
    input["holdout"] = {{"fraction", fraction}, {"key", {"id"}}, {"salt", "v1"}};
    AttemptSpec spec = p.prepare({input});
    REQUIRE(spec.inputs.size() == 2);
    CHECK(spec.inputs[1].name == "rows_HOLDOUT");
    CHECK(spec.inputs[1].file == "rows.holdout.csv");
    CHECK(p.bytes(spec, "rows").starts_with("text\n"));
    return std::pair(lines(p.bytes(spec, "rows")), lines(p.bytes(spec, "rows_HOLDOUT")));
  };
  // RULES: with salt v1 the ids 1, 2, 3 lie at 0.249066, 0.675118, 0.567249.
  auto [train3, held3] = parts({{1, "a"}, {2, "a"}, {3, "a"}}, 0.25);
  CHECK(train3 == std::set<std::string>{"text 2", "text 3"});
  CHECK(held3 == std::set<std::string>{"text 1"});

  auto [train, held] = parts(some, 0.2);
  CHECK(train.size() + held.size() == 200);
  CHECK(held.size() > 20);
  CHECK(held.size() < 60);
  auto [train_more, held_more] = parts(more, 0.2);
  for (const std::string& row : train) CHECK(train_more.count(row) == 1);
  for (const std::string& row : held) CHECK(held_more.count(row) == 1);
  for (const std::string& row : held_more) CHECK(train_more.count(row) == 0);
}

TEST_CASE("code is delivered as a listing, links as what they point to") {
  Place p;
  p.code.commit({{"train/fit.py", {"fit"}},
                 {"train/run.sh", {"go", "100755"}},
                 {"train/link", {"../shared/x.py", "120000"}},
                 {"train/again", {"link", "120000"}},
                 {"shared/x.py", {"shared"}},
                 {"other", {"other"}}});
  AttemptSpec spec =
      p.prepare({p.code_paths({"train/", "shared/"}), p.code_paths({"train/fit.py", "other"})});
  REQUIRE(spec.code.has_value());
  std::vector<FolderEntry> listed = parse_folder_listing(p.artifacts.get(*spec.code));
  std::map<std::string, std::string> files;
  for (const FolderEntry& entry : listed) {
    files[entry.path] = p.artifacts.get(entry.digest) + (entry.executable ? " x" : "");
  }
  CHECK(files == std::map<std::string, std::string>{{"other", "other"},
                                                    {"shared/x.py", "shared"},
                                                    {"train/again", "shared"},
                                                    {"train/fit.py", "fit"},
                                                    {"train/link", "shared"},
                                                    {"train/run.sh", "go x"}});
}

TEST_CASE("links that lead elsewhere, or in a circle, are refused") {
  Place p;
  auto refused = [&](const FakeTree& tree) {
    p.code.commit(tree);
    CHECK_THROWS_WITH(p.prepare({p.code_paths({"train/"})}),
                      Catch::Contains("link train/link points to"));
  };
  refused({{"train/link", {"../shared/x.py", "120000"}}, {"shared/x.py", {"x"}}});
  refused({{"train/link", {"/etc/passwd", "120000"}}});
  refused({{"train/link", {"../../../etc/passwd", "120000"}}});
  refused({{"train/link", {"link", "120000"}}});
}

TEST_CASE("bytes of other steps are named, not read") {
  Place p;
  Json input = {{"name", "base"},
                {"kind", "bytes"},
                {"digest", sha256("trunk").hex()},
                {"file", "model.safetensors"},
                {"folder", true}};
  AttemptSpec spec = p.prepare({input});
  REQUIRE(spec.inputs.size() == 1);
  CHECK(spec.inputs[0].digest == sha256("trunk"));
  CHECK(spec.inputs[0].file == "model.safetensors");
  CHECK(spec.inputs[0].folder);
  CHECK_FALSE(spec.code.has_value());
}

TEST_CASE("what else the attempt needs is carried over") {
  Place p;
  p.secrets["TOKEN"] = "hush";
  AttemptSpec spec = p.prepare({}, Json::array({"TOKEN"}));
  CHECK(spec.id == "a1");
  CHECK(spec.step == "train[client=a]");
  CHECK(spec.run == "make");
  CHECK(spec.with == Json{{"epochs", 4}});
  CHECK(spec.env.at("LANG") == "C");
  CHECK(spec.secrets.at("TOKEN") == "hush");
  CHECK(spec.seed == 7);
  CHECK(spec.timeout_ms == 1000);
  CHECK(spec.checkpoint == "abc");
  CHECK(spec.slot == "gpu0");
  CHECK(spec.cuda_device == "0");
  CHECK(spec.outputs.at("model") == "m.bin");
}

TEST_CASE("what is missing is named") {
  Place p;
  p.tables.commit({{"utterances", utterances({{1, "a"}})}});
  p.code.commit({{"x", {"x"}}});
  CHECK_THROWS_WITH(p.prepare({}, Json::array({"TOKEN"})), Catch::Contains("no secret TOKEN"));
  Json rows = p.rows("utterances"), code = p.code_paths({"x"});
  rows["source"] = "gone";
  code["source"] = "gone";
  CHECK_THROWS_WITH(p.prepare({rows}), Catch::Contains("source gone is no longer"));
  CHECK_THROWS_WITH(p.prepare({code}), Catch::Contains("source gone is no longer"));
  CHECK_THROWS_WITH(p.prepare({p.rows("nothing")}), Catch::Contains("no table nothing"));
}
