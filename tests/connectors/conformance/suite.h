// What every table store must agree on: the same scripted states, committed to a real store and to
// the fake, must give equal tables, rows in equal order, differences and slice digests.
// Knows nothing of any one store; each brings a StoreUnderTest.
#pragma once

#include "pipeline/survey/slices.h"
#include "tests/catch.h"
#include "tests/fake/slice_cache.h"
#include "tests/fake/tables.h"

namespace lockstep::conformance {

class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual TableStore& store() = 0;
  // Makes the watched branch hold exactly these tables; the new commit.
  virtual std::string commit(const FakeCommit& tables) = 0;
  // Puts the branch back to an earlier commit: rewritten history.
  virtual void reset(const std::string& commit) = 0;
  virtual bool has_keyless() const = 0;
  // False where the history is the store's own and nobody can rewrite it.
  virtual bool rewrites() const { return true; }
};

inline Value cell(ValueTag tag, const std::string& text) {
  return parse_value(tag, text);
}

inline std::string shown(const Row* row) {
  if (!row) return "-";
  std::string out;
  for (const Value& value : *row) {
    out += fmt::format("{}={}|", word(value.tag),
                       value.tag == ValueTag::kNull ? "NULL" : display(value));
  }
  return out;
}

// Every type, with values at the edges of what a canonical form must hold.
inline FakeTable all_types() {
  using enum ValueTag;
  FakeTable table;
  table.schema.columns = {{"id", kInt},     {"d", kDecimal},   {"f", kFloat},
                          {"t", kText},     {"x", kBytes},     {"day", kDate},
                          {"clock", kTime}, {"at", kDatetime}, {"j", kJson}};
  table.schema.key = {"id"};
  const auto row = [&](const std::vector<std::string>& texts) {
    Row cells;
    for (size_t i = 0; i < texts.size(); ++i) {
      cells.push_back(cell(table.schema.columns[i].type, texts[i]));
    }
    table.rows.push_back(std::move(cells));
  };
  row({"-9223372036854775808", "12345678901234567890.0123456789", "0.1", "öffne die Tür",
       std::string("\x00\xff'\\\n", 5), "2026-03-03", "-838:59:58.000001",
       "2026-03-03T14:00:00.123456", "{\"b\":[1.5,null],\"a\":\"ö\"}"});
  row({"9223372036854775807", "-0.5", "-1e300", "it's \\ \"quoted\", 🚀\n2", "", "1000-01-01",
       "00:00:00", "1000-01-01T00:00:00", "[]"});
  row({"10", "0", "0", "", "a", "9999-12-31", "838:59:58.999999", "9999-12-31T23:59:59.999999",
       "null"});
  row({"9", "1000000", "5e-324", " ", "aGk=", "2024-02-29", "23:59:59.5", "2026-03-03T00:00:00",
       "\"text\""});
  Row nulls(table.schema.columns.size());
  nulls[0] = int_cell(0);
  table.rows.push_back(nulls);
  return table;
}

// Keys whose order depends on who sorts: composite, in another order than the columns, in case,
// accents, trailing blanks and control characters.
inline FakeTable composite() {
  FakeTable table;
  table.schema.columns = {{"n", ValueTag::kInt}, {"k", ValueTag::kText}, {"v", ValueTag::kText}};
  table.schema.key = {"k", "n"};
  int count = 0;
  for (const char* k : {"b", "B", "a", "ä", "a!", "a b", "Z", "", "тест", "🚀"}) {
    for (int n : {10, 9, -1}) {
      table.rows.push_back({int_cell(n), text_cell(k), text_cell(fmt::format("v{}", ++count))});
    }
  }
  return table;
}

inline FakeTable keyless() {
  FakeTable table;
  table.schema.columns = {{"a", ValueTag::kInt}, {"b", ValueTag::kText}};
  for (int i : {2, 1, 2, 3, 2}) table.rows.push_back({int_cell(i), text_cell("same")});
  table.rows.push_back({null_value(), null_value()});
  return table;
}

