#include "connectors/mysql/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "connectors/sql/quote.h"
#include "pipeline/base/text.h"
#include "pipeline/core/slice.h"
#include "pipeline/snapshot/cursor.h"

namespace lockstep {
namespace {

// The last second of a TIMESTAMP of 32 bits: a row that ends then or later has not ended.
constexpr int64_t kForEver_s = 2147483647;

std::strong_ordering compare_rows(const Row& a, const Row& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (auto order = compare_values(a[i], b[i]); order != 0) return order;
  }
  return std::strong_ordering::equal;
}

// The digest of all rows, whatever their order.
class Sums {
 public:
  explicit Sums(const SnapshotSchema& schema, SliceState state = {})
      : order_(schema.columns.size()), state_(std::move(state)) {
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::sort(order_.begin(), order_.end(),
              [&](size_t a, size_t b) { return schema.columns[a].name < schema.columns[b].name; });
    for (size_t at : order_) names_.push_back(schema.columns[at].name);
  }
  void add(const Row& row, uint64_t copies = 0) { state_.add(bytes(row, copies)); }
  void remove(const Row& row) { state_.remove(bytes(row, 0)); }
  void finish(Artifacts& artifacts, MysqlTableRecord& record) const {
    record.content = state_.digest();
    record.sums = artifacts.put(state_.serialize());
  }

 private:
  std::string bytes(const Row& row, uint64_t copies) const {
    Row sorted;
    for (size_t at : order_) sorted.push_back(row[at]);
    return row_bytes(names_, sorted, copies);
  }

  std::vector<size_t> order_;
  std::vector<std::string> names_;
  SliceState state_;
};

// Rows by rising key beside those of a snapshot: what differs goes to the sink.
class Beside {
 public:
  Beside(Artifacts& artifacts, const MysqlTableRecord& before, bool complete, const DiffSink& sink)
      : cursor_(artifacts, before.snapshot), complete_(complete), sink_(sink) {}

  void row(const Row& key, const Row* now) {
    if (complete_) {
      for (; !cursor_.at_end() && compare_rows(cursor_.key(), key) < 0; cursor_.next()) remove();
    } else {
      cursor_.seek(key);
    }
    const bool known = !cursor_.at_end() && compare_rows(cursor_.key(), key) == 0;
    if (known && now) {
      const Row was = cursor_.row();
      if (was != *now) sink_(&was, now);
    } else if (known) {
      remove();
    } else if (now) {
      sink_(nullptr, now);
    }
    if (known && complete_) cursor_.next();
  }
  void finish() {
    for (; complete_ && !cursor_.at_end(); cursor_.next()) remove();
  }

 private:
  void remove() {
    const Row was = cursor_.row();
    sink_(&was, nullptr);
  }

  SnapshotCursor cursor_;
  bool complete_;  // who is not named is gone
  const DiffSink& sink_;
};

}  // namespace

MysqlRows::MysqlRows(SqlConnection& sql, const MysqlConfig& config, const MysqlTable& table)
    : sql_(sql), config_(config), table_(table) {}

std::string MysqlRows::select(const std::string& last, const std::string& tail,
                              const std::string& last_order) const {
  std::string columns, order;
  for (const SqlColumn& column : table_.columns) {
    columns += select_cell(column, quote_name(column.name)) + ", ";
    if (table_.key.empty()) {
      order += (order.empty() ? "" : ", ") + order_cell(column, quote_name(column.name));
    }
  }
  for (const std::string& name : table_.key) {
    order += (order.empty() ? "" : ", ") + order_cell(*table_.find(name), quote_name(name));
  }
  return fmt::format("SELECT {}{} FROM {}{} ORDER BY {}{}", columns, last, quote_name(table_.name),
                     tail, order, last_order.empty() ? "" : ", " + last_order);
}

