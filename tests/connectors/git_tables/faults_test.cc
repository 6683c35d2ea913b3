// What can be wrong with tables in git, and what is said about it.
#include "connectors/git_tables/table_store.h"
#include "tests/catch.h"
#include "tests/connectors/git/git_fixture.h"

using namespace lockstep;

namespace {

constexpr const char* kSchema = "key: [id]\npartition: client\ncolumns: {id: int, client: text}\n";

GitTablesConfig config_of(const GitFixture& fixture) {
  GitTablesConfig config;
  config.origin.name = "tables";
  config.origin.place = fixture.folder().string();
  return config;
}

Error read_error(GitTablesConfig config, const std::string& commit,
                 const std::string& table = "t") {
  return error_of([&] {
    GitTableStore(std::move(config)).read({commit, table, {"id", "client"}, {}}, [](const Row&) {});
  });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("git tables: wrong CSV is refused with file and line", "[git_tables]") {
  GitFixture fixture;
  fixture.write("t.schema.yaml", kSchema);
  struct Case {
    std::string csv, message;
    int line;
  };
  const std::vector<Case> cases = {
      {"", "the file is empty", 1},
      {"id,client\n1,a\n1,b\n", "the key id=1 is already at tables@", 3},
      {"id,client\n01,a\n2,b\n1,c\n", "the key id=1 is already at tables@", 4},
      {"id,client\n1,a,b\n", "a row of 3 fields", 2},
      {"id,client\n1\n", "a row of 1 fields", 2},
      {"id,client\n1,a\nx,b\n", "column \"id\": not int: \"x\"", 3},
      {"id,client\n,a\n", "key column \"id\" is NULL", 2},
      {"id,client\n\"\",a\n", "column \"id\": not int", 2},
      {"id\n1\n", "column \"client\" of the schema is missing", 1},
      {"id,client,more\n1,a,b\n", "column \"more\" is not in the schema", 1},
      {"id,client,id\n1,a,2\n", "column \"id\" is named twice", 1},
      {"id,client\n1,\"a\n", "a quoted field that is never closed", 2},
      {"id,client\n1,\xff\n", "not UTF-8", 2},
      {std::string("id,client\n1,a\n2,\0\n", 18), "a NUL byte", 3},
      {"id,client\r1,a\r", "a carriage return", 1},
  };
  for (const Case& c : cases) {
    INFO(c.csv);
    fixture.write("t.csv", c.csv);
    const std::string id = fixture.commit();
    const Error error = read_error(config_of(fixture), id);
    CHECK(error.code == ErrorCode::kInvalid);
    CHECK(error.message.rfind("source tables: ", 0) == 0);
    CHECK(contains(error.message, c.message));
    CHECK(error.where == "tables@" + id.substr(0, 12) + ":t.csv:" + std::to_string(c.line));
  }
}

TEST_CASE("git tables: a huge row or file is refused by name", "[git_tables]") {
  GitFixture fixture;
  fixture.write("t.schema.yaml", kSchema);
  fixture.write("t.csv", "id,client\n1,a\n2," + std::string(5000, 'x') + "\n");
  const std::string id = fixture.commit();
  GitTablesConfig config = config_of(fixture);
  config.csv.max_row_bytes = 1000;
  const Error row = read_error(config, id);
  CHECK(contains(row.message, "a row larger than 1000 bytes"));
  CHECK(contains(row.where, ":t.csv:3"));
  config = config_of(fixture);
  config.max_file_bytes = 1000;
  CHECK(contains(read_error(config, id).message, "more than the 1000 allowed"));
}

TEST_CASE("git tables: what is missing is named with source, table and commit", "[git_tables]") {
  GitFixture fixture;
  fixture.write("utterances.schema.yaml", kSchema);
  fixture.write("utterances.csv", "id,client\n");
  const std::string id = fixture.commit();
  const Error table = read_error(config_of(fixture), id, "utterance");
  CHECK(table.code == ErrorCode::kNotFound);
  CHECK(table.message == "source tables: no table \"utterance\" at commit " + id.substr(0, 12));
  CHECK(table.hint == "did you mean utterances?");
  CHECK(read_error(config_of(fixture), id, "utterances").message == "nothing was thrown");
  for (const char* name : {"", "..", "../x", ".git", "a/b", "x\ny"}) {
    INFO(name);
    CHECK(read_error(config_of(fixture), id, name).code == ErrorCode::kNotFound);
  }
  CHECK(read_error(config_of(fixture), std::string(40, 'a')).code == ErrorCode::kNotFound);
  GitTableStore store(config_of(fixture));
  const Error column = error_of([&] {
    store.read({id, "utterances", {"text"}, {}}, [](const Row&) {});
  });
  CHECK(column.code == ErrorCode::kNotFound);
  CHECK(contains(column.message, "table utterances has no column \"text\""));
  CHECK(column.hint == "it has id, client");

  GitTablesConfig config = config_of(fixture);
  config.folder = "nowhere";
  CHECK(read_error(config, id).code == ErrorCode::kNotFound);
  config.folder = "../x";
  CHECK_THROWS_AS(GitTableStore(config), Error);
  config = config_of(fixture);
  config.origin.branch = "mian";
  const Error branch = error_of([&] { GitTableStore(config).head(); });
  CHECK(branch.hint == "did you mean main?");
  config.origin.place = fixture.temp().string();
  const Error place = error_of([&] { GitTableStore(config).head(); });
  CHECK(contains(place.message, "source tables: "));
  CHECK(contains(place.message, "is not a git repository"));
}

TEST_CASE("git tables: a table without a schema gets one suggested", "[git_tables]") {
  GitFixture fixture;
  fixture.write("t.csv", "id,text\n1,a\n");
  fixture.write("folder/part.csv", "name,when\nx,2026-03-03\n");
  const std::string id = fixture.commit();
  const Error file = read_error(config_of(fixture), id);
  CHECK(file.code == ErrorCode::kInvalid);
  CHECK(contains(file.message, "table t has no schema"));
  CHECK(contains(file.hint, "t.schema.yaml"));
  CHECK(contains(file.hint, "key: [id]\ncolumns: {id: int, text: text}"));
  CHECK(contains(read_error(config_of(fixture), id, "folder").hint,
                 "key: [name]\ncolumns: {name: text, when: date}"));
  // It is listed, so that one table without a schema stops no other.
  CHECK(GitTableStore(config_of(fixture)).tables(id).size() == 1);
}

TEST_CASE("git tables: a wrong schema says all its mistakes with places", "[git_tables]") {
  GitFixture fixture;
  fixture.write("t.csv", "id,client\n");
  fixture.write("t.schema.yaml", "key: [idd]\nmore: 1\ncolumns: {id: int, client: txt}\n");
  const std::string id = fixture.commit();
  try {
    GitTableStore(config_of(fixture)).schema(id, "t");
    FAIL("accepted");
  } catch (const Errors& errors) {
    REQUIRE(errors.all.size() == 3);
    CHECK(errors.all[0].where == "tables@" + id.substr(0, 12) + ":t.schema.yaml:1:7");
  }
  fixture.write("t.schema.yaml", "key: [id\n");
  CHECK(read_error(config_of(fixture), fixture.commit()).code == ErrorCode::kInvalid);
}

TEST_CASE("git tables: odd things in a table's folder are refused", "[git_tables]") {
  GitFixture fixture;
  const std::string csv = fixture.blob("id,client\n1,a\n");
  const std::string part = fixture.blob("id\n1\n");
  const std::string schema = fixture.blob(kSchema);
  const auto refused = [&](std::vector<GitFixture::RawEntry> entries, const std::string& message) {
    const std::string id = fixture.raw_commit(fixture.raw_tree(
        {{"100644", "t.schema.yaml", schema}, {"40000", "t", fixture.raw_tree(entries)}}));
    INFO(entries.back().name);
    const Error error = read_error(config_of(fixture), id);
    CHECK(error.code == ErrorCode::kInvalid);
    CHECK(contains(error.message, message));
  };
  const std::string inner = fixture.raw_tree({{"100644", "p.csv", part}});
  refused({{"100644", "part.csv.gz", csv}}, "is not a CSV file of table t");
  refused({{"120000", "l.csv", fixture.blob("/etc/passwd")}}, "is not a CSV file of table t");
  refused({{"160000", "sub.csv", std::string(40, '1')}}, "is not a CSV file of table t");
  refused({{"100644", "a\n.csv", csv}}, "control characters");
  refused({{"40000", "git~1", inner}}, "git's own folder");
  refused({{"40000", "other=1", inner}}, "is not of the partition column");
  refused({{"40000", "client=%FF", inner}}, "not text");
  refused({{"40000", "client=a", fixture.raw_tree({{"40000", "client=b", inner}})}},
          "is not of the partition column");
  refused({{"40000", "client=a", fixture.raw_tree({{"100644", "p.csv", csv}})}},
          "is in the file and in the folder's name");
  refused({{"100644", "a.csv", csv}, {"100644", "b.csv", csv}}, "the key id=1 is already at");
  refused({{"100644", "a.csv", part}}, "column \"client\" of the schema is missing");
}

TEST_CASE("git tables: a file and a folder of one name are a conflict", "[git_tables]") {
  GitFixture fixture;
  fixture.write("t.csv", "id,client\n");
  fixture.write("t/a.csv", "id,client\n");
  fixture.write("t.schema.yaml", kSchema);
  CHECK(read_error(config_of(fixture), fixture.commit()).code == ErrorCode::kConflict);
}

TEST_CASE("git tables: what can't be compared row by row is a conflict", "[git_tables]") {
  GitFixture fixture;
  const auto commit = [&](const std::string& schema, const std::string& csv) {
    fixture.write("t.schema.yaml", schema);
    fixture.write("t.csv", csv);
    return fixture.commit();
  };
  const std::string base = commit("key: [id]\ncolumns: {id: int, a: text}\n", "id,a\n1,2\n");
  const std::string key = commit("key: [a]\ncolumns: {id: int, a: text}\n", "id,a\n1,2\n");
  const std::string type = commit("key: [id]\ncolumns: {id: int, a: int}\n", "id,a\n1,2\n");
  const std::string more =
      commit("key: [id]\ncolumns: {id: int, a: text, b: text}\n", "id,a,b\n1,2,3\n");
  GitTableStore store(config_of(fixture));
  const auto diff = [&](const std::string& to, const std::vector<std::string>& columns) {
    return error_of([&] {
      store.diff("t", base, to, columns, [](const Row*, const Row*) { FAIL("a difference"); });
    });
  };
  CHECK(diff(key, {"a"}).code == ErrorCode::kConflict);
  CHECK(diff(type, {"a"}).code == ErrorCode::kConflict);
  CHECK(diff(type, {"id"}).message == "nothing was thrown");
  CHECK(diff(more, {"b"}).code == ErrorCode::kConflict);
  CHECK(diff(more, {"a"}).message == "nothing was thrown");
}

TEST_CASE("git tables: all that is wrong with rows, each with its place", "[git_tables]") {
  GitFixture fixture;
  fixture.write("t.schema.yaml", kSchema);
  fixture.write("t/client=a/1.csv", "id\n1\n2,b\nx\n\"3\n");
  fixture.write("t/client=b/1.csv", "id\n1\n4\n4\n,\n\"5\"6\n7\n7\n");
  fixture.write("t/client=c/1.csv", "");
  fixture.write("t/client=d/1.csv", "id\n8\n");
  const std::string id = fixture.commit();
  GitTableStore store(config_of(fixture));
  const std::string place = "tables@" + id.substr(0, 12) + ":t/client=";
  std::vector<std::string> found;
  for (const Error& error : store.problems(id, "t", 100)) {
    CHECK(error.where.rfind(place, 0) == 0);
    found.push_back(error.where.substr(place.size()) + " " + error.message);
  }
  const auto has = [&](const std::string& where, const std::string& message) {
    return std::any_of(found.begin(), found.end(), [&](const std::string& one) {
      return one.rfind(where + " ", 0) == 0 && contains(one, message);
    });
  };
  CHECK(has("a/1.csv:3", "a row of 2 fields"));
  CHECK(has("a/1.csv:4", "not int: \"x\""));
  CHECK(has("a/1.csv:5", "never closed"));
  CHECK(has("b/1.csv:2", "the key id=1 is already at " + place + "a/1.csv:2"));
  CHECK(has("b/1.csv:4", "the key id=4 is already at"));
  CHECK(has("b/1.csv:5", "a row of 2 fields"));
  CHECK(has("b/1.csv:6", "text after a closing quote"));
  CHECK(has("b/1.csv:8", "the key id=7 is already at"));
  CHECK(has("c/1.csv:1", "the file is empty"));
  CHECK(found.size() == 9);
  CHECK(store.problems(id, "t", 3).size() == 3);
  fixture.write("t/client=a/1.csv", "id\n1\n");
  fixture.write("t/client=b/1.csv", "id\n2\n");
  fixture.write("t/client=c/1.csv", "id\n");
  CHECK(store.problems(fixture.commit(), "t", 100).empty());
}
