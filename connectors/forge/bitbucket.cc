// Bitbucket's bodies, of the cloud (support.atlassian.com, "Event payloads") and of Data Center
// (confluence.atlassian.com, "Event payload"), told apart by their event keys. One push may move
// several refs.
#include "connectors/forge/names.h"
#include "connectors/forge/payloads.h"
#include "pipeline/base/error.h"

namespace lockstep {
namespace {

void read_cloud_repository(const HookFields& body, Delivery& out) {
  const HookFields repository = body.in("repository");
  set_repository(out, repository.text("full_name"));
  if (const auto links = repository.maybe("links")) {
    if (const auto html = links->maybe("html")) add_url(out, *html, "href");
  }
}

std::string hash_of(const std::optional<HookFields>& side) {
  return side && side->has("target") ? side->in("target").commit("hash") : "";
}

void read_cloud_push(const HookFields& body, Delivery& out) {
  const std::vector<HookFields> changes = body.in("push").list("changes");
  if (changes.empty()) throw Error(ErrorCode::kInvalid, "the body's push.changes is empty");
  for (const HookFields& change : changes) {
    const auto before = change.maybe("old"), after = change.maybe("new");
    if (!before && !after) throw Error(ErrorCode::kInvalid, "a change from nothing to nothing");
    const HookFields& named = after ? *after : *before;
    const std::string kind = named.text("type");
    HookRef ref;
    if (kind == "branch" || kind == "named_branch") ref.branch = named.ref_name("name");
    if (kind == "tag" || kind == "annotated_tag") ref.tag = named.ref_name("name");
    ref.before = hash_of(before);
    ref.after = hash_of(after);
    ref.deleted = !after;
    ref.forced = before && after && change.flag("forced");
    add_moved(out, std::move(ref));
  }
}

void read_cloud_request(const HookFields& body, Delivery& out) {
  const HookFields request = body.in("pullrequest");
  const HookFields source = request.in("source"), into = request.in("destination");
  HookRef ref;
  ref.branch = source.in("branch").ref_name("name");
  if (const auto commit = source.maybe("commit")) {
    // Documented with 12 digits; those are no id, and are left out.
    const std::string hash = commit->text_or_empty("hash");
    if (hash.size() >= 40) ref.after = commit->commit("hash");
  }
  out.target = into.in("branch").ref_name("name");
  const auto from = source.maybe("repository");
  out.from_fork = !from || from->text("full_name") != out.repository;
  out.event = HookEvent::kPullRequest;
  out.refs.push_back(std::move(ref));
}

void read_cloud_status(const HookFields& body, Delivery& out) {
  const HookFields status = body.in("commit_status");
  std::string commit;
  if (const auto given = status.maybe("commit")) commit = given->commit("hash");
  if (commit.empty()) {  // documented: only as the end of an address
    const std::string link = status.in("links").in("commit").text("href");
    commit = link.substr(link.rfind('/') + 1);
    if (!good_commit_id(commit)) commit.clear();
  }
  std::string name = status.text_or_empty("name");
  if (name.empty()) name = status.text("key");
  set_ci(out, std::move(name), status.text("state"), std::move(commit));
  HookRef ref;
  ref.branch = status.ref_name_or_empty("refname");
  ref.after = out.ci->commit;
  if (!ref.branch.empty()) out.refs.push_back(std::move(ref));
}

void read_server_repository(const HookFields& repository, Delivery& out) {
  set_repository(out, repository.in("project").text("key") + "/" + repository.text("slug"));
}

void read_server_push(const HookFields& body, Delivery& out) {
  read_server_repository(body.in("repository"), out);
  const std::vector<HookFields> changes = body.list("changes");
  if (changes.empty()) throw Error(ErrorCode::kInvalid, "the body's changes is empty");
  for (const HookFields& change : changes) {
    HookRef ref = ref_from(change.in("ref").text("id"), "changes[].ref.id");
    ref.before = change.commit("fromHash");
    ref.after = change.commit("toHash");
    ref.deleted = change.text("type") == "DELETE";
    add_moved(out, std::move(ref));
  }
}

void read_server_request(const HookFields& body, Delivery& out) {
  const HookFields request = body.in("pullRequest");
  const HookFields from = request.in("fromRef"), into = request.in("toRef");
  read_server_repository(into.in("repository"), out);
  HookRef ref = ref_from(from.text("id"), "pullRequest.fromRef.id");
  ref.after = from.commit("latestCommit");
  out.target = ref_from(into.text("id"), "pullRequest.toRef.id").branch;
  Delivery source;
  read_server_repository(from.in("repository"), source);
  out.from_fork = source.repository != out.repository;
  out.event = HookEvent::kPullRequest;
  out.refs.push_back(std::move(ref));
}

void read_actor(const HookFields& body, Delivery& out) {
  const auto actor = body.maybe("actor");
  if (!actor) return;
  out.sender = actor->text_or_empty("nickname");
  if (out.sender.empty()) out.sender = actor->text_or_empty("name");
}

}  // namespace

void read_bitbucket(const std::string& event, const HookFields& body, Delivery& out) {
  out.action = event;
  read_actor(body, out);
  if (event == "diagnostics:ping") {
    out.event = HookEvent::kPing;
  } else if (event == "repo:refs_changed") {
    read_server_push(body, out);
  } else if (event.starts_with("pr:")) {
    read_server_request(body, out);
  } else if (event.starts_with("repo:") || event.starts_with("pullrequest:")) {
    read_cloud_repository(body, out);
    if (event == "repo:push") read_cloud_push(body, out);
    if (event.starts_with("repo:commit_status_")) read_cloud_status(body, out);
    if (event.starts_with("pullrequest:")) read_cloud_request(body, out);
  }
}

}  // namespace lockstep
