#include "connectors/git_tables/table_edit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "connectors/git/names.h"
#include "pipeline/base/error.h"

namespace lockstep {
namespace {

// Equal for equal keys only: values in canonical form are equal where their bytes are.
std::string key_bytes(const Row& key) {
  std::string out;
  for (const Value& value : key) out += fmt::format("{}:{}", value.payload.size(), value.payload);
  return out;
}

bool key_less(const Row& a, const Row& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    const auto order = compare_values(a[i], b[i]);
    if (order != 0) return order < 0;
  }
  return false;
}

}  // namespace

NamedRows::NamedRows(const TableFileSchema& schema, const TableChange& change)
    : schema_(schema), table_(change.table) {
  std::vector<size_t> key;
  for (const std::string& name : change.columns) {
    columns_.push_back(schema.find(name));
    const bool twice = std::count(columns_.begin(), columns_.end(), columns_.back()) > 1;
    if (columns_.back() != TableFileSchema::npos && !twice) continue;
    throw Error(twice ? ErrorCode::kInvalid : ErrorCode::kNotFound,
                fmt::format("table {} {} column \"{}\"", table_,
                            twice ? "is written twice in" : "has no", printable(name)));
  }
  for (const std::string& name : schema.schema.key) {
    const auto at = std::find(columns_.begin(), columns_.end(), schema.find(name));
    if (at == columns_.end() && !change.put.empty()) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("rows for table {} lack its key column {}", table_, name));
    }
    key.push_back(static_cast<size_t>(at - columns_.begin()));
  }
  for (const Row& row : change.put) {
    check(row);
    Row values;
    for (const size_t at : key) values.push_back(row[at]);
    add(std::move(values), &row);
  }
  for (const Row& row : change.remove) add(row, nullptr);
}

void NamedRows::check(const Row& row) const {
  const auto refuse = [&](const std::string& what, const std::string& hint = "") {
    return Error(ErrorCode::kInvalid, fmt::format("a row for table {} {}", table_, what), hint);
  };
  if (row.size() != columns_.size()) {
    throw refuse(fmt::format("has {} values, not {}", row.size(), columns_.size()));
  }
  for (size_t i = 0; i < row.size(); ++i) {
    try {
      cell_field(schema_.types[columns_[i]], row[i]);
    } catch (const Error& error) {
      std::vector<std::string> shown;
      for (size_t k = 0; k < row.size(); ++k) {
        const std::string& name = schema_.schema.columns[columns_[k]].name;
        const auto& keys = schema_.schema.key;
        if (std::find(keys.begin(), keys.end(), name) == keys.end()) continue;
        shown.push_back(fmt::format("{}={}", name, printable(row[k].payload, 60)));
      }
      throw refuse(fmt::format("({}) does not fit column {}: {}", fmt::join(shown, ", "),
                               schema_.schema.columns[columns_[i]].name, error.message),
                   error.hint);
    }
  }
}

std::string NamedRows::text(const Row& key) const {
  std::string out;
  for (size_t i = 0; i < key.size(); ++i) {
    out += fmt::format("{}{}={}", i ? ", " : "", schema_.schema.key[i],
                       printable(display(key[i]), 60));
  }
  return out;
}

void NamedRows::add(Row key, const Row* put) {
  const auto refuse = [&](const std::string& what) {
    return Error(ErrorCode::kInvalid, fmt::format("table {}: {}", table_, what));
  };
  if (key.size() != schema_.schema.key.size()) {
    throw refuse("the key of a row to remove has another length than the table's");
  }
  for (size_t i = 0; i < key.size(); ++i) {
    const Column& column = schema_.schema.columns[schema_.find(schema_.schema.key[i])];
    if (key[i].tag == ValueTag::kNull) {
      throw refuse(fmt::format("a row without a value in its key column {}", column.name));
    }
    if (key[i].tag != column.type) {
      throw refuse(fmt::format("key column {} does not hold {}", column.name, word(key[i].tag)));
    }
  }
  if (!by_key_.emplace(key_bytes(key), rows_.size()).second) {
    throw refuse(fmt::format("the change names the row {} twice", text(key)));
  }
  rows_.push_back({std::move(key), put, ""});
}

NamedRows::Named* NamedRows::find(const Row& key) {
  const auto found = by_key_.find(key_bytes(key));
  return found == by_key_.end() ? nullptr : &rows_[found->second];
}

TableEdit::TableEdit(const GitRepository& repository, const TableLayout& layout,
                     const TableAt& table, const TableChange& change, CsvLimits csv,
                     uint64_t max_file_bytes)
    : repository_(repository),
      layout_(layout),
      table_(table),
      rows_(table.schema, change),
      csv_(csv),
      max_file_bytes_(max_file_bytes) {}

