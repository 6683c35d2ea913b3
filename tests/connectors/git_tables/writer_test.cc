// Writing: what a file keeps of its own way, where rows go, and that reading gives what was
// ordered.
#include "connectors/git_tables/writer.h"

#include <fmt/format.h>

#include <atomic>
#include <random>
#include <thread>

#include "tests/catch.h"
#include "tests/connectors/git/git_fixture.h"

using namespace lockstep;

namespace {

constexpr const char* kSchema =
    "key: [id]\ncolumns: {id: int, client: text, text: text, ok: bool}\n";
constexpr const char* kHive =
    "key: [id]\npartition: client\ncolumns: {id: int, client: text, text: text}\n";

GitTablesConfig config_of(const std::string& place) {
  GitTablesConfig config;
  config.origin.name = "tables";
  config.origin.place = place;
  return config;
}

WriteOrder order_on(const std::string& base) {
  return {"main",
          base,
          "Ann",
          "ann@example.org",
          "import",
          "",
          {{"Lockstep-Import", "sheet"}, {"Lockstep-Sha256", "0a"}}};
}

Value number(int64_t n) {
  return {ValueTag::kInt, std::to_string(n)};
}
Value text(const std::string& t) {
  return {ValueTag::kText, t};
}

// A repository whose main branch nothing has checked out.
struct Tables {
  explicit Tables(const std::string& schema) {
    fixture.write("t.schema.yaml", schema);
    fixture.git({"checkout", "-q", "-b", "side"});
  }
  std::string commit() {
    const std::string id = fixture.commit();
    fixture.git({"branch", "-f", "main", id});
    return id;
  }
  std::string main() { return fixture.git({"rev-parse", "main"}); }
  std::string file(const std::string& path) {
    // `git show` as the fixture gives it has lost its last line ends: marked by an end of our own.
    const std::string id = fixture.git({"rev-parse", "main:" + path});
    return GitRepository(fixture.folder()).blob(id, 1 << 20);
  }
  std::string put(const TableChange& change) {
    GitTableWriter writer(config_of(fixture.folder().string()));
    return writer.write(order_on(main()), {change});
  }
  Error refused(const TableChange& change) {
    const std::string before = main();
    Error error = error_of([&] { put(change); });
    CHECK(main() == before);
    return error;
  }

  GitFixture fixture;
};

}  // namespace

TEST_CASE("writer: a file keeps its quotes, line ends, mark and order", "[git_tables]") {
  Tables tables(kSchema);
  tables.fixture.write("t.csv",
                       "\xEF\xBB\xBFid,\"text\",ok,client\r\n"
                       "3,\"three\",true,a\r\n"
                       "1,\"one, \"\"1\"\"\",1,\r\n"
                       "\r\n"
                       "2,\"two\",false,\"\"\r\n"
                       "9,\"nine\",,c");
  const std::string base = tables.commit();
  TableChange change{"t", {"id", "text", "client"}, {}, {{number(3)}}};
  change.put = {{number(7), text("seven\nlines"), text("x")},
                {number(2), text("two"), null_value()},
                {number(9), text("9"), text("c,d")},
                {number(5), text(""), text("")}};
  const std::string made = tables.put(change);
  CHECK(made == tables.main());
  CHECK(tables.file("t.csv") ==
        "\xEF\xBB\xBFid,\"text\",ok,client\r\n"
        "1,\"one, \"\"1\"\"\",1,\r\n"
        "\r\n"
        "2,\"two\",false,\r\n"
        "9,\"9\",,\"c,d\"\r\n"
        "5,\"\",,\"\"\r\n"
        "7,\"seven\nlines\",,x\r\n");
  CHECK(tables.fixture.git({"show", "-s", "--format=%an <%ae> %cn|%B|%P", made}) ==
        "Ann <ann@example.org> Ann|import\n\nLockstep-Import: sheet\nLockstep-Sha256: 0a\n|" +
            base);
  // Once more: everything is there already, so there is nothing to commit.
  change.remove.clear();
  CHECK(tables.put(change) == made);
  CHECK(tables.main() == made);
}

