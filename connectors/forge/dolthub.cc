// DoltHub's and DoltLab's bodies (docs.dolthub.com, "Hooks"). They hold no address; older ones have
// no `event_name`, and are told apart by what only they have.
#include "connectors/forge/names.h"
#include "connectors/forge/payloads.h"
#include "pipeline/base/error.h"

namespace lockstep {
namespace {

std::string kind_of(const HookFields& body) {
  const std::string named = body.text_or_empty("event_name");
  if (!named.empty()) return named;
  if (body.has("head") && body.has("ref")) return "push";
  if (body.has("pullID")) return "pull_request";
  if (body.has("branch")) return "branch";
  throw Error(ErrorCode::kInvalid, "the body says nothing that a DoltHub event says");
}

// Full or short: the documents show both.
HookRef branch_of(const HookFields& body, const char* name) {
  const std::string text = body.text(name);
  if (text.starts_with("refs/")) return ref_from(text, name);
  HookRef ref;
  ref.branch = body.ref_name(name);
  return ref;
}

void read_push(const HookFields& body, Delivery& out) {
  HookRef ref = branch_of(body, "ref");
  ref.before = body.commit("prev");
  ref.after = body.commit("head");
  ref.deleted = ref.after.empty();
  add_moved(out, std::move(ref));
}

void read_branch(const HookFields& body, Delivery& out) {
  HookRef ref = branch_of(body, "branch");
  out.action = body.text("action");
  ref.deleted = lower_case(out.action).starts_with("delete");
  add_moved(out, std::move(ref));
}

}  // namespace

void read_dolthub(const HookFields& body, Delivery& out) {
  const HookFields repository = body.in("repository");
  set_repository(out, repository.text("owner") + "/" + repository.text("name"));
  const std::string kind = kind_of(body);
  if (kind == "push") read_push(body, out);
  if (kind == "branch") read_branch(body, out);
  if (kind == "pull_request") {
    out.action = body.text_or_empty("action");
    out.event = HookEvent::kPullRequest;  // which branches, it does not say
  }
}

}  // namespace lockstep