std::map<std::string, std::string> TableEdit::files() {
  for (const TableFile& file : layout_.files(table_, nullptr)) read(file);
  place_new_rows();
  std::map<std::string, std::string> out;
  for (const auto& file : files_) {
    if (!file->edit->changed()) continue;
    if (file->edit->text().size() > max_file_bytes_) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("{} would be larger than {} bytes", file->path, max_file_bytes_),
                  "spread the table over several files of a folder");
    }
    out[file->path] = file->edit->text();
  }
  return out;
}

void TableEdit::read(const TableFile& file) {
  auto made = std::make_unique<File>(File{file.path, file.partition, nullptr});
  const std::string place = layout_.place(table_.commit, file.path);
  made->edit =
      std::make_unique<CsvEdit>(table_.schema, rows_.columns(), place, file.partition, csv_);
  const File& current = *made;
  repository_.read_blob(file.blob, max_file_bytes_, [&](std::string_view csv) {
    made->edit->read(csv, [&](const Row& key, uint64_t line, const CsvEdit::AllCells& all) {
      return fate(current, key, line, all);
    });
  });
  files_.push_back(std::move(made));
}

RowFate TableEdit::fate(const File& file, const Row& key, uint64_t line,
                        const CsvEdit::AllCells& all) {
  NamedRows::Named* named = rows_.find(key);
  if (!named) return {};
  const std::string place = fmt::format("{}:{}", layout_.place(table_.commit, file.path), line);
  if (!named->place.empty()) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("the key {} is already at {}", rows_.text(key), named->place),
                "keys are unique in a table", place);
  }
  named->place = place;
  if (!named->put) return {RowFate::Kind::kLeave, nullptr};
  if (file.partition) {
    Row cells = all();
    write(*named->put, cells);
    if (cells[table_.schema.find(*table_.schema.schema.partition)] != *file.partition) {
      homeless_.emplace_back(key, std::move(cells));
      return {RowFate::Kind::kLeave, nullptr};
    }
  }
  return {RowFate::Kind::kChange, named->put};
}

// Puts the written columns into a row of all columns.
void TableEdit::write(const Row& put, Row& cells) const {
  for (size_t i = 0; i < put.size(); ++i) cells[rows_.columns()[i]] = put[i];
}

void TableEdit::place_new_rows() {
  for (const NamedRows::Named& named : rows_.all()) {
    if (!named.put || !named.place.empty()) continue;
    Row cells(table_.schema.types.size());
    write(*named.put, cells);
    homeless_.emplace_back(named.key, std::move(cells));
  }
  std::sort(homeless_.begin(), homeless_.end(),
            [](const auto& a, const auto& b) { return key_less(a.first, b.first); });
  for (const auto& [key, cells] : homeless_) file_for(cells).edit->append(cells);
}

TableEdit::File& TableEdit::file_for(const Row& cells) {
  const bool hive =
      table_.schema.schema.partition && table_.is_folder() &&
      (files_.empty() || std::any_of(files_.begin(), files_.end(),
                                     [](const auto& file) { return file->partition.has_value(); }));
  if (!hive) return files_.empty() ? new_file(std::nullopt) : *files_.front();
  const Value& value = cells[table_.schema.find(*table_.schema.schema.partition)];
  for (const auto& file : files_) {
    if (file->partition == value) return *file;
  }
  return new_file(value);
}

// Beside the first file of another partition, of the same name; else PARTITION/part.csv.
std::string TableEdit::new_path(const std::optional<Value>& partition) const {
  if (!partition) return table_.path_of("part.csv");
  const std::string column = *table_.schema.schema.partition + "=";
  const size_t type = table_.schema.find(*table_.schema.schema.partition);
  const std::string folder = column + partition_text(table_.schema.types[type], *partition);
  for (const auto& file : files_) {
    if (!file->partition) continue;
    const std::string path = file->path.substr(table_.path_of("").size());
    const size_t at = path.rfind(column, 0) == 0 ? 0 : path.find("/" + column) + 1;
    const size_t end = path.find('/', at);
    return table_.path_of(path.substr(0, at) + folder + path.substr(end));
  }
  return table_.path_of(folder + "/part.csv");
}

TableEdit::File& TableEdit::new_file(const std::optional<Value>& partition) {
  const std::string column = partition ? *table_.schema.schema.partition : "id";
  // Such a folder would be passed over, or read as something else.
  if (column.find_first_of("/=") != column.npos || column[0] == '.' || column[0] == '_') {
    throw Error(ErrorCode::kInvalid,
                fmt::format("table {}: no folder can be named after its partition column {}",
                            table_.name, printable(column)),
                "rename the column, or take partition: out of the schema");
  }
  auto made = std::make_unique<File>(File{new_path(partition), partition, nullptr});
  const std::string place = layout_.place(table_.commit, made->path);
  check_path(made->path, place);
  made->edit = std::make_unique<CsvEdit>(table_.schema, rows_.columns(), place, partition, csv_);
  made->edit->read(csv_header(table_.schema, partition.has_value()),
                   [](const Row&, uint64_t, const CsvEdit::AllCells&) { return RowFate{}; });
  files_.push_back(std::move(made));
  return *files_.back();
}

}  // namespace lockstep
