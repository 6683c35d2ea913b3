// The workspace file's `hooks`: webhooks that forges may send to the daemon's listeners.
#include <algorithm>

#include "workflows/language/readers.h"
#include "workflows/language/workspace_parts.h"

namespace lockstep {
namespace {

const std::vector<std::string> kForges = {"github",    "gitlab",  "gitea",
                                          "bitbucket", "dolthub", "generic"};

void read_secrets_of(const YamlNode& node, const std::string& what, const WorkspaceReading& reading,
                     HookSource& hook) {
  std::vector<YamlNode> all = node.is_list() ? node.items() : std::vector<YamlNode>{node};
  for (const YamlNode& item : all) {
    if (auto secret = read_secret(item, what, reading)) hook.secrets.push_back(*secret);
  }
  if (all.empty()) expected(node, what, "one secret or a list, newest first", reading.diagnostics);
}

void read_source_of(const YamlNode& node, const std::string& what, const Workspace& workspace,
                    Diagnostics& diagnostics, HookSource& hook) {
  hook.source = read_text(node, what, diagnostics).value_or("");
  std::vector<std::string> names;
  for (const SourceSpec& source : workspace.sources) names.push_back(source.name);
  bool known = std::find(names.begin(), names.end(), hook.source) != names.end();
  if (known || hook.source.empty()) return;
  diagnostics.error(node.place(), what + " names no source", did_you_mean(hook.source, names));
}

HookSource read_hook(const YamlEntry& entry, const WorkspaceReading& reading,
                     const Workspace& workspace) {
  Diagnostics& diagnostics = reading.diagnostics;
  HookSource hook;
  hook.name = entry.key;
  hook.where = entry.key_place.str();
  Fields fields(entry.value, "hook \"" + entry.key + "\"", diagnostics);
  if (!fields.is_map()) return hook;
  if (const YamlNode* forge = fields.need("forge",
                                          "github, gitlab, gitea, bitbucket, dolthub or "
                                          "generic")) {
    hook.forge = read_choice(*forge, fields.of("forge"), kForges, diagnostics).value_or("");
  }
  if (const YamlNode* source = fields.need("source", "the source that it tells about")) {
    read_source_of(*source, fields.of("source"), workspace, diagnostics, hook);
  }
  if (const YamlNode* secrets = fields.need("secrets", "env:NAME or file:PATH, newest first")) {
    read_secrets_of(*secrets, fields.of("secrets"), reading, hook);
  }
  const YamlNode* header = fields.take("signature-header");
  if (header != nullptr) {
    hook.signature_header =
        read_text(*header, fields.of("signature-header"), diagnostics).value_or("");
  }
  if ((hook.forge == "dolthub") != (header != nullptr) && !hook.forge.empty()) {
    diagnostics.error(
        fields.place(),
        header ? "only dolthub takes a signature-header" : "dolthub needs a signature-header",
        "it is the header in which DoltHub sends the signature");
  }
  fields.finish();
  return hook;
}

}  // namespace

void read_hooks(Fields& root, const WorkspaceReading& reading, Workspace& workspace) {
  const YamlNode* node = root.take("hooks");
  if (node == nullptr) return;
  if (!node->is_map() || node->entries().empty()) {
    return expected(*node, "\"hooks\"", "a map of names to hooks", reading.diagnostics);
  }
  for (const YamlEntry& entry : node->entries()) {
    check_name(entry.key, entry.key_place, "a hook's name", reading.diagnostics);
    workspace.hooks.push_back(read_hook(entry, reading, workspace));
  }
}

}  // namespace lockstep
