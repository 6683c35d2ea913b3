#include "connectors/git_tables/table_store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "connectors/git/names.h"

namespace lockstep {
namespace {

constexpr size_t kMaxOpened = 256;

CommitInfo to_info(GitCommit commit) {
  return {std::move(commit.id), std::move(commit.author), std::move(commit.email),
          std::move(commit.message), commit.time_ms};
}

// What a difference needs to be the same on both sides; otherwise rows can't be matched.
void check_comparable(const TableAt& before, const TableAt& after,
                      const std::vector<std::string>& columns) {
  const TableSchema& old_schema = before.schema.schema;
  const TableSchema& new_schema = after.schema.schema;
  const auto refuse = [&](const std::string& what) {
    return Error(ErrorCode::kConflict,
                 fmt::format("table {}: {} between commits {} and {}", after.name, what,
                             before.commit.substr(0, 12), after.commit.substr(0, 12)),
                 "compare from scratch");
  };
  if (old_schema.key != new_schema.key) throw refuse("the key changed");
  // Files that did not change would deliver another value for it.
  if (old_schema.partition != new_schema.partition) throw refuse("the partition column changed");
  std::vector<std::string> needed = columns;
  needed.insert(needed.end(), new_schema.key.begin(), new_schema.key.end());
  for (const std::string& name : needed) {
    const size_t was = before.schema.find(name), is = after.schema.find(name);
    if (was == TableFileSchema::npos || is == TableFileSchema::npos ||
        before.schema.types[was] != after.schema.types[is]) {
      throw refuse(fmt::format("column {} changed", name));
    }
  }
}

// Walks two sorted sets at once.
void merge(RowSet& before, RowSet& after, const DiffSink& sink) {
  Row old_row, new_row;
  size_t i = 0, j = 0;
  while (i < before.size() || j < after.size()) {
    const auto order = i == before.size()  ? std::strong_ordering::greater
                       : j == after.size() ? std::strong_ordering::less
                                           : RowSet::compare_keys(before, i, after, j);
    if (order < 0) {
      before.take(i++, old_row);
      sink(&old_row, nullptr);
    } else if (order > 0) {
      after.take(j++, new_row);
      sink(nullptr, &new_row);
    } else {
      const bool equal =
          std::equal(before.cells(i), before.cells(i) + before.asked(), after.cells(j));
      before.take(i++, old_row);
      after.take(j++, new_row);
      if (!equal) sink(&old_row, &new_row);
    }
  }
}

}  // namespace

GitTableStore::GitTableStore(GitTablesConfig config)
    : config_(std::move(config)), origin_(config_.origin) {
  if (config_.folder.empty()) return;
  std::string folder = config_.folder;
  while (!folder.empty() && folder.back() == '/') folder.pop_back();
  in_git_source(config_.origin.name, [&] { check_path(folder, "folder"); });
}

std::string GitTableStore::head() {
  return in_git_source(config_.origin.name, [&] { return origin_.head(); });
}

std::string GitTableStore::resolve(const std::string& name) {
  return in_git_source(config_.origin.name, [&] { return origin_.resolve(name); });
}

CommitInfo GitTableStore::commit(const std::string& id) {
  return in_git_source(config_.origin.name,
                       [&] { return to_info(origin_.repository().commit(id)); });
}

std::vector<CommitInfo> GitTableStore::log(const std::string& from, const std::string& to,
                                           size_t limit) {
  return in_git_source(config_.origin.name, [&] {
    std::vector<CommitInfo> out;
    for (GitCommit& commit : origin_.repository().log(from, to, limit)) {
      out.push_back(to_info(std::move(commit)));
    }
    return out;
  });
}

bool GitTableStore::descends(const std::string& to, const std::string& from) {
  return in_git_source(config_.origin.name,
                       [&] { return origin_.repository().descends(to, from); });
}

void GitTableStore::keep(const std::string& owner, const std::string& commit) {
  in_git_source(origin_.config().name, [&] { origin_.repository().keep(owner, commit); });
}

void GitTableStore::release(const std::string& owner, const std::string& commit) {
  in_git_source(origin_.config().name, [&] { origin_.repository().release(owner, commit); });
}

std::vector<std::string> GitTableStore::kept(const std::string& owner) {
  return in_git_source(origin_.config().name, [&] { return origin_.repository().kept(owner); });
}

std::unique_ptr<SourceWatch> GitTableStore::watch() {
  return in_git_source(origin_.config().name, [&] { return origin_.watch(); });
}

std::map<std::string, std::string> GitTableStore::branches() {
  constexpr std::string_view kHeads = "refs/heads/";
  return in_git_source(origin_.config().name, [&] {
    std::map<std::string, std::string> out;
    for (const GitRef& ref : origin_.repository().refs()) {
      if (ref.name.compare(0, kHeads.size(), kHeads) != 0) continue;
      out[ref.name.substr(kHeads.size())] = ref.commit;
    }
    return out;
  });
}

TableLayout GitTableStore::layout() {
  return TableLayout(origin_.repository(), config_.origin.name, config_.folder);
}

const TableAt& GitTableStore::open(const std::string& commit, const std::string& table) {
  const auto known = opened_.find({commit, table});
  if (known != opened_.end()) return known->second;
  TableAt opened = layout().open(commit, table);
  return opened_[{commit, table}] = std::move(opened);
}

std::vector<TableInfo> GitTableStore::tables(const std::string& commit) {
  return in_git_source(config_.origin.name, [&] {
    std::vector<TableInfo> out;
    for (const auto& [name, listed] : layout().list(commit)) out.push_back({name, listed.hash()});
    return out;
  });
}

TableSchema GitTableStore::schema(const std::string& commit, const std::string& table) {
  return in_git_source(config_.origin.name, [&] {
    if (opened_.size() >= kMaxOpened) opened_.clear();
    return open(commit, table).schema.schema;
  });
}

void GitTableStore::check_columns(const TableAt& table,
                                  const std::vector<std::string>& columns) const {
  for (const std::string& name : columns) {
    if (table.schema.find(name) != TableFileSchema::npos) continue;
    std::vector<std::string> names;
    for (const Column& column : table.schema.schema.columns) names.push_back(column.name);
    throw Error(ErrorCode::kNotFound,
                fmt::format("table {} has no column \"{}\" at commit {}", table.name,
                            printable(name), table.commit.substr(0, 12)),
                fmt::format("it has {}", fmt::join(names, ", ")));
  }
}

void GitTableStore::with_file(const TableFile& file,
                              const std::function<void(std::string_view)>& use) {
  ++files_read_;
  origin_.repository().read_blob(file.blob, config_.max_file_bytes, use);
}

RowSet::Source GitTableStore::source_of(const TableAt& table, const TableFile& file) {
  return {layout().place(table.commit, file.path), file.partition, config_.csv};
}

void GitTableStore::load_change(const TableAt& before, const TableAt& after,
                                const TableLayout::FileChange& change, RowSet& old_rows,
                                RowSet& new_rows) {
  if (!change.before || !change.after) {
    const bool gone = change.before.has_value();
    const TableFile& file = gone ? *change.before : *change.after;
    with_file(file, [&](std::string_view csv) {
      (gone ? old_rows : new_rows).add(source_of(gone ? before : after, file), csv);
    });
    return;
  }
  with_file(*change.before, [&](std::string_view old_csv) {
    with_file(*change.after, [&](std::string_view new_csv) {
      const RowSet::Source old_source = source_of(before, *change.before);
      const RowSet::Source new_source = source_of(after, *change.after);
      const RawRow header = first_row(old_csv);
      if (header.text != first_row(new_csv).text) {
        old_rows.add(old_source, old_csv);
        new_rows.add(new_source, new_csv);
        return;
      }
      const size_t begin = header.text.size();
      const CsvDelta delta =
          csv_delta(old_csv.substr(begin), new_csv.substr(begin), 1 + header.line_ends);
      old_rows.add(old_source, header.text, delta.before);
      new_rows.add(new_source, header.text, delta.after);
    });
  });
}

void GitTableStore::read(const TableRead& request, const RowSink& sink) {
  in_git_source(config_.origin.name, [&] {
    if (opened_.size() >= kMaxOpened) opened_.clear();
    const TableAt& table = open(request.commit, request.table);
    check_columns(table, request.columns);
    PartitionFilter wanted;
    std::vector<std::pair<std::string, std::string>> where;
    for (const auto& [column, payload] : request.where) {
      check_columns(table, {column});
      where.emplace_back(column, payload);
      if (column != table.schema.schema.partition) continue;
      wanted = [&payload = payload](const Value& value) {
        return value.tag != ValueTag::kNull && value.payload == payload;
      };
    }
    RowSet rows(table.schema, request.columns, where);
    for (const TableFile& file : layout().files(table, wanted)) {
      with_file(file, [&](std::string_view csv) { rows.add(source_of(table, file), csv); });
    }
    rows.sort();
    Row row;
    for (size_t i = 0; i < rows.size(); ++i) {
      rows.take(i, row);
      sink(row);
    }
  });
}

std::vector<Error> GitTableStore::problems(const std::string& commit, const std::string& table,
                                           size_t most) {
  return in_git_source(config_.origin.name, [&] {
    if (opened_.size() >= kMaxOpened) opened_.clear();
    const TableAt& at = open(commit, table);
    std::vector<Error> all;
    RowSet rows(at.schema, {});
    rows.collect(all, most);
    for (const TableFile& file : layout().files(at, {})) {
      if (all.size() >= most) return all;
      try {
        with_file(file, [&](std::string_view csv) { rows.add(source_of(at, file), csv); });
      } catch (const Error& error) {
        if (error.code == ErrorCode::kUnavailable) throw;
        all.push_back(error);
      }
    }
    rows.sort();
    return all;
  });
}

void GitTableStore::diff(const std::string& table, const std::string& from, const std::string& to,
                         const std::vector<std::string>& columns, const DiffSink& sink) {
  in_git_source(config_.origin.name, [&] {
    if (opened_.size() + 1 >= kMaxOpened) opened_.clear();
    const TableAt& before = open(from, table);
    const TableAt& after = open(to, table);
    check_columns(after, columns);
    check_comparable(before, after, columns);
    RowSet old_rows(before.schema, columns), new_rows(after.schema, columns);
    for (const TableLayout::FileChange& change : layout().difference(before, after)) {
      load_change(before, after, change, old_rows, new_rows);
    }
    old_rows.sort();
    new_rows.sort();
    merge(old_rows, new_rows, sink);
  });
}

}  // namespace lockstep
