#include "pipeline/exec/slice_snapshots.h"

#include <random>

#include "tests/connectors/conformance/deliveries.h"

using namespace lockstep;
using conformance::Deliveries;

namespace {

class FakeUnderTest : public conformance::StoreUnderTest {
 public:
  TableStore& store() override { return tables; }
  bool has_keyless() const override { return true; }
  void reset(const std::string&) override {}
  std::string commit(const FakeCommit& state) override { return tables.commit(state); }
  FakeTables tables;
};

FakeTable many(int rows) {
  std::vector<std::pair<int64_t, std::string>> all;
  for (int i = 0; i < rows; ++i) all.emplace_back(i, i % 3 ? "a" : "b");
  return utterances(all);
}

Json all_rows(const FakeTables& tables) {
  return Deliveries::input("t", tables.history.head);
}

// The file of an artifact, changed in its middle.
void damage(Deliveries& deliveries, const Digest& digest) {
  const fs::path file = deliveries.artifacts.path(digest);
  std::string bytes = real_files().read(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  fs::permissions(file, fs::perms::owner_all);
  real_files().write_atomic(file, bytes);
}

// Of all snapshots there are: their manifests, or their files.
std::set<Digest> digests_of(Deliveries& deliveries, bool manifests) {
  std::set<Digest> all, files;
  for (const auto& [slice, kept] : deliveries.index.every_snapshot()) {
    for (const Digest& part : kept.parts) {
      all.insert(part);
      for (const Digest& one : describe_snapshot(deliveries.artifacts, part).digests) {
        files.insert(one);
      }
    }
  }
  for (const Digest& manifest : all) files.erase(manifest);
  return manifests ? all : files;
}

}  // namespace

TEST_CASE("deliveries brought forward are as from scratch, through all states") {
  FakeUnderTest under;
  under.tables.tells_equal_rows = true;
  conformance::deliveries_are_as_from_scratch(under);
}

TEST_CASE("deliveries of many rows: layers upon layers, as from scratch") {
  FakeUnderTest under;
  Deliveries deliveries(under.tables);
  FakeTable table = many(10'000);
  std::mt19937 chance(5);
  for (int round = 0; round < 5; ++round) {
    CAPTURE(round);
    under.tables.commit({{"t", table}});
    deliveries.compare(under.tables.history.head);
    for (int i = 0; i < 150; ++i) {
      const size_t at = chance() % table.rows.size();
      if (i % 9 == 0) {
        table.rows.erase(table.rows.begin() + static_cast<std::ptrdiff_t>(at));
      } else if (i % 10 == 0) {
        table.rows.push_back(utterances({{10'000 + round * 300 + i, "a"}}).rows[0]);
      } else {
        table.rows[at][2] = text_cell(fmt::format("round {} row {}", round, i));
      }
    }
  }
  CHECK(deliveries.said.empty());
}

TEST_CASE("a delivery costs the rows that changed, not the table") {
  FakeUnderTest under;
  FakeTables& tables = under.tables;
  Deliveries deliveries(tables);
  const SnapshotUse use{deliveries.index, [](const std::string& text) { FAIL(text); }};
  FakeTable table = many(10'000);
  tables.commit({{"t", table}});
  deliveries.prepared(all_rows(tables), &use);
  CHECK(tables.rows_given == 10'000);
  deliveries.prepared(all_rows(tables), &use);  // nothing is read
  CHECK(tables.rows_given == 10'000);
  table.rows[77][2] = text_cell("changed");
  tables.commit({{"t", table}});
  deliveries.prepared(all_rows(tables), &use);
  CHECK(tables.rows_given == 10'001);
  CHECK(tables.reads == 1);
  // Other columns, another cut: other rows, read once.
  Json some = all_rows(tables);
  some["columns"] = {"text"};
  deliveries.prepared(some, &use);
  CHECK(tables.reads == 2);
  some["where"]["client"] = "b";
  deliveries.prepared(some, &use);
  CHECK(tables.reads == 3);
  // CSV is as it was: all rows, and nothing is kept.
  some["format"] = "csv";
  deliveries.prepared(some, &use);
  CHECK(tables.reads == 4);
  CHECK(deliveries.index.every_snapshot().size() == 4);
}

TEST_CASE("two snapshots of a slice are kept, the newest deliveries") {
  FakeUnderTest under;
  Deliveries deliveries(under.tables);
  const SnapshotUse use{deliveries.index, [](const std::string& text) { FAIL(text); }};
  std::vector<std::string> commits;
  for (int i = 1; i <= 4; ++i) {
    commits.push_back(under.tables.commit({{"t", many(10 * i)}}));
    deliveries.prepared(all_rows(under.tables), &use);
  }
  const auto kept = deliveries.index.every_snapshot();
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].second.commit == commits[3]);
  CHECK(kept[1].second.commit == commits[2]);
}

TEST_CASE("damaged or missing files of a snapshot are said, and made again") {
  FakeUnderTest under;
  Deliveries deliveries(under.tables);
  FakeTable table = many(9000);
  under.tables.commit({{"t", table}});
  deliveries.compare(under.tables.history.head);
  for (const bool same_commit : {true, false}) {
    for (const bool missing : {true, false}) {
      for (const bool manifest : {true, false}) {
        CAPTURE(same_commit, missing, manifest);
        deliveries.said.clear();
        for (const Digest& digest : digests_of(deliveries, manifest)) {
          missing ? deliveries.artifacts.remove(digest) : damage(deliveries, digest);
        }
        table.rows[0][2] = text_cell(fmt::format("{}{}{}", same_commit, missing, manifest));
        if (!same_commit) under.tables.commit({{"t", table}});
        deliveries.compare(under.tables.history.head);
        CHECK_FALSE(deliveries.said.empty());
        for (const auto& [slice, kept] : deliveries.index.every_snapshot()) {
          if (kept.commit != under.tables.history.head) continue;
          for (const Digest& part : kept.parts) {
            for (const Digest& digest : describe_snapshot(deliveries.artifacts, part).digests) {
              CHECK_FALSE(deliveries.artifacts.drop_damaged(digest));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("a store that is away is asked again, not read from scratch") {
  FakeUnderTest under;
  Deliveries deliveries(under.tables);
  const SnapshotUse use{deliveries.index, [](const std::string& text) { FAIL(text); }};
  under.tables.commit({{"t", many(10)}});
  deliveries.prepared(all_rows(under.tables), &use);
  under.tables.commit({{"t", many(11)}});
  under.tables.error = Error(ErrorCode::kUnavailable, "away");
  CHECK_THROWS_AS(deliveries.prepared(all_rows(under.tables), &use), Error);
  under.tables.error.reset();
  deliveries.prepared(all_rows(under.tables), &use);
  CHECK(under.tables.reads == 1);
}
