// GitHub's bodies (docs.github.com, "Webhook events and payloads"), which Gitea and Forgejo send
// with fewer fields (modules/structs/hook.go): no `forced`, `created` or `deleted` in a push.
#include <map>

#include "connectors/forge/payloads.h"
#include "pipeline/base/error.h"

namespace lockstep {
namespace {

void read_repository(const HookFields& body, Delivery& out) {
  const HookFields repository = body.in("repository");
  set_repository(out, repository.text("full_name"));
  for (const char* name : {"html_url", "clone_url", "ssh_url"}) add_url(out, repository, name);
}

void read_push(const HookFields& body, Delivery& out) {
  HookRef ref = ref_from(body.text("ref"), "ref");
  ref.before = body.commit("before");
  ref.after = body.commit("after");
  // Required, so that another event's body can't pass for a push.
  body.text("before");
  body.text("after");
  ref.deleted = ref.after.empty();
  ref.forced = body.flag("forced") && !ref.deleted && !ref.before.empty();
  add_moved(out, std::move(ref));
}

// `create` and `delete` name the ref by its short name; a push tells of commits besides.
void read_made_or_deleted(const HookFields& body, Delivery& out, bool deleted) {
  const std::string kind = body.text("ref_type");
  HookRef ref;
  if (kind == "tag") {
    ref.tag = body.ref_name("ref");
  } else if (kind == "branch") {
    ref.branch = body.ref_name("ref");
  } else {
    throw Error(ErrorCode::kInvalid, "the body's ref_type is neither branch nor tag");
  }
  if (!deleted) ref.after = body.commit("sha");  // Gitea's; GitHub has none
  ref.deleted = deleted;
  add_moved(out, std::move(ref));
}
void read_create(const HookFields& body, Delivery& out) {
  read_made_or_deleted(body, out, false);
}
void read_delete(const HookFields& body, Delivery& out) {
  read_made_or_deleted(body, out, true);
}

void read_pull_request(const HookFields& body, Delivery& out) {
  const HookFields request = body.in("pull_request");
  const HookFields head = request.in("head"), base = request.in("base");
  HookRef ref;
  ref.branch = head.ref_name("ref");
  ref.after = head.commit("sha");
  out.target = base.ref_name("ref");
  // Without `repo` the fork is gone.
  const std::optional<HookFields> from = head.maybe("repo");
  out.from_fork = !from || from->text("full_name") != base.in("repo").text("full_name");
  out.event = HookEvent::kPullRequest;
  out.refs.push_back(std::move(ref));
}

void read_release(const HookFields& body, Delivery& out) {
  HookRef ref;
  ref.tag = body.in("release").ref_name("tag_name");
  out.event = HookEvent::kRelease;
  out.refs.push_back(std::move(ref));
}

// `status` is "completed" once there is a conclusion.
std::string how(const HookFields& run) {
  return run.text("status") == "completed" ? run.text("conclusion") : "";
}

void add_ci_branch(Delivery& out, std::string branch) {
  HookRef ref;
  ref.branch = std::move(branch);
  ref.after = out.ci->commit;
  if (!ref.branch.empty()) out.refs.push_back(std::move(ref));
}

void read_workflow_run(const HookFields& body, Delivery& out) {
  const HookFields run = body.in("workflow_run");
  std::string name = run.text_or_empty("name");
  if (name.empty()) name = run.text_or_empty("display_title");  // Gitea's, where it has no name
  set_ci(out, std::move(name), how(run), run.commit("head_sha"));
  add_ci_branch(out, run.ref_name_or_empty("head_branch"));
  const std::optional<HookFields> from = run.maybe("head_repository");
  out.from_fork = from && from->text("full_name") != out.repository;
}

void read_check_suite(const HookFields& body, Delivery& out) {
  const HookFields suite = body.in("check_suite");
  const std::optional<HookFields> app = suite.maybe("app");
  set_ci(out, app ? app->text_or_empty("name") : "", how(suite), suite.commit("head_sha"));
  add_ci_branch(out, suite.ref_name_or_empty("head_branch"));
}

void read_status(const HookFields& body, Delivery& out) {
  set_ci(out, body.text("context"), body.text("state"), body.commit("sha"));
  for (const HookFields& branch : body.list("branches")) {
    add_ci_branch(out, branch.ref_name("name"));
  }
}

void read_dispatch(const HookFields& body, Delivery& out) {
  body.text("action");               // the event_type of the request
  body.must_have("client_payload");  // so that another event's body can't pass for one
  HookRef ref;
  ref.branch = body.ref_name_or_empty("branch");
  if (!ref.branch.empty()) out.refs.push_back(std::move(ref));
  set_inputs(out, body, "client_payload");
}

void read_ping(const HookFields&, Delivery& out) {
  out.event = HookEvent::kPing;
}

}  // namespace

void read_github(const std::string& event, const HookFields& body, Delivery& out) {
  using Read = void (*)(const HookFields&, Delivery&);
  static const std::map<std::string, Read> kReaders = {
      {"ping", read_ping},
      {"push", read_push},
      {"create", read_create},
      {"delete", read_delete},
      {"pull_request", read_pull_request},
      {"release", read_release},
      {"workflow_run", read_workflow_run},
      {"check_suite", read_check_suite},
      {"status", read_status},
      {"repository_dispatch", read_dispatch},
  };
  const auto found = kReaders.find(event);
  const bool known = found != kReaders.end();
  // An organisation's events may be about no repository at all.
  const bool about_one = known && found->first != "ping";
  if (about_one || body.has("repository")) read_repository(body, out);
  if (known || (body.has("action") && body.value("action").is_string())) {
    out.action = body.text_or_empty("action");
  }
  if (const auto sender = body.maybe("sender")) out.sender = sender->text_or_empty("login");
  if (known) found->second(body, out);
}

}  // namespace lockstep
