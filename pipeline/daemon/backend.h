// The workspace's commands and queries, over a daemon. Each answers the document described in
// pipeline/api/backend.h.
#pragma once

#include <atomic>
#include <mutex>

#include "pipeline/api/backend.h"
#include "pipeline/daemon/daemon.h"
#include "pipeline/daemon/needed.h"
#include "pipeline/daemon/rarely.h"

namespace lockstep {

class WorkspaceBackend : public Backend {
 public:
  explicit WorkspaceBackend(Daemon& daemon) : daemon_(daemon) {}

  // backend_work.cc
  Json status() override;
  Json check() override;
  Json plan() override;
  Json start_run(const Json& options, const Caller& caller) override;
  Json run(const std::string& id, int64_t seen, const Patience& patience) override;
  Json runs(size_t limit, const std::string& before) override;
  Json log(const std::string& run, const std::string& step, uint64_t offset,
           const Patience& patience) override;
  Json cancel(const std::string& run, const Caller& caller) override;
  Json retry(const std::string& what, const Caller& caller) override;
  Json approve_change(const Caller& caller) override;

  // backend_experiments.cc
  Json previews() override;
  Json trigger(const std::string& workflow, const Json& inputs, const Caller& caller) override;

  // backend_gates.cc
  Json gate(const std::string& model, std::optional<int64_t> version) override;
  Json approve(const std::string& model, const Json& body, const Caller& caller) override;

  // backend_look.cc
  Json why(const std::string& name) override;
  Json lag() override;

  // backend_tables.cc
  Json tables(const TablesWanted& wanted) override;
  Json diff(const std::string& table, const std::string& from, const std::string& to,
            const DiffWanted& wanted) override;

  // backend_import.cc
  Json import_sheet(const std::string& name, const Json& options, const Caller& caller) override;

  // backend_models.cc
  Json models() override;
  Json model(const std::string& name, std::optional<int64_t> version) override;
  Json predict(const std::string& model, std::optional<int64_t> version, const Json& body) override;
  Json pin(const std::string& model, const Json& body, const Caller& caller) override;
  Json unpin(const std::string& model, const Json& body, const Caller& caller) override;

  // backend_diff.cc
  Json version_diff(const VersionName& a, const VersionName& b, size_t limit) override;

  // backend_adopt.cc
  Json adopt(const Json& body, const Caller& caller) override;
  Json import_ledger(const Json& body, const Caller& caller) override;

  // backend_remarks.cc
  Json note(const Json& body, const Caller& caller) override;
  Json tag(const Json& body, const Caller& caller) override;
  Json search(const Json& wanted) override;
  Json release_keep(const std::string& which, bool keep, const Caller& caller) override;

  // backend_releases.cc
  Json releases(const std::string& channel) override;
  Json release(const std::string& which, const std::string& at,
               const std::string& channel) override;
  Json release_rebuild(const std::string& channel, const Caller& caller) override;
  Json release_push(const std::string& which, const Caller& caller) override;
  Json release_verify(const std::string& which) override;

  // backend_moves.cc
  Json rollback(const std::string& model, const Json& body, const Caller& caller) override;
  Json promote(const std::string& model, const Json& body, const Caller& caller) override;
  Json release_rollback(const std::string& channel, const Json& body,
                        const Caller& caller) override;
  Json release_promote(const std::string& from, const std::string& to,
                       const Caller& caller) override;

  // backend_changelog.cc
  Json release_diff(const std::string& a, const std::string& b) override;
  Json release_changelog(const std::string& a, const std::string& b,
                         const std::string& channel) override;
  // backend_signing.cc
  Json release_provenance(const std::string& which) override;
  Json release_sign(const std::string& which, const Caller& caller) override;

  // backend_care.cc
  Json replay(const std::string& model, std::optional<int64_t> version) override;
  Json gc(const Caller& caller) override;

  // backend_doctor.cc
  Json doctor(bool deep) override;

  // backend_backup.cc
  Json start_backup(const std::string& to, bool artifacts) override;
  Json backup(int64_t seen, const Patience& patience) override;

  // backend_access.cc
  Json hook(const std::string& name, const HookBytes& delivery) override;
  Json look(const std::string& source) override;
  Json health() override;
  Json ready() override;
  EventPage events(int64_t after, size_t limit) override { return daemon_.events(after, limit); }
  std::string metrics() override { return daemon_.metrics().text(daemon_.numbers()); }
  Json reload() override { return daemon_.reload(); }
  Json tokens() override;
  Json token_create(const std::string& name, const std::string& role, const std::string& expires,
                    const Caller& caller) override;
  Json token_revoke(const std::string& which, const Caller& caller) override;
  Json audit(size_t limit) override;

 private:
  // What these versions break of the rows that must come out so; throws denied, naming them, unless
  // `accept`. {"checked","broken":[text…],"unknown":[text…]}, null where nothing is expected.
  Json expectations(const std::vector<std::pair<std::string, int64_t>>& versions, bool accept);
  // The channel that was named, or the default one; throws not_found.
  std::string channel_or_default(Engine& engine, const std::string& name) const;
  std::optional<int64_t> asked_in(Engine& engine, const std::string& name, const ModelState& model,
                                  const std::string& channel) const;
  std::pair<Variant, std::string> find_branch(const std::string& text);
  std::pair<Variant, std::string> find_tag(const std::string& text);
  Json start(Trigger trigger, const std::map<std::string, std::string>& commits);
  // What collection frees beside bytes; with `dry` only counted.
  void free_bytes(const std::vector<Digest>& unneeded, const Kept& because, size_t keep_releases);
  uint64_t free_images(size_t keep_releases);
  size_t free_refs(size_t keep_releases, bool dry);
  size_t free_checkpoints(bool dry);
  // The run's document as it is now; null: there is no such run.
  Json run_now(Engine& engine, const std::string& id) const;

  Daemon& daemon_;
  std::atomic<int64_t> document_ms_{0};  // what the last run document took
  Rarely refused_;                       // deliveries, by hook
  std::mutex expectations_mutex_;        // one evaluation beside the slots
};

// The sources as `status` shows them. While somebody serves, as his last look saw them: asking a
// place again may take as long as it likes.
Json sources_json(Daemon& daemon);
// "2026-11-22T04:00:00Z" of a version, for documents.
Json version_json(const ModelState& model, const Version& version);
// {"notes":[…],"tags":{…},"tag_history":[…]}
Json remarks_json(const Remarks& remarks);
// The model that a person named, through renames; throws not_found with near names.
const ModelState& find_model(const Registry& registry, const std::string& name);
const Version& find_version(const ModelState& model, const std::string& name,
                            std::optional<int64_t> number);

}  // namespace lockstep
