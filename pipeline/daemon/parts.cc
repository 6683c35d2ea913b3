#include "pipeline/daemon/parts.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <thread>

#include "connectors/dolt/remote.h"
#include "connectors/dolt/table_store.h"
#include "connectors/dolt/writer.h"
#include "connectors/download/download.h"
#include "connectors/git_tables/table_store.h"
#include "connectors/git_tables/writer.h"
#include "connectors/mysql/table_store.h"
#include "connectors/oci_registry/docker_config.h"
#include "pipeline/api/server.h"
#include "pipeline/daemon/log_format.h"
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
    if (value) return mask_in_logs(value), value;
    throw Error(
        ErrorCode::kNotFound,
        fmt::format("{} is not set: there is no environment variable {}", what, ref.variable),
        "export it where lockstep runs");
  }
  std::string text = real_files().read(ref.file, kMaxSecret_bytes);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  mask_in_logs(text);
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
  all_.push_back(load(folder));
  Loaded& loaded = *all_.back();
  for (const SourceSpec& spec : loaded.workspace.sources) {
    if (!spec.remote.address.empty()) {
      loaded.remotes[spec.name] = dolt_remote(spec, loaded.workspace.folder / ".lockstep");
    }
  }
  now_ = &loaded;
}

std::unique_ptr<Parts::Loaded> Parts::load(const fs::path& folder) {
  fs::path file = folder / "lockstep.yaml";
  Diagnostics diagnostics;
  auto loaded = std::make_unique<Loaded>();
  std::string text = real_files().read(file, kMaxWorkspaceFile_bytes);
  loaded->digest = sha256(text);
  std::optional<Workspace> parsed = parse_workspace(text, file, diagnostics);
  diagnostics.throw_if_any();
  loaded->workspace = std::move(*parsed);
  loaded->names = workspace_sources(loaded->workspace);
  loaded->warnings = diagnostics.warnings();
  return loaded;
}

namespace {

// Where it stands in the file is not what it says.
template <class Spec>
bool same(Spec a, Spec b) {
  a.where.clear();
  b.where.clear();
  return a == b;
}

template <class Spec>
bool all_same(const std::vector<Spec>& a, const std::vector<Spec>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same<Spec>);
}

template <class Spec>
const Spec* named(const std::vector<Spec>& all, const std::string& name) {
  for (const Spec& one : all) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

std::vector<std::string> differences(const Workspace& a, const Workspace& b) {
  std::vector<std::string> out;
  auto note = [&](const char* section, bool equal) {
    if (!equal) out.push_back(section);
  };
  note("sources", all_same(a.sources, b.sources));
  note("pools", all_same(a.pools, b.pools));
  note("releases", a.registry.has_value() == b.registry.has_value() &&
                       (!a.registry || same(*a.registry, *b.registry)));
  note("channel", a.channel == b.channel);
  note("signing", a.signing == b.signing);
  note("imports", all_same(a.imports, b.imports));
  note("listeners", all_same(a.listeners, b.listeners));
  note("hooks", all_same(a.hooks, b.hooks));
  note("notifications", all_same(a.notifications, b.notifications));
  note("network", a.private_hosts == b.private_hosts);
  note("public-url", a.public_url == b.public_url);
  note("secrets", a.secrets == b.secrets);
  note("policies", a.policies == b.policies);
  return out;
}

}  // namespace

// What can't be changed while it is in use stays as it was; gives the names of that.
std::vector<std::string> Parts::hold_back(const Loaded& old, Loaded& fresh) {
  std::vector<std::string> held;
  Workspace& workspace = fresh.workspace;
  if (workspace.releases != old.workspace.releases) {
    held.push_back("releases.folder");
    workspace.releases = old.workspace.releases;
  }
  auto place = [](const ListenerSpec& one) { return fmt::format("{}:{}", one.address, one.port); };
  std::set<std::string> before, after;
  for (const ListenerSpec& one : old.workspace.listeners) before.insert(place(one));
  for (const ListenerSpec& one : workspace.listeners) after.insert(place(one));
  for (const std::string& one : before) {
    if (!after.count(one)) held.push_back(fmt::format("listener {}, which is gone", one));
  }
  for (const std::string& one : after) {
    if (!before.count(one)) held.push_back(fmt::format("listener {}, which is new", one));
  }
  for (SourceSpec& spec : workspace.sources) {
    const SourceSpec* known = named(old.workspace.sources, spec.name);
    bool has_server = known && old.remotes.count(spec.name);
    if (!spec.remote.address.empty() && !has_server) {
      fresh.remotes[spec.name] = dolt_remote(spec, workspace.folder / ".lockstep");
    }
    if (!has_server) continue;
    fresh.remotes[spec.name] = old.remotes.at(spec.name);
    if (same(spec, *known)) continue;
    held.push_back(fmt::format("source {}, whose server runs", spec.name));
    spec = *known;
  }
  return held;
}

