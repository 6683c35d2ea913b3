#include "pipeline/daemon/parts.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <thread>

#include "connectors/dolt/remote.h"
#include "connectors/dolt/table_store.h"
#include "connectors/dolt/writer.h"
#include "connectors/download/download.h"
#include "connectors/git_tables/table_store.h"
#include "connectors/git_tables/writer.h"
#include "connectors/mysql/table_store.h"
#include "pipeline/store/artifact_store.h"
#include "pipeline/yaml/diagnostics.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxWorkspaceFile_bytes = 1 << 20;
constexpr uint64_t kMaxSecret_bytes = 64 << 10;
constexpr uint32_t kAttemptsPerCard = 8;

std::string read_secret_ref(const SecretRef& ref, const std::string& what) {
  if (ref.kind == SecretRef::Kind::kEnv) {
    const char* value = std::getenv(ref.variable.c_str());
    if (value) return value;
    throw Error(
        ErrorCode::kNotFound,
        fmt::format("{} is not set: there is no environment variable {}", what, ref.variable),
        "export it where lockstep runs");
  }
  std::string text = real_files().read(ref.file, kMaxSecret_bytes);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

GitOriginConfig origin(const SourceSpec& spec, const fs::path& state) {
  GitOriginConfig config;
  config.name = spec.name;
  config.place = spec.place;
  config.branch = spec.branch;
  config.mirror = state / "mirrors" / sha256(spec.name + "\n" + spec.place).hex().substr(0, 16);
  config.credentials.username = spec.credentials.username;
  config.credentials.ssh_key = spec.credentials.key;
  config.credentials.known_hosts = spec.credentials.known_hosts;
  config.credentials.ca_file = spec.credentials.ca_file;
  if (spec.credentials.password) {
    config.credentials.password =
        read_secret_ref(*spec.credentials.password, "the password of source " + spec.name);
  }
  return config;
}

GitTablesConfig tables_config(const SourceSpec& spec, const fs::path& state) {
  GitTablesConfig config;
  config.origin = origin(spec, state);
  config.folder = spec.folder;
  return config;
}

SqlServer sql_server(const SourceSpec& spec) {
  SqlServer server;
  server.host = spec.server.host;
  server.port = spec.server.port;
  server.socket = spec.server.socket;
  server.database = spec.server.database;
  server.verify_tls = spec.server.verify_tls;
  server.ca_file = spec.credentials.ca_file;
  if (!spec.credentials.username.empty()) server.user = spec.credentials.username;
  if (spec.credentials.password) {
    server.password =
        read_secret_ref(*spec.credentials.password, "the password of source " + spec.name);
  }
  return server;
}

DoltConfig dolt(const SourceSpec& spec) {
  DoltConfig config;
  config.name = spec.name;
  config.branch = spec.branch;
  config.data_folder = spec.server.data_folder;
  config.server = sql_server(spec);
  return config;
}

// The word of the source, else LOCKSTEP_DOLT, else the one in PATH.
std::string dolt_program(const RemoteSpec& remote) {
  const char* named = std::getenv("LOCKSTEP_DOLT");
  return remote.program == RemoteSpec().program && named && *named ? named : remote.program;
}

std::shared_ptr<DoltRemote> dolt_remote(const SourceSpec& spec, const fs::path& state) {
  DoltRemoteConfig config;
  config.name = spec.name;
  config.remote = spec.remote.address;
  config.branch = spec.branch;
  config.username = spec.credentials.username;
  if (spec.credentials.password) {
    config.password = [ref = *spec.credentials.password, name = spec.name] {
      return read_secret_ref(ref, "the password of source " + name);
    };
  }
  config.ca_file = spec.credentials.ca_file;
  config.folder = state / "tables" / spec.name;
  config.program = dolt_program(spec.remote);
  config.every_ms = spec.every_ms;
  config.warn = [](const std::string& text) { spdlog::warn("{}", text); };
  return std::make_shared<DoltRemote>(std::move(config));
}

MysqlConfig mysql(const SourceSpec& spec, const fs::path& state) {
  MysqlConfig config;
  config.name = spec.name;
  config.server = sql_server(spec);
  config.every_ms = spec.every_ms;
  config.state = state / "tables" / spec.name;
  config.artifacts = std::make_shared<ArtifactStore>(config.state);
  config.warn = [](const std::string& text) { spdlog::warn("{}", text); };
  for (const auto& [table, changes] : spec.tables) {
    MysqlMode mode = MysqlMode::kScan;
    if (changes.by == "column") mode = MysqlMode::kColumn;
    if (changes.by == "versioned") mode = MysqlMode::kVersioned;
    config.tables[table] = {mode, changes.column};
  }
  return config;
}

}  // namespace

