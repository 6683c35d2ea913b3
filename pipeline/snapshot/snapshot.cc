#include "pipeline/snapshot/snapshot.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"
#include "pipeline/snapshot/merge.h"

namespace lockstep {
namespace {

constexpr uint64_t kSmallRows = 8192;  // written anew at every difference
constexpr uint64_t kChanges = 65536;   // held in memory, then a layer of their own
constexpr uint64_t kChanges_bytes = 32ull << 20;

struct KeyLess {
  bool operator()(const Row& a, const Row& b) const { return compare_keys(a, b) < 0; }
};

std::vector<size_t> every(const std::vector<Column>& columns) {
  std::vector<size_t> all(columns.size());
  std::iota(all.begin(), all.end(), size_t{0});
  return all;
}

std::vector<size_t> positions(const SnapshotSchema& schema,
                              const std::vector<std::string>& columns) {
  std::vector<size_t> all;
  for (const std::string& name : columns) {
    auto found = std::find_if(schema.columns.begin(), schema.columns.end(),
                              [&](const Column& column) { return column.name == name; });
    if (found == schema.columns.end()) {
      throw Error(ErrorCode::kInvalid, "the snapshot has no column " + printable(name));
    }
    all.push_back(static_cast<size_t>(found - schema.columns.begin()));
  }
  return all;
}

// Two writers that make a layer.
struct LayerWriter {
  LayerWriter(Artifacts& artifacts, const Manifest& manifest)
      : put(artifacts, manifest.schema.columns, manifest.key_positions()),
        gone(artifacts, manifest.key_columns(), every(manifest.key_columns())) {}
  Layer finish() { return {put.finish(true), gone.finish(true)}; }
  KeyedWriter put, gone;
};

// Takes changes in any order and turns them into layers, some at a time.
class Changes {
 public:
  Changes(Artifacts& artifacts, Manifest& manifest)
      : artifacts_(artifacts),
        manifest_(manifest),
        key_(manifest.key_positions()),
        columns_(every(manifest.schema.columns)) {}

  void take(const Row* before, const Row* after) {
    if (before != nullptr && after != nullptr && key_of(*before, key_) != key_of(*after, key_)) {
      take(before, nullptr);
      return take(nullptr, after);
    }
    if (before == nullptr && after == nullptr) return;
    if (before == nullptr) ++manifest_.rows;
    if (after == nullptr && manifest_.rows-- == 0) {
      throw Error(ErrorCode::kCorrupt, "a difference removes more rows than the snapshot has",
                  "make the snapshot again from the table");
    }
    const Row& row = after != nullptr ? *after : *before;
    for (const Value& cell : row) bytes_ += sizeof(Value) + cell.payload.size();
    changes_[key_of(row, key_)] = after != nullptr ? std::optional(*after) : std::nullopt;
    if (changes_.size() >= kChanges || bytes_ >= kChanges_bytes) flush();
  }

  void flush() {
    if (changes_.empty()) return;
    LayerWriter layer(artifacts_, manifest_);
    for (const auto& [key, row] : changes_) row ? layer.put.add(*row) : layer.gone.add(key);
    manifest_.layers.push_back(layer.finish());
    changes_.clear();
    bytes_ = 0;
    join_like_sized();
  }

 private:
  // So that there are never more layers than the logarithm of what they hold.
  void join_like_sized() {
    auto& layers = manifest_.layers;
    while (layers.size() > 2 && layers.back().size() * 2 >= layers[layers.size() - 2].size()) {
      LayerWriter joined(artifacts_, manifest_);
      MergedRows rows(artifacts_, manifest_, layers.size() - 2, layers.size(), true);
      for (; !rows.at_end(); rows.next()) {
        rows.gone() ? joined.gone.add(rows.key()) : joined.put.add(rows.row(columns_));
      }
      layers.pop_back();
      layers.back() = joined.finish();
    }
  }