// Everything that the file names and that can be had without a network.
void Parts::check(const Loaded& loaded) {
  std::vector<Error> wrong;
  auto look = [&](const auto& act) {
    try {
      act();
    } catch (const Error& error) {
      wrong.push_back(error);
    }
  };
  const Workspace& workspace = loaded.workspace;
  look([&] { open(loaded); });
  for (const HookSource& hook : workspace.hooks) {
    look([&] { Parts::hook(hook); });
  }
  for (const NotificationSpec& receiver : workspace.notifications) {
    if (!receiver.secret) continue;
    look([&] { read_secret_ref(*receiver.secret, "the secret of notifications"); });
  }
  for (const SourceSpec& source : workspace.sources) {
    if (!source.status) continue;
    look([&] { read_secret_ref(source.status->token, "the token of source " + source.name); });
  }
  for (const auto& [name, secret] : workspace.secrets) {
    look([&, n = name, s = secret] { read_secret_ref(s, "secret " + n); });
  }
  for (const ListenerSpec& spec : workspace.listeners) {
    look([&] { ApiServer::check({spec.address, spec.port, {}, spec.certificate, spec.key}); });
  }
  if (workspace.registry && workspace.registry->credentials.password) {
    look([&] {
      read_secret_ref(*workspace.registry->credentials.password, "the password of the registry");
    });
  }
  if (!wrong.empty()) throw Errors(std::move(wrong));
}

Parts::Reloaded Parts::reload() {
  const Loaded& old = now();
  std::unique_ptr<Loaded> fresh = load(old.workspace.folder);
  Reloaded done;
  done.needs_restart = hold_back(old, *fresh);
  check(*fresh);
  done.changed = differences(old.workspace, fresh->workspace);
  all_.push_back(std::move(fresh));
  now_ = all_.back().get();
  return done;
}

std::string Parts::releases_shown() const {
  fs::path inside = workspace().releases.lexically_relative(workspace().folder);
  bool outside = inside.empty() || *inside.begin() == "..";
  return (outside ? workspace().releases : inside).string();
}

std::string Parts::owner() const {
  return sha256(workspace().folder.string()).hex().substr(0, 16);
}

std::unique_ptr<SourceSet> Parts::open_sources() const {
  return open(now());
}

std::unique_ptr<SourceSet> Parts::open(const Loaded& loaded) {
  auto set = std::make_unique<SourceSet>();
  const fs::path state = loaded.workspace.folder / ".lockstep";
  for (const SourceSpec& spec : loaded.workspace.sources) {
    if (spec.kind == SourceKind::kGitTables) {
      set->tables[spec.name] = std::make_unique<GitTableStore>(tables_config(spec, state));
    } else if (!spec.remote.address.empty()) {
      set->tables[spec.name] =
          std::make_unique<DoltTableStore>(dolt_config(loaded.remotes.at(spec.name)));
    } else if (spec.kind == SourceKind::kDolt) {
      set->tables[spec.name] = std::make_unique<DoltTableStore>(dolt(spec));
    } else if (spec.kind == SourceKind::kMysql) {
      set->tables[spec.name] = std::make_unique<MysqlTableStore>(mysql(spec, state));
    } else {
      set->code[spec.name] = std::make_unique<GitCodeRepo>(origin(spec, state));
    }
  }
  return set;
}

std::unique_ptr<TableWriter> Parts::open_writer(const std::string& source) const {
  for (const SourceSpec& spec : workspace().sources) {
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
  auto found = workspace().secrets.find(name);
  if (found == workspace().secrets.end()) {
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

HookSpec Parts::hook(const HookSource& hook) {
  HookSpec spec;
  spec.name = hook.name;
  spec.forge = forge_named(hook.forge);
  spec.signature_header = hook.signature_header;
  for (const SecretRef& secret : hook.secrets) {
    spec.secrets.push_back(read_secret_ref(secret, "a secret of hook " + hook.name));
  }
  check_hook(spec);
  return spec;
}

std::optional<std::string> Parts::signing_key() const {
  const auto& signing = workspace().signing;
  if (!signing || !signing->key) return std::nullopt;
  return read_secret_ref(*signing->key, "the key that signs releases");
}

std::vector<Slot> Parts::slots() const {
  std::vector<Slot> slots;
  uint32_t cores = std::max(1u, std::thread::hardware_concurrency());
  for (const PoolSpec& pool : workspace().pools) {
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
  rules.listed = {workspace().private_hosts.begin(), workspace().private_hosts.end()};
  return rules;
}

std::unique_ptr<RegistryClient> Parts::registry() const {
  if (!workspace().registry) return nullptr;
  return registry_at(workspace().registry->place);
}

std::unique_ptr<RegistryClient> Parts::registry_at(const std::string& place) const {
  const std::string host = place.substr(0, place.find('/'));
  RegistryOptions options;
  options.http.network = network();
  options.find_credentials = [host] { return docker_credentials(docker_config_file(), host); };
  const std::string own = workspace().registry ? workspace().registry->place : "";
  if (own.substr(0, own.find('/')) != host) {
    options.own = false;  // a workflow names it, not the operator
    return std::make_unique<RegistryClient>(place, options);
  }
  const RegistrySpec& spec = *workspace().registry;
  if (spec.plain_http) options.plain_http = true;
  options.modelpack = spec.modelpack;
  options.credentials.username = spec.credentials.username;
  if (spec.credentials.password) {
    options.credentials.password =
        read_secret_ref(*spec.credentials.password, "the password of the registry");
  }
  options.http.ca_file = spec.credentials.ca_file;
  return std::make_unique<RegistryClient>(place, options);
}

}  // namespace lockstep
