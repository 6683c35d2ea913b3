#include "workflows/language/workspace.h"

#include <fmt/core.h>

#include <algorithm>

#include "pipeline/base/ed25519.h"
#include "pipeline/core/names.h"
#include "workflows/language/readers.h"
#include "workflows/language/workspace_parts.h"

namespace lockstep {
namespace {

void read_devices(const YamlNode& node, const std::string& what, Diagnostics& diagnostics,
                  PoolSpec& pool) {
  if (!node.is_list() || node.items().empty()) {
    return expected(node, what, "a list of device numbers", diagnostics);
  }
  for (const YamlNode& item : node.items()) {
    auto index = read_integer(item, "an entry of " + what, 0, 1023, diagnostics);
    if (!index) continue;
    auto device = static_cast<uint32_t>(*index);
    if (std::find(pool.devices.begin(), pool.devices.end(), device) != pool.devices.end()) {
      diagnostics.error(item.place(), fmt::format("{} names {} twice", what, device));
    }
    pool.devices.push_back(device);
  }
}

PoolSpec read_pool(const YamlEntry& entry, Diagnostics& diagnostics) {
  PoolSpec pool;
  pool.name = entry.key;
  pool.where = entry.key_place.str();
  check_name(entry.key, entry.key_place, "pools", diagnostics);
  Fields fields(entry.value, fmt::format("pool \"{}\"", shown(entry.key)), diagnostics);
  if (const YamlNode* node = fields.take("slots")) {
    auto count = read_integer(*node, fields.of("slots"), 1, 4096, diagnostics);
    pool.slots = static_cast<uint32_t>(count.value_or(0));
  }
  if (const YamlNode* node = fields.take("memory")) {
    pool.memory_bytes = read_size(*node, fields.of("memory"), diagnostics).value_or(0);
  }
  if (const YamlNode* node = fields.take("devices")) {
    read_devices(*node, fields.of("devices"), diagnostics, pool);
    if (pool.slots == 0) pool.slots = 1;
  }
  fields.not_yet({"slurm", "kubernetes", "ssh", "preemptible"});
  fields.finish();
  return pool;
}

void read_pools(Fields& root, Diagnostics& diagnostics, Workspace& workspace) {
  if (const YamlNode* node = root.take("pools")) {
    Fields fields(*node, "\"pools\"", diagnostics);
    for (const YamlEntry& entry : node->entries()) {
      workspace.pools.push_back(read_pool(entry, diagnostics));
    }
    if (fields.is_map() && node->entries().empty()) {
      expected(*node, "\"pools\"", "a map of pools", diagnostics);
    }
  }
  if (workspace.pools.empty()) workspace.pools.push_back({"local", 0, 0, {}, ""});
}

void read_releases(Fields& root, const WorkspaceReading& reading, Workspace& workspace) {
  workspace.releases = reading.absolute("out/releases");
  const YamlNode* node = root.take("releases");
  if (node == nullptr) return;
  Fields fields(*node, "\"releases\"", reading.diagnostics);
  if (const YamlNode* folder = fields.take("folder")) {
    workspace.releases = read_file_path(*folder, fields.of("folder"), reading);
  }
  if (const YamlNode* value = fields.take("registry")) {
    RegistrySpec registry;
    registry.where = value->place().str();
    Fields words(*value, fields.of("registry"), reading.diagnostics);
    if (const YamlNode* place = words.need("place", "host:port/repository")) {
      registry.place =
          read_registry_place(*place, words.of("place"), reading.diagnostics).value_or("");
    }
    if (const YamlNode* plain = words.take("plain-http")) {
      registry.plain_http =
          read_bool(*plain, words.of("plain-http"), reading.diagnostics).value_or(false);
    }
    if (const YamlNode* pack = words.take("modelpack")) {
      registry.modelpack =
          read_bool(*pack, words.of("modelpack"), reading.diagnostics).value_or(false);
    }
    if (const YamlNode* sign_in = words.take("credentials")) {
      registry.credentials = read_credentials(*sign_in, words.of("credentials"), false, reading);
    }
    words.finish();
    workspace.registry = registry;
  }
  fields.finish();
}

void read_secrets(Fields& root, const WorkspaceReading& reading, Workspace& workspace) {
  const YamlNode* node = root.take("secrets");
  if (node == nullptr) return;
  Fields fields(*node, "\"secrets\"", reading.diagnostics);
  for (const YamlEntry& entry : node->entries()) {
    check_variable(entry.key, entry.key_place, "secrets", reading.diagnostics);
    auto secret = read_secret(entry.value, fmt::format("secret \"{}\"", shown(entry.key)), reading);
    if (secret) workspace.secrets[entry.key] = *secret;
  }
}

// "90d", or a number.
void read_keep(Fields& fields, const char* word, Diagnostics& diagnostics, Keep& keep) {
  constexpr int64_t kMost = 100'000'000;
  const YamlNode* value = fields.take(word);
  if (value == nullptr) return;
  const bool digits = value->is_scalar() && !value->quoted() &&
                      value->text().find_first_not_of("0123456789") == std::string::npos;
  if (digits) {
    keep.count = read_integer(*value, fields.of(word), 1, kMost, diagnostics).value_or(kMost);
  } else {
    keep.age_ms = read_duration(*value, fields.of(word), diagnostics).value_or(keep.age_ms);
  }
}

void read_policies(Fields& root, Diagnostics& diagnostics, Policies& policies) {
  const YamlNode* node = root.take("policies");
  if (node == nullptr) return;
  Fields fields(*node, "\"policies\"", diagnostics);
  if (const YamlNode* value = fields.take("max-new")) {
    auto count = read_integer(*value, fields.of("max-new"), 0, 1'000'000, diagnostics);
    policies.max_new = static_cast<uint32_t>(count.value_or(50));
  }
  if (const YamlNode* value = fields.take("keep-releases")) {
    auto count = read_integer(*value, fields.of("keep-releases"), 1, 1'000'000, diagnostics);
    policies.keep_releases = static_cast<uint32_t>(count.value_or(10));
  }
  read_keep(fields, "keep-runs", diagnostics, policies.keep_runs);
  read_keep(fields, "keep-logs", diagnostics, policies.keep_logs);
  if (const YamlNode* value = fields.take("superseded")) {
    auto word = read_choice(*value, fields.of("superseded"), {"finish", "cancel"}, diagnostics);
    if (word && *word == "cancel") policies.superseded = SupersededPolicy::kCancel;
  }
  fields.finish();
}

void read_signing(Fields& root, const WorkspaceReading& reading, Workspace& workspace) {
  const YamlNode* node = root.take("signing");
  if (node == nullptr) return;
  Fields fields(*node, "\"signing\"", reading.diagnostics);
  SigningSpec signing;
  if (const YamlNode* key = fields.take("key")) {
    signing.key = read_secret(*key, fields.of("key"), reading);
  }
  if (const YamlNode* trusted = fields.take("trusted")) {
    signing.trusted = read_texts(*trusted, fields.of("trusted"), reading.diagnostics);
    for (const YamlNode& one : trusted->items()) {
      try {
        if (!one.text().empty()) ed25519_key(one.text());
      } catch (const Error& error) {
        reading.diagnostics.error(one.place(), fields.of("trusted") + ": " + error.message,
                                  error.hint);
      }
    }
  }
  if (fields.is_map() && !fields.has("key") && !fields.has("trusted")) {
    expected(*node, "\"signing\"", "{key: file:PATH} or {trusted: [...]}", reading.diagnostics);
  }
  fields.finish();
  workspace.signing = signing;
}

void read_channel(Fields& root, Diagnostics& diagnostics, Workspace& workspace) {
  const YamlNode* node = root.take("channel");
  if (node == nullptr) return;
  workspace.channel = read_name(*node, "\"channel\"", diagnostics).value_or("");
  workspace.channel_where = node->place().str();
  if (!workspace.channel.empty() && !valid_channel_name(workspace.channel)) {
    expected(*node, "\"channel\"", "a channel's name as text", diagnostics);
  }
}

void read_workspace(const YamlNode& root, const WorkspaceReading& reading, Workspace& workspace) {
  Fields fields(root, "the workspace", reading.diagnostics);
  if (!fields.is_map()) return;
  read_sources(fields, reading, workspace);
  read_pools(fields, reading.diagnostics, workspace);
  read_releases(fields, reading, workspace);
  read_signing(fields, reading, workspace);
  read_channel(fields, reading.diagnostics, workspace);
  read_imports(fields, reading, workspace);
  read_listeners(fields, reading, workspace);
  read_hooks(fields, reading, workspace);
  read_outgoing(fields, reading, workspace);
  read_secrets(fields, reading, workspace);
  read_policies(fields, reading.diagnostics, workspace.policies);
  fields.instead("tokens", "`lockstep token create` makes them; they stand in no file of yours");
  fields.instead("steps", "workflows are files of their own, in the code repository");
  fields.finish();
}

}  // namespace

std::string_view word(SourceKind kind) {
  switch (kind) {
    case SourceKind::kGitTables:
      return "git-tables";
    case SourceKind::kDolt:
      return "dolt";
    case SourceKind::kMysql:
      return "mysql";
    case SourceKind::kGitRepo:
      break;
  }
  return "git-repo";
}

bool keeps_tables(SourceKind kind) {
  return kind != SourceKind::kGitRepo;
}

std::optional<Workspace> parse_workspace(std::string_view text, const std::filesystem::path& file,
                                         Diagnostics& diagnostics) {
  Diagnostics own;
  Workspace workspace;
  workspace.folder = std::filesystem::absolute(file).lexically_normal().parent_path();
  try {
    read_workspace(load_yaml(text, file.string()), {workspace.folder, own}, workspace);
  } catch (const Error& error) {
    own.add(error);
  }
  diagnostics.merge(own);
  if (!own.ok()) return std::nullopt;
  return workspace;
}

WorkspaceSources workspace_sources(const Workspace& workspace) {
  WorkspaceSources names;
  for (const SourceSpec& source : workspace.sources) {
    (keeps_tables(source.kind) ? names.tables : names.code).push_back(source.name);
  }
  for (const PoolSpec& pool : workspace.pools) names.pools.push_back(pool.name);
  for (const auto& [name, secret] : workspace.secrets) names.secrets.push_back(name);
  names.channel = workspace.channel;
  names.channel_place = workspace.channel_where;
  return names;
}

}  // namespace lockstep
