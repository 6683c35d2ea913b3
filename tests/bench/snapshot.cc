// Writes, reads and brings forward a snapshot of ROWS rows (2 ints, 8 floats, 1 text) in FOLDER,
// and prints seconds and the largest resident memory so far for each.
// Knows nothing of servers; run it through tests/bench/run snapshot.
#include "pipeline/snapshot/snapshot.h"

#include <fmt/core.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <functional>

#include "pipeline/base/error.h"
#include "pipeline/store/artifact_store.h"

using namespace lockstep;

namespace {

SnapshotSchema schema() {
  SnapshotSchema out{{{"id", ValueTag::kInt}, {"n", ValueTag::kInt}}, {"id"}};
  for (int i = 0; i < 8; ++i) out.columns.push_back({fmt::format("f{}", i), ValueTag::kFloat});
  out.columns.push_back({"t", ValueTag::kText});
  return out;
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Column& column : schema().columns) all.push_back(column.name);
  return all;
}

Row row_of(int64_t id, int64_t salt) {
  Row row = {{ValueTag::kInt, std::to_string(id)},
             {ValueTag::kInt, std::to_string(id * 7919 % 1'000'003 + salt)}};
  for (int i = 0; i < 8; ++i) {
    row.push_back(float_value(static_cast<double>(id % (1000 + i)) / 7 + i));
  }
  row.push_back({ValueTag::kText, fmt::format("row {} of many", id)});
  return row;
}

void measured(const char* what, uint64_t rows, const std::function<void()>& act) {
  auto begin = std::chrono::steady_clock::now();
  act();
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("{:<28} {:>8.2f} s {:>12.0f} rows/s  largest so far {:>4} MiB\n", what, took.count(),
             static_cast<double>(rows) / took.count(), usage.ru_maxrss / 1024);
  std::fflush(stdout);
}

void run(uint64_t rows, const fs::path& folder) {
  ArtifactStore store(folder);
  Digest snapshot;
  measured("write", rows, [&] {
    SnapshotWriter writer(store, schema());
    for (uint64_t id = 0; id < rows; ++id) writer.add(row_of(static_cast<int64_t>(id), 0));
    snapshot = writer.finish();
  });
  auto read = [&](const std::vector<std::string>& columns) {
    uint64_t count = 0;
    read_snapshot(store, snapshot, columns, [&](const Row&) { ++count; });
    if (count != rows) throw Error(ErrorCode::kCorrupt, fmt::format("{} rows were read", count));
  };
  measured("read, all columns", rows, [&] { read(names()); });
  measured("read, one column", rows, [&] { read({"f3"}); });
  auto change = [&](uint64_t changes) {
    snapshot = apply_diff(store, snapshot, [&](const DiffSink& sink) {
      for (uint64_t i = 0; i < changes; ++i) {
        auto id = static_cast<int64_t>(i * (rows / changes));
        Row before = row_of(id, 0), after = row_of(id, 1);
        sink(&before, &after);
      }
    });
  };
  measured("100 rows changed", 100, [&] { change(100); });
  measured("read, all columns", rows, [&] { read(names()); });
  measured("a twentieth changed", rows / 20, [&] { change(rows / 20); });
  measured("read, all columns", rows, [&] { read(names()); });
  measured("as a dataset", rows, [&] { as_dataset(store, snapshot, names()); });
  measured("a ninth changed: anew", rows, [&] { change(rows / 9); });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || std::atoll(argv[1]) < 1000) {
    fmt::print(stderr, "snapshot_bench ROWS FOLDER (at least 1,000 rows)\n");
    return 2;
  }
  try {
    run(static_cast<uint64_t>(std::atoll(argv[1])), argv[2]);
  } catch (const Error& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
