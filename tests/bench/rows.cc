// The table of tests/bench/rows made into a matrix of float32, by one way at a time: read in bulk
// from a server, mapped from a snapshot's files, or brought forward by a commit's rows.
// Prints seconds, rows, the matrix's SHA-256, and how long the source was looked at for a commit.
// Knows nothing of other programs' ways.
#include <fmt/core.h>

#include <chrono>
#include <cstring>
#include <memory>

#include "connectors/dolt/table_store.h"
#include "connectors/mysql/table_store.h"
#include "connectors/sql_bulk/bulk.h"
#include "pipeline/base/mapped.h"
#include "pipeline/snapshot/cells.h"
#include "pipeline/snapshot/snapshot.h"
#include "pipeline/store/artifact_store.h"

using namespace lockstep;

namespace {

constexpr size_t kWidth = 10;  // 2 ints and 8 doubles; the text is read and left out

std::vector<SqlColumn> columns() {
  std::vector<SqlColumn> out = {sql_column("id", "int(11)", ""), sql_column("n", "int(11)", "")};
  for (int i = 0; i < 8; ++i) out.push_back(sql_column(fmt::format("f{}", i), "double", ""));
  out.push_back(sql_column("t", "varchar(64)", "utf8mb4_general_ci"));
  return out;
}

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const SqlColumn& column : columns()) out.push_back(column.name);
  return out;
}

// One row after the other, as a trainer takes them.
class Matrix {
 public:
  explicit Matrix(size_t rows) { cells_.reserve(rows * kWidth); }

  void add(const std::vector<ArrowArray>& batch) {
    const size_t rows = batch[0].rows, begin = cells_.size();
    cells_.resize(begin + rows * kWidth);
    for (size_t c = 0; c < kWidth; ++c) {
      float* out = cells_.data() + begin + c;
      const char* in = batch[c].values.data();
      if (c < 2) {
        copy<int64_t>(in, rows, out);
      } else {
        copy<double>(in, rows, out);
      }
    }
  }
  void set(const Row& row) {
    const auto id = static_cast<size_t>(std::stoll(row[0].payload));
    for (size_t c = 0; c < kWidth; ++c) {
      cells_.at((id - 1) * kWidth + c) = static_cast<float>(std::stod(display(row[c])));
    }
  }
  size_t rows() const { return cells_.size() / kWidth; }
  Digest digest() const {
    return sha256({reinterpret_cast<const char*>(cells_.data()), cells_.size() * sizeof(float)});
  }

 private:
  template <typename T>
  static void copy(const char* in, size_t rows, float* out) {
    for (size_t i = 0; i < rows; ++i) {
      T value;
      std::memcpy(&value, in + i * sizeof(T), sizeof(T));
      out[i * kWidth] = static_cast<float>(value);
    }
  }

  std::vector<float> cells_;
};

struct Options {
  std::string engine;  // "mariadb" or "dolt"
  uint16_t port = 0;
  size_t rows = 0;
  fs::path folder;  // of artifacts, and of the MySQL store's state
};

SqlServer server_of(const Options& options) {
  SqlServer server;
  server.port = options.port;
  server.database = "shop";
  return server;
}

std::unique_ptr<TableStore> store_of(const Options& options) {
  if (options.engine == "dolt") {
    DoltConfig config;
    config.name = "bench";
    config.server = server_of(options);
    return std::make_unique<DoltTableStore>(config);
  }
  MysqlConfig config;
  config.name = "bench";
  config.server = server_of(options);
  config.every_ms = 0;
  config.state = options.folder / "looks";
  config.tables["rows"] = MysqlTableSpec{MysqlMode::kColumn, "n"};
  config.artifacts = std::make_shared<ArtifactStore>(config.state);
  return std::make_unique<MysqlTableStore>(config);
}

