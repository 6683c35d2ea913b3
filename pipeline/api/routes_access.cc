// The routes of who may come in, and of whether anybody is there.
#include "pipeline/api/routes.h"

namespace lockstep {
namespace {

Json events(Backend& backend, const Call& call) {
  int64_t after = call.query_number("after", 0, 0, INT64_MAX);
  size_t limit = static_cast<size_t>(call.query_number("limit", 1000, 1, 10'000));
  EventPage page = backend.events(after, limit);
  Json all = Json::array();
  for (const Event& event : page.events) {
    all.push_back({{"id", event.id},
                   {"event", event.kind},
                   {"data", parse_json(event.data, "an event in the store")}});
  }
  return {{"first", page.first}, {"last", page.last}, {"events", all}};
}

Json create_token(Backend& backend, const Call& call) {
  return backend.token_create(call.need_text("name"), call.need_text("role"), call.text("expires"),
                              call.caller());
}

const std::vector<Route> kAccess = {
    {"POST",
     "/v1/hooks/{hook}",
     kAnyone,
     true,
     {},
     {},
     "a forge tells what happened; its signature says who it is",
     [](Backend& b, const Call& c) {
       return b.hook(c.parameter("hook"), {c.request().headers, c.request().bytes});
     },
     true},
    {"POST",
     "/v1/look",
     "viewer",
     true,
     {},
     {"source", "reason"},
     "look at the sources now, and wait until what moved is planned",
     [](Backend& b, const Call& c) { return b.look(c.text("source")); }},
    {"GET",
     "/healthz",
     kAnyone,
     false,
     {},
     {},
     "the process answers",
     [](Backend& b, const Call&) { return b.health(); }},
    {"GET",
     "/readyz",
     kAnyone,
     false,
     {},
     {},
     "it plans and trains",
     [](Backend& b, const Call&) { return b.ready(); }},
    {"GET",
     "/metrics",
     "viewer",
     true,
     {},
     {},
     "numbers for Prometheus",
     [](Backend& b, const Call&) { return Json(b.metrics()); },
     false,
     true},
    {"GET",
     "/events",
     "viewer",
     true,
     {"after", "limit"},
     {},
     "what happens, as it happens",
     events,
     false,
     false,
     Follows::kEvents},
    {"POST",
     "/v1/reload",
     kAdmin,
     true,
     {},
     {"reason"},
     "read lockstep.yaml again",
     [](Backend& b, const Call&) { return b.reload(); }},
    {"GET",
     "/v1/tokens",
     kAdmin,
     false,
     {},
     {},
     "tokens, without what is secret of them",
     [](Backend& b, const Call&) { return b.tokens(); }},
    {"POST",
     "/v1/tokens",
     kAdmin,
     false,
     {},
     {"name", "role", "expires", "reason"},
     "make a token; its secret is shown this once",
     create_token},
    {"POST",
     "/v1/tokens/{token}/revoke",
     kAdmin,
     false,
     {},
     {"reason"},
     "end a token at once",
     [](Backend& b, const Call& c) { return b.token_revoke(c.parameter("token"), c.caller()); }},
    {"GET",
     "/v1/audit",
     kAdmin,
     false,
     {"limit"},
     {},
     "who did what, and who was denied",
     [](Backend& b, const Call& c) {
       return b.audit(static_cast<size_t>(c.query_number("limit", 100, 1, 10'000)));
     }},
};

}  // namespace

const std::vector<Route>& access_routes() {
  return kAccess;
}

}  // namespace lockstep
