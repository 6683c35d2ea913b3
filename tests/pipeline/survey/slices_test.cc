#include "pipeline/survey/slices.h"

#include <random>

#include "tests/catch.h"
#include "tests/fake/slice_cache.h"
#include "tests/fake/tables.h"

using namespace lockstep;

namespace {

std::map<std::string, std::string> digests(const GroupReading& reading) {
  std::map<std::string, std::string> out;
  for (const auto& [key, slice] : reading.slices) {
    if (slice.rows > 0) out[key] = slice.digest.hex();
  }
  return out;
}

// What somebody reads who remembers nothing.
std::map<std::string, std::string> from_scratch(FakeTables& tables, const SliceGroup& group,
                                                const std::string& commit) {
  FakeSliceCache empty;
  return digests(SliceReader({{"tables", &tables}}, empty).read(group, commit));
}

SliceGroup by_client(std::vector<std::string> columns = {"intent", "text"}) {
  return {"tables", "utterances", "", std::move(columns), {}, {"client"}};
}

struct Fixture {
  FakeTables tables;
  FakeSliceCache cache;
  SliceReader reader{{{"tables", &tables}}, cache};
};

// One random change to a table of utterances.
void mutate(FakeTable& table, std::mt19937_64& random) {
  auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  auto client = [&] {
    return below(6) == 0 ? null_value() : text_cell(fmt::format("c{}", below(5)));
  };
  size_t kind = below(10);
  if (kind < 4 || table.rows.empty()) {  // a new row, or an edited one of the same key
    int64_t id = static_cast<int64_t>(below(40));
    Row row = {int_cell(id), client(), text_cell(fmt::format("t{}", below(4))), text_cell("x")};
    row.resize(table.schema.columns.size(), null_value());
    if (!table.schema.key.empty()) {
      std::erase_if(table.rows, [&](const Row& old) { return old[0] == row[0]; });
    }
    table.rows.push_back(row);
  } else if (kind < 6) {
    table.rows.erase(table.rows.begin() + static_cast<std::ptrdiff_t>(below(table.rows.size())));
  } else if (kind == 6) {  // moves to another client
    table.rows[below(table.rows.size())][1] = client();
  } else if (kind == 7) {
    table.rows[below(table.rows.size())][3] = text_cell(fmt::format("i{}", below(3)));
  } else if (kind == 8) {  // the hash moves, no row does
    table.salt = std::to_string(random());
  } else {
    std::shuffle(table.rows.begin(), table.rows.end(), random);
  }
}

// Rarer changes, of the table's form.
void reshape(FakeTable& table, std::mt19937_64& random, int& added) {
  switch (random() % 4) {
    case 0:
      if (table.schema.columns.size() > 7) break;
      table.schema.columns.push_back({fmt::format("extra{}", added++), ValueTag::kText});
      for (Row& row : table.rows) row.push_back(random() % 2 ? null_value() : text_cell("e"));
      break;
    case 1:  // (id) and (id, text) are both unique where ids are
      if (table.schema.key.empty()) break;
      table.schema.key = table.schema.key.size() == 1 ? std::vector<std::string>{"id", "text"}
                                                      : std::vector<std::string>{"id"};
      break;
    case 2:  // another type of a column that is read
      table.schema.columns[3].type =
          table.schema.columns[3].type == ValueTag::kText ? ValueTag::kBytes : ValueTag::kText;
      for (Row& row : table.rows) row[3].tag = table.schema.columns[3].type;
      break;
    default:
      table.schema.columns[2].name = "text";
      break;
  }
}

}  // namespace

TEST_CASE("a tip names its table, whatever names are in it, and old ones are read") {
  const std::string table = SliceTip::name_table("s", "a\n\"b");
  const SliceTip tip{"c1", "h1", table, "x\ny:int key:x "};
  const SliceTip again = SliceTip::parse(tip.text());
  CHECK(again.commit == "c1");
  CHECK(again.hash == "h1");
  CHECK(again.table == table);
  CHECK(again.shape == tip.shape);
  const SliceTip old = SliceTip::parse("c1\nh1\nx:int\ny:int key:x ");
  CHECK(old.hash == "h1");
  CHECK(old.table.empty());
  CHECK(old.shape == "x:int\ny:int key:x ");
  CHECK(SliceTip::parse("c1").commit.empty());
}

