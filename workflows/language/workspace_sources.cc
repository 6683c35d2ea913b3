#include <fmt/core.h>

#include "workflows/language/readers.h"
#include "workflows/language/workspace_parts.h"

namespace lockstep {
namespace {

constexpr const char* kKinds = "git-tables, dolt, mysql or git-repo";
constexpr int64_t kSoonest_ms = 100;
constexpr size_t kMostName_bytes = 256;  // of a table or column: 64 characters

std::optional<SourceKind> read_kind(const YamlNode& node, const std::string& what,
                                    Diagnostics& diagnostics) {
  auto word = read_choice(node, what, {"git-tables", "dolt", "mysql", "git-repo"}, diagnostics);
  if (!word) return std::nullopt;
  if (*word == "dolt") return SourceKind::kDolt;
  if (*word == "mysql") return SourceKind::kMysql;
  return *word == "git-tables" ? SourceKind::kGitTables : SourceKind::kGitRepo;
}

void take_branch(Fields& fields, const WorkspaceReading& reading, SourceSpec& source) {
  if (const YamlNode* node = fields.take("branch")) {
    source.branch = read_branch(*node, fields.of("branch"), reading.diagnostics);
  }
}

void read_sign_in(Fields& fields, bool ssh, const WorkspaceReading& reading, SourceSpec& source) {
  if (const YamlNode* node = fields.take("credentials")) {
    source.credentials = read_credentials(*node, fields.of("credentials"), ssh, reading);
  }
}

void read_git_words(Fields& fields, const WorkspaceReading& reading, SourceSpec& source) {
  if (const YamlNode* node = fields.need("place", "a path or an address")) {
    source.place = read_git_place(*node, fields.of("place"), reading).value_or("");
  }
  take_branch(fields, reading, source);
  take_status(fields, reading, source);
  read_sign_in(fields, true, reading, source);
}

void read_git_kind_words(Fields& fields, const WorkspaceReading& reading, SourceSpec& source) {
  bool tables = source.kind == SourceKind::kGitTables;
  fields.instead(tables ? "workflows" : "folder",
                 tables ? "workflows are read from a source of kind git-repo"
                        : "it says where tables lie in a source of kind git-tables");
  const YamlNode* node = fields.take(tables ? "folder" : "workflows");
  if (node == nullptr) return;
  if (tables && as_text(*node) == "") return;  // the root
  auto path = read_path(*node, fields.of(tables ? "folder" : "workflows"), reading.diagnostics);
  (tables ? source.folder : source.workflows) = path.value_or("");
}

// `place`, or `socket` and `database`.
void read_server(Fields& fields, const WorkspaceReading& reading, SourceSpec& source) {
  const YamlNode* socket = fields.take("socket");
  if (socket == nullptr) {
    fields.instead("database", "with place the database stands in the address");
    const YamlNode* node = fields.need("place", "mysql://HOST[:PORT]/DATABASE, or socket");
    if (node == nullptr) return;
    auto place = read_server_place(*node, fields.of("place"), reading.diagnostics);
    if (place) source.server = *place;
    source.place = node->is_scalar() ? node->text() : "";
    return;
  }
  fields.instead("place", "a source has a place or a socket, not both");
  source.server.socket = read_file_path(*socket, fields.of("socket"), reading);
  source.place = source.server.socket.string();
  if (const YamlNode* node = fields.need("database", "the database's name")) {
    source.server.database =
        read_database(*node, fields.of("database"), reading.diagnostics).value_or("");
  }
}

void read_server_words(Fields& fields, const WorkspaceReading& reading, SourceSpec& source) {
  read_server(fields, reading, source);
  if (const YamlNode* node = fields.take("verify-tls")) {
    source.server.verify_tls = read_bool(*node, fields.of("verify-tls"), reading.diagnostics);
  }
  read_sign_in(fields, false, reading, source);
  fields.instead("folder", "a server's tables lie in no folder");
  fields.instead("workflows", "workflows are read from a source of kind git-repo");
}

void take_every(Fields& fields, const WorkspaceReading& reading, SourceSpec& source) {
  const YamlNode* node = fields.take("every");
  if (node == nullptr) return;
  const auto every = read_duration(*node, fields.of("every"), reading.diagnostics);
  source.every_ms = every.value_or(source.every_ms);
  if (source.every_ms < kSoonest_ms) {
    expected(*node, fields.of("every"), "100ms or longer", reading.diagnostics);
  }
}

// A clone in a server of our own.
void read_remote_words(Fields& fields, const WorkspaceReading& reading, SourceSpec& source) {
  const YamlNode* address = fields.take("remote");
  if (address != nullptr) {
    source.remote.address =
        read_dolt_remote(*address, fields.of("remote"), reading.diagnostics).value_or("");
    source.place = source.remote.address;
  }
  if (const YamlNode* node = fields.take("dolt")) {
    const auto program = read_text(*node, fields.of("dolt"), reading.diagnostics);
    const bool path = program && program->find('/') != std::string::npos;
    source.remote.program = path ? reading.absolute(*program).string() : program.value_or("dolt");
    if (program && (*program)[0] == '-')
      expected(*node, fields.of("dolt"), "a program", reading.diagnostics);
  }
  take_every(fields, reading, source);
  take_branch(fields, reading, source);
  read_sign_in(fields, false, reading, source);
  for (const char* word : {"place", "socket", "database", "data-folder", "verify-tls"}) {
    fields.instead(word, "a remote is pulled into a server of Lockstep's own");
  }
  fields.instead("folder", "a remote's tables lie in no folder");
  fields.instead("workflows", "workflows are read from a source of kind git-repo");
}

void read_dolt_words(Fields& fields, const WorkspaceReading& reading, SourceSpec& source) {
  if (fields.has("remote")) return read_remote_words(fields, reading, source);
  fields.instead("every", "it is for a remote: a server is asked, or signals");
  fields.instead("dolt", "it is for a remote, which needs the program");
  read_server_words(fields, reading, source);
  take_branch(fields, reading, source);
  if (const YamlNode* node = fields.take("data-folder")) {
    source.server.data_folder = read_file_path(*node, fields.of("data-folder"), reading);
  }
}

ChangesSpec read_changes(const YamlNode& node, const std::string& what, Diagnostics& diagnostics) {
  ChangesSpec out;
  Fields fields(node, what, diagnostics);
  if (!fields.is_map()) return out;
  if (const YamlNode* by = fields.take("changes")) {
    out.by = read_choice(*by, fields.of("changes"), {"versioned", "column", "scan"}, diagnostics)
                 .value_or("scan");
  }
  if (out.by == "column") {
    if (const YamlNode* column = fields.need("column", "the column that every write moves up")) {
      out.column = read_text(*column, fields.of("column"), diagnostics).value_or("");
    }
  } else {
    fields.instead("column", "it belongs to changes: column");
  }
  fields.finish();
  return out;
}

void read_followed(const YamlNode& node, const std::string& what, Diagnostics& diagnostics,
                   SourceSpec& source) {
  if (!node.is_map() || node.entries().empty()) {
    return expected(node, what, "a map of tables", diagnostics);
  }
  for (const YamlEntry& entry : node.entries()) {
    const std::string table = fmt::format("table \"{}\"", shown(entry.key));
    if (entry.key.empty() || entry.key.size() > kMostName_bytes) {
      diagnostics.error(entry.key_place, what + " names a table that can't be");
    }
    source.tables[entry.key] = read_changes(entry.value, table, diagnostics);
  }
}

void read_mysql_words(Fields& fields, const WorkspaceReading& reading, SourceSpec& source) {
  read_server_words(fields, reading, source);
  take_every(fields, reading, source);
  if (const YamlNode* node = fields.take("tables")) {
    read_followed(*node, fields.of("tables"), reading.diagnostics, source);
  }
  fields.instead("branch", "a database without versions has no branches");
  fields.instead("data-folder", "it is for kind: dolt");
  fields.instead("remote", "it is for kind: dolt");
}

SourceSpec read_source(const YamlEntry& entry, const WorkspaceReading& reading) {
  SourceSpec source;
  source.name = entry.key;
  source.where = entry.key_place.str();
  check_name(entry.key, entry.key_place, "sources", reading.diagnostics);
  Fields fields(entry.value, fmt::format("source \"{}\"", shown(entry.key)), reading.diagnostics);
  if (!fields.is_map()) return source;
  const YamlNode* said = entry.value.find("kind");
  const bool server = said != nullptr && (said->text() == "dolt" || said->text() == "mysql");
  if (!server) read_git_words(fields, reading, source);
  const YamlNode* kind = fields.need("kind", kKinds);
  auto known = kind ? read_kind(*kind, fields.of("kind"), reading.diagnostics) : std::nullopt;
  if (!known) return source;  // what else may stand here depends on the kind
  source.kind = *known;
  if (server) fields.instead("status", "commit statuses are for sources in git");
  if (source.kind == SourceKind::kDolt) {
    read_dolt_words(fields, reading, source);
  } else if (source.kind == SourceKind::kMysql) {
    read_mysql_words(fields, reading, source);
  } else {
    read_git_kind_words(fields, reading, source);
  }
  fields.finish();
  return source;
}

}  // namespace

void read_sources(Fields& root, const WorkspaceReading& reading, Workspace& workspace) {
  const YamlNode* node = root.need("sources", "what is watched");
  if (node == nullptr) return;
  if (!node->is_map() || node->entries().empty()) {
    return expected(*node, "\"sources\"", "a map of sources", reading.diagnostics);
  }
  bool code = false;
  for (const YamlEntry& entry : node->entries()) {
    workspace.sources.push_back(read_source(entry, reading));
    const YamlNode* kind = entry.value.find("kind");
    code = code || (kind != nullptr && kind->text() == "git-repo");
  }
  if (!code) {
    reading.diagnostics.error(node->place(), "no source of kind git-repo: workflows live in one",
                              "code: {kind: git-repo, place: ./code}");
  }
}

}  // namespace lockstep