TEST_CASE("writer: hive folders, rows that move, new partitions", "[git_tables]") {
  Tables tables(kHive);
  tables.fixture.write("t/client=a/rows.csv", "id,text\n1,one\n2,two\n");
  tables.fixture.write("t/client=b/rows.csv", "text,id\n\"three\",3\n");
  tables.fixture.write("t/.keep", "");
  tables.commit();
  TableChange change{"t", {"id", "client", "text"}, {}, {}};
  change.put = {{number(1), text("b"), text("moved")},
                {number(4), text("A/B c"), text("four")},
                {number(5), null_value(), text("five")},
                {number(2), text("a"), text("2")}};
  change.remove = {{number(3)}};
  tables.put(change);
  CHECK(tables.file("t/client=a/rows.csv") == "id,text\n2,2\n");
  CHECK(tables.file("t/client=b/rows.csv") == "text,id\n\"moved\",1\n");
  CHECK(tables.file("t/client=A%2FB%20c/rows.csv") == "id,text\n4,four\n");
  CHECK(tables.file("t/client=__HIVE_DEFAULT_PARTITION__/rows.csv") == "id,text\n5,five\n");
  CHECK(tables.fixture.git({"ls-tree", "-r", "--name-only", "main"}).find("t/.keep") !=
        std::string::npos);
}

TEST_CASE("writer: a partition column that can't name a folder", "[git_tables]") {
  Tables tables("key: [id]\npartition: _part\ncolumns: {id: int, _part: text}\n");
  tables.fixture.write("t/.keep", "");
  tables.commit();
  const Error error = tables.refused({"t", {"id", "_part"}, {{number(1), text("a")}}, {}});
  CHECK_THAT(error.message, Catch::Contains("no folder can be named after"));
}

TEST_CASE("writer: folders without partitions take new rows in their first file", "[git_tables]") {
  Tables tables("key: [id]\ncolumns: {id: int, text: text}\n");
  tables.fixture.write("t/b.csv", "id,text\n1,one\n");
  tables.fixture.write("t/c.csv", "id,text\n2,two\n");
  tables.fixture.git({"add", "-A"});
  tables.fixture.git({"update-index", "--chmod=+x", "t/b.csv"});
  tables.commit();
  tables.fixture.git({"update-index", "--chmod=+x", "t/b.csv"});
  tables.put(
      {"t", {"text", "id"}, {{text("2!"), number(2)}, {text("three"), number(3)}}, {{number(1)}}});
  CHECK(tables.file("t/b.csv") == "id,text\n3,three\n");
  CHECK(tables.file("t/c.csv") == "id,text\n2,2!\n");
}

TEST_CASE("writer: what can't be written changes nothing", "[git_tables]") {
  Tables tables(kSchema);
  tables.fixture.write("t.csv", "id,client,text,ok\n1,a,x,\n");
  tables.commit();
  const auto message = [&](const TableChange& change) { return tables.refused(change).message; };
  CHECK_THAT(message({"t", {"id", "ok"}, {{number(4), number(7)}}, {}}),
             Catch::Contains("(id=4) does not fit column ok"));
  CHECK_THAT(message({"t", {"id", "text"}, {{number(4), text(std::string("a\0b", 3))}}, {}}),
             Catch::Contains("NUL byte"));
  CHECK_THAT(message({"t", {"id", "text"}, {{number(4), number(4)}}, {}}),
             Catch::Contains("does not fit column text: a value of type int"));
  CHECK_THAT(message({"t", {"id"}, {{null_value()}}, {}}), Catch::Contains("key column id"));
  CHECK_THAT(message({"t", {"text"}, {{text("x")}}, {}}), Catch::Contains("lack its key"));
  CHECK_THAT(message({"t", {"id"}, {{number(1)}}, {{number(1)}}}),
             Catch::Contains("names the row id=1 twice"));
  CHECK(tables.refused({"t", {"id", "colour"}, {}, {}}).code == ErrorCode::kNotFound);
  CHECK(tables.refused({"nothing", {"id"}, {}, {}}).code == ErrorCode::kNotFound);
  const TableChange good{"t", {"id"}, {{number(2)}}, {}};
  for (const auto& [author, email] :
       {std::pair<std::string, std::string>{"", "a@b"}, {"A <b>", "a@b"}, {"A", "a\nb"}}) {
    WriteOrder order = order_on(tables.main());
    order.author = author;
    order.email = email;
    GitTableWriter writer(config_of(tables.fixture.folder().string()));
    CHECK(error_of([&] { writer.write(order, {good}); }).code == ErrorCode::kInvalid);
    order = order_on(tables.main());
    order.trailers = {{"Lockstep-Run", "1\nLockstep-Run: 2"}};
    CHECK(error_of([&] { writer.write(order, {good}); }).code == ErrorCode::kInvalid);
  }
}