Watched SourceSet::watched() const {
  Watched out;
  for (const auto& [name, store] : tables) out.tables[name] = store.get();
  for (const auto& [name, repo] : code) out.code[name] = repo.get();
  return out;
}

Source& SourceSet::at(const std::string& name) const {
  auto table = tables.find(name);
  if (table != tables.end()) return *table->second;
  auto repo = code.find(name);
  if (repo != code.end()) return *repo->second;
  throw Error(ErrorCode::kNotFound, "no source is called " + name);
}

Parts::Parts(const fs::path& folder) {
  fs::path file = folder / "lockstep.yaml";
  Diagnostics diagnostics;
  std::string text = real_files().read(file, kMaxWorkspaceFile_bytes);
  digest_ = sha256(text);
  std::optional<Workspace> parsed = parse_workspace(text, file, diagnostics);
  diagnostics.throw_if_any();
  workspace_ = std::move(*parsed);
  names_ = workspace_sources(workspace_);
  warnings_ = diagnostics.warnings();
  for (const SourceSpec& spec : workspace_.sources) {
    if (!spec.remote.address.empty()) remotes_[spec.name] = dolt_remote(spec, state());
  }
}

std::string Parts::releases_shown() const {
  fs::path inside = workspace_.releases.lexically_relative(workspace_.folder);
  bool outside = inside.empty() || *inside.begin() == "..";
  return (outside ? workspace_.releases : inside).string();
}

std::string Parts::owner() const {
  return sha256(workspace_.folder.string()).hex().substr(0, 16);
}

std::unique_ptr<SourceSet> Parts::open_sources() const {
  auto set = std::make_unique<SourceSet>();
  for (const SourceSpec& spec : workspace_.sources) {
    if (spec.kind == SourceKind::kGitTables) {
      set->tables[spec.name] = std::make_unique<GitTableStore>(tables_config(spec, state()));
    } else if (!spec.remote.address.empty()) {
      set->tables[spec.name] =
          std::make_unique<DoltTableStore>(dolt_config(remotes_.at(spec.name)));
    } else if (spec.kind == SourceKind::kDolt) {
      set->tables[spec.name] = std::make_unique<DoltTableStore>(dolt(spec));
    } else if (spec.kind == SourceKind::kMysql) {
      set->tables[spec.name] = std::make_unique<MysqlTableStore>(mysql(spec, state()));
    } else {
      set->code[spec.name] = std::make_unique<GitCodeRepo>(origin(spec, state()));
    }
  }
  return set;
}

std::unique_ptr<TableWriter> Parts::open_writer(const std::string& source) const {
  for (const SourceSpec& spec : workspace_.sources) {
    if (spec.name != source || !keeps_tables(spec.kind)) continue;
    if (!spec.remote.address.empty()) {
      throw Error(ErrorCode::kDenied,
                  fmt::format("source {} is a remote, which is only read", source),
                  "write to the database that is pushed there, or name its server as the source");
    }
    if (spec.kind == SourceKind::kDolt) return std::make_unique<DoltWriter>(dolt(spec));
    if (spec.kind == SourceKind::kMysql) {
      throw Error(ErrorCode::kDenied, fmt::format("source {} is only read", source),
                  "rows are written to git tables and to Dolt; write here as all others do");
    }
    return std::make_unique<GitTableWriter>(tables_config(spec, state()));
  }
  throw Error(ErrorCode::kNotFound, "no source of tables is called " + source);
}

