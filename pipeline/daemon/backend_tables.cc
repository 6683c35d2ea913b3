// What tables there are, and which of their rows differ.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/text.h"
#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/predict.h"
#include "pipeline/store/sqlite_store.h"
#include "pipeline/survey/slices.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxPage_bytes = 16ull << 20;  // of cells in one answer

// Rows of tables as plans have counted them: by table and hash.
using Known = std::map<std::pair<std::string, std::string>, uint64_t>;

Known known_rows(const fs::path& file) {
  Database db(file);
  Known out;
  for (const auto& [text, rows] : SqliteSliceCache(db).tips()) {
    const SliceTip tip = SliceTip::parse(text);
    if (!tip.table.empty()) out[{tip.table, tip.hash}] = rows;
  }
  return out;
}

uint64_t count_rows(TableStore& store, const std::string& commit, const std::string& table,
                    const TableSchema& schema) {
  uint64_t rows = 0;
  const std::vector<std::string>& key = schema.key;
  const std::string& column = key.empty() ? schema.columns.front().name : key.front();
  store.read({commit, table, {column}, {}}, [&](const Row&) { ++rows; });
  return rows;
}

// One condition: where in a row, and the canonical payload there.
using Cut = std::vector<std::pair<size_t, std::string>>;

size_t place_of(const std::vector<Column>& columns, const std::string& name) {
  const auto at = std::find_if(columns.begin(), columns.end(),
                               [&](const Column& column) { return column.name == name; });
  return static_cast<size_t>(at - columns.begin());
}

// "client=a,lang=b" is two conditions where each part begins with a column's name, else "a,lang=b"
// is a value.
std::map<std::string, std::string> read_slice(const std::string& text,
                                              const std::vector<Column>& columns) {
  std::map<std::string, std::string> parts;
  std::string rest = text;
  bool all = true;
  while (all && !rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string part = rest.substr(0, comma);
    const size_t equals = part.find('=');
    all = equals != part.npos && place_of(columns, part.substr(0, equals)) < columns.size() &&
          parts.emplace(part.substr(0, equals), part.substr(equals + 1)).second;
    rest = comma == rest.npos ? "" : rest.substr(comma + 1);
  }
  if (all) return parts;
  const size_t equals = text.find('=');
  if (equals == text.npos || equals == 0) {
    throw Error(ErrorCode::kInvalid, "not a slice: " + printable(text), "write it as COLUMN=VALUE");
  }
  return {{text.substr(0, equals), text.substr(equals + 1)}};
}

Cut read_cut(const std::string& table, const Backend::DiffWanted& wanted,
             const std::vector<Column>& columns) {
  std::map<std::string, std::string> where = read_slice(wanted.slice, columns);
  for (const auto& [name, value] : wanted.where.items()) where[name] = value.get<std::string>();
  Cut out;
  for (const auto& [name, value] : where) {
    const size_t at = place_of(columns, name);
    if (at == columns.size()) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("table {} has no column {}", printable(table), printable(name)));
    }
    try {
      out.emplace_back(at, parse_value(columns[at].type, value).payload);
    } catch (const Error& error) {
      throw Error(error.code, fmt::format("column {}: {}", printable(name), error.message));
    }
  }
  return out;
}

// The rows of one page of a difference, and counts of all.
class DiffPage {
 public:
  DiffPage(const std::vector<Column>& columns, Cut cut, const Backend::DiffWanted& wanted)
      : columns_(columns), cut_(std::move(cut)), wanted_(wanted) {}

  void take(const Row* before, const Row* after) {
    const Row* old_row = inside(before) ? before : nullptr;
    const Row* new_row = inside(after) ? after : nullptr;
    if (!old_row && !new_row) return;
    ++(!old_row ? counts_.added : !new_row ? counts_.removed : counts_.changed);
    if (counts_.all() <= wanted_.skip || rows_.size() >= wanted_.limit || full_) return;
    const char* change = !old_row ? "added" : !new_row ? "removed" : "changed";
    Json one = {{"change", change}, {"before", shown(old_row)}, {"after", shown(new_row)}};
    full_ = !rows_.empty() && bytes_ > kMaxPage_bytes;
    if (!full_) rows_.push_back(std::move(one));
  }
  void add_to(Json& answer) const {
    answer.update({{"added", counts_.added},
                   {"removed", counts_.removed},
                   {"changed", counts_.changed},
                   {"rows", rows_},
                   {"more", counts_.all() > wanted_.skip + rows_.size()}});
  }