TEST_CASE("writer: rows that moved since the base are a conflict, others are not", "[git_tables]") {
  Tables tables(kSchema);
  tables.fixture.write("t.csv", "id,client,text,ok\n1,a,x,\n2,b,y,\n");
  const std::string base = tables.commit();
  tables.fixture.write("t.csv", "id,client,text,ok\n1,a,x,\n2,b,theirs,\n");
  const std::string head = tables.commit();
  GitTableWriter writer(config_of(tables.fixture.folder().string()));
  const TableChange theirs{"t", {"id", "text"}, {{number(2), text("ours")}}, {}};
  const Error error = error_of([&] { writer.write(order_on(base), {theirs}); });
  CHECK(error.code == ErrorCode::kConflict);
  CHECK_THAT(error.message, Catch::Contains("the row id=2 of table t changed since"));
  const Error gone = error_of([&] { writer.write(order_on(std::string(40, '1')), {theirs}); });
  CHECK_THAT(gone.message, Catch::Contains("history of branch \"main\" was rewritten"));
  CHECK(tables.main() == head);
  writer.write(order_on(base), {{"t", {"id", "text"}, {{number(1), text("ours")}}, {}}});
  CHECK(tables.file("t.csv") == "id,client,text,ok\n1,a,ours,\n2,b,theirs,\n");
}

TEST_CASE("writer: a checked-out branch is refused as git does", "[git_tables]") {
  Tables tables(kSchema);
  tables.fixture.write("t.csv", "id,client,text,ok\n1,a,x,\n");
  tables.commit();
  tables.fixture.git({"checkout", "-q", "main"});
  const TableChange change{"t", {"id", "text"}, {{number(1), text("new")}}, {}};
  const Error error = tables.refused(change);
  CHECK(error.code == ErrorCode::kDenied);
  CHECK_THAT(error.hint, Catch::Contains("receive.denyCurrentBranch"));
  tables.fixture.git({"checkout", "-q", "side"});
  tables.fixture.git({"worktree", "add", "-q", (tables.fixture.temp() / "other").string(), "main"});
  CHECK(tables.refused(change).code == ErrorCode::kDenied);
  tables.fixture.git({"config", "receive.denyCurrentBranch", "ignore"});
  const std::string before = tables.main();
  CHECK(tables.put(change) != before);
  CHECK(real_files().read(tables.fixture.folder() / "t.csv") == "id,client,text,ok\n1,a,x,\n");
}

