#include "connectors/mysql/table_store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "connectors/mysql/look.h"
#include "connectors/mysql/watch.h"
#include "pipeline/base/text.h"
#include "pipeline/snapshot/cursor.h"

namespace lockstep {
namespace {

constexpr auto kPause = std::chrono::milliseconds(20);
constexpr int kMostPauses = 30'000;  // ten minutes for another's look

CommitInfo info(const MysqlCommit& commit) {
  return {commit.id, commit.author, "", commit.message, commit.time_ms};
}

std::strong_ordering compare_rows(const Row& a, const Row& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (auto order = compare_values(a[i], b[i]); order != 0) return order;
  }
  return std::strong_ordering::equal;
}

bool below(const Row& a, const Row& b) {
  return compare_rows(a, b) < 0;
}

size_t place(const SnapshotSchema& schema, const std::string& name) {
  const auto named = [&](const Column& column) { return column.name == name; };
  const auto found = std::find_if(schema.columns.begin(), schema.columns.end(), named);
  return static_cast<size_t>(found - schema.columns.begin());
}

std::vector<size_t> places(const SnapshotSchema& schema, const std::vector<std::string>& columns) {
  std::vector<size_t> at;
  for (const std::string& column : columns) at.push_back(place(schema, column));
  return at;
}

Row part(const Row& row, const std::vector<size_t>& at) {
  Row out;
  for (size_t i : at) out.push_back(row[i]);
  return out;
}

// One key, and both have these columns; what else came or went does not matter. The rows of
// keyless tables are told apart by all of their columns.
bool comparable(const SnapshotSchema& a, const SnapshotSchema& b,
                const std::vector<std::string>& columns) {
  if (a.key != b.key || (a.key.empty() && a.columns != b.columns)) return false;
  std::vector<std::string> needed = columns;
  needed.insert(needed.end(), a.key.begin(), a.key.end());
  return std::all_of(needed.begin(), needed.end(), [&](const std::string& column) {
    const size_t i = place(a, column), j = place(b, column);
    return i < a.columns.size() && j < b.columns.size() && a.columns[i] == b.columns[j];
  });
}

}  // namespace

MysqlTableStore::MysqlTableStore(MysqlConfig config)
    : config_(std::move(config)), commits_(config_) {}

bool MysqlTableStore::fresh(std::string* head) const {
  *head = commits_.head();
  if (head->empty()) return false;
  const MysqlCommits::Look last = commits_.last_look();
  const int64_t age_ms = SystemClock().now_ms() - last.at_ms;
  // A tenth less: the signal comes at even intervals, the look takes its time.
  return last.head == *head && age_ms >= 0 && age_ms < config_.every_ms - config_.every_ms / 10;
}

// Nothing where another one looks.
std::unique_ptr<FileLock> MysqlTableStore::lock() const {
  try {
    return std::make_unique<FileLock>(config_.state / "lock", "the state of " + config_.name);
  } catch (const Error& error) {
    if (error.code != ErrorCode::kConflict) throw;
    return nullptr;
  }
}

std::string MysqlTableStore::look_or(bool wait) {
  for (int i = 0; i < kMostPauses; ++i) {
    if (const std::unique_ptr<FileLock> held = lock()) return MysqlLook(config_, commits_).run();
    const std::string known = commits_.head();
    if (!wait && !known.empty()) return known;
    std::this_thread::sleep_for(kPause);
  }
  throw Error(ErrorCode::kUnavailable,
              fmt::format("source {}: another look takes too long", config_.name),
              "is the server slow, or another process stopped?");
}

std::string MysqlTableStore::head() {
  std::string head;
  return fresh(&head) ? head : look_or(false);
}

std::string MysqlTableStore::look() {
  return look_or(true);
}

std::string MysqlTableStore::resolve(const std::string& name) {
  if (commits_.head().empty()) head();
  return commits_.resolve(name);
}

CommitInfo MysqlTableStore::commit(const std::string& id) {
  return info(commits_.get(id));
}