TEST_CASE("slices read incrementally equal those read from scratch, on every commit") {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    std::mt19937_64 random(seed);
    Fixture f;
    f.tables.tells_equal_rows = seed % 3 == 0;
    bool keyless = seed % 4 == 0;
    const std::vector<SliceGroup> groups = {
        by_client(),
        by_client({}),
        {"tables", "utterances", "", {"text"}, {}, {}},
        {"tables", "utterances", "", {"intent"}, {"text"}, {"client", "text"}}};
    int added = 0;
    FakeTable table = utterances({{1, "c0"}, {2, "c1"}, {3, ""}});
    if (keyless) table.schema.key.clear();
    for (int step = 0; step < 40; ++step) {
      for (size_t n = random() % 4; n > 0; --n) mutate(table, random);
      if (random() % 8 == 0) reshape(table, random, added);
      f.tables.commit({{"utterances", table}});
      for (const SliceGroup& group : groups) {
        if (random() % 3 == 0) continue;  // not everything is looked at at every commit
        INFO("seed " << seed << ", commit " << step << ", cut " << group.cut.size());
        auto read = digests(f.reader.read(group, f.tables.history.head));
        REQUIRE(read == from_scratch(f.tables, group, f.tables.history.head));
      }
    }
  }
}

TEST_CASE("a commit over a big table reads the rows it changed") {
  Fixture f;
  std::vector<std::pair<int64_t, std::string>> rows;
  for (int64_t i = 0; i < 5000; ++i) rows.emplace_back(i, fmt::format("client-{}", i % 8));
  FakeTable table = utterances(rows);
  std::string first = f.tables.commit({{"utterances", table}, {"other", utterances({{1, "x"}})}});
  auto before = digests(f.reader.read(by_client(), first));
  CHECK(f.reader.rows_read() == 5000);
  for (size_t i = 0; i < 12; ++i) table.rows[3 + 8 * i][3] = text_cell("stop");
  std::string second = f.tables.commit({{"utterances", table}, {"other", utterances({})}});
  auto after = digests(f.reader.read(by_client(), second));
  CHECK(f.reader.rows_read() == 5012);
  size_t moved = 0;
  for (const auto& [key, digest] : after) moved += before.at(key) != digest ? 1 : 0;
  CHECK(moved == 1);
  CHECK(after.at("8:client-3") != before.at("8:client-3"));
  f.tables.commit({{"utterances", table}, {"other", utterances({{5, "y"}})}});
  CHECK(digests(f.reader.read(by_client(), f.tables.history.head)) == after);
  CHECK(f.reader.rows_read() == 5012);  // another table's commit costs nothing
}

TEST_CASE("a table hash that moved though rows did not changes no slice") {
  Fixture f;
  FakeTable table = utterances({{1, "a"}, {2, "b"}});
  auto before = digests(f.reader.read(by_client(), f.tables.commit({{"utterances", table}})));
  table.salt = "auto-increment";
  auto after = digests(f.reader.read(by_client(), f.tables.commit({{"utterances", table}})));
  CHECK(before == after);
  CHECK(f.reader.rows_read() == 2);
}

TEST_CASE("columns that nobody reads change no slice") {
  Fixture f;
  FakeTable table = utterances({{1, "a"}, {2, "b"}});
  auto before = digests(f.reader.read(by_client(), f.tables.commit({{"utterances", table}})));
  table.schema.columns.insert(table.schema.columns.begin(), {"note", ValueTag::kText});
  for (Row& row : table.rows) row.insert(row.begin(), text_cell("n"));
  auto wide = digests(f.reader.read(by_client(), f.tables.commit({{"utterances", table}})));
  CHECK(before == wide);
  std::swap(table.schema.columns[2], table.schema.columns[4]);
  for (Row& row : table.rows) std::swap(row[2], row[4]);
  auto swapped = digests(f.reader.read(by_client(), f.tables.commit({{"utterances", table}})));
  CHECK(before == swapped);
  CHECK(digests(f.reader.read(by_client({}), f.tables.history.head)) != before);
}

TEST_CASE("rows without a key count as often as they are there") {
  FakeTables tables;
  SliceGroup whole{"tables", "log", "", {}, {}, {}};
  FakeTable once, twice;
  once.schema.columns = twice.schema.columns = {{"line", ValueTag::kText}};
  once.rows = {{text_cell("a")}, {text_cell("b")}};
  twice.rows = {{text_cell("a")}, {text_cell("b")}, {text_cell("a")}};
  std::string first = tables.commit({{"log", once}}), second = tables.commit({{"log", twice}});
  auto one = from_scratch(tables, whole, first), two = from_scratch(tables, whole, second);
  CHECK(one != two);
  // Each distinct row once, with its multiplicity after its bytes (RULES, "Keyless tables").
  SliceState expected;
  expected.add(row_bytes({"line"}, {text_cell("a")}, 2));
  expected.add(row_bytes({"line"}, {text_cell("b")}, 1));
  CHECK(two.at("*") == expected.digest().hex());
}

