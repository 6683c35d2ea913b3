#include "connectors/forge/payloads.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "connectors/forge/names.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kMaxInputBytes = 65'536;
constexpr std::string_view kHeads = "refs/heads/", kTags = "refs/tags/";

// Every forge's words for how CI went, in lower case.
std::string conclusion(std::string_view word) {
  static const std::map<std::string, std::string, std::less<>> kWords = {
      {"success", "success"},
      {"successful", "success"},
      {"failure", "failure"},
      {"failed", "failure"},
      {"error", "failure"},
      {"timed_out", "failure"},
      {"startup_failure", "failure"},
      {"cancelled", "cancelled"},
      {"canceled", "cancelled"},
      {"canceling", "cancelled"},
      {"stopped", "cancelled"},
      {"stale", "cancelled"},
      {"skipped", "skipped"},
      {"neutral", "neutral"},
      {"warning", "neutral"},
      {"", "pending"},
      {"action_required", "pending"},
      {"pending", "pending"},
      {"queued", "pending"},
      {"requested", "pending"},
      {"in_progress", "pending"},
      {"inprogress", "pending"},
      {"waiting", "pending"},
      {"running", "pending"},
      {"created", "pending"},
      {"preparing", "pending"},
      {"scheduled", "pending"},
      {"manual", "pending"},
      {"waiting_for_resource", "pending"},
      {"waiting_for_callback", "pending"},
  };
  const auto found = kWords.find(lower_case(word));
  return found == kWords.end() ? "unknown" : found->second;
}

int rank(HookEvent event) {
  switch (event) {
    case HookEvent::kPush:
      return 0;
    case HookEvent::kTag:
      return 1;
    case HookEvent::kBranchDeleted:
      return 2;
    case HookEvent::kTagDeleted:
      return 3;
    default:
      return 4;
  }
}

}  // namespace

HookRef ref_from(std::string_view full, std::string_view field) {
  HookRef ref;
  std::string_view name = full;
  if (full.starts_with(kHeads)) {
    name.remove_prefix(kHeads.size());
    ref.branch = name;
  } else if (full.starts_with(kTags)) {
    name.remove_prefix(kTags.size());
    ref.tag = name;
  }
  if (!good_ref_name(name)) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("the body's {} is no name of a ref: {}", field, printable(full, 80)),
                "the rules are those of git check-ref-format");
  }
  return ref;
}

void add_moved(Delivery& out, HookRef ref) {
  HookEvent event = HookEvent::kOther;
  if (!ref.branch.empty()) event = ref.deleted ? HookEvent::kBranchDeleted : HookEvent::kPush;
  if (!ref.tag.empty()) event = ref.deleted ? HookEvent::kTagDeleted : HookEvent::kTag;
  if (rank(event) < rank(out.event)) out.event = event;
  if (event != HookEvent::kOther) out.refs.push_back(std::move(ref));
}

void set_ci(Delivery& out, std::string name, std::string_view word, std::string commit) {
  if (commit.empty()) {
    throw Error(ErrorCode::kInvalid, "the body says how CI went, but not for which commit");
  }
  out.event = HookEvent::kCi;
  out.ci = HookCi{std::move(name), conclusion(word), std::move(commit)};
}

void add_url(Delivery& out, const HookFields& fields, const char* name) {
  std::string url = fields.url_or_empty(name);
  const bool known = std::find(out.urls.begin(), out.urls.end(), url) != out.urls.end();
  if (!url.empty() && !known) out.urls.push_back(std::move(url));
}

void set_inputs(Delivery& out, const HookFields& body, const char* name) {
  out.event = HookEvent::kDispatch;
  out.inputs = Json::object();
  if (!body.has(name)) return;
  body.in(name);  // an object
  out.inputs = body.value(name);
  if (out.inputs.dump().size() > kMaxInputBytes) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("the body's {} has over {} bytes", name, kMaxInputBytes));
  }
}

void set_repository(Delivery& out, std::string path) {
  if (!good_repository_path(path)) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("the body's repository is no OWNER/NAME: {}", printable(path, 80)));
  }
  out.repository = std::move(path);
}

}  // namespace lockstep
