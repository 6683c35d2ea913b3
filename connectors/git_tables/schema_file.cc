#include "connectors/git_tables/schema_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.h"
#include "pipeline/yaml/yaml.h"

namespace lockstep {
namespace {

constexpr size_t kGuessRows = 100;

class SchemaReader {
 public:
  TableFileSchema read(const YamlNode& root) {
    if (!root.is_map()) {
      said_.error(root.place(), fmt::format("a schema is a map, not {}", kind_word(root)),
                  "write key: and columns:");
      said_.throw_if_any();
    }
    for (const YamlEntry& entry : root.entries()) {
      if (entry.key == "key" || entry.key == "partition" || entry.key == "columns") continue;
      said_.error(entry.key_place, fmt::format("unknown word {}", shown(entry.key)),
                  did_you_mean(entry.key, {"key", "partition", "columns"}));
    }
    read_columns(root);
    read_key(root);
    read_partition(root);
    said_.throw_if_any();
    return std::move(out_);
  }

 private:
  void read_columns(const YamlNode& root) {
    const YamlNode* node = root.find("columns");
    if (!node || !node->is_map() || node->entries().empty()) {
      said_.error(node ? node->place() : root.place(), "columns: is not a map of names to types",
                  "write it as columns: {id: int, text: text}");
      return;
    }
    for (const YamlEntry& entry : node->entries()) {
      if (entry.key.empty()) said_.error(entry.key_place, "a column without a name");
      const auto type = entry.value.is_scalar() ? cell_type(entry.value.text()) : std::nullopt;
      if (!type) {
        said_.error(entry.value.place(),
                    fmt::format("column {} has no known type", shown(entry.key)),
                    "types are " + cell_type_words());
      }
      out_.schema.columns.push_back({entry.key, type ? type->tag : ValueTag::kText});
      out_.types.push_back(type.value_or(CellType{}));
    }
  }

  // A name of a column as text; "" after an error.
  std::string column(const YamlNode& node, std::string_view word) {
    if (!node.is_scalar()) {
      said_.error(node.place(),
                  fmt::format("{}: takes names of columns, not {}", word, kind_word(node)));
      return "";
    }
    if (out_.find(node.text()) == TableFileSchema::npos && !out_.schema.columns.empty()) {
      std::vector<std::string> names;
      for (const Column& known : out_.schema.columns) names.push_back(known.name);
      said_.error(node.place(),
                  fmt::format("{}: {} is not among the columns", word, shown(node.text())),
                  did_you_mean(node.text(), names));
    }
    return node.text();
  }

  void read_key(const YamlNode& root) {
    const YamlNode* node = root.find("key");
    if (!node || node->is_null() || (node->is_list() && node->items().empty())) {
      said_.error(node ? node->place() : root.place(), "key: is missing",
                  "name the columns that tell rows apart, as key: [id]");
      return;
    }
    const std::vector<YamlNode> one = {*node};
    for (const YamlNode& item : node->is_list() ? node->items() : one) {
      const std::string name = column(item, "key");
      std::vector<std::string>& key = out_.schema.key;
      if (std::find(key.begin(), key.end(), name) != key.end() && !name.empty()) {
        said_.error(item.place(), fmt::format("key: names {} twice", shown(name)));
      }
      key.push_back(name);
    }
  }

  void read_partition(const YamlNode& root) {
    const YamlNode* node = root.find("partition");
    if (node && !node->is_null()) out_.schema.partition = column(*node, "partition");
  }

  Diagnostics said_;
  TableFileSchema out_;
};

bool reads_as(ValueTag tag, const std::string& text) {
  try {
    parse_value(tag, text);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// In double quotes where a plain word could be read as something else.
std::string yaml_name(const std::string& name) {
  const bool plain =
      !name.empty() && std::isalpha(static_cast<unsigned char>(name[0])) &&
      std::all_of(name.begin(), name.end(),
                  [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }) &&
      name != "true" && name != "false" && name != "null";
  if (plain) return name;
  std::string out = "\"";
  for (char c : shown(name)) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

}  // namespace

size_t TableFileSchema::find(std::string_view column) const {
  for (size_t i = 0; i < schema.columns.size(); ++i) {
    if (schema.columns[i].name == column) return i;
  }
  return npos;
}

TableFileSchema read_schema_file(std::string_view text, std::string_view place) {
  return SchemaReader().read(load_yaml(text, place));
}

std::string suggest_schema(std::string_view csv) {
  static constexpr ValueTag kGuesses[] = {ValueTag::kInt, ValueTag::kFloat, ValueTag::kDate,
                                          ValueTag::kDatetime};
  CsvReader reader(csv, "header");
  std::vector<CsvField> row, header;
  if (!reader.next(header)) throw Error(ErrorCode::kInvalid, "no header");
  std::vector<std::vector<std::string>> seen(header.size());
  for (size_t i = 0; i < kGuessRows && reader.next(row); ++i) {
    for (size_t c = 0; c < row.size(); ++c) {
      if (!row[c].text.empty()) seen[c].push_back(row[c].text);
    }
  }
  std::string columns;
  for (size_t c = 0; c < header.size(); ++c) {
    std::string_view type = "text";
    for (ValueTag guess : kGuesses) {
      const bool all = !seen[c].empty() &&
                       std::all_of(seen[c].begin(), seen[c].end(),
                                   [&](const std::string& text) { return reads_as(guess, text); });
      if (all && type == "text") type = word(guess);
    }
    columns += fmt::format("{}{}: {}", c ? ", " : "", yaml_name(header[c].text), type);
  }
  return fmt::format("key: [{}]\ncolumns: {{{}}}\n", yaml_name(header[0].text), columns);
}

}  // namespace lockstep
