#include "connectors/git_tables/table_store.h"

#include <fmt/format.h>

#include "tests/catch.h"
#include "tests/connectors/git/git_fixture.h"

using namespace lockstep;

namespace {

constexpr const char* kSchema =
    "key: [id]\npartition: client\ncolumns: {id: int, client: text, text: text, intent: text}\n";

GitTableStore store_of(const GitFixture& fixture, const std::string& folder = "",
                       CsvLimits csv = {}) {
  GitTablesConfig config;
  config.origin.name = "tables";
  config.origin.place = fixture.folder().string();
  config.folder = folder;
  config.csv = csv;
  return GitTableStore(std::move(config));
}

std::string show(const Row& row) {
  std::string out;
  for (const Value& value : row) {
    out += (out.empty() ? "" : "|") +
           (value.tag == ValueTag::kNull ? std::string("NULL") : display(value));
  }
  return out;
}

using Lines = std::vector<std::string>;

Lines read(GitTableStore& store, const std::string& commit, const std::string& table,
           const Lines& columns, std::map<std::string, std::string> where = {}) {
  Lines out;
  store.read({commit, table, columns, std::move(where)},
             [&](const Row& row) { out.push_back(show(row)); });
  return out;
}

Lines diff(GitTableStore& store, const std::string& table, const std::string& from,
           const std::string& to, const Lines& columns) {
  Lines out;
  store.diff(table, from, to, columns, [&](const Row* before, const Row* after) {
    out.push_back((before ? show(*before) : "-") + " > " + (after ? show(*after) : "-"));
  });
  return out;
}

}  // namespace

TEST_CASE("git tables: one file, in key order, typed", "[git_tables]") {
  GitFixture fixture;
  fixture.write("t.csv",
                "text,id,client,intent\nten,10,a,x\n\"\",2,b,\n\"a,\n\"\"b\"\"\",-1,a,\"\"\n");
  fixture.write("t.schema.yaml", kSchema);
  fixture.write("README.md", "x");
  const std::string id = fixture.commit();
  fixture.write("t.csv", "not committed");
  GitTableStore store = store_of(fixture);
  CHECK(store.head() == id);
  CHECK(read(store, id, "t", {"id", "text", "intent"}) ==
        Lines{"-1|a,\n\"b\"|", "2||NULL", "10|ten|x"});
  CHECK(read(store, id, "t", {"text"}) == Lines{"a,\n\"b\"", "", "ten"});
  CHECK(read(store, id, "t", {"id"}, {{"client", "a"}}) == Lines{"-1", "10"});
  CHECK(read(store, id, "t", {"id"}, {{"client", "a"}, {"text", "ten"}}) == Lines{"10"});
  CHECK(read(store, id, "t", {"id"}, {{"client", "none"}}).empty());
  CHECK(read(store, id, "t", {}).size() == 3);
  CHECK(store.schema(id, "t").partition == "client");
  REQUIRE(store.tables(id).size() == 1);
  CHECK(store.tables(id)[0].name == "t");
}

TEST_CASE("git tables: hive folders give the partition, and only those asked for are read",
          "[git_tables]") {
  GitFixture fixture;
  fixture.write("data/t/client=client-3/part.csv", "id,text,intent\n5,e,x\n1,a,x\n");
  fixture.write("data/t/client=a%2Fb/one.csv", "id,text,intent\n2,b,x\n");
  fixture.write("data/t/client=a%2Fb/two.csv", "intent,text,id\nx,c,3\n");
  fixture.write("data/t/client=__HIVE_DEFAULT_PARTITION__/p.csv", "id,text,intent\n4,d,x\n");
  fixture.write("data/t/plain.csv", "id,client,text,intent\n6,client-3,f,x\n");
  fixture.write("data/t/_SUCCESS", "");
  fixture.write("data/t/.hidden/x.bin", "");
  fixture.write("data/t.schema.yaml", kSchema);
  const std::string id = fixture.commit();
  GitTableStore store = store_of(fixture, "data");
  CHECK(read(store, id, "t", {"id", "client"}) ==
        Lines{"1|client-3", "2|a/b", "3|a/b", "4|NULL", "5|client-3", "6|client-3"});
  CHECK(store.files_read() == 5);
  CHECK(read(store, id, "t", {"id", "text"}, {{"client", "a/b"}}) == Lines{"2|b", "3|c"});
  CHECK(store.files_read() == 8);  // two of the folder, and the one outside of folders
}