 private:
  bool inside(const Row* row) const {
    return row && std::all_of(cut_.begin(), cut_.end(), [&](const auto& one) {
             const Value& cell = (*row)[one.first];
             return cell.tag != ValueTag::kNull && cell.payload == one.second;
           });
  }
  Json shown(const Row* row) {
    Json out;
    for (size_t i = 0; row && i < columns_.size(); ++i) {
      const Value& cell = (*row)[i];
      bytes_ += cell.payload.size();
      const bool null = cell.tag == ValueTag::kNull;
      out[columns_[i].name] = null ? Json() : Json(replace_invalid_utf8(display(cell)));
    }
    return out;
  }

  const std::vector<Column>& columns_;
  Cut cut_;
  const Backend::DiffWanted& wanted_;
  RowCounts counts_;
  Json rows_ = Json::array();
  uint64_t bytes_ = 0;
  bool full_ = false;
};

Json describe(TableStore& store, const std::string& source, const std::string& commit,
              const TableInfo& info, const Known& known, bool count) {
  Json one = {{"source", source},     {"table", info.name},  {"commit", commit},
              {"error", nullptr},     {"rows", nullptr},     {"columns", Json::array()},
              {"key", Json::array()}, {"partition", nullptr}};
  try {
    const TableSchema schema = store.schema(commit, info.name);
    for (const Column& column : schema.columns) {
      one["columns"].push_back({{"name", column.name}, {"type", word(column.type)}});
    }
    one["key"] = schema.key;
    if (schema.partition) one["partition"] = *schema.partition;
    // Of a table without a key plans count each different row once.
    const auto found = known.find({SliceTip::name_table(source, info.name), info.hash});
    if (info.rows) {
      one["rows"] = *info.rows;
    } else if (found != known.end() && !schema.key.empty()) {
      one["rows"] = found->second;
    } else if (count) {
      one["rows"] = count_rows(store, commit, info.name, schema);
    }
  } catch (const Error& error) {
    one["error"] = error.what();
  }
  return one;
}

}  // namespace

Json WorkspaceBackend::tables(const TablesWanted& wanted) {
  std::lock_guard<std::mutex> lock(daemon_.sources_mutex());
  const Known known = known_rows(daemon_.parts().state() / "state.db");
  const size_t slash = wanted.after.find('/');
  const std::string after_source = wanted.after.substr(0, slash);
  const std::string after_table = slash == std::string::npos ? "" : wanted.after.substr(slash + 1);
  Json all = Json::array();
  for (auto& [name, store] : daemon_.sources().tables) {
    if (name < after_source || all.size() >= wanted.limit) continue;
    const std::string commit = newest_commit(*store);
    std::vector<TableInfo> tables = store->tables(commit);
    std::sort(tables.begin(), tables.end(),
              [](const TableInfo& a, const TableInfo& b) { return a.name < b.name; });
    for (const TableInfo& info : tables) {
      if (all.size() >= wanted.limit) break;
      if (name == after_source && slash != std::string::npos && info.name <= after_table) continue;
      all.push_back(describe(*store, name, commit, info, known, wanted.count));
    }
  }
  return all;
}

Json WorkspaceBackend::diff(const std::string& name, const std::string& from_name,
                            const std::string& to_name, const DiffWanted& wanted) {
  std::lock_guard<std::mutex> lock(daemon_.sources_mutex());
  std::string source;
  auto [store, table] = find_table(daemon_.sources(), name, &source);
  const std::string from = store->resolve(from_name), to = store->resolve(to_name);
  const std::vector<Column> columns = store->schema(to, table).columns;
  std::vector<std::string> names;
  for (const Column& column : columns) names.push_back(column.name);
  DiffPage page(columns, read_cut(table, wanted, columns), wanted);
  store->diff(table, from, to, names,
              [&](const Row* before, const Row* after) { page.take(before, after); });
  Json answer = {
      {"source", source}, {"table", table}, {"from", from}, {"to", to}, {"columns", names}};
  page.add_to(answer);
  return answer;
}

}  // namespace lockstep