TEST_CASE("what was remembered is checked before it is brought forward") {
  Fixture f;
  FakeTable table = utterances({{1, "a"}, {2, "b"}});
  std::string first = f.tables.commit({{"utterances", table}});
  f.reader.read(by_client(), first);
  table.rows.push_back(utterances({{3, "a"}}).rows[0]);
  SECTION("the commit it was read at is gone") {
    std::string second = f.tables.commit({{"utterances", table}});
    f.tables.history.forget(first);
    CHECK(digests(f.reader.read(by_client(), second)) ==
          from_scratch(f.tables, by_client(), second));
  }
  SECTION("a remembered state is damaged") {
    for (auto& [name, group] : f.cache.groups) group.slices.begin()->second.state = "short";
    std::string second = f.tables.commit({{"utterances", table}});
    CHECK(digests(f.reader.read(by_client(), second)) ==
          from_scratch(f.tables, by_client(), second));
  }
  SECTION("a remembered state is that of other rows") {
    for (auto& [name, group] : f.cache.groups) {
      group.slices.begin()->second.state = SliceState().serialize();
    }
    std::string second = f.tables.commit({{"utterances", table}});
    CHECK(digests(f.reader.read(by_client(), second)) ==
          from_scratch(f.tables, by_client(), second));
  }
  SECTION("a remembered state has fewer rows than the difference takes away") {
    for (auto& [name, group] : f.cache.groups) group.slices.clear();
    table.rows.erase(table.rows.begin());
    std::string second = f.tables.commit({{"utterances", table}});
    CHECK(digests(f.reader.read(by_client(), second)) ==
          from_scratch(f.tables, by_client(), second));
  }
}

TEST_CASE("an input that is frozen does not follow its source") {
  Fixture f;
  FakeTable table = utterances({{1, "a"}});
  std::string first = f.tables.commit({{"utterances", table}});
  f.tables.history.tags["v1"] = first;
  std::string second = f.tables.commit({{"utterances", utterances({{1, "a"}, {2, "a"}})}});
  SliceGroup frozen = by_client();
  frozen.at = "v1";
  CHECK(f.reader.read(frozen, second).commit == first);
  CHECK(digests(f.reader.read(frozen, second)) == from_scratch(f.tables, by_client(), first));
}

TEST_CASE("changes are counted by slice") {
  Fixture f;
  std::string first = f.tables.commit({{"utterances", utterances({{1, "a"}, {2, "a"}, {3, "b"}})}});
  FakeTable table = utterances({{1, "a"}, {2, "b"}, {4, "c"}});
  table.rows[0][3] = text_cell("stop");
  std::string second = f.tables.commit({{"utterances", table}});
  auto counts = f.reader.changes(by_client(), first, second);
  auto text = [&](const std::string& value) {
    RowCounts c = counts[cut_key({value})];
    return fmt::format("+{} -{} ~{}", c.added, c.removed, c.changed);
  };
  CHECK(text("a") == "+0 -1 ~1");  // row 1 edited, row 2 moved away
  CHECK(text("b") == "+1 -1 ~0");  // row 2 came, row 3 went
  CHECK(text("c") == "+1 -0 ~0");
  CHECK(f.reader.changes(by_client(), second, second).empty());
  f.tables.tells_equal_rows = true;
  CHECK(f.reader.changes(by_client({"text"}), first, second)[cut_key({"a"})].changed == 0);
  CHECK(f.reader.changes(by_client(), first, second)[cut_key({"a"})].all() == 2);
}

TEST_CASE("two cutting columns: an empty one keeps the other apart") {
  Fixture f;
  FakeTable table = utterances({{1, "a"}, {2, ""}, {3, ""}});
  table.rows[1][3] = text_cell("stop");
  std::string commit = f.tables.commit({{"utterances", table}});
  SliceGroup both{"tables", "utterances", "", {"text"}, {}, {"client", "intent"}};
  auto slices = f.reader.read(both, commit).slices;
  CHECK(slices.size() == 3);
  CHECK(slices.at(cut_key({"", "stop"})).rows == 1);
  CHECK(slices.at(cut_key({"", "play"})).rows == 1);
  CHECK(cut_key({"a", "bc"}) != cut_key({"ab", "c"}));
}

TEST_CASE("what is missing is named") {
  Fixture f;
  std::string commit = f.tables.commit({{"utterances", utterances({{1, "a"}})}});
  CHECK_THROWS_WITH(f.reader.read({"tables", "nope", "", {}, {}, {}}, commit),
                    Catch::Contains("no table nope") && Catch::Contains(commit.substr(0, 7)));
  CHECK_THROWS_WITH(f.reader.read(by_client({"colour"}), commit),
                    Catch::Contains("tables/utterances has no column colour"));
  CHECK_THROWS_WITH(f.reader.read({"elsewhere", "t", "", {}, {}, {}}, commit),
                    Catch::Contains("elsewhere is not a table store"));
}