// The states a store goes through, each with what is new in it.
inline std::vector<std::pair<std::string, FakeCommit>> script(bool with_keyless) {
  std::vector<std::pair<std::string, FakeCommit>> out;
  FakeCommit now;
  const auto step = [&](const std::string& what) { out.emplace_back(what, now); };
  now["types"] = all_types();
  now["composite"] = composite();
  now["clients"] = utterances({{1, "a"}, {2, "b"}, {3, "a"}, {10, "c"}, {11, ""}});
  now["empty"] = utterances({});
  if (with_keyless) now["keyless"] = keyless();
  step("first");
  const FakeCommit first = now;
  now["types"].rows[0][3] = text_cell("other");
  now["types"].rows[3][2] = null_value();
  now["composite"].rows.erase(now["composite"].rows.begin() + 4);
  now["composite"].rows[0][2] = text_cell("changed");
  now["clients"].rows[1][1] = text_cell("a");  // moves from b to a: b is gone
  now["clients"].rows.push_back(utterances({{4, "new"}}).rows[0]);
  now["empty"] = utterances({{7, "x"}});
  if (with_keyless) now["keyless"].rows.pop_back(), now["keyless"].rows[0][1] = text_cell("other");
  step("rows changed, added and removed");
  now["types"].schema.columns.push_back({"extra", ValueTag::kInt});
  for (Row& row : now["types"].rows) row.push_back(null_value());
  step("a column added");
  now["types"].rows[2].back() = int_cell(5);
  step("and filled in one row");
  now["types"].schema.columns.back().type = ValueTag::kText;
  now["types"].rows[2].back() = text_cell("5");
  step("another type for it");
  now["types"].schema.columns.back().name = "renamed";
  step("another name for it");
  now["types"].schema.columns.pop_back();
  for (Row& row : now["types"].rows) row.pop_back();
  step("and it is dropped");
  now["composite"].schema.key = {"n", "k"};
  step("another order of the key");
  now["clients"].schema.key = {"id", "intent"};
  step("a longer key");
  now.erase("clients");
  step("a table dropped");
  now["clients"] = utterances({{1, "z"}});
  now["empty"] = utterances({});
  step("and made again with other rows");
  now = first;
  step("all as it was first");
  return out;
}

// A real store beside the fake, going through the same states.
class Pair {
 public:
  explicit Pair(StoreUnderTest& real) : real_(real) {}

  void go(const FakeCommit& state) {
    real_ids.push_back(real_.commit(state));
    fake_ids.push_back(fake.commit(state));
  }
  void compare(size_t at) {
    TableStore& store = real_.store();
    CHECK(store.head() == real_ids[at]);
    std::vector<std::string> names, wanted;
    for (const TableInfo& info : store.tables(real_ids[at])) names.push_back(info.name);
    for (const TableInfo& info : fake.tables(fake_ids[at])) wanted.push_back(info.name);
    std::sort(names.begin(), names.end());
    CHECK(names == wanted);
    for (const std::string& name : wanted) {
      CAPTURE(name);
      const TableSchema schema = fake.schema(fake_ids[at], name);
      CHECK(store.schema(real_ids[at], name).columns == schema.columns);
      CHECK(store.schema(real_ids[at], name).key == schema.key);
      CHECK(rows(store, real_ids[at], name, schema) == rows(fake, fake_ids[at], name, schema));
      CHECK(slices(real_reader_, name, schema, real_ids[at]) ==
            slices(fake_reader_, name, schema, fake_ids[at]));
    }
  }
  // Differences of all tables between two states: equal, or refused by both.
  void compare(size_t from, size_t to) {
    for (const TableInfo& info : fake.tables(fake_ids[to])) {
      const std::string& name = info.name;
      CAPTURE(name);
      const TableSchema schema = fake.schema(fake_ids[to], name);
      const bool comparable = same_shape(name, schema, fake_ids[from]);
      if (comparable) {
        CHECK(changes(real_.store(), name, schema, real_ids[from], real_ids[to]) ==
              changes(fake, name, schema, fake_ids[from], fake_ids[to]));
      } else {
        // Refused, so that who asks compares from scratch.
        CHECK_THROWS_AS(changes(real_.store(), name, schema, real_ids[from], real_ids[to]), Error);
      }
    }
  }

  FakeTables fake;
  std::vector<std::string> real_ids, fake_ids;