TEST_CASE("git tables: differences read what differs", "[git_tables]") {
  GitFixture fixture;
  for (int client = 0; client < 5; ++client) {
    std::string csv = "id,text,intent\n";
    for (int row = 0; row < 20; ++row) csv += fmt::format("{},t{},x\n", client * 100 + row, row);
    fixture.write(fmt::format("t/client={}/p.csv", client), csv);
  }
  fixture.write("t.schema.yaml", kSchema);
  const std::string first = fixture.commit();
  GitTableStore store = store_of(fixture);
  const Lines asked = {"id", "client", "text"};
  CHECK(diff(store, "t", first, first, asked).empty());

  // One changed, one added, one removed, one moved to another partition, others in a new order.
  std::string csv = "intent,id,text\n";
  for (int row = 19; row >= 3; --row) csv += fmt::format("x,{},t{}\n", 100 + row, row);
  fixture.write("t/client=1/p.csv", csv + "x,100,changed\nx,199,new\n");
  fixture.write("t/client=new/p.csv", "id,text,intent\n101,t1,x\n");
  const std::string second = fixture.commit();
  CHECK(diff(store, "t", first, second, asked) == Lines{"100|1|t0 > 100|1|changed",
                                                        "101|1|t1 > 101|new|t1", "102|1|t2 > -",
                                                        "- > 199|1|new"});
  CHECK(store.files_read() == 3);
  CHECK(diff(store, "t", second, first, asked).size() == 4);
  // Columns that nobody asks for change nothing.
  CHECK(diff(store, "t", first, second, {"id", "intent"}) == Lines{"102|x > -", "- > 199|x"});
  CHECK(diff(store, "t", first, second, {"text"}) == Lines{"t0 > changed", "t2 > -", "- > new"});
}

TEST_CASE("git tables: a difference equals two readings, on random tables", "[git_tables]") {
  GitFixture fixture;
  fixture.write("t.schema.yaml", kSchema);
  uint32_t state = 7;
  const auto random = [&](uint32_t below) {
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % below;
  };
  std::map<int, std::pair<int, int>> rows;  // id → client, text
  Lines commits;
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 15; ++i) {
      const int id = static_cast<int>(random(40));
      if (random(4) == 0)
        rows.erase(id);
      else
        rows[id] = {static_cast<int>(random(3)), static_cast<int>(random(3))};
    }
    fs::remove_all(fixture.folder() / "t");
    fs::remove(fixture.folder() / "t.csv");
    const bool hive = round % 3 != 2;
    std::map<int, std::string> files;
    for (const auto& [id, row] : rows) {
      files[hive ? row.first : 0] += hive ? fmt::format("{},{},x\n", id, row.second)
                                          : fmt::format("{},{},x,{}\n", id, row.second, row.first);
    }
    for (const auto& [client, csv] : files) {
      const std::string path = hive ? fmt::format("t/client={}/p.csv", client) : "t.csv";
      fixture.write(path, (hive ? "id,text,intent\n" : "id,text,intent,client\n") + csv);
    }
    commits.push_back(fixture.commit());
  }
  GitTableStore store = store_of(fixture);
  const Lines asked = {"id", "client", "text"};
  for (const std::string& from : commits) {
    for (const std::string& to : commits) {
      std::map<std::string, std::string> state_of;
      const auto key = [](const std::string& line) { return line.substr(0, line.find('|')); };
      for (const std::string& line : read(store, from, "t", asked)) state_of[key(line)] = line;
      store.diff("t", from, to, asked, [&](const Row* before, const Row* after) {
        if (before) {
          CHECK(state_of[key(show(*before))] == show(*before));
          state_of.erase(key(show(*before)));
        }
        if (after) state_of[key(show(*after))] = show(*after);
        CHECK((!before || !after || !(*before == *after)));
      });
      std::map<std::string, std::string> expected;
      for (const std::string& line : read(store, to, "t", asked)) expected[key(line)] = line;
      CHECK(state_of == expected);
    }
  }
}

TEST_CASE("git tables: the hash follows data and schema, and nothing else", "[git_tables]") {
  GitFixture fixture;
  fixture.write("t.csv", "id,client,text,intent\n1,a,b,c\n");
  fixture.write("t.schema.yaml", kSchema);
  GitTableStore store = store_of(fixture);
  const auto hash = [&] { return store.tables(fixture.commit()).at(0).hash; };
  const std::string first = hash();
  fixture.write("other.txt", "x");
  CHECK(hash() == first);
  fixture.write("t.csv", "id,client,text,intent\n1,a,b,d\n");
  const std::string second = hash();
  CHECK(second != first);
  fixture.write("t.schema.yaml", std::string(kSchema) + "# more\n");
  CHECK(hash() != second);
}

TEST_CASE("git tables: readings at old commits stay as they were", "[git_tables]") {
  GitFixture fixture;
  fixture.write("t.csv", "id,client,text,intent\n1,a,b,c\n");
  fixture.write("t.schema.yaml", kSchema);
  const std::string first = fixture.commit();
  fixture.write("t.csv", "id,client,text,intent\n1,a,changed,c\n");
  const std::string second = fixture.commit();
  GitTableStore store = store_of(fixture);
  CHECK(read(store, first, "t", {"text"}) == Lines{"b"});
  CHECK(read(store, second, "t", {"text"}) == Lines{"changed"});
  CHECK(store.log(first, second, 9).size() == 1);
  CHECK(store.descends(second, first));
  CHECK(store.resolve(first.substr(0, 9)) == first);
  CHECK(store.commit(first).message == "change\n");
  fixture.git({"branch", "feature/x", first});
  CHECK(store.branches() ==
        std::map<std::string, std::string>{{"main", second}, {"feature/x", first}});
}
