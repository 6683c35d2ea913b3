// The routes of releases: what is live, what was, and what moves a channel.
#include "pipeline/api/routes.h"

namespace lockstep {
namespace {

Json release(Backend& backend, const Call& call) {
  return backend.release(call.query("which"), call.query("at"), call.query("channel"));
}

Json release_rollback(Backend& backend, const Call& call) {
  Json wanted = {{"to", call.text("to")},
                 {"at", call.text("at")},
                 {"override_pins", call.flag("override_pins")},
                 {"accept_expectations", call.flag("accept_expectations")}};
  if (!call.text("to").empty() && !call.text("at").empty()) {
    throw Error(ErrorCode::kInvalid, "a release rollback takes `to` or `at`, not both");
  }
  return backend.release_rollback(call.text("channel"), wanted, call.caller());
}

Json release_promote(Backend& backend, const Call& call) {
  call.need_text("reason");
  return backend.release_promote(call.need_text("from"), call.need_text("to"), call.caller());
}

Json release_rebuild(Backend& backend, const Call& call) {
  call.need_text("reason");
  return backend.release_rebuild(call.text("channel"), call.caller());
}

const std::vector<Route> kReleases = {
    {"GET",
     "/v1/releases",
     "viewer",
     false,
     {"channel"},
     {},
     "releases, newest first",
     [](Backend& b, const Call& c) { return b.releases(c.query("channel")); }},
    {"GET",
     "/v1/release",
     "viewer",
     false,
     {"which", "at", "channel"},
     {},
     "one release with every hash; the live one, or what was live at a time",
     release},
    {"GET",
     "/v1/release/diff",
     "viewer",
     false,
     {"a", "b"},
     {},
     "what moved between two releases",
     [](Backend& b, const Call& c) {
       return b.release_diff(c.need_query("a"), c.need_query("b"));
     }},
    {"GET",
     "/v1/release/changelog",
     "viewer",
     false,
     {"a", "b", "channel"},
     {},
     "what changed between two releases, and why",
     [](Backend& b, const Call& c) {
       return b.release_changelog(c.query("a"), c.query("b"), c.query("channel"));
     }},
    {"GET",
     "/v1/release/provenance",
     "viewer",
     false,
     {"which"},
     {},
     "what a release was made of, as an in-toto statement",
     [](Backend& b, const Call& c) { return b.release_provenance(c.query("which")); }},
    {"POST",
     "/v1/release/sign",
     "releaser",
     true,
     {},
     {"which", "reason", "dry_run"},
     "sign a release that was cut before there was a key",
     [](Backend& b, const Call& c) { return b.release_sign(c.text("which"), c.caller()); }},
    {"POST",
     "/v1/release/rollback",
     "releaser",
     true,
     {},
     {"channel", "to", "at", "override_pins", "accept_expectations", "reason", "dry_run"},
     "point a channel at an earlier release",
     release_rollback},
    {"POST",
     "/v1/release/promote",
     "releaser",
     true,
     {},
     {"from", "to", "reason", "dry_run"},
     "give a channel the versions of another one's release",
     release_promote},
    {"POST",
     "/v1/release/rebuild",
     "releaser",
     true,
     {},
     {"channel", "reason", "dry_run"},
     "the same models on another base or code",
     release_rebuild},
    {"POST",
     "/v1/release/push",
     "releaser",
     true,
     {},
     {"which", "reason", "dry_run"},
     "push a release to its registry",
     [](Backend& b, const Call& c) { return b.release_push(c.text("which"), c.caller()); }},
    {"POST",
     "/v1/release/verify",
     "viewer",
     true,
     {},
     {"which"},
     "read every byte back and compare",
     [](Backend& b, const Call& c) { return b.release_verify(c.text("which")); }},
};

}  // namespace

const std::vector<Route>& release_routes() {
  return kReleases;
}

}  // namespace lockstep
