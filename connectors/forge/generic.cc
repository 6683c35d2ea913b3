// Our own body (docs/WEBHOOKS.md). A key that is not ours is refused: it would be a word that its
// sender believes to mean something.
#include <fmt/format.h>

#include "connectors/forge/names.h"
#include "connectors/forge/payloads.h"
#include "connectors/forge/place.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

Error invalid(const std::string& what, const std::string& hint = "") {
  return Error(ErrorCode::kInvalid, what, hint);
}

// An address, or OWNER/NAME.
void read_repository(const HookFields& body, Delivery& out) {
  const std::string text = body.text("repository");
  const auto place = remote_place(text);
  if (place && good_hook_url(text)) {
    out.urls.push_back(text);
    out.repository = place->path;
  } else {
    set_repository(out, text);
  }
}

void read_push(const HookFields& body, Delivery& out) {
  HookRef ref = ref_from(body.text("ref"), "ref");
  if (ref.branch.empty() && ref.tag.empty()) {
    throw invalid("the body's ref begins with neither refs/heads/ nor refs/tags/");
  }
  ref.before = body.commit("before");
  ref.after = body.commit("after");
  // A sender that knows no commits leaves `after` out; zeros say that the ref is gone.
  ref.deleted = body.has("after") && ref.after.empty();
  ref.forced = body.flag("forced") && !ref.deleted;
  add_moved(out, std::move(ref));
}

void read_ci(const HookFields& body, Delivery& out) {
  const HookFields ci = body.in("ci");
  ci.only({"name", "conclusion", "commit"});
  set_ci(out, ci.text("name"), ci.text("conclusion"), ci.commit("commit"));
  if (out.ci->conclusion == "unknown") {
    throw invalid("the body's ci.conclusion is not known",
                  "success, failure, cancelled, skipped, neutral or pending");
  }
  if (!body.has("ref")) return;
  HookRef ref = ref_from(body.text("ref"), "ref");
  ref.after = out.ci->commit;
  out.refs.push_back(std::move(ref));
}

void read_dispatch(const HookFields& body, Delivery& out) {
  if (body.has("ref")) out.refs.push_back(ref_from(body.text("ref"), "ref"));
  set_inputs(out, body, "inputs");
}

}  // namespace

void read_generic(const HookFields& body, Delivery& out) {
  body.only({"event", "repository", "ref", "before", "after", "forced", "sender", "ci", "inputs"});
  const std::string event = body.text("event");
  out.sender = body.text_or_empty("sender");
  if (event == "ping") {
    out.event = HookEvent::kPing;
    return;
  }
  read_repository(body, out);
  if (event == "push") return read_push(body, out);
  if (event == "ci") return read_ci(body, out);
  if (event == "dispatch") return read_dispatch(body, out);
  throw invalid(fmt::format("the body's event is not known: {}", printable(event, 64)),
                "ping, push, ci or dispatch");
}

}  // namespace lockstep
