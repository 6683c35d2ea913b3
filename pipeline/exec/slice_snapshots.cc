#include "pipeline/exec/slice_snapshots.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "pipeline/base/clock.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kRemembered = 2;  // the commit before may be asked for again

using Parts = std::vector<Digest>;

Parts from_scratch(const SliceOrder& order, TableStore& store, Artifacts& artifacts) {
  std::vector<std::unique_ptr<SnapshotWriter>> writers;
  for (size_t i = 0; i < order.parts; ++i) {
    writers.push_back(std::make_unique<SnapshotWriter>(artifacts, order.schema));
  }
  store.read(order.read, [&](const Row& row) {
    const size_t part = order.part(row);
    if (part != kNoPart) writers[part]->add(row);
  });
  Parts made;
  for (auto& writer : writers) made.push_back(writer->finish());
  return made;
}

// One reading of the difference for all parts: each is a difference within the one before it.
void apply_to_parts(const SliceOrder& order, Artifacts& artifacts, const Parts& before,
                    std::vector<DiffSink>& sinks, Parts& after, const std::function<void()>& read) {
  const size_t at = sinks.size();
  if (at == order.parts) return read();
  after[at] = apply_diff(artifacts, before[at], [&](const DiffSink& sink) {
    sinks.push_back(sink);
    apply_to_parts(order, artifacts, before, sinks, after, read);
  });
}

Parts brought_forward(const SliceOrder& order, const KeptSnapshot& kept, TableStore& store,
                      Artifacts& artifacts) {
  const auto width = static_cast<std::ptrdiff_t>(order.schema.columns.size());
  const auto cells = [&](const Row& row) { return Row(row.begin(), row.begin() + width); };
  std::vector<DiffSink> sinks;
  Parts after(order.parts);
  apply_to_parts(order, artifacts, kept.parts, sinks, after, [&] {
    store.diff(order.read.table, kept.commit, order.read.commit, order.read.columns,
               [&](const Row* was, const Row* is) {
                 const size_t from = was ? order.part(*was) : kNoPart;
                 const size_t to = is ? order.part(*is) : kNoPart;
                 const Row old_row = from != kNoPart ? cells(*was) : Row();
                 const Row new_row = to != kNoPart ? cells(*is) : Row();
                 if (from != kNoPart && from == to) return sinks[from](&old_row, &new_row);
                 if (from != kNoPart) sinks[from](&old_row, nullptr);
                 if (to != kNoPart) sinks[to](nullptr, &new_row);
               });
  });
  return after;
}

using Files = std::vector<std::vector<DatasetFile>>;

// Whatever of it is damaged goes: else the same bytes, made again, would be taken for there.
void drop_damaged(const Parts& parts, Artifacts& artifacts) {
  for (const Digest& part : parts) {
    if (artifacts.drop_damaged(part)) continue;
    try {
      for (const Digest& digest : describe_snapshot(artifacts, part).digests) {
        artifacts.drop_damaged(digest);
      }
    } catch (const Error& error) {
      if (error.code != ErrorCode::kCorrupt) throw;
    }
  }
}

// Nothing where a file turned out to be damaged. It is gone then: bytes that are there are not
// written again, so the next try makes it anew.
std::optional<Files> try_files(const SliceOrder& order, const Parts& parts, Artifacts& artifacts) {
  std::vector<std::string> columns(
      order.read.columns.begin(),
      order.read.columns.begin() + static_cast<std::ptrdiff_t>(order.delivered));
  Files all;
  bool whole = true;
  try {
    for (const Digest& part : parts) {
      all.push_back(as_dataset(artifacts, part, columns));
      for (const DatasetFile& file : all.back()) {
        if (artifacts.drop_damaged(file.digest)) whole = false;
      }
    }
  } catch (const Error& error) {
    if (error.code != ErrorCode::kCorrupt && error.code != ErrorCode::kNotFound) throw;
    drop_damaged(parts, artifacts);
    return std::nullopt;
  }
  return whole ? std::optional(std::move(all)) : std::nullopt;
}

}  // namespace

Files deliver_slice(const SliceOrder& order, TableStore& store, Artifacts& artifacts,
                    const SnapshotUse& use) {
  const std::string& commit = order.read.commit;
  const auto remember = [&](const Parts& parts) {
    use.index.remember(order.slice, {commit, parts, SystemClock().now_ms()}, kRemembered);
  };
  for (const KeptSnapshot& kept : use.index.snapshots(order.slice)) {
    if (kept.parts.size() != order.parts) continue;
    try {
      const bool same = kept.commit == commit;
      const Parts parts = same ? kept.parts : brought_forward(order, kept, store, artifacts);
      std::optional<Files> files = try_files(order, parts, artifacts);
      if (!files) files = try_files(order, parts, artifacts);
      if (!files) throw Error(ErrorCode::kCorrupt, "its files are damaged or missing");
      remember(parts);
      return *files;
    } catch (const Error& error) {
      if (error.code == ErrorCode::kUnavailable) throw;
      use.say(fmt::format("the rows kept of {} at {} are of no use: {}",
                          printable(order.read.table), kept.commit.substr(0, 12), error.what()));
      if (error.code == ErrorCode::kConflict) continue;
      use.index.forget(order.slice, kept.commit);
      drop_damaged(kept.parts, artifacts);
    }
  }
  for (int tries = 0; tries < 3; ++tries) {
    const Parts parts = from_scratch(order, store, artifacts);
    std::optional<Files> files = try_files(order, parts, artifacts);
    if (!files) continue;
    remember(parts);
    return *files;
  }
  throw Error(ErrorCode::kCorrupt,
              fmt::format("the rows of {} are damaged as soon as they are written",
                          printable(order.read.table)),
              "look at the disk");
}

}  // namespace lockstep
