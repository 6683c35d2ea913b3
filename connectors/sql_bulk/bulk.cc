#include "connectors/sql_bulk/bulk.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "connectors/sql/quote.h"
#include "connectors/sql_bulk/stream.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kMostRanges = 256;
constexpr size_t kQueued = 2;       // batches of a connection that wait for the sink
constexpr int kTries = 5;           // with no row between them
constexpr int kFirstPause_ms = 50;  // then twice as long each time

// Keys from `low` to `high`, both in it; without: all.
struct Range {
  std::optional<int64_t> low, high;
};

std::string select_of(const BulkRead& read, const Range& range) {
  std::vector<std::string> cells, conditions;
  for (const SqlColumn& column : read.columns) {
    cells.push_back(select_cell(column, quote_name(column.name)));
  }
  if (!read.where.empty()) conditions.push_back("(" + read.where + ")");
  std::string order = read.order;
  if (read.key) {
    order = quote_name(read.columns[*read.key].name);
    if (range.low) conditions.push_back(fmt::format("{} >= {}", order, *range.low));
    if (range.high) conditions.push_back(fmt::format("{} <= {}", order, *range.high));
  }
  return fmt::format("SELECT {} FROM {}{}{}{}{}", fmt::join(cells, ", "), read.from,
                     conditions.empty() ? "" : " WHERE ", fmt::join(conditions, " AND "),
                     order.empty() ? "" : " ORDER BY ", order);
}

// Reads ranges over one connection that is opened again where it was lost.
class RangeReader {
 public:
  using Deliver = std::function<void(BulkBatch&&)>;

  RangeReader(const SqlServer& server, const BulkRead& read) : server_(server), read_(read) {}

  void run(Range range, const Deliver& deliver) {
    BulkBatch batch(read_.columns);
    for (int tries = 1; range.low <= range.high || !range.high; ++tries) {
      const std::optional<int64_t> begin = range.low;
      try {
        pass(range, batch, deliver);
        break;
      } catch (const Error& error) {
        stream_.reset();
        if (range.low != begin) tries = 1;
        const bool away = error.code == ErrorCode::kUnavailable;
        if (!away || !read_.key || stopped_ || tries >= kTries) throw;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(kFirstPause_ms << tries));
    }
    if (batch.rows() > 0) deliver(std::move(batch));
  }

 private:
  // Moves `range` behind every row that was taken.
  void pass(Range& range, BulkBatch& batch, const Deliver& deliver) {
    if (!stream_) stream_ = std::make_unique<BulkStream>(server_);
    stream_->begin(select_of(read_, range), read_.columns, read_.protocol);
    while (stream_->next(batch)) {
      if (read_.key) move_behind(range, batch);
      if (batch.rows() < read_.batch_rows && batch.bytes() < read_.batch_bytes) continue;
      BulkBatch full = std::exchange(batch, BulkBatch(read_.columns));
      stopped_ = true;  // what the sink throws is nothing to try again
      deliver(std::move(full));
      stopped_ = false;
    }
  }
  void move_behind(Range& range, const BulkBatch& batch) const {
    const std::optional<int64_t> key = batch.last_int(*read_.key);
    if (!key || (range.low && *key < *range.low)) {
      throw Error(ErrorCode::kCorrupt,
                  fmt::format("rows of {} do not come by rising {}", printable(read_.from),
                              printable(read_.columns[*read_.key].name)));
    }
    if (*key < INT64_MAX) {
      range.low = *key + 1;
    } else {
      range = {INT64_MAX, INT64_MAX - 1};  // empty: there is none behind it
    }
  }

  const SqlServer& server_;
  const BulkRead& read_;
  std::unique_ptr<BulkStream> stream_;
  bool stopped_ = false;
};

// Batches on their way from a reading thread to the one that delivers.
class Lane {
 public:
  struct Item {
    std::optional<BulkBatch> batch;  // none: the range is at its end
    std::exception_ptr error;
  };

  // Waits for room; throws where nobody takes any more.
  void push(Item item) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || items_.size() < kQueued; });
    if (closed_) throw Error(ErrorCode::kInvalid, "stopped by who reads");
    items_.push_back(std::move(item));
    changed_.notify_all();
  }
  Item pop() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return !items_.empty(); });
    Item item = std::move(items_.front());
    items_.pop_front();
    changed_.notify_all();
    return item;
  }
  void close() {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> items_;
  bool closed_ = false;
};