 private:
  // Whether the table had this key and, among others, these columns.
  bool same_shape(const std::string& name, const TableSchema& now, const std::string& before) {
    for (const TableInfo& info : fake.tables(before)) {
      if (info.name != name) continue;
      const TableSchema old = fake.schema(before, name);
      const auto had = [&](const Column& column) {
        return std::find(old.columns.begin(), old.columns.end(), column) != old.columns.end();
      };
      return old.key == now.key && std::all_of(now.columns.begin(), now.columns.end(), had);
    }
    return false;
  }
  static std::vector<std::string> names_of(const TableSchema& schema) {
    std::vector<std::string> out;
    for (const Column& column : schema.columns) out.push_back(column.name);
    return out;
  }
  static std::vector<std::string> rows(TableStore& store, const std::string& commit,
                                       const std::string& name, const TableSchema& schema) {
    std::vector<std::string> out;
    store.read({commit, name, names_of(schema), {}},
               [&](const Row& row) { out.push_back(shown(&row)); });
    return out;
  }
  static std::vector<std::string> changes(TableStore& store, const std::string& name,
                                          const TableSchema& schema, const std::string& from,
                                          const std::string& to) {
    std::vector<std::string> out;
    store.diff(name, from, to, names_of(schema), [&](const Row* before, const Row* after) {
      out.push_back(shown(before) + " > " + shown(after));
    });
    std::sort(out.begin(), out.end());
    return out;
  }
  // Read with memory of the last state: brought forward by a difference where that can be.
  static std::map<std::string, std::string> slices(SliceReader& reader, const std::string& name,
                                                   const TableSchema& schema,
                                                   const std::string& commit) {
    const bool cut = schema.columns.size() > 1 && schema.columns[1].name == "client";
    SliceGroup group{"tables", name, "", names_of(schema), {}, {}};
    std::sort(group.columns.begin(), group.columns.end());
    if (cut) group.cut = {"client"};
    std::map<std::string, std::string> out;
    for (const auto& [key, slice] : reader.read(group, commit).slices) {
      if (slice.rows > 0) out[key] = slice.digest.hex();
    }
    return out;
  }

  StoreUnderTest& real_;
  FakeSliceCache real_cache_, fake_cache_;
  SliceReader real_reader_{{{"tables", &real_.store()}}, real_cache_};
  SliceReader fake_reader_{{{"tables", &fake}}, fake_cache_};
};

inline void same_as_the_fake(StoreUnderTest& under) {
  Pair pair(under);
  const auto states = script(under.has_keyless());
  for (size_t i = 0; i < states.size(); ++i) {
    INFO("state " << i << ": " << states[i].first);
    pair.go(states[i].second);
    pair.compare(i);
    if (i > 0) pair.compare(i - 1, i);
  }
  pair.compare(0, 1);
  pair.compare(0, 3);
  pair.compare(1, 0);                  // backwards
  pair.compare(0, states.size() - 1);  // all as it was: no difference
  TableStore& store = under.store();
  CHECK(store.descends(pair.real_ids.back(), pair.real_ids.front()));
  CHECK(store.log(pair.real_ids[0], pair.real_ids[2], 10).size() == 2);
  if (!under.rewrites()) return;
  // History is rewritten: the branch is back at the second state, planned from the contents.
  under.reset(pair.real_ids[1]);
  CHECK_FALSE(store.descends(store.head(), pair.real_ids.back()));
  pair.compare(1);
}

// The vectors of docs/FORMATS.md come out of real cells.
inline void slice_vectors(StoreUnderTest& under) {
  FakeTable table;
  table.salt = "words";  // its name
  table.schema.columns = {
      {"text", ValueTag::kText}, {"id", ValueTag::kInt}, {"intent", ValueTag::kText}};
  table.schema.key = {"id"};
  const auto digest = [&](const FakeTable& of) {
    const std::string commit = under.commit({{of.salt, of}});
    FakeSliceCache cache;
    SliceReader reader({{"tables", &under.store()}}, cache);
    const auto slices = reader.read({"tables", of.salt, "", {}, {}, {}}, commit).slices;
    return slices.empty() ? SliceState().digest().hex() : slices.at("*").digest.hex();
  };
  CHECK(digest(table) == "c7e40ceb8baadb070d69219b6f35d2aa357faf5a24e9b2f46d97c15d710896cc");
  table.rows.push_back({text_cell("play jazz"), int_cell(1), text_cell("music")});
  CHECK(digest(table) == "40075fc4dbbff5b66bef5248b6cb3adbb96b13f9012f28a042625581a57108f8");
  table.rows.push_back({text_cell(""), int_cell(2), null_value()});
  table.rows.push_back({text_cell("öffne die Tür"), int_cell(3), text_cell("door")});
  CHECK(digest(table) == "65dee2d4abc65b4b43783f03989003f12cde6baa3329f0e4357d356b98f3539e");
  FakeTable types;
  types.salt = "other";
  types.schema.columns = {{"k", ValueTag::kInt},
                          {"d", ValueTag::kDecimal},
                          {"f", ValueTag::kFloat},
                          {"x", ValueTag::kBytes},
                          {"w", ValueTag::kDatetime}};
  types.schema.key = {"k"};
  types.rows.push_back({int_cell(-5), cell(ValueTag::kDecimal, "1.5"),
                        cell(ValueTag::kFloat, "0.1"),
                        cell(ValueTag::kBytes, std::string("\x00\xff", 2)),
                        cell(ValueTag::kDatetime, "2026-03-03T14:00:00")});
  CHECK(digest(types) == "60d3e541a288ad5581a13c66184cef6cb9db5101456c8b3783921e8f280ca056");
}

}  // namespace lockstep::conformance
