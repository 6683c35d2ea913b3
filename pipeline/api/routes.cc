// The routes, one entry each, in the order of docs/API.md.
#include "pipeline/api/routes.h"

#include <algorithm>

namespace lockstep {
namespace {

constexpr int64_t kMaxNumber = INT64_MAX;

// The body as the backend takes it: without what Caller carries.
Json options(const Call& call, std::initializer_list<const char*> texts,
             std::initializer_list<const char*> flags) {
  Json out = Json::object();
  for (const char* name : texts) out[name] = call.text(name);
  for (const char* name : flags) out[name] = call.flag(name);
  return out;
}

Json start_run(Backend& backend, const Call& call) {
  Json wanted = {{"steps", call.texts("steps")},
                 {"force", call.flag("force")},
                 {"trigger", "manual"},
                 {"branch", call.text("branch")},
                 {"tag", call.text("tag")}};
  return backend.start_run(wanted, call.caller());
}

Json run(Backend& backend, const Call& call) {
  return backend.run(call.parameter("run"), call.query_number("seen", -1, -1, kMaxNumber),
                     call.patience());
}

Json log(Backend& backend, const Call& call) {
  return backend.log(call.query("run"), call.need_query("step"),
                     static_cast<uint64_t>(call.query_number("offset", 0, 0, kMaxNumber)),
                     call.patience());
}

Json tables(Backend& backend, const Call& call) {
  Backend::TablesWanted wanted;
  wanted.after = call.query("after");
  wanted.limit = static_cast<size_t>(call.query_number("limit", kMaxNumber, 0, kMaxNumber));
  wanted.count = call.query_number("count", 0, 0, 1) == 1;
  return backend.tables(wanted);
}

Json diff(Backend& backend, const Call& call) {
  Backend::DiffWanted wanted;
  wanted.slice = call.query("slice");
  const std::string where = call.query("where");
  if (!where.empty()) {
    wanted.where = parse_json(where, "`where`");
    const auto is_text = [](const Json& value) { return value.is_string(); };
    if (!wanted.where.is_object() ||
        !std::all_of(wanted.where.begin(), wanted.where.end(), is_text)) {
      throw Error(ErrorCode::kInvalid, "`where` is not an object of texts",
                  "write it as {\"COLUMN\": \"VALUE\"}");
    }
  }
  wanted.skip = static_cast<size_t>(call.query_number("skip", 0, 0, kMaxNumber));
  wanted.limit = static_cast<size_t>(call.query_number("limit", 100, 0, 100'000));
  return backend.diff(call.need_query("table"), call.need_query("from"), call.need_query("to"),
                      wanted);
}

Json import_sheet(Backend& backend, const Call& call) {
  // A file of the daemon's machine is for who could read it without asking.
  bool local = call.request().peer == "socket" || call.request().peer == "here";
  if (!call.text("from").empty() && !local) {
    throw Error(ErrorCode::kDenied, "`from` names a file of the daemon's machine",
                "run the import there, or without it");
  }
  return backend.import_sheet(call.parameter("name"), options(call, {"from"}, {"accept_change"}),
                              call.caller());
}

Json start_backup(Backend& backend, const Call& call) {
  // As with imports: who comes from elsewhere names no file of this machine.
  bool local = call.request().peer == "socket" || call.request().peer == "here";
  if (!local) {
    throw Error(ErrorCode::kDenied, "`to` names a file of the daemon's machine",
                "run `lockstep backup` there");
  }
  return backend.start_backup(call.need_text("to"), !call.flag("without_artifacts"));
}

Json backup(Backend& backend, const Call& call) {
  return backend.backup(call.query_number("seen", -1, -1, kMaxNumber), call.patience());
}

Json predict(Backend& backend, const Call& call) {
  Json wanted = Json::object();
  Json texts = call.texts("texts");
  std::string table = call.text("table");
  if (texts.empty() == table.empty()) {
    throw Error(ErrorCode::kInvalid, "predict takes either texts or a table");
  }
  if (table.empty()) {
    wanted["texts"] = texts;
  } else {
    wanted = {{"table", table}, {"column", call.text("column")}, {"where", call.object("where")}};
    wanted["limit"] = call.version("limit").value_or(100);
  }
  if (!call.text("channel").empty()) wanted["channel"] = call.text("channel");
  return backend.predict(call.parameter("name"), call.version(), wanted);
}

Json rollback(Backend& backend, const Call& call) {
  Json wanted =
      options(call, {"channel"}, {"override_pins", "accept_expectations", "with_dependents"});
  auto to = call.version("to");
  wanted["to"] = to ? Json(*to) : Json(nullptr);
  call.need_text("reason");
  return backend.rollback(call.parameter("name"), wanted, call.caller());
}

Json promote(Backend& backend, const Call& call) {
  Json wanted = options(call, {"channel"}, {"override_pins"});
  auto version = call.version();
  if (version) wanted["version"] = *version;
  if (!version && call.text("channel").empty()) {
    throw Error(ErrorCode::kInvalid, "`version` is needed");
  }
  call.need_text("reason");
  return backend.promote(call.parameter("name"), wanted, call.caller());
}

Json pin(Backend& backend, const Call& call) {
  Json wanted = options(call, {"channel"}, {"override_pins"});
  auto version = call.version();
  wanted["version"] = version ? Json(*version) : Json(nullptr);
  return backend.pin(call.parameter("name"), wanted, call.caller());
}

Json unpin_model(Backend& backend, const Call& call) {
  Json wanted = options(call, {"channel"}, {"now"});
  wanted["all"] = false;
  return backend.unpin(call.parameter("name"), wanted, call.caller());
}

Json unpin_channel(Backend& backend, const Call& call) {
  Json wanted = options(call, {}, {"now"});
  wanted["channel"] = call.parameter("channel");
  wanted["all"] = true;
  return backend.unpin("", wanted, call.caller());
}

// Whole-workspace questions and work.
const std::vector<Route> kWork = {
    {"GET",
     "/v1/status",
     "viewer",
     false,
     {},
     {},
     "slots, queue, sources, channels",
     [](Backend& b, const Call&) { return b.status(); }},
    {"GET",
     "/v1/check",
     "viewer",
     false,
     {},
     {},
     "every error of workspace and workflows",
     [](Backend& b, const Call&) { return b.check(); }},
    {"GET",
     "/v1/plan",
     "viewer",
     true,
     {},
     {},
     "what the heads ask for, with reasons",
     [](Backend& b, const Call&) { return b.plan(); }},
    {"GET",
     "/v1/previews",
     "viewer",
     false,
     {},
     {},
     "what branches, tags and other inputs would make",
     [](Backend& b, const Call&) { return b.previews(); }},
    {"POST",
     "/v1/runs",
     "operator",
     true,
     {},
     {"steps", "force", "branch", "tag", "reason"},
     "plan and start a run; answers at once",
     start_run},
    {"GET",
     "/v1/runs",
     "viewer",
     false,
     {"limit", "before"},
     {},
     "the newest runs, or those before one",
     [](Backend& b, const Call& c) {
       return b.runs(static_cast<size_t>(c.query_number("limit", 20, 1, 10'000)),
                     c.query("before"));
     }},
    {"GET",
     "/v1/runs/{run}",
     "viewer",
     true,
     {"seen", "wait_ms"},
     {},
     "one run; waits while it is not finished and nothing is new",
     run},
    {"POST",
     "/v1/runs/{run}/cancel",
     "operator",
     false,
     {},
     {"reason"},
     "stop a run's attempts",
     [](Backend& b, const Call& c) { return b.cancel(c.parameter("run"), c.caller()); }},
    {"GET",
     "/v1/log",
     "viewer",
     true,
     {"run", "step", "offset", "wait_ms"},
     {},
     "log of a step's newest attempt, in that run or in any",
     log,
     false,
     false,
     Follows::kLog},
    {"POST",
     "/v1/retry",
     "operator",
     true,
     {},
     {"what", "reason"},
     "try a run, step or model again whose attempts are used up",
     [](Backend& b, const Call& c) { return b.retry(c.need_text("what"), c.caller()); }},
    {"POST",
     "/v1/workflows/{workflow}/trigger",
     "operator",
     true,
     {},
     {"inputs", "reason"},
     "start a workflow by hand",
     [](Backend& b, const Call& c) {
       return b.trigger(c.parameter("workflow"), c.object("inputs"), c.caller());
     }},
    {"POST",
     "/v1/approve-change",
     "operator",
     false,
     {},
     {"reason", "dry_run"},
     "let a held change go on",
     [](Backend& b, const Call& c) { return b.approve_change(c.caller()); }},
    {"GET",
     "/v1/tables",
     "viewer",
     true,
     {"after", "limit", "count"},
     {},
     "tables with columns, key and rows",
     tables},
    {"GET",
     "/v1/diff",
     "viewer",
     true,
     {"table", "from", "to", "slice", "where", "skip", "limit"},
     {},
     "rows that differ between two commits",
     diff},
    {"POST",
     "/v1/imports/{name}",
     "analyst",
     true,
     {},
     {"from", "accept_change", "dry_run", "reason"},
     "bring a sheet into its table",
     import_sheet},
    {"POST",
     "/v1/gc",
     "operator",
     true,
     {},
     {"dry_run", "reason"},
     "free bytes that nothing kept names",
     [](Backend& b, const Call& c) { return b.gc(c.caller()); }},
    {"POST",
     "/v1/backup",
     "admin",
     true,
     {},
     {"to", "without_artifacts", "reason"},
     "begin a backup; answers at once",
     start_backup},
    {"GET",
     "/v1/backup",
     "admin",
     true,
     {"seen", "wait_ms"},
     {},
     "how far the newest backup is",
     backup},
    {"GET",
     "/v1/doctor",
     "viewer",
     true,
     {"deep"},
     {},
     "is everything here that is needed?",
     [](Backend& b, const Call& c) { return b.doctor(c.query_number("deep", 0, 0, 1) == 1); }},
};

const std::vector<Route> kModels = {
    {"GET",
     "/v1/models",
     "viewer",
     false,
     {},
     {},
     "every model with its champion",
     [](Backend& b, const Call&) { return b.models(); }},
    {"GET",
     "/v1/models/{name}",
     "viewer",
     false,
     {"version"},
     {},
     "all that is recorded of a version",
     [](Backend& b, const Call& c) { return b.model(c.parameter("name"), c.query_version()); }},
    {"GET",
     "/v1/why/{name}",
     "viewer",
     false,
     {},
     {},
     "which rows, code and inputs made it so",
     [](Backend& b, const Call& c) { return b.why(c.parameter("name")); }},
    {"GET",
     "/v1/lag",
     "viewer",
     false,
     {},
     {},
     "how far live models are behind the heads",
     [](Backend& b, const Call&) { return b.lag(); }},
    {"POST",
     "/v1/models/{name}/predict",
     "viewer",
     true,
     {},
     {"version", "channel", "texts", "table", "column", "where", "limit"},
     "ask a model",
     predict},
    {"POST",
     "/v1/models/{name}/replay",
     "operator",
     true,
     {},
     {"version"},
     "train a version again and compare the bytes",
     [](Backend& b, const Call& c) { return b.replay(c.parameter("name"), c.version()); }},
    {"POST",
     "/v1/models/{name}/rollback",
     "releaser",
     true,
     {},
     {"to", "channel", "override_pins", "accept_expectations", "with_dependents", "reason",
      "dry_run"},
     "back to the newest earlier good version",
     rollback},
    {"POST",
     "/v1/models/{name}/promote",
     "releaser",
     true,
     {},
     {"version", "channel", "override_pins", "reason", "dry_run"},
     "make a version the champion and pin it, or give it to one channel",
     promote},
    {"POST",
     "/v1/models/{name}/pin",
     "releaser",
     true,
     {},
     {"version", "channel", "override_pins", "reason", "dry_run"},
     "hold the alias against automatic moves",
     pin},
    {"POST",
     "/v1/models/{name}/unpin",
     "releaser",
     true,
     {},
     {"channel", "now", "reason", "dry_run"},
     "let the alias move again",
     unpin_model},
    {"POST",
     "/v1/channels/{channel}/unpin",
     "releaser",
     true,
     {},
     {"now", "reason", "dry_run"},
     "let every alias of a channel move again",
     unpin_channel},
};

std::vector<Route> all_routes() {
  std::vector<Route> all = kWork;
  all.insert(all.end(), kModels.begin(), kModels.end());
  all.insert(all.end(), release_routes().begin(), release_routes().end());
  all.insert(all.end(), gate_routes().begin(), gate_routes().end());
  all.insert(all.end(), ledger_routes().begin(), ledger_routes().end());
  all.insert(all.end(), access_routes().begin(), access_routes().end());
  return all;
}

}  // namespace

const std::vector<Route>& Api::routes() {
  static const std::vector<Route> all = all_routes();
  return all;
}

}  // namespace lockstep
