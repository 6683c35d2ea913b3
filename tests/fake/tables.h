// A table store whose commits are values in memory; fails and says too much on request.
// Knows nothing of files, SQL or who reads it.
#pragma once

#include <algorithm>
#include <optional>
#include <set>

#include "tests/fake/history.h"

namespace lockstep {

struct FakeTable {
  TableSchema schema;
  std::vector<Row> rows;  // in the order of the schema's columns
  std::string salt;       // another one moves the table's hash though no row moved
};
using FakeCommit = std::map<std::string, FakeTable>;

class FakeTables : public TableStore {
 public:
  explicit FakeTables(std::string source = "tables") : history(std::move(source)) {}

  std::string commit(FakeCommit tables, const std::string& author = "ann",
                     const std::string& message = "rows") {
    std::string id = history.add(author, message);
    return contents_[id] = std::move(tables), id;
  }
  // The head's tables, to be changed and committed again.
  FakeCommit now() const {
    return history.head.empty() ? FakeCommit() : contents_.at(history.head);
  }

  FakeHistory history;
  std::optional<Error> error;            // thrown by every call while set
  std::map<std::string, Error> damaged;  // table → thrown when its rows are read
  bool tells_equal_rows = false;         // diff() also names rows that are equal in the columns
  uint64_t rows_given = 0;               // by read() and diff()
  uint64_t reads = 0, diffs = 0;

  std::string head() override { return fail(), history.head; }
  std::string resolve(const std::string& name) override { return fail(), history.resolve(name); }
  CommitInfo commit(const std::string& id) override { return fail(), history.info(id); }
  std::vector<CommitInfo> log(const std::string& from, const std::string& to,
                              size_t limit) override {
    return fail(), history.log(from, to, limit);
  }
  bool descends(const std::string& to, const std::string& from) override {
    return fail(), history.descends(to, from);
  }
  void keep(const std::string& owner, const std::string& id) override {
    fail(), history.kept[owner].insert(history.info(id).id);
  }
  void release(const std::string& owner, const std::string& id) override {
    fail(), history.kept[owner].erase(id);
  }
  std::vector<std::string> kept(const std::string& owner) override {
    fail();
    return {history.kept[owner].begin(), history.kept[owner].end()};
  }
  std::unique_ptr<SourceWatch> watch() override { return nullptr; }

  std::vector<TableInfo> tables(const std::string& id) override {
    fail();
    std::vector<TableInfo> all;
    for (const auto& [name, table] : at(id)) all.push_back({name, hash(table)});
    return all;
  }
  TableSchema schema(const std::string& id, const std::string& name) override {
    return fail(), table(id, name).schema;
  }

  void read(const TableRead& request, const RowSink& sink) override {
    fail();
    ++reads;
    const FakeTable& from = table(request.commit, request.table);
    if (auto bad = damaged.find(request.table); bad != damaged.end()) throw bad->second;
    for (const Row* row : sorted(from)) {
      bool wanted = true;
      for (const auto& [column, payload] : request.where) {
        const Value& cell = (*row)[position(from, column)];
        wanted = wanted && cell.tag != ValueTag::kNull && cell.payload == payload;
      }
      if (!wanted) continue;
      ++rows_given;
      sink(part(from, *row, request.columns));
    }
  }

  void diff(const std::string& name, const std::string& from, const std::string& to,
            const std::vector<std::string>& columns, const DiffSink& sink) override {
    fail();
    ++diffs;
    const FakeTable& before = table(from, name);
    const FakeTable& after = table(to, name);
    if (before.schema.key != after.schema.key) {
      throw Error(ErrorCode::kConflict, "table " + name + " has another key");
    }
    std::vector<const Row*> old_rows = sorted(before), new_rows = sorted(after);
    size_t i = 0, k = 0;
    while (i < old_rows.size() || k < new_rows.size()) {
      int order = i == old_rows.size()   ? 1
                  : k == new_rows.size() ? -1
                                         : compare(before, *old_rows[i], after, *new_rows[k]);
      std::optional<Row> gone, come;
      if (order <= 0) gone = part(before, *old_rows[i++], columns);
      if (order >= 0) come = part(after, *new_rows[k++], columns);
      if (gone && come && *gone == *come && !tells_equal_rows) continue;
      ++rows_given;
      sink(gone ? &*gone : nullptr, come ? &*come : nullptr);
    }
  }

 private:
  void fail() const {
    if (error) throw *error;
  }
  const FakeCommit& at(const std::string& id) const { return contents_.at(history.info(id).id); }
  const FakeTable& table(const std::string& id, const std::string& name) const {
    auto found = at(id).find(name);
    if (found != at(id).end()) return found->second;
    throw Error(ErrorCode::kNotFound, "no table " + name + " at commit " + id.substr(0, 7));
  }
  static size_t position(const FakeTable& table, const std::string& column) {
    for (size_t i = 0; i < table.schema.columns.size(); ++i) {
      if (table.schema.columns[i].name == column) return i;
    }
    throw Error(ErrorCode::kNotFound, "no column " + column);
  }
  static Row part(const FakeTable& table, const Row& row, const std::vector<std::string>& columns) {
    Row out;
    for (const std::string& column : columns) out.push_back(row[position(table, column)]);
    return out;
  }
  // By key; a keyless row is its own key.
  static int compare(const FakeTable& a, const Row& left, const FakeTable& b, const Row& right) {
    std::vector<std::string> by = a.schema.key;
    if (by.empty()) {
      for (const Column& column : a.schema.columns) by.push_back(column.name);
    }
    for (const std::string& column : by) {
      auto order = compare_values(left[position(a, column)], right[position(b, column)]);
      if (order != 0) return order < 0 ? -1 : 1;
    }
    return 0;
  }
  static std::vector<const Row*> sorted(const FakeTable& table) {
    std::vector<const Row*> rows;
    for (const Row& row : table.rows) rows.push_back(&row);
    std::stable_sort(rows.begin(), rows.end(),
                     [&](const Row* a, const Row* b) { return compare(table, *a, table, *b) < 0; });
    return rows;
  }
  static std::string hash(const FakeTable& table) {
    std::string text = table.salt;
    for (const Column& column : table.schema.columns) {
      text += fmt::format("{}:{} ", column.name, word(column.type));
    }
    for (const std::string& column : table.schema.key) text += "key " + column;
    for (const Row* row : sorted(table)) {
      for (const Value& cell : *row) {
        text += fmt::format("{} {} {} ", word(cell.tag), cell.payload.size(), cell.payload);
      }
    }
    return sha256(text).hex();
  }

  std::map<std::string, FakeCommit> contents_;
};

inline Value int_cell(int64_t number) {
  return {ValueTag::kInt, std::to_string(number)};
}
inline Value text_cell(const std::string& text) {
  return {ValueTag::kText, text};
}

// "utterances": id int (key), client text, text text, intent text.
inline FakeTable utterances(const std::vector<std::pair<int64_t, std::string>>& rows) {
  FakeTable table;
  table.schema.columns = {{"id", ValueTag::kInt},
                          {"client", ValueTag::kText},
                          {"text", ValueTag::kText},
                          {"intent", ValueTag::kText}};
  table.schema.key = {"id"};
  for (const auto& [id, client] : rows) {
    table.rows.push_back({int_cell(id), client.empty() ? null_value() : text_cell(client),
                          text_cell(fmt::format("text {}", id)), text_cell("play")});
  }
  return table;
}

}  // namespace lockstep
