// The routes of gates: what they found, and who lets pass what they ask about.
#include "pipeline/api/routes.h"

namespace lockstep {
namespace {

Json approve(Backend& backend, const Call& call) {
  Json wanted = Json::object();
  if (auto version = call.version()) wanted["version"] = *version;
  return backend.approve(call.parameter("name"), wanted, call.caller());
}

const std::vector<Route> kGates = {
    {"GET",
     "/v1/models/{name}/gate",
     "viewer",
     false,
     {"version"},
     {},
     "what a version's gate said, with its whole report",
     [](Backend& b, const Call& c) {
       int64_t version = c.query_number("version", 0, 0, INT64_MAX);
       return b.gate(c.parameter("name"), version ? std::optional(version) : std::nullopt);
     }},
    {"POST",
     "/v1/models/{name}/approve",
     "approver",
     true,
     {},
     {"version", "reason", "dry_run"},
     "let a version be champion whose gate asks",
     approve},
};

}  // namespace

const std::vector<Route>& gate_routes() {
  return kGates;
}

}  // namespace lockstep