// Connection i reads ranges i, i + n, i + 2n, …; the sink gets them in their order.
class SideBySide {
 public:
  SideBySide(const SqlServer& server, const BulkRead& read, std::vector<Range> ranges)
      : ranges_(std::move(ranges)), lanes_(std::min(read.connections, ranges_.size())) {
    for (size_t i = 0; i < lanes_.size(); ++i) {
      threads_.emplace_back([this, &server, &read, i] { work(server, read, i); });
    }
  }
  ~SideBySide() {
    for (Lane& lane : lanes_) lane.close();
    for (std::thread& thread : threads_) thread.join();
  }

  uint64_t deliver(const BulkSink& sink) {
    uint64_t rows = 0;
    for (size_t i = 0; i < ranges_.size(); ++i) {
      Lane& lane = lanes_[i % lanes_.size()];
      for (Lane::Item item = lane.pop(); item.batch || item.error; item = lane.pop()) {
        if (item.error) std::rethrow_exception(item.error);
        rows += item.batch->rows();
        sink(item.batch->arrays());
      }
    }
    return rows;
  }

 private:
  void work(const SqlServer& server, const BulkRead& read, size_t first) {
    Lane& lane = lanes_[first];
    try {
      RangeReader reader(server, read);
      for (size_t i = first; i < ranges_.size(); i += lanes_.size()) {
        reader.run(ranges_[i], [&](BulkBatch&& batch) { lane.push({std::move(batch), nullptr}); });
        lane.push({});
      }
    } catch (...) {
      try {
        lane.push({std::nullopt, std::current_exception()});
      } catch (const Error&) {
        // Nobody is there to be told.
      }
    }
  }

  std::vector<Range> ranges_;
  std::vector<Lane> lanes_;
  std::vector<std::thread> threads_;
};

// The keys there are, in pieces that hold a batch each where keys are dense.
std::vector<Range> ranges_of(const SqlServer& server, const BulkRead& read) {
  const std::string key = quote_name(read.columns[*read.key].name);
  SqlConnection sql(server);
  const std::vector<SqlCells> ends =
      sql.rows(fmt::format("SELECT MIN({0}), MAX({0}) FROM {1}", key, read.from));
  if (ends.empty() || !ends[0][0] || !ends[0][1]) return {};
  const int64_t low = std::stoll(*ends[0][0]), high = std::stoll(*ends[0][1]);
  // Unsigned: a span may be wider than int64.
  const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  const uint64_t step = std::max<uint64_t>(span / kMostRanges, read.batch_rows - 1);
  std::vector<Range> out;
  for (uint64_t at = 0;; at += step + 1) {
    const auto begin = static_cast<int64_t>(static_cast<uint64_t>(low) + at);
    if (span - at <= step) {
      out.push_back({begin, high});
      return out;
    }
    out.push_back({begin, static_cast<int64_t>(static_cast<uint64_t>(begin) + step)});
  }
}

void check(const BulkRead& read) {
  if (read.columns.empty() || read.batch_rows == 0 || read.batch_rows > kMaxArrowRows) {
    throw Error(ErrorCode::kInvalid, "a bulk reading needs columns, and batches of 1 to 65,536");
  }
  if (!read.key) return;
  const SqlColumn& column = read.columns.at(*read.key);
  if (bulk_type(column) != ArrowType::kInt64) {
    throw Error(ErrorCode::kInvalid, fmt::format("column {} of type {} can't be cut into ranges",
                                                 printable(column.name), column.declared));
  }
}

}  // namespace

uint64_t read_bulk(const SqlServer& server, const BulkRead& read, const BulkSink& sink) {
  check(read);
  if (read.key && read.connections > 1) {
    std::vector<Range> ranges = ranges_of(server, read);
    if (ranges.empty()) return 0;
    return SideBySide(server, read, std::move(ranges)).deliver(sink);
  }
  uint64_t rows = 0;
  RangeReader(server, read).run({}, [&](BulkBatch&& batch) {
    rows += batch.rows();
    sink(batch.arrays());
  });
  return rows;
}

}  // namespace lockstep
