// The workspace file, lockstep.yaml: what the operator says about sources, slots and releases.
// Knows nothing of what stands in a source; a secret is a place to read it from, never a value.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "workflows/language/parse.h"

namespace lockstep {

struct SecretRef {
  enum class Kind { kEnv, kFile };
  Kind kind = Kind::kEnv;
  std::string variable;        // kEnv
  std::filesystem::path file;  // kFile: absolute, or below the workspace's folder; one secret
  bool operator==(const SecretRef&) const = default;
};

// How to sign in where a source or registry asks for it. For git over ssh: key and known_hosts;
// over https and for registries: username and password.
struct CredentialSpec {
  std::string username;
  std::optional<SecretRef> password;
  std::filesystem::path key;          // private key file
  std::filesystem::path known_hosts;  // empty: the user's own
  std::filesystem::path ca_file;      // PEM; empty: the machine's
  bool operator==(const CredentialSpec&) const = default;
};

enum class SourceKind { kGitTables, kDolt, kMysql, kGitRepo };
std::string_view word(SourceKind kind);  // "git-tables", as it is written
bool keeps_tables(SourceKind kind);

// A SQL server and the database in it.
struct ServerPlace {
  std::string host;
  uint16_t port = 3306;
  std::filesystem::path socket;  // instead of host and port
  std::string database;
  std::filesystem::path data_folder;  // where the server keeps its databases, if on this machine
  std::optional<bool> verify_tls;     // left out: by where the server is
  bool operator==(const ServerPlace&) const = default;
};

// How changed rows of a table without versions are found.
struct ChangesSpec {
  std::string by = "scan";  // "versioned", "column", "scan"
  std::string column;       // of "column"
  bool operator==(const ChangesSpec&) const = default;
};

// A Dolt remote that is kept as a clone in a server of our own.
struct RemoteSpec {
  std::string address;  // file:///…, https://…, OWNER/DATABASE; empty: there is a server
  std::string program = "dolt";  // an absolute path, or looked up in PATH
  bool operator==(const RemoteSpec&) const = default;
};

// Where a source's forge is told how its commits did.
struct StatusSpec {
  std::string forge;       // github, gitlab, gitea
  std::string api;         // its address; empty: from the source's place
  std::string repository;  // OWNER/NAME there; empty: from the source's place
  SecretRef token;
  std::filesystem::path ca_file;
  bool operator==(const StatusSpec&) const = default;
};

struct SourceSpec {
  std::string name;
  SourceKind kind = SourceKind::kGitRepo;
  std::string place;   // an absolute path, or an address as written
  ServerPlace server;  // kDolt, kMysql
  RemoteSpec remote;   // kDolt
  std::string branch = "main";
  std::string folder;                          // kGitTables: where the tables lie; empty: the root
  std::string workflows = "workflows/*.yaml";  // kGitRepo: which files are workflows
  CredentialSpec credentials;
  int64_t every_ms = 60'000;                  // kMysql, a remote: how often it is looked at
  std::optional<StatusSpec> status;           // kGitTables, kGitRepo
  std::map<std::string, ChangesSpec> tables;  // kMysql: empty: every table, by scan
  std::string where;                          // file:line:column
  bool operator==(const SourceSpec&) const = default;
};

// A place for attempts: the machine's cores, or cards of which each is such a place.
struct PoolSpec {
  std::string name;
  uint32_t slots = 0;             // attempts at once; 0: one per core. With devices: of each
  uint64_t memory_bytes = 0;      // what its attempts share; with devices: of each; 0: no limit
  std::vector<uint32_t> devices;  // CUDA indices; empty: the cores
  std::string where;
  bool operator==(const PoolSpec&) const = default;
};

struct RegistrySpec {
  std::string place;  // host[:port]/repository
  bool plain_http = false;
  bool modelpack = false;  // releases go there as ModelPack artifacts, too
  CredentialSpec credentials;
  std::string where;
  bool operator==(const RegistrySpec&) const = default;
};

// A sheet that `lockstep import NAME` brings into a table.
struct ImportSpec {
  std::string name;
  std::string table;                           // [SOURCE/]TABLE
  std::string from;                            // an address as written, or an absolute path
  bool web = false;                            // `from` is an address
  std::string branch;                          // empty: the one that the source watches
  std::map<std::string, std::string> columns;  // column of the table → header; empty: equal names
  std::string author, email;                   // of the commits; empty: who asks
  bool remove = true;                          // rows that the sheet lacks
  double max_change = 0.5;                     // part of the rows
  std::vector<ScheduleSpec> schedule;          // when `serve` does it by itself
  CredentialSpec credentials;
  std::string where;
  bool operator==(const ImportSpec&) const = default;
};

// A webhook: who sends it, and what it is about.
struct HookSource {
  std::string name;
  std::string forge;               // github, gitlab, gitea, bitbucket, dolthub, generic
  std::string source;              // that it tells about
  std::vector<SecretRef> secrets;  // newest first; each is accepted
  std::string signature_header;    // dolthub alone
  std::string where;
  bool operator==(const HookSource&) const = default;
};

// An address on the network on which the API is served to who has a token.
struct ListenerSpec {
  std::string address;  // an IP address
  uint16_t port = 0;
  std::vector<std::string> hosts;          // Host headers that are taken, lower-case, no port
  std::filesystem::path certificate, key;  // PEM; empty: no TLS, on loopback only
  uint32_t connections = 256;              // at once
  uint32_t connections_of_address = 64;    // of these, of one address
  std::string where;
  bool operator==(const ListenerSpec&) const = default;
};

// Who is told of what happens: an address, signed as Standard Webhooks, or a program.
struct NotificationSpec {
  std::vector<std::string> on;  // failure, gate, release, rollback
  std::string url;
  std::optional<SecretRef> secret;  // of `url`
  std::filesystem::path ca_file;
  std::vector<std::string> command;  // instead of `url`
  std::string where;
  bool operator==(const NotificationSpec&) const = default;
};

// What happens to attempts that a newer plan no longer wants.
enum class SupersededPolicy { kFinish, kCancel };

// How much of what came first is kept: so many, or all of so long.
struct Keep {
  int64_t count = 0;  // 0: by age
  int64_t age_ms = 0;
  bool operator==(const Keep&) const = default;
};

struct Policies {
  uint32_t max_new = 50;        // instances one commit may add before it waits for approval
  uint32_t keep_releases = 10;  // per channel, beside those that are live, pinned or marked
  // Of runs that are over, with their attempts; and of what attempts printed.
  Keep keep_runs = {0, 90ll * 86'400'000}, keep_logs = {0, 30ll * 86'400'000};
  SupersededPolicy superseded = SupersededPolicy::kFinish;
  bool operator==(const Policies&) const = default;
};

// Releases are signed by a key, and believed where one of the trusted signed them.
struct SigningSpec {
  std::optional<SecretRef> key;      // an Ed25519 private key in PEM
  std::vector<std::string> trusted;  // public keys, "ed25519:BASE64"; beside the own one
  bool operator==(const SigningSpec&) const = default;
};

struct Workspace {
  std::filesystem::path folder;     // of the file; state lives in .lockstep below it
  std::vector<SourceSpec> sources;  // in the file's order
  std::vector<PoolSpec> pools;      // at least one
  std::filesystem::path releases;   // absolute: out/releases unless said otherwise
  std::optional<RegistrySpec> registry;
  std::optional<SigningSpec> signing;
  std::string channel;  // the default one; empty: the only one
  std::string channel_where;
  std::vector<ImportSpec> imports;  // in the file's order
  std::vector<ListenerSpec> listeners;
  std::vector<HookSource> hooks;
  std::vector<NotificationSpec> notifications;
  std::vector<std::string> private_hosts;  // lower-case: may be anywhere (network: private)
  std::string public_url;                  // of the API, for links; without a slash at its end
  std::map<std::string, SecretRef> secrets;
  Policies policies;
};

// `file` is where the text was read; its folder is what relative places begin at. nullopt when an
// error of this file was added to `diagnostics`.
std::optional<Workspace> parse_workspace(std::string_view text, const std::filesystem::path& file,
                                         Diagnostics& diagnostics);

// The names a workflow may refer to.
WorkspaceSources workspace_sources(const Workspace& workspace);

}  // namespace lockstep
