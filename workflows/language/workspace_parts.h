// Places, secrets and credentials as the workspace file writes them. Inside the language room
// only; knows nothing of the keys they stand under, and opens nothing.
#pragma once

#include <optional>
#include <string>

#include "workflows/language/fields.h"
#include "workflows/language/workspace.h"

namespace lockstep {

struct WorkspaceReading {
  std::filesystem::path folder;  // absolute
  Diagnostics& diagnostics;

  std::filesystem::path absolute(const std::string& path) const;
};

// env:NAME or file:PATH. Anything else is refused without being repeated in the message.
std::optional<SecretRef> read_secret(const YamlNode& node, const std::string& what,
                                     const WorkspaceReading& reading);

// A path (made absolute), https://, http://, ssh://, file:// or user@host:path.
std::optional<std::string> read_git_place(const YamlNode& node, const std::string& what,
                                          const WorkspaceReading& reading);

// host[:port]/repository, without a scheme or a tag.
// HOST[:PORT]/REPOSITORY, without a tag.
bool valid_registry_place(std::string_view text);
std::optional<std::string> read_registry_place(const YamlNode& node, const std::string& what,
                                               Diagnostics& diagnostics);

// mysql://HOST[:PORT]/DATABASE, without a user: host, port and database of the result.
std::optional<ServerPlace> read_server_place(const YamlNode& node, const std::string& what,
                                             Diagnostics& diagnostics);

// file:///PATH, https://HOST/PATH, http:// on this machine, or OWNER/DATABASE; no user in it.
std::optional<std::string> read_dolt_remote(const YamlNode& node, const std::string& what,
                                            Diagnostics& diagnostics);

// A database's name: no '/', '@', '?', '#', '%' or '`' in it.
std::optional<std::string> read_database(const YamlNode& node, const std::string& what,
                                         Diagnostics& diagnostics);

// The whole of `sources`.
void read_sources(Fields& root, const WorkspaceReading& reading, Workspace& workspace);

// A path, made absolute.
std::filesystem::path read_file_path(const YamlNode& node, const std::string& what,
                                     const WorkspaceReading& reading);

// `ssh`: whether key and known-hosts may stand there.
CredentialSpec read_credentials(const YamlNode& node, const std::string& what, bool ssh,
                                const WorkspaceReading& reading);

// A branch's name by part of git's rule (git-check-ref-format).
std::string read_branch(const YamlNode& node, const std::string& what, Diagnostics& diagnostics);

// The workspace's `imports`; its sources were read before.
void read_imports(Fields& root, const WorkspaceReading& reading, Workspace& workspace);

// The workspace's `listeners`.
void read_listeners(Fields& root, const WorkspaceReading& reading, Workspace& workspace);

// Of a source: `status`, if it is there.
void take_status(Fields& fields, const WorkspaceReading& reading, SourceSpec& source);

// The workspace's `network`, `public-url` and `notifications`.
void read_outgoing(Fields& root, const WorkspaceReading& reading, Workspace& workspace);

// The workspace's `hooks`; its sources were read before.
void read_hooks(Fields& root, const WorkspaceReading& reading, Workspace& workspace);

}  // namespace lockstep