// What a cell or a row is refused for is held back until the answer is at its end, so that the
// transaction goes on.
void MysqlRows::stream(const std::string& statement, const RowUse& use) {
  std::optional<Error> refused;
  sql_.query(statement, [&](const SqlRow& cells) {
    if (refused) return;
    try {
      Row row(table_.columns.size());
      for (size_t i = 0; i < row.size(); ++i) {
        try {
          row[i] = read_cell(table_.columns[i], cells.at(i));
        } catch (const Error& error) {
          SqlKey key;
          for (const std::string& name : table_.key) {
            key.emplace_back(
                name, cells.at(static_cast<size_t>(table_.find(name) - table_.columns.data())));
          }
          throw Error(error.code,
                      fmt::format("column {} of {}: {}", printable(table_.columns[i].name),
                                  name_row(key), error.message),
                      error.hint);
        }
      }
      use(std::move(row), cells);
    } catch (const Error& error) {
      if (error.code == ErrorCode::kUnavailable) throw;
      refused = error;
    }
  });
  if (refused) throw *refused;
}

MysqlTaken MysqlRows::all() {
  Artifacts& artifacts = *config_.artifacts;
  MysqlTaken out;
  out.record.schema = table_.schema();
  SnapshotWriter writer(artifacts, out.record.schema);
  Sums sums(out.record.schema);
  const bool keyless = table_.key.empty();
  Row last;
  uint64_t copies = 0;  // of the last row of a keyless table
  stream(select("1", "", ""), [&](Row&& row, const SqlRow&) {
    writer.add(row);
    if (!keyless) return sums.add(row);
    if (copies > 0 && row == last) {
      ++copies;
      return;
    }
    if (copies > 0) sums.add(last, copies);
    last = std::move(row);
    copies = 1;
  });
  if (copies > 0) sums.add(last, copies);
  out.record.snapshot = writer.finish();
  out.record.rows = out.added = writer.rows();
  sums.finish(artifacts, out.record);
  return out;
}

// `statement` gives rows by rising key, of one key several versions: the last one counts, and is a
// row where the cell behind the columns is 1, else gone.
MysqlTaken MysqlRows::merged(const MysqlTableRecord& before, const std::string& statement,
                             bool complete) {
  Artifacts& artifacts = *config_.artifacts;
  MysqlTaken out;
  out.record = before;
  out.record.error.clear();
  Sums sums(before.schema, SliceState::parse(artifacts.get(before.sums)));
  std::vector<size_t> key_at;
  for (const std::string& name : table_.key) {
    key_at.push_back(static_cast<size_t>(table_.find(name) - table_.columns.data()));
  }
  out.record.snapshot = apply_diff(artifacts, before.snapshot, [&](const DiffSink& take) {
    const DiffSink sink = [&](const Row* was, const Row* is) {
      if (was) sums.remove(*was);
      if (is) sums.add(*is);
      ++(!was ? out.added : !is ? out.removed : out.changed);
      take(was, is);
    };
    Beside beside(artifacts, before, complete, sink);
    Row key, last;
    bool current = false;
    stream(statement, [&](Row&& row, const SqlRow& cells) {
      Row next_key;
      for (size_t at : key_at) next_key.push_back(row[at]);
      const auto order = key.empty() ? std::strong_ordering::less : compare_rows(key, next_key);
      if (order > 0) throw Error(ErrorCode::kCorrupt, "rows came out of key order");
      if (!key.empty() && order < 0) beside.row(key, current ? &last : nullptr);
      key = std::move(next_key);
      last = std::move(row);
      current = cells.back() == "1";
    });
    if (!key.empty()) beside.row(key, current ? &last : nullptr);
    beside.finish();
  });
  if (out.added + out.changed + out.removed == 0) out.record.snapshot = before.snapshot;
  out.record.rows = before.rows + out.added - out.removed;
  sums.finish(artifacts, out.record);
  return out;
}

MysqlTaken MysqlRows::compared(const MysqlTableRecord& before) {
  return merged(before, select("1", "", ""), true);
}

MysqlTaken MysqlRows::newer(const MysqlTableRecord& before, const std::string& condition) {
  return merged(before, select("1", " WHERE " + condition, ""), false);
}

MysqlTaken MysqlRows::since(const MysqlTableRecord& before, int64_t since_s) {
  const std::string last = fmt::format("{} >= FROM_UNIXTIME({})", table_.row_end, kForEver_s);
  const std::string tail = fmt::format(
      " FOR SYSTEM_TIME ALL WHERE {0} >= FROM_UNIXTIME({2}) OR ({1} >= FROM_UNIXTIME({2}) AND {1} "
      "< FROM_UNIXTIME({3}))",
      table_.row_start, table_.row_end, since_s, kForEver_s);
  return merged(before, select(last, tail, table_.row_end), false);
}

}  // namespace lockstep
