// The workspace file's `imports`: sheets that are brought into tables.
#include <fmt/core.h>

#include <algorithm>

#include "workflows/language/readers.h"
#include "workflows/language/workspace_parts.h"

namespace lockstep {
namespace {

// https://…, http://… as written, else a path made absolute. The text is not repeated in messages:
// the address of a published sheet may be all that protects it.
std::string read_sheet_place(const YamlNode& node, const std::string& what,
                             const WorkspaceReading& reading, bool& web) {
  const auto text = read_text(node, what, reading.diagnostics);
  if (!text) return "";
  const size_t scheme = text->find("://");
  web = scheme != std::string::npos && scheme < text->find('/');
  if (!web) return reading.absolute(*text).string();
  const std::string_view rest = std::string_view(*text).substr(scheme + 3);
  const std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
  const bool known = text->rfind("https://", 0) == 0 || text->rfind("http://", 0) == 0;
  const bool odd = std::any_of(text->begin(), text->end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f;
  });
  if (host.find('@') != host.npos) {
    reading.diagnostics.error(node.place(), what + " holds a user or password",
                              "credentials: {username: …, password: env:NAME}");
  } else if (!known || odd || host.empty()) {
    reading.diagnostics.error(node.place(), what + " is no address of a sheet",
                              "a path, or https:// and what a browser would open");
  }
  return *text;
}

// "Ann <ann@example.org>"
void read_author(const YamlNode& node, const std::string& what, Diagnostics& diagnostics,
                 ImportSpec& import) {
  const std::string text = read_text(node, what, diagnostics).value_or("");
  const size_t open = text.find('<');
  const bool good = open != text.npos && open > 1 && text[open - 1] == ' ' && text.back() == '>' &&
                    text.find_first_of("<>", open + 1) == text.size() - 1 &&
                    text.find('>') > open + 1;
  if (!good) return expected(node, what, "\"NAME <ADDRESS>\" as text", diagnostics);
  import.author = text.substr(0, open - 1);
  import.email = text.substr(open + 1, text.size() - open - 2);
}

void read_max_change(const YamlNode& node, const std::string& what, Diagnostics& diagnostics,
                     ImportSpec& import) {
  const std::string text = node.is_scalar() ? node.text() : "";
  const std::string digits = text.substr(0, text.find('%'));
  const bool good = digits.size() + 1 == text.size() && !digits.empty() && digits.size() <= 3 &&
                    digits.find_first_not_of("0123456789") == digits.npos &&
                    std::stoi(digits) <= 100;
  if (!good) return expected(node, what, "0% to 100% as text", diagnostics);
  import.max_change = std::stoi(digits) / 100.0;
}

void read_columns(const YamlNode& node, const std::string& what, Diagnostics& diagnostics,
                  ImportSpec& import) {
  if (!node.is_map() || node.entries().empty()) {
    return expected(node, what, "a map of the table's columns to the sheet's headers", diagnostics);
  }
  for (const YamlEntry& entry : node.entries()) {
    const std::string header =
        read_text(entry.value, fmt::format("{} of {}", shown(entry.key), what), diagnostics)
            .value_or("");
    for (const auto& [column, other] : import.columns) {
      if (header.empty() || other != header) continue;
      diagnostics.error(entry.value.place(),
                        fmt::format("{} takes \"{}\" for two columns", what, shown(header)));
    }
    import.columns[entry.key] = header;
  }
}

void read_table(const YamlNode& node, const std::string& what, const Workspace& workspace,
                Diagnostics& diagnostics, ImportSpec& import) {
  import.table = read_text(node, what, diagnostics).value_or("");
  const size_t slash = import.table.find('/');
  if (import.table.empty() || slash == import.table.npos) return;
  const std::string source = import.table.substr(0, slash);
  const bool known =
      std::any_of(workspace.sources.begin(), workspace.sources.end(), [&](const SourceSpec& one) {
        return one.name == source && one.kind != SourceKind::kGitRepo;
      });
  if (!known) {
    diagnostics.error(node.place(),
                      fmt::format("{}: no source of tables is called \"{}\"", what, shown(source)));
  }
}

ImportSpec read_import(const YamlEntry& entry, const WorkspaceReading& reading,
                       const Workspace& workspace) {
  Diagnostics& diagnostics = reading.diagnostics;
  ImportSpec import;
  import.name = entry.key;
  import.where = entry.key_place.str();
  check_name(entry.key, entry.key_place, "imports", diagnostics);
  Fields fields(entry.value, fmt::format("import \"{}\"", shown(entry.key)), diagnostics);
  if (!fields.is_map()) return import;
  if (const YamlNode* node = fields.need("table", "[SOURCE/]TABLE")) {
    read_table(*node, fields.of("table"), workspace, diagnostics, import);
  }
  if (const YamlNode* node = fields.need("from", "https://… or a path")) {
    import.from = read_sheet_place(*node, fields.of("from"), reading, import.web);
  }
  if (const YamlNode* node = fields.take("branch")) {
    import.branch = read_branch(*node, fields.of("branch"), diagnostics);
  }
  if (const YamlNode* node = fields.take("columns")) {
    read_columns(*node, fields.of("columns"), diagnostics, import);
  }
  if (const YamlNode* node = fields.take("author")) {
    read_author(*node, fields.of("author"), diagnostics, import);
  }
  if (const YamlNode* node = fields.take("delete")) {
    import.remove = read_bool(*node, fields.of("delete"), diagnostics).value_or(true);
  }
  if (const YamlNode* node = fields.take("max-change")) {
    read_max_change(*node, fields.of("max-change"), diagnostics, import);
  }
  if (const YamlNode* node = fields.take("credentials")) {
    import.credentials = read_credentials(*node, fields.of("credentials"), false, reading);
  }
  if (const YamlNode* node = fields.take("schedule")) {
    import.schedule = read_schedules(*node, fields.of("schedule"), diagnostics);
  }
  fields.finish();
  return import;
}

}  // namespace

void read_imports(Fields& root, const WorkspaceReading& reading, Workspace& workspace) {
  const YamlNode* node = root.take("imports");
  if (node == nullptr) return;
  Fields fields(*node, "\"imports\"", reading.diagnostics);
  for (const YamlEntry& entry : node->entries()) {
    workspace.imports.push_back(read_import(entry, reading, workspace));
  }
}

}  // namespace lockstep
