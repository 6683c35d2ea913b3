#include "connectors/git_tables/layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "connectors/git/names.h"
#include "pipeline/base/error.h"

namespace lockstep {
namespace {

constexpr std::string_view kCsv = ".csv";
constexpr std::string_view kSchema = ".schema.yaml";
constexpr uint64_t kMaxSchemaBytes = 1 << 20;
constexpr uint64_t kMaxHintBytes = 16 << 20;

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() > end.size() && text.substr(text.size() - end.size()) == end;
}

bool is_file(const GitEntry& entry) {
  return entry.kind == GitKind::kFile || entry.kind == GitKind::kExecutable;
}

std::string_view last_segment(std::string_view path) {
  return path.substr(path.rfind('/') == path.npos ? 0 : path.rfind('/') + 1);
}

// By its last segment only: nothing below an ignored folder is ever looked at.
bool is_ignored(std::string_view path) {
  const char first = last_segment(path).front();
  return first == '.' || first == '_';
}

}  // namespace

std::string TableAt::path_of(const std::string& path) const {
  if (!is_folder()) return folder + name + std::string(kCsv);
  return folder + name + "/" + path;
}

std::string TableLayout::Listed::hash() const {
  const std::optional<GitEntry>& data = folder ? folder : csv;
  // Both at once is an error that open() tells; it must not look like either.
  const std::string both = folder && csv ? csv->id + ":" : "";
  return both + (data ? data->id : "-") + ":" + (schema ? schema->id : "-");
}

TableLayout::TableLayout(const GitRepository& repository, std::string source, std::string folder)
    : repository_(repository), source_(std::move(source)), folder_(std::move(folder)) {
  while (!folder_.empty() && folder_.back() == '/') folder_.pop_back();
  if (!folder_.empty()) folder_ += '/';
}

std::string TableLayout::place(const std::string& commit, const std::string& path) const {
  return fmt::format("{}@{}:{}", source_, commit.substr(0, 12), printable(path, 500));
}

std::map<std::string, TableLayout::Listed> TableLayout::list(const std::string& commit) const {
  const GitTrees trees(repository_);
  const std::string root = repository_.commit(commit).tree;
  const std::string_view folder(folder_.data(), folder_.empty() ? 0 : folder_.size() - 1);
  const std::optional<GitEntry> at = trees.find(root, folder);
  if (!at || at->kind != GitKind::kTree) {
    throw Error(
        ErrorCode::kNotFound,
        fmt::format("no folder \"{}\" at commit {}", printable(folder), commit.substr(0, 12)),
        "check the source's folder");
  }
  std::map<std::string, Listed> out, folders;
  for (GitEntry& entry : trees.entries(at->id)) {
    if (!unsafe_name(entry.path).empty()) continue;
    const std::string_view name = entry.path;
    if (entry.kind == GitKind::kTree) {
      folders[entry.path].folder = entry;
    } else if (is_file(entry) && ends_with(name, kCsv)) {
      out[std::string(name.substr(0, name.size() - kCsv.size()))].csv = entry;
    } else if (is_file(entry) && ends_with(name, kSchema)) {
      out[std::string(name.substr(0, name.size() - kSchema.size()))].schema = entry;
    }
  }
  for (auto& [name, listed] : folders) {
    const auto found = out.find(name);
    if (found != out.end() && found->second.schema) found->second.folder = listed.folder;
  }
  std::erase_if(out, [](const auto& item) { return !item.second.csv && !item.second.folder; });
  return out;
}

Error TableLayout::missing(const std::string& commit, const std::string& table) const {
  std::vector<std::string> names;
  for (const auto& item : list(commit)) names.push_back(item.first);
  const std::vector<std::string> near = near_names(table, names);
  std::string hint = fmt::format(
      "a table is {0}{1}.csv or a folder {0}{1}, with {0}{1}.schema.yaml "
      "beside it; an empty one is a CSV file with a header only",
      folder_, printable(table));
  if (!near.empty()) hint = fmt::format("did you mean {}?", fmt::join(near, ", "));
  return Error(ErrorCode::kNotFound,
               fmt::format("no table \"{}\" at commit {}", printable(table), commit.substr(0, 12)),
               hint);
}

