// The concrete parts of one workspace, built from lockstep.yaml: sources, secrets, programs, slots.
// Knows nothing of plans or commands.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "connectors/forge/hook.h"
#include "connectors/git_repo/code_repo.h"
#include "connectors/oci_registry/registry.h"
#include "pipeline/base/files.h"
#include "pipeline/core/schedule.h"
#include "pipeline/core/table_writer.h"
#include "pipeline/survey/surveyor.h"
#include "workflows/language/workspace.h"

namespace lockstep {

// Every table store and code repo of a workspace, opened for one thread.
struct SourceSet {
  std::map<std::string, std::unique_ptr<TableStore>> tables;
  std::map<std::string, std::unique_ptr<GitCodeRepo>> code;

  Watched watched() const;
  Source& at(const std::string& name) const;  // throws not_found
};

class DoltRemote;

class Parts {
 public:
  // Reads lockstep.yaml; throws Errors with all that is wrong in it, not_found without the file.
  explicit Parts(const fs::path& folder);

  // What is given stays valid, and as it is, whatever is reloaded later.
  const Workspace& workspace() const { return now().workspace; }
  // Of the bytes of lockstep.yaml.
  const Digest& digest() const { return now().digest; }
  const WorkspaceSources& names() const { return now().names; }
  const std::vector<Error>& warnings() const { return now().warnings; }

  struct Reloaded {
    std::vector<std::string> changed;        // sections of the file: "pools", "hooks"
    std::vector<std::string> needs_restart;  // what stays as it was
  };
  // Reads lockstep.yaml again, looks whether all that it names can be had (secrets, certificates),
  // and takes it. Throws Errors with all that is wrong; then everything is as it was.
  Reloaded reload();
  // The folder of images as people see it: relative where it is inside the workspace.
  std::string releases_shown() const;
  fs::path state() const { return workspace().folder / ".lockstep"; }
  // The word under which this workspace keeps commits in repositories (GitRepository::keep).
  std::string owner() const;
  fs::path socket() const { return state() / "socket"; }

  std::unique_ptr<SourceSet> open_sources() const;
  // Writes to a source of tables; throws not_found.
  std::unique_ptr<TableWriter> open_writer(const std::string& source) const;
  // The bytes of an import's sheet, downloaded or read now.
  std::string sheet(const ImportSpec& import) const;
  // What a source's forge is spoken to with, and what a receiver's notifications are signed with.
  std::string token(const SourceSpec& source) const;
  std::string secret_of(const NotificationSpec& receiver) const;
  // A hook with its secrets, read now. Throws what check_hook throws.
  static HookSpec hook(const HookSource& hook);
  // The value of a secret of the workspace, read now; throws not_found, naming where it was
  // looked for and never the value.
  std::string secret(const std::string& name) const;
  // The key that signs releases, in PEM, read now; nothing where there is none. Throws not_found.
  std::optional<std::string> signing_key() const;
  // Declared pools as slots: one for each CPU pool, one for each card.
  std::vector<Slot> slots() const;
  // A program of this project beside the running one; throws not_found.
  static fs::path program(const std::string& name);
  // Where requests that go out may go to, but for the own host of what is asked for.
  NetworkRules network() const;
  // Where releases are pushed to; nothing when no registry is configured.
  std::unique_ptr<RegistryClient> registry() const;
  // Any repository, such as a base image's: where it is at the workspace's registry, spoken to as
  // that one; else with what `docker login` keeps.
  std::unique_ptr<RegistryClient> registry_at(const std::string& place) const;

 private:
  // The file as it was read once.
  struct Loaded {
    Digest digest;
    Workspace workspace;
    WorkspaceSources names;
    std::vector<Error> warnings;
    // By source: each has one server of our own, which ends with the last who has it.
    std::map<std::string, std::shared_ptr<DoltRemote>> remotes;
  };
  const Loaded& now() const { return *now_; }
  static std::unique_ptr<Loaded> load(const fs::path& folder);
  static std::unique_ptr<SourceSet> open(const Loaded& loaded);
  static void check(const Loaded& loaded);
  static std::vector<std::string> hold_back(const Loaded& old, Loaded& fresh);

  // Every one that was ever taken: who read from an older one may still do.
  std::vector<std::unique_ptr<Loaded>> all_;
  std::atomic<const Loaded*> now_{nullptr};
};

}  // namespace lockstep