std::string Parts::sheet(const ImportSpec& import) const {
  DownloadOptions options;
  if (!import.web) {
    std::error_code ignored;
    const bool other =
        fs::exists(import.from, ignored) && !fs::is_regular_file(import.from, ignored);
    if (other) {
      throw Error(ErrorCode::kInvalid, printable(import.from) + " is not a file",
                  "a pipe would never say whether it is whole");
    }
    return real_files().read(import.from, options.max_bytes);
  }
  options.network = network();
  options.username = import.credentials.username;
  options.ca_file = import.credentials.ca_file;
  if (import.credentials.password) {
    options.password =
        read_secret_ref(*import.credentials.password, "the password of import " + import.name);
  }
  return download(import.from, options);
}

std::string Parts::secret(const std::string& name) const {
  auto found = workspace_.secrets.find(name);
  if (found == workspace_.secrets.end()) {
    throw Error(ErrorCode::kNotFound, fmt::format("lockstep.yaml declares no secret {}", name),
                "add it under `secrets:` as env:NAME or file:PATH");
  }
  return read_secret_ref(found->second, "secret " + name);
}

std::string Parts::token(const SourceSpec& source) const {
  return read_secret_ref(source.status.value().token, "the forge token of source " + source.name);
}

std::string Parts::secret_of(const NotificationSpec& receiver) const {
  return read_secret_ref(receiver.secret.value(),
                         "the secret of the notification at " + receiver.where);
}

HookSpec Parts::hook(const HookSource& hook) const {
  HookSpec spec;
  spec.name = hook.name;
  spec.forge = forge_named(hook.forge);
  spec.signature_header = hook.signature_header;
  for (const SecretRef& secret : hook.secrets) {
    spec.secrets.push_back(read_secret_ref(secret, "a secret of hook " + hook.name));
  }
  return spec;
}

std::vector<Slot> Parts::slots() const {
  std::vector<Slot> slots;
  uint32_t cores = std::max(1u, std::thread::hardware_concurrency());
  for (const PoolSpec& pool : workspace_.pools) {
    if (pool.devices.empty()) {
      uint32_t count = pool.slots > 0 ? pool.slots : cores;
      slots.push_back({{pool.name, pool.name, "cpu", pool.memory_bytes}, count, 0, 0});
    }
    for (uint32_t device : pool.devices) {
      slots.push_back({{fmt::format("{}-{}", pool.name, device), pool.name, std::to_string(device),
                        pool.memory_bytes},
                       pool.slots > 0 ? pool.slots : kAttemptsPerCard,
                       0,
                       0});
    }
  }
  return slots;
}

fs::path Parts::program(const std::string& name) {
  fs::path file = fs::read_symlink("/proc/self/exe").parent_path() / name;
  if (fs::exists(file)) return file;
  throw Error(ErrorCode::kNotFound, fmt::format("{} is missing beside this program", name),
              fmt::format("expected it at {}; build or install it", file.string()));
}

NetworkRules Parts::network() const {
  NetworkRules rules;
  rules.listed = {workspace_.private_hosts.begin(), workspace_.private_hosts.end()};
  return rules;
}

std::unique_ptr<RegistryClient> Parts::registry() const {
  if (!workspace_.registry) return nullptr;
  const RegistrySpec& spec = *workspace_.registry;
  RegistryOptions options;
  if (spec.plain_http) options.plain_http = true;
  options.credentials.username = spec.credentials.username;
  if (spec.credentials.password) {
    options.credentials.password =
        read_secret_ref(*spec.credentials.password, "the password of the registry");
  }
  options.http.ca_file = spec.credentials.ca_file;
  options.http.network = network();
  return std::make_unique<RegistryClient>(spec.place, options);
}

}  // namespace lockstep