TableAt TableLayout::open(const std::string& commit, const std::string& table) const {
  auto all = list(commit);
  const auto found = all.find(table);
  TableAt out;
  out.name = table;
  out.commit = commit;
  out.folder = folder_;
  if (found == all.end()) {
    // A folder without a schema is no table yet, but whoever asks for it means it.
    const GitTrees trees(repository_);
    out.data = unsafe_name(table).empty()
                   ? trees.find(repository_.commit(commit).tree, folder_ + table)
                   : std::nullopt;
    if (!out.is_folder()) throw missing(commit, table);
  } else if (found->second.csv && found->second.folder) {
    throw Error(ErrorCode::kConflict, fmt::format("table {} is both a file and a folder", table),
                "remove one of them", place(commit, folder_ + table));
  } else {
    out.data = found->second.csv ? found->second.csv : found->second.folder;
    out.schema_file = found->second.schema;
  }
  const std::string schema_path = folder_ + table + std::string(kSchema);
  if (!out.schema_file) {
    throw Error(ErrorCode::kInvalid, fmt::format("table {} has no schema", table),
                fmt::format("commit a file {} as\n{}", schema_path, schema_hint(out)),
                place(commit, schema_path));
  }
  out.schema = read_schema_file(repository_.blob(out.schema_file->id, kMaxSchemaBytes),
                                place(commit, schema_path));
  return out;
}

// Whatever is wrong with the data, the hint must not hide that the schema is missing.
std::string TableLayout::schema_hint(const TableAt& table) const {
  try {
    std::string blob = table.data->id;
    if (table.is_folder()) {
      blob.clear();
      GitTrees(repository_).walk(table.data->id, [&](const GitEntry& entry) {
        if (blob.empty() && is_file(entry) && ends_with(entry.path, kCsv)) blob = entry.id;
        return blob.empty();
      });
    }
    return suggest_schema(repository_.blob(blob, kMaxHintBytes));
  } catch (const Error&) {
    return "key: [id]\ncolumns: {id: int, text: text}\n";
  }
}

std::optional<Value> TableLayout::partition_of(const TableAt& table,
                                               const std::string& path) const {
  std::optional<Value> value;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = std::string_view(path).substr(begin, end - begin);
    begin = end + 1;
    const size_t equals = part.find('=');
    if (equals == part.npos || end == path.size()) continue;
    const std::string where = place(table.commit, table.path_of(path));
    if (part.substr(0, equals) != table.schema.schema.partition || value) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("folder \"{}\" is not of the partition column", printable(part)),
                  "one folder level, named after partition: in the schema", where);
    }
    const CellType type = table.schema.types[table.schema.find(part.substr(0, equals))];
    try {
      value = partition_value(type, part.substr(equals + 1));
    } catch (const Error& error) {
      throw Error(error.code, fmt::format("folder \"{}\": {}", printable(part), error.message),
                  error.hint, where);
    }
  }
  return value;
}

std::optional<TableFile> TableLayout::file(const TableAt& table, const GitEntry& entry) const {
  const std::string path = table.path_of(entry.path);
  if (is_ignored(entry.path)) return std::nullopt;
  check_path(path, place(table.commit, table.name));
  if (!is_file(entry) || !ends_with(last_segment(entry.path), kCsv)) {
    throw Error(
        ErrorCode::kInvalid,
        fmt::format("\"{}\" is not a CSV file of table {}", printable(entry.path), table.name),
        "in a table's folder are *.csv files; names with a leading '.' or '_' are ignored",
        place(table.commit, path));
  }
  return TableFile{path, entry.id, partition_of(table, entry.path)};
}

std::vector<TableFile> TableLayout::files(const TableAt& table,
                                          const PartitionFilter& wanted) const {
  if (!table.is_folder()) return {{table.path_of(""), table.data->id, std::nullopt}};
  std::vector<TableFile> out;
  GitTrees(repository_).walk(table.data->id, [&](const GitEntry& entry) {
    if (entry.kind == GitKind::kTree) {
      if (is_ignored(entry.path)) return false;
      if (!wanted) return true;
      const std::optional<Value> value = partition_of(table, entry.path + "/");
      return !value || wanted(*value);
    }
    if (auto found = file(table, entry)) out.push_back(std::move(*found));
    return false;
  });
  return out;
}

std::vector<TableLayout::FileChange> TableLayout::difference(const TableAt& before,
                                                             const TableAt& after) const {
  std::vector<FileChange> out;
  if (before.data->id == after.data->id) return out;
  if (!before.is_folder() && !after.is_folder()) {
    return {{files(before, nullptr).front(), files(after, nullptr).front()}};
  }
  if (!before.is_folder() || !after.is_folder()) {
    for (TableFile& gone : files(before, nullptr)) out.push_back({std::move(gone), std::nullopt});
    for (TableFile& come : files(after, nullptr)) out.push_back({std::nullopt, std::move(come)});
    return out;
  }
  const auto enter = [](const std::string& folder) { return !is_ignored(folder); };
  const GitTrees trees(repository_);
  for (const GitChange& change : trees.diff(before.data->id, after.data->id, enter)) {
    const bool same_bytes = change.before && change.after && is_file(*change.before) &&
                            is_file(*change.after) && change.before->id == change.after->id;
    if (same_bytes) continue;  // only the executable bit differs
    FileChange made;
    if (change.before) made.before = file(before, *change.before);
    if (change.after) made.after = file(after, *change.after);
    if (made.before || made.after) out.push_back(std::move(made));
  }
  return out;
}

}  // namespace lockstep