std::vector<CommitInfo> MysqlTableStore::log(const std::string& from, const std::string& to,
                                             size_t limit) {
  std::vector<CommitInfo> out;
  commits_.walk(to, [&](const MysqlCommit& commit) {
    if (commit.id == from || out.size() >= limit) return true;
    out.push_back(info(commit));
    return false;
  });
  return out;
}

bool MysqlTableStore::descends(const std::string& to, const std::string& from) {
  bool found = false;
  commits_.walk(to, [&](const MysqlCommit& commit) { return found = commit.id == from; });
  return found;
}

std::filesystem::path MysqlTableStore::notes(const std::string& owner) const {
  if (owner.empty() || owner[0] == '.' || owner.find('/') != owner.npos) {
    throw Error(ErrorCode::kInvalid, printable(owner) + " is no word for who keeps a commit");
  }
  return config_.state / "kept" / owner;
}

void MysqlTableStore::keep(const std::string& owner, const std::string& commit) {
  config_.files->write_atomic(notes(owner) / commits_.get(commit).id, "");
}

void MysqlTableStore::release(const std::string& owner, const std::string& commit) {
  config_.files->remove(notes(owner) / commits_.get(commit).id);
}

std::vector<std::string> MysqlTableStore::kept(const std::string& owner) {
  std::vector<std::string> out;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(notes(owner), missing)) {
    const std::string name = entry.path().filename().string();
    if (name.size() == 64) out.push_back(name);  // else a file under way
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::unique_ptr<SourceWatch> MysqlTableStore::watch() {
  return std::make_unique<MysqlWatch>(config_.every_ms);
}

std::vector<TableInfo> MysqlTableStore::tables(const std::string& commit) {
  std::vector<TableInfo> out;
  for (const auto& [name, table] : commits_.get(commit).tables) {
    if (!table.error.empty()) continue;
    Json shape = {table.schema.key, table.content.hex()};
    for (const Column& column : table.schema.columns) {
      shape.push_back({column.name, word(column.type)});
    }
    out.push_back({name, sha256(canonical_json(shape)).hex(), table.rows});
  }
  return out;
}

MysqlTableRecord MysqlTableStore::open(const std::string& commit, const std::string& table) {
  const std::map<std::string, MysqlTableRecord>& tables = commits_.get(commit).tables;
  const auto found = tables.find(table);
  const std::string where =
      fmt::format("{}@{}:{}", config_.name, commit.substr(0, 12), printable(table));
  if (found == tables.end()) {
    std::vector<std::string> names;
    for (const auto& [name, record] : tables) names.push_back(printable(name));
    throw Error(
        ErrorCode::kNotFound,
        fmt::format("there is no table {} at commit {}", printable(table), commit.substr(0, 12)),
        names.empty() ? "the commit has no tables"
                      : fmt::format("there are {}", fmt::join(names, ", ")));
  }
  if (!found->second.error.empty()) {
    throw Error(
        ErrorCode::kInvalid,
        fmt::format("table {} could not be read: {}", printable(table), found->second.error),
        "put it right in the database; the next look takes it", where);
  }
  return found->second;
}

TableSchema MysqlTableStore::schema(const std::string& commit, const std::string& table) {
  const MysqlTableRecord found = open(commit, table);
  return {found.schema.columns, found.schema.key, std::nullopt};
}

void MysqlTableStore::check_columns(const MysqlTableRecord& table, const TableRead& request) const {
  std::vector<std::string> names;
  for (const Column& column : table.schema.columns) names.push_back(column.name);
  const auto check = [&](const std::string& wanted) {
    if (std::find(names.begin(), names.end(), wanted) != names.end()) return;
    throw Error(ErrorCode::kNotFound,
                fmt::format("table {} has no column \"{}\" at commit {}", printable(request.table),
                            printable(wanted), request.commit.substr(0, 12)),
                fmt::format("it has {}", printable(fmt::to_string(fmt::join(names, ", ")), 500)));
  };
  for (const std::string& name : request.columns) check(name);
  for (const auto& [name, payload] : request.where) check(name);
}

std::vector<Row> MysqlTableStore::sorted_rows(const MysqlTableRecord& table,
                                              const std::vector<std::string>& columns) {
  std::vector<Row> rows;
  read_snapshot(*config_.artifacts, table.snapshot, columns,
                [&](const Row& row) { rows.push_back(row); });
  std::sort(rows.begin(), rows.end(), below);
  return rows;
}

void MysqlTableStore::read(const TableRead& request, const RowSink& sink) {
  const MysqlTableRecord table = open(request.commit, request.table);
  check_columns(table, request);
  std::vector<std::string> columns = request.columns;
  for (const auto& [name, payload] : request.where) columns.push_back(name);
  Row asked;
  const auto deliver = [&](const Row& row) {
    size_t at = request.columns.size();
    for (const auto& [name, payload] : request.where) {
      const Value& cell = row[at++];
      if (cell.tag == ValueTag::kNull || cell.payload != payload) return;
    }
    if (request.where.empty()) return sink(row);
    asked.assign(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(request.columns.size()));
    sink(asked);
  };
  if (!table.schema.key.empty()) {
    return read_snapshot(*config_.artifacts, table.snapshot, columns, deliver);
  }
  for (const Row& row : sorted_rows(table, columns)) deliver(row);
}

// Both tables read side by side: where columns came or went, every file was written anew.
void MysqlTableStore::merge(const MysqlTableRecord& before, const MysqlTableRecord& after,
                            const std::vector<std::string>& columns, const DiffSink& sink) {
  SnapshotCursor old_rows(*config_.artifacts, before.snapshot);
  SnapshotCursor new_rows(*config_.artifacts, after.snapshot);
  const std::vector<size_t> old_at = places(before.schema, columns);
  const std::vector<size_t> new_at = places(after.schema, columns);
  while (!old_rows.at_end() || !new_rows.at_end()) {
    std::strong_ordering order = std::strong_ordering::equal;
    if (old_rows.at_end()) order = std::strong_ordering::greater;
    if (new_rows.at_end()) order = std::strong_ordering::less;
    if (order == 0) order = compare_rows(old_rows.key(), new_rows.key());
    const Row gone = order <= 0 ? part(old_rows.row(), old_at) : Row();
    const Row came = order >= 0 ? part(new_rows.row(), new_at) : Row();
    if (order != 0 || gone != came)
      sink(order <= 0 ? &gone : nullptr, order >= 0 ? &came : nullptr);
    if (order <= 0) old_rows.next();
    if (order >= 0) new_rows.next();
  }
}

void MysqlTableStore::diff(const std::string& table, const std::string& from, const std::string& to,
                           const std::vector<std::string>& columns, const DiffSink& sink) {
  const MysqlTableRecord before = open(from, table), after = open(to, table);
  check_columns(after, {to, table, columns, {}});
  if (!comparable(before.schema, after.schema, columns)) {
    throw Error(ErrorCode::kConflict,
                fmt::format("table {}: these columns or its key changed between commits {} and {}",
                            printable(table), from.substr(0, 12), to.substr(0, 12)),
                "compare from scratch");
  }
  if (before.content == after.content) return;
  if (!after.schema.key.empty() && before.schema.columns != after.schema.columns) {
    return merge(before, after, columns, sink);
  }
  if (!after.schema.key.empty()) {
    return diff_snapshots(*config_.artifacts, before.snapshot, after.snapshot, columns, sink);
  }
  const std::vector<Row> old_rows = sorted_rows(before, columns);
  const std::vector<Row> new_rows = sorted_rows(after, columns);
  size_t i = 0, j = 0;
  while (i < old_rows.size() || j < new_rows.size()) {
    const bool gone =
        j == new_rows.size() || (i < old_rows.size() && below(old_rows[i], new_rows[j]));
    if (gone) {
      sink(&old_rows[i++], nullptr);
    } else if (i == old_rows.size() || below(new_rows[j], old_rows[i])) {
      sink(nullptr, &new_rows[j++]);
    } else {
      ++i, ++j;
    }
  }
}

}  // namespace lockstep