  Artifacts& artifacts_;
  Manifest& manifest_;
  std::vector<size_t> key_, columns_;  // positions
  std::map<Row, std::optional<Row>, KeyLess> changes_;
  uint64_t bytes_ = 0;
};

void each_row(Artifacts& artifacts, const Manifest& manifest, const std::vector<size_t>& columns,
              const RowSink& sink) {
  MergedRows rows(artifacts, manifest, 0, manifest.layers.size(), false);
  for (; !rows.at_end(); rows.next()) {
    if (!rows.gone()) sink(rows.row(columns));
  }
}

bool worth_writing_anew(const Manifest& manifest) {
  uint64_t above = 0;
  for (size_t i = 1; i < manifest.layers.size(); ++i) above += manifest.layers[i].size();
  return manifest.rows <= kSmallRows || above * 10 > manifest.rows;
}

Digest write_anew(Artifacts& artifacts, const Manifest& manifest) {
  SnapshotWriter out(artifacts, manifest.schema);
  each_row(artifacts, manifest, every(manifest.schema.columns),
           [&](const Row& row) { out.add(row); });
  if (out.rows() != manifest.rows) {
    throw Error(ErrorCode::kCorrupt, "the differences do not fit the rows of the snapshot",
                "make the snapshot again from the table");
  }
  return out.finish();
}

}  // namespace

struct SnapshotWriter::State {
  State(Artifacts& to, SnapshotSchema schema)
      : artifacts(to),
        manifest{std::move(schema), 0, {}},
        key(manifest.key_positions()),
        files(to, manifest.schema.columns, key) {}
  Artifacts& artifacts;
  Manifest manifest;
  std::vector<size_t> key;
  KeyedWriter files;
  Row last;
};

SnapshotWriter::SnapshotWriter(Artifacts& artifacts, SnapshotSchema schema)
    : state_(std::make_unique<State>(artifacts, std::move(schema))) {}

SnapshotWriter::~SnapshotWriter() = default;

void SnapshotWriter::add(const Row& row) {
  Row key = key_of(row, state_->key);
  if (rows_ > 0 && !key.empty() && compare_keys(key, state_->last) <= 0) {
    std::string shown;
    for (const Value& cell : key) shown += (shown.empty() ? "" : ", ") + display(cell);
    throw Error(ErrorCode::kInvalid,
                "rows that do not come by rising key: " + printable(shown, 100) +
                    " is there twice or comes too late");
  }
  state_->files.add(row);
  state_->last = std::move(key);
  ++rows_;
}

Digest SnapshotWriter::finish() {
  state_->manifest.rows = rows_;
  state_->manifest.layers.push_back({state_->files.finish(false), {}});
  return put_manifest(state_->artifacts, state_->manifest);
}

Digest apply_diff(Artifacts& artifacts, const Digest& snapshot, const SnapshotDiff& diff) {
  Manifest manifest = get_manifest(artifacts, snapshot);
  if (manifest.schema.key.empty()) {
    throw Error(ErrorCode::kConflict, "a snapshot of a table without a key takes no differences",
                "write it anew");
  }
  Changes changes(artifacts, manifest);
  diff([&](const Row* before, const Row* after) { changes.take(before, after); });
  changes.flush();
  if (worth_writing_anew(manifest)) return write_anew(artifacts, manifest);
  return put_manifest(artifacts, manifest);
}

void read_snapshot(Artifacts& artifacts, const Digest& snapshot,
                   const std::vector<std::string>& columns, const RowSink& sink) {
  Manifest manifest = get_manifest(artifacts, snapshot);
  each_row(artifacts, manifest, positions(manifest.schema, columns), sink);
}

void diff_snapshots(Artifacts& artifacts, const Digest& from, const Digest& to,
                    const std::vector<std::string>& columns, const DiffSink& sink) {
  if (from == to) return;
  Manifest old_one = get_manifest(artifacts, from), new_one = get_manifest(artifacts, to);
  if (old_one.schema != new_one.schema || old_one.schema.key.empty()) {
    throw Error(ErrorCode::kConflict, "two snapshots with other columns, or without a key",
                "compare all rows");
  }
  std::vector<size_t> wanted = positions(old_one.schema, columns);
  size_t shared = 0;  // layers
  while (shared < std::min(old_one.layers.size(), new_one.layers.size()) &&
         old_one.layers[shared] == new_one.layers[shared]) {
    ++shared;
  }
  MergedRows below(artifacts, old_one, 0, shared, true);
  MergedRows before(artifacts, old_one, shared, old_one.layers.size(), true);
  MergedRows after(artifacts, new_one, shared, new_one.layers.size(), true);
  while (!before.at_end() || !after.at_end()) {
    bool first =
        after.at_end() || (!before.at_end() && compare_keys(before.key(), after.key()) < 0);
    const Row key = first ? before.key() : after.key();
    below.seek(key);
    auto row_in = [&](MergedRows& rows) -> std::optional<Row> {
      bool told = !rows.at_end() && rows.key() == key;
      MergedRows& from_here = told ? rows : below;
      bool there = !from_here.at_end() && from_here.key() == key && !from_here.gone();
      std::optional<Row> row;
      if (there) row = from_here.row(wanted);
      if (told) rows.next();
      return row;
    };
    std::optional<Row> gone = row_in(before), come = row_in(after);
    if (gone != come) sink(gone ? &*gone : nullptr, come ? &*come : nullptr);
  }
}

std::vector<DatasetFile> as_dataset(Artifacts& artifacts, const Digest& snapshot,
                                    const std::vector<std::string>& columns) {
  Manifest manifest = get_manifest(artifacts, snapshot);
  std::vector<size_t> wanted = positions(manifest.schema, columns);
  std::vector<DatasetFile> files;
  if (manifest.layers.size() == 1 && wanted == every(manifest.schema.columns)) {
    for (const KeyedFile& one : manifest.layers[0].put) files.push_back(one.file);
    return files;
  }
  std::vector<Column> chosen;
  for (size_t at : wanted) chosen.push_back(manifest.schema.columns[at]);
  DatasetWriter out(artifacts, std::move(chosen));
  each_row(artifacts, manifest, wanted, [&](const Row& row) { out.add(row); });
  return out.finish();
}

SnapshotInfo describe_snapshot(Artifacts& artifacts, const Digest& snapshot) {
  Manifest manifest = get_manifest(artifacts, snapshot);
  SnapshotInfo info{manifest.schema, manifest.rows, manifest.layers.size(), {snapshot}};
  for (const Layer& layer : manifest.layers) {
    for (const KeyedFile& one : layer.put) info.digests.push_back(one.file.digest);
    for (const KeyedFile& one : layer.gone) info.digests.push_back(one.file.digest);
  }
  return info;
}

}  // namespace lockstep