TEST_CASE("writer: several at once lose nothing", "[git_tables]") {
  Tables tables(kSchema);
  tables.fixture.write("t.csv", "id,client,text,ok\n");
  const std::string base = tables.commit();
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (int n = 0; n < 4; ++n) {
    threads.emplace_back([&, n] {
      try {
        GitTableWriter writer(config_of(tables.fixture.folder().string()));
        for (int i = 0; i < 5; ++i) {
          writer.write(order_on(base), {{"t", {"id"}, {{number(n * 100 + i)}}, {}}});
        }
      } catch (const Error& error) {
        // Twenty commits by four at once may leave one without a turn; it is told so.
        if (error.code != ErrorCode::kConflict) ++failed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failed == 0);
  const std::string commits = tables.fixture.git({"rev-list", "--count", base + "..main"});
  const std::string csv = tables.file("t.csv");
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 1 + std::stoi(commits));
  CHECK(std::stoi(commits) >= 5);
}

TEST_CASE("writer: a remote place gets a push, and a lost race another one", "[git_tables]") {
  Tables tables(kSchema);
  tables.fixture.write("t.csv", "id,client,text,ok\n1,a,x,\n");
  const std::string base = tables.commit();
  GitTablesConfig config = config_of("file://" + tables.fixture.folder().string());
  config.origin.mirror = tables.fixture.temp() / "mirror";
  GitTableWriter writer(config);
  const std::string made =
      writer.write(order_on(base), {{"t", {"id", "text"}, {{number(1), text("pushed")}}, {}}});
  CHECK(made == tables.main());
  CHECK(tables.file("t.csv") == "id,client,text,ok\n1,a,pushed,\n");

  // The mirror's own push: done already, and told the wrong place of the branch.
  GitMirror mirror(config.origin.mirror, config.origin.place);
  CHECK(mirror.push("main", base, made));
  tables.fixture.git({"branch", "-f", "main", base});
  CHECK_FALSE(mirror.push("main", made, made));
  CHECK(tables.main() == base);
  writer.write(order_on(base), {{"t", {"id"}, {{number(2)}}, {}}});
  CHECK(tables.file("t.csv") == "id,client,text,ok\n1,a,x,\n2,,,\n");

  tables.fixture.git({"checkout", "-q", "main"});
  const Error error = error_of([&] {
    writer.write(order_on(tables.main()), {{"t", {"id"}, {{number(3)}}, {}}});
  });
  CHECK(error.code == ErrorCode::kDenied);
  CHECK_THAT(error.message, Catch::Contains("branch is currently checked out"));
}

namespace {

constexpr const char* kTyped =
    "key: [id, part]\npartition: part\ncolumns: {id: int, part: text, f: float, d: decimal, "
    "b: bytes, day: date, t: time, at: datetime, j: json, ok: bool, s: text}\n";

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  size_t below(size_t n) { return engine_() % n; }

  Value value(const Column& column, bool boolean) {
    if (below(5) == 0) return null_value();
    if (boolean) return number(static_cast<int64_t>(below(2)));
    static const std::map<ValueTag, std::vector<std::string>> kTexts = {
        {ValueTag::kInt, {"0", "-7", "123456789012345678901"}},
        {ValueTag::kFloat, {"0.1", "-0", "1e300", "3"}},
        {ValueTag::kDecimal, {"1.50", "-0.001", "7"}},
        {ValueTag::kBytes, {std::string("\0\xff", 2), "", "abc"}},
        {ValueTag::kDate, {"2026-03-03"}},
        {ValueTag::kTime, {"12:00:00.5", "-01:00:00"}},
        {ValueTag::kDatetime, {"2026-03-03T14:00:00Z", "2026-03-03 14:00:00.25"}},
        {ValueTag::kJson, {"{\"b\":1,\"a\":[null]}", "\"x,y\""}},
        {ValueTag::kText,
         {"", "plain", "a,b", "say \"hi\"", "two\nlines", "cr\r", " lead", "NULL", "=1+1", "öffne",
          "\xEF\xBB\xBF", "'", "%41", "__HIVE_DEFAULT_PARTITION__"}}};
    const auto& texts = kTexts.at(column.type);
    return parse_value(column.type, texts[below(texts.size())]);
  }

 private:
  std::mt19937 engine_;
};

using Content = std::map<std::pair<std::string, std::string>, Row>;  // key payloads → row

Content content_of(GitTableStore& store, const std::string& commit,
                   const std::vector<std::string>& columns) {
  Content out;
  store.read({commit, "t", columns, {}}, [&](const Row& row) {
    out[{row[0].payload, row[1].payload}] = row;
  });
  return out;
}

}  // namespace

TEST_CASE("writer: reading gives what was ordered, and the difference is the change",
          "[git_tables]") {
  const bool folder = GENERATE(false, true);
  Tables tables(kTyped);
  tables.fixture.write(folder ? "t/part=a/x.csv" : "t.csv",
                       folder ? "id,f,d,b,day,t,at,j,ok,s\n" : "s,id,part,f,d,b,day,t,at,j,ok\n");
  std::string head = tables.commit();
  const GitTablesConfig config = config_of(tables.fixture.folder().string());
  GitTableStore store(config);
  GitTableWriter writer(config);
  const TableSchema schema = store.schema(head, "t");
  std::vector<std::string> columns;
  for (const Column& column : schema.columns) columns.push_back(column.name);
  Random random(20260303);
  Content expected;
  for (int round = 0; round < 25; ++round) {
    TableChange change{"t", columns, {}, {}};
    Content next = expected;
    for (int n = 0; n < 8; ++n) {
      Row row;
      for (const Column& column : schema.columns) {
        row.push_back(random.value(column, column.name == "ok"));
      }
      row[0] = number(static_cast<int64_t>(random.below(12)));
      if (row[1].tag == ValueTag::kNull) row[1] = text("n");
      const std::pair<std::string, std::string> key{row[0].payload, row[1].payload};
      if (next.count(key) && random.below(2)) {
        if (expected.count(key) && next[key] == expected[key]) {
          change.remove.push_back({row[0], row[1]});
          next.erase(key);
        }
        continue;
      }
      const bool named =
          std::any_of(change.put.begin(), change.put.end(),
                      [&](const Row& one) { return one[0] == row[0] && one[1] == row[1]; }) ||
          std::any_of(change.remove.begin(), change.remove.end(),
                      [&](const Row& one) { return one[0] == row[0] && one[1] == row[1]; });
      if (named) continue;
      change.put.push_back(row);
      next[key] = row;
    }
    WriteOrder order = order_on(head);
    const std::string made = writer.write(order, {change});
    CHECK(content_of(store, made, columns) == next);
    Content seen = expected;
    store.diff("t", head, made, columns, [&](const Row* before, const Row* after) {
      const Row& row = after ? *after : *before;
      const std::pair<std::string, std::string> key{row[0].payload, row[1].payload};
      CHECK((expected.count(key) ? &expected[key] : nullptr) ==
            (before ? &expected[key] : nullptr));
      if (after) {
        seen[key] = *after;
      } else {
        seen.erase(key);
      }
    });
    CHECK(seen == next);
    expected = next;
    head = made;
  }
  CHECK(expected.size() > 5);
  CHECK(tables.fixture.git({"fsck", "--strict", "--no-dangling"}).empty());
}
