#include "pipeline/snapshot/snapshot.h"

#include <fstream>
#include <random>

#include "pipeline/base/folder.h"
#include "tests/pipeline/snapshot/fixture.h"

using namespace lockstep;

namespace {

People many(int64_t count, int64_t step = 1) {
  People all;
  for (int64_t i = 0; i < count; ++i) all[i * step] = i;
  return all;
}

void check_rows(Artifacts& artifacts, const Digest& snapshot, const People& want) {
  std::vector<Row> rows = rows_of(artifacts, snapshot, kAllPeople);
  REQUIRE(rows.size() == want.size());
  size_t at = 0;
  bool equal = true;
  for (const auto& [id, state] : want) equal = equal && rows[at++] == person(id, state);
  CHECK(equal);
}

}  // namespace

TEST_CASE("snapshot: from scratch, read back, the same bytes twice") {
  TestStore store;
  Digest small = snapshot_of(store.artifacts, many(10));
  check_rows(store.artifacts, small, many(10));
  CHECK(describe_snapshot(store.artifacts, small).digests.size() == 2);  // itself and one file
  CHECK(snapshot_of(store.artifacts, many(10)) == small);

  People rows = many(70'000);
  Digest large = snapshot_of(store.artifacts, rows);
  check_rows(store.artifacts, large, rows);
  SnapshotInfo info = describe_snapshot(store.artifacts, large);
  CHECK(info.rows == 70'000);
  CHECK(info.digests.size() == 3);
  CHECK(info.schema == people());
  TestStore other;
  CHECK(snapshot_of(other.artifacts, rows) == large);
}

TEST_CASE("snapshot: chosen columns, in the order asked for; unknown ones are refused") {
  TestStore store;
  Digest snapshot = snapshot_of(store.artifacts, many(5));
  auto rows = rows_of(store.artifacts, snapshot, {"client", "id"});
  REQUIRE(rows.size() == 5);
  CHECK(rows[3] == Row{cell(ValueTag::kText, "b"), cell(ValueTag::kInt, "1")});
  CHECK(code_of([&] { rows_of(store.artifacts, snapshot, {"nobody"}); }) == ErrorCode::kInvalid);
}

TEST_CASE("snapshot: rows out of order or twice, and keys that are no columns, are refused") {
  TestStore store;
  SnapshotWriter writer(store.artifacts, people());
  writer.add(person(7, 1));
  CHECK(code_of([&] { writer.add(person(7, 2)); }) == ErrorCode::kInvalid);
  CHECK(code_of([&] { writer.add(person(6, 2)); }) == ErrorCode::kInvalid);
  CHECK(code_of([&] {
          SnapshotWriter(store.artifacts, {{{"id", ValueTag::kInt}}, {"key"}});
        }) == ErrorCode::kInvalid);
  CHECK(code_of([&] {
          SnapshotWriter(store.artifacts, {{{"id", ValueTag::kInt}}, {"id", "id"}});
        }) == ErrorCode::kInvalid);
}

TEST_CASE("snapshot: without a key rows may repeat, and differences are refused") {
  TestStore store;
  SnapshotWriter writer(store.artifacts, {{{"n", ValueTag::kInt}}, {}});
  for (const char* n : {"2", "1", "1"}) writer.add({cell(ValueTag::kInt, n)});
  Digest snapshot = writer.finish();
  CHECK(rows_of(store.artifacts, snapshot, {"n"}).size() == 3);
  CHECK(code_of([&] { apply_diff(store.artifacts, snapshot, difference({}, {})); }) ==
        ErrorCode::kConflict);
}

TEST_CASE("snapshot: no rows, before and after a difference") {
  TestStore store;
  Digest none = snapshot_of(store.artifacts, {});
  check_rows(store.artifacts, none, {});
  Digest some = apply_diff(store.artifacts, none, difference({}, many(3)));
  CHECK(some == snapshot_of(store.artifacts, many(3)));
  CHECK(apply_diff(store.artifacts, some, difference(many(3), {})) == none);
  CHECK(apply_diff(store.artifacts, some, difference({}, {})) == some);
}

TEST_CASE("snapshot: a few rows become a layer, a tenth writes everything anew") {
  TestStore store;
  People before = many(20'000), after = before;
  Digest first = snapshot_of(store.artifacts, before);
  for (int64_t id = 100; id < 110; ++id) after[id] = -id;
  after.erase(5000);
  after[900'000] = 1;
  Digest second = apply_diff(store.artifacts, first, difference(before, after));
  SnapshotInfo info = describe_snapshot(store.artifacts, second);
  CHECK(info.layers == 2);
  CHECK(info.digests.size() == 4);  // itself, the base's file, rows, keys that are gone
  CHECK(info.rows == after.size());
  check_rows(store.artifacts, second, after);
  check_rows(store.artifacts, first, before);  // nothing was changed in place

  People more = after;
  for (int64_t id = 0; id < 2100; ++id) more[id] = -1;
  Digest third = apply_diff(store.artifacts, second, difference(after, more));
  CHECK(third == snapshot_of(store.artifacts, more));
}

TEST_CASE("snapshot: random differences, read back and as a dataset, equal from scratch") {
  TestStore store;
  std::mt19937 random(2026);
  People now = many(9000, 3);
  Digest snapshot = snapshot_of(store.artifacts, now);
  size_t most_layers = 0, anew = 0;
  for (int round = 0; round < 60; ++round) {
    People next = now;
    for (uint32_t n = random() % 120; n > 0; --n) {
      int64_t id = random() % 27'000;
      if (random() % 3 == 0) {
        next.erase(id);
      } else {
        next[id] = static_cast<int64_t>(random() % 100'000);
      }
    }
    snapshot = apply_diff(store.artifacts, snapshot, difference(now, next));
    now = next;
    SnapshotInfo info = describe_snapshot(store.artifacts, snapshot);
    REQUIRE(info.rows == now.size());
    most_layers = std::max(most_layers, info.layers);
    anew += info.layers == 1;
    if (round % 6 > 0) continue;
    check_rows(store.artifacts, snapshot, now);
    Digest scratch = snapshot_of(store.artifacts, now);
    CHECK(as_dataset(store.artifacts, snapshot, kAllPeople) ==
          as_dataset(store.artifacts, scratch, kAllPeople));
    CHECK(as_dataset(store.artifacts, snapshot, {"seen"}) ==
          as_dataset(store.artifacts, scratch, {"seen"}));
    if (info.layers == 1) CHECK(snapshot == scratch);
  }
  CHECK(most_layers > 3);
  CHECK(most_layers < 12);
  CHECK(anew > 1);
}

TEST_CASE("snapshot: what differs between any two, whichever way they came about") {
  TestStore store;
  std::mt19937 random(7);
  std::vector<std::pair<Digest, People>> all = {{{}, many(70'000)}};
  all[0].first = snapshot_of(store.artifacts, all[0].second);
  for (int round = 0; round < 5; ++round) {
    auto [snapshot, people_] = all[random() % all.size()];  // branches, too
    People next = people_;
    for (int n = 0; n < 200; ++n) {
      int64_t id = random() % 75'000;
      if (random() % 3 == 0) {
        next.erase(id);
      } else {
        next[id] = static_cast<int64_t>(random() % 1000);
      }
    }
    all.emplace_back(apply_diff(store.artifacts, snapshot, difference(people_, next)), next);
  }
  all.emplace_back(snapshot_of(store.artifacts, all.back().second), all.back().second);
  all.emplace_back(snapshot_of(store.artifacts, many(10)), many(10));
  using Told = std::map<std::string, std::pair<std::optional<Row>, std::optional<Row>>>;
  for (size_t i = 0; i < all.size(); ++i) {
    size_t k = random() % all.size();
    Told want, got;
    auto tell = [](Told& told) {
      return [&told](const Row* before, const Row* after) {
        const Row& row = before ? *before : *after;
        told[row[1].payload + row[2].payload] = {before ? std::optional(*before) : std::nullopt,
                                                 after ? std::optional(*after) : std::nullopt};
      };
    };
    difference(all[i].second, all[k].second)(tell(want));
    diff_snapshots(store.artifacts, all[i].first, all[k].first, kAllPeople, tell(got));
    INFO(i << " to " << k);
    CHECK(got.size() == want.size());
    CHECK(got == want);
  }
}

TEST_CASE("snapshot: a difference opens only the files that hold its keys") {
  TestStore store;
  People before = many(140'000), after = before;
  after[5] = -1;
  Digest first = snapshot_of(store.artifacts, before);
  Digest second = apply_diff(store.artifacts, first, difference(before, after));
  auto base = describe_snapshot(store.artifacts, first).digests;
  REQUIRE(base.size() == 4);
  store.artifacts.remove(base[2]);  // does not have the key
  store.artifacts.remove(base[3]);
  int told = 0;
  diff_snapshots(store.artifacts, first, second, {"text"}, [&](const Row* from, const Row* to) {
    ++told;
    CHECK(from->at(0).payload == "says 5");
    CHECK(to->at(0).payload == "says -1");
  });
  CHECK(told == 1);
  Digest none = snapshot_of(store.artifacts, {});
  SnapshotWriter other(store.artifacts, {{{"n", ValueTag::kInt}}, {"n"}});
  Digest others = other.finish();
  CHECK(code_of([&] { diff_snapshots(store.artifacts, none, others, {}, {}); }) ==
        ErrorCode::kConflict);
}

TEST_CASE("snapshot: one difference of more rows than are held in memory") {
  TestStore store;
  People before = many(10), after = many(70'000);
  after.erase(3);
  Digest snapshot =
      apply_diff(store.artifacts, snapshot_of(store.artifacts, before), difference(before, after));
  CHECK(snapshot == snapshot_of(store.artifacts, after));
}

TEST_CASE("snapshot: a difference that does not fit is found") {
  TestStore store;
  Digest snapshot = snapshot_of(store.artifacts, many(10));
  auto apply = [&](const People& from, const People& to) {
    return code_of([&] { apply_diff(store.artifacts, snapshot, difference(from, to)); });
  };
  CHECK(apply({}, {{4, 1}}) == ErrorCode::kCorrupt);   // added, but there already
  CHECK(apply({{70, 1}}, {}) == ErrorCode::kCorrupt);  // removed, but never there
  CHECK(apply(many(20), {}) == ErrorCode::kCorrupt);   // more than there are
}

TEST_CASE("snapshot: damaged and missing files are named") {
  TestStore store;
  Digest snapshot = snapshot_of(store.artifacts, many(100));
  Digest file = describe_snapshot(store.artifacts, snapshot).digests.at(1);
  fs::path path = store.artifacts.path(file);
  fs::permissions(path, fs::perms::owner_all);
  std::string bytes = real_files().read(path);
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(path, std::ios::binary) << bytes;
  auto read = [&] { rows_of(store.artifacts, snapshot, {"id"}); };
  CHECK(code_of(read) == ErrorCode::kCorrupt);
  store.artifacts.remove(file);
  CHECK(code_of(read) == ErrorCode::kNotFound);
  CHECK(code_of([&] { rows_of(store.artifacts, store.artifacts.put("{}"), {}); }) ==
        ErrorCode::kCorrupt);
  CHECK(code_of([&] { rows_of(store.artifacts, file, {}); }) == ErrorCode::kNotFound);
}

TEST_CASE("dataset: one type for a column in all files, whatever the last row asks for") {
  TestStore store;
  auto dataset = [&](bool large_first) {
    DatasetWriter writer(store.artifacts, {{"n", ValueTag::kInt}});
    for (int64_t i = 0; i < 65'537; ++i) {
      bool large = i == (large_first ? 0 : 65'536);
      writer.add({cell(ValueTag::kInt, large ? "18446744073709551615" : "7")});
    }
    return writer.finish();
  };
  for (bool large_first : {true, false}) {
    auto files = dataset(large_first);
    REQUIRE(files.size() == 2);
    CHECK(files[0].rows == 65'536);
    CHECK(files[1].rows == 1);
    for (const DatasetFile& one : files) {
      std::string bytes = store.artifacts.get(one.digest);
      ArrowFile file(bytes, "f");
      CHECK(file.columns() == std::vector<ArrowColumn>{{"n", ArrowType::kUint64}});
      bool large = large_first == (one.rows > 1);
      CHECK(file.batch(0).at(0).natural(0) == (large ? UINT64_MAX : 7));
    }
  }
}

TEST_CASE("dataset: a file ends where its cells are many bytes") {
  TestStore store;
  DatasetWriter writer(store.artifacts, {{"t", ValueTag::kText}});
  Row row = {cell(ValueTag::kText, std::string(10 << 20, 'x'))};
  for (int i = 0; i < 7; ++i) writer.add(row);
  auto files = writer.finish();
  REQUIRE(files.size() == 3);
  CHECK(files[0].rows == 3);
  CHECK(files[2].rows == 1);
  auto listing =
      parse_folder_listing(store.artifacts.get(put_dataset_folder(store.artifacts, files)));
  REQUIRE(listing.size() == 3);
  CHECK(listing[2].path == "part-00002.arrow");
  CHECK(listing[2].digest == files[2].digest);
}