class Stopwatch {
 public:
  double s() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

void show(double seconds, const Matrix& matrix, double look_s = 0) {
  fmt::print("{:.6f} {} {} {:.6f}\n", seconds, matrix.rows(), matrix.digest().hex(), look_s);
}

void bulk(const Options& options, size_t connections) {
  Stopwatch watch;
  BulkRead read;
  read.from = "`rows`";
  read.columns = columns();
  read.protocol = options.engine == "dolt" ? BulkProtocol::kText : BulkProtocol::kBinary;
  read.key = 0;
  read.connections = connections;
  Matrix matrix(options.rows);
  read_bulk(server_of(options), read,
            [&](const std::vector<ArrowArray>& batch) { matrix.add(batch); });
  show(watch.s(), matrix);
}

void add_files(ArtifactStore& artifacts, const Digest& snapshot, Matrix& matrix) {
  for (const DatasetFile& one : as_dataset(artifacts, snapshot, names())) {
    const fs::path path = artifacts.path(one.digest);
    const MappedFile mapped(path);
    const ArrowFile file(mapped.bytes(), path.string());
    for (size_t i = 0; i < file.batches(); ++i) matrix.add(file.batch(i));
  }
}

// Prints the snapshot, and the commit it is of.
void keep(const Options& options) {
  ArtifactStore artifacts(options.folder);
  Stopwatch watch;
  const std::unique_ptr<TableStore> store = store_of(options);
  const std::string commit = store->look();
  SnapshotSchema schema{{}, {"id"}};
  for (const SqlColumn& column : columns()) schema.columns.push_back({column.name, column.tag});
  SnapshotWriter writer(artifacts, schema);
  store->read({commit, "rows", names(), {}}, [&](const Row& row) { writer.add(row); });
  const std::string snapshot = writer.finish().hex();
  fmt::print("{:.6f} {} {}\n", watch.s(), commit, snapshot);
}

void mapped(const Options& options, const Digest& snapshot) {
  ArtifactStore artifacts(options.folder);
  Stopwatch watch;
  Matrix matrix(options.rows);
  add_files(artifacts, snapshot, matrix);
  show(watch.s(), matrix);
}

// The commit after `from`: the snapshot and a matrix that is there already are brought forward.
void forward(const Options& options, const std::string& from, const Digest& snapshot) {
  ArtifactStore artifacts(options.folder);
  Matrix matrix(options.rows);
  add_files(artifacts, snapshot, matrix);
  const std::unique_ptr<TableStore> store = store_of(options);
  Stopwatch watch;
  const std::string to = store->look();
  const double look_s = watch.s();
  size_t changed = 0;
  apply_diff(artifacts, snapshot, [&](const DiffSink& sink) {
    store->diff("rows", from, to, names(), [&](const Row* before, const Row* after) {
      if (after) matrix.set(*after);
      ++changed;
      sink(before, after);
    });
  });
  const double seconds = watch.s();
  if (changed == 0) throw Error(ErrorCode::kInvalid, "no row changed");
  show(seconds, matrix, look_s);
}

int usage() {
  fmt::print(stderr,
             "rows_bench mariadb|dolt PORT ROWS FOLDER bulk CONNECTIONS | keep | mapped SNAPSHOT |"
             " forward COMMIT SNAPSHOT\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 5) return usage();
  try {
    const Options options{words[0], static_cast<uint16_t>(std::stoi(words[1])),
                          static_cast<size_t>(std::stoll(words[2])), words[3]};
    const std::string& way = words[4];
    if (way == "bulk" && words.size() == 6) {
      bulk(options, static_cast<size_t>(std::stoll(words[5])));
    } else if (way == "keep" && words.size() == 5) {
      keep(options);
    } else if (way == "mapped" && words.size() == 6) {
      mapped(options, Digest::parse(words[5]));
    } else if (way == "forward" && words.size() == 7) {
      forward(options, words[5], Digest::parse(words[6]));
    } else {
      return usage();
    }
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
