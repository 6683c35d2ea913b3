// GitLab's bodies (docs.gitlab.com, "Webhook events"). What happened is in `object_kind`, which is
// signed, where the X-Gitlab-Event header is not. A push does not say whether it was forced.
#include "connectors/forge/payloads.h"
#include "pipeline/base/error.h"

namespace lockstep {
namespace {

void read_project(const HookFields& body, Delivery& out) {
  const HookFields project = body.in("project");
  set_repository(out, project.text("path_with_namespace"));
  for (const char* name : {"web_url", "git_http_url", "git_ssh_url"}) add_url(out, project, name);
}

// Bodies of older servers' jobs have no `project`, but all addresses.
void read_old_repository(const HookFields& body, Delivery& out) {
  const HookFields repository = body.in("repository");
  for (const char* name : {"homepage", "git_http_url", "git_ssh_url"}) {
    add_url(out, repository, name);
  }
}

void read_push(const HookFields& body, Delivery& out) {
  HookRef ref = ref_from(body.text("ref"), "ref");
  body.text("before");
  body.text("after");
  ref.before = body.commit("before");
  ref.after = body.commit("after");
  ref.deleted = ref.after.empty();
  add_moved(out, std::move(ref));
}

bool between_projects(const HookFields& request) {
  return request.number("source_project_id") != request.number("target_project_id");
}

void read_merge_request(const HookFields& body, Delivery& out) {
  const HookFields request = body.in("object_attributes");
  HookRef ref;
  ref.branch = request.ref_name("source_branch");
  if (const auto last = request.maybe("last_commit")) ref.after = last->commit("id");
  out.target = request.ref_name("target_branch");
  out.from_fork = between_projects(request);
  out.action = request.text_or_empty("action");
  out.event = HookEvent::kPullRequest;
  out.refs.push_back(std::move(ref));
}

void read_release(const HookFields& body, Delivery& out) {
  HookRef ref;
  ref.tag = body.ref_name("tag");
  out.action = body.text_or_empty("action");
  out.event = HookEvent::kRelease;
  out.refs.push_back(std::move(ref));
}

// A pipeline's `ref` may be refs/merge-requests/…, which is neither a branch nor a tag.
void add_ci_ref(Delivery& out, const HookFields& fields) {
  HookRef ref = ref_from(fields.text("ref"), "ref");
  const bool full = fields.text("ref").starts_with("refs/");
  if (!full) (fields.flag("tag") ? ref.tag : ref.branch) = fields.text("ref");
  ref.after = out.ci->commit;
  if (!ref.branch.empty() || !ref.tag.empty()) out.refs.push_back(std::move(ref));
}

void read_pipeline(const HookFields& body, Delivery& out) {
  const HookFields run = body.in("object_attributes");
  set_ci(out, run.text_or_empty("name"), run.text("status"), run.commit("sha"));
  add_ci_ref(out, run);
  if (const auto request = body.maybe("merge_request")) out.from_fork = between_projects(*request);
}

void read_job(const HookFields& body, Delivery& out) {
  set_ci(out, body.text("build_name"), body.text("build_status"), body.commit("sha"));
  add_ci_ref(out, body);
}

}  // namespace

void read_gitlab(const HookFields& body, Delivery& out) {
  // Members' and projects' events have `event_name` alone.
  const std::string kind = body.text_or_empty("object_kind");
  if (kind.empty()) body.text("event_name");
  if (body.has("project")) {
    read_project(body, out);
  } else if (kind == "build") {
    read_old_repository(body, out);
  }
  out.sender = body.text_or_empty("user_username");
  if (out.sender.empty() && body.has("user")) {
    out.sender = body.in("user").text_or_empty("username");
  }
  const bool known = kind == "push" || kind == "tag_push" || kind == "merge_request" ||
                     kind == "release" || kind == "pipeline";
  if (known && out.repository.empty()) body.in("project");  // says that it is missing
  if (kind == "push" || kind == "tag_push") read_push(body, out);
  if (kind == "merge_request") read_merge_request(body, out);
  if (kind == "release") read_release(body, out);
  if (kind == "pipeline") read_pipeline(body, out);
  if (kind == "build") read_job(body, out);
}

}  // namespace lockstep
