// Routes about what the registry records: models and ledgers from elsewhere, remarks, search.
#include "pipeline/api/routes.h"

namespace lockstep {
namespace {

// As with imports: who comes from elsewhere names no file of this machine.
std::string local_file(const Call& call, const char* name) {
  const bool local = call.request().peer == "socket" || call.request().peer == "here";
  if (!call.text(name).empty() && !local) {
    throw Error(ErrorCode::kDenied,
                "`" + std::string(name) + "` names a file of the daemon's machine",
                "run the command there");
  }
  return call.text(name);
}

Json adopt(Backend& backend, const Call& call) {
  call.need_text("from");
  Json body = {{"from", local_file(call, "from")}, {"models", call.texts("models")}};
  return backend.adopt(body, call.caller());
}

Json import_ledger(Backend& backend, const Call& call) {
  call.need_text("from");
  Json body = {{"from", local_file(call, "from")},
               {"models_from", local_file(call, "models_from")},
               {"style", call.text("style")},
               {"channel", call.text("channel")}};
  return backend.import_ledger(body, call.caller());
}

// What a remark is about: a version of a model, or a release.
Json subject(const Call& call) {
  if (call.text("model").empty() == call.text("release").empty()) {
    throw Error(ErrorCode::kInvalid, "a remark is about a `model` or about a `release`");
  }
  const auto version = call.version();
  return {{"model", call.text("model")},
          {"release", call.text("release")},
          {"version", version && !call.text("model").empty() ? Json(*version) : Json()}};
}

Json note(Backend& backend, const Call& call) {
  Json body = subject(call);
  body["text"] = call.need_text("text");
  return backend.note(body, call.caller());
}

Json tag(Backend& backend, const Call& call) {
  Json body = subject(call);
  body["key"] = call.need_text("key");
  body["value"] = call.text("value");
  body["remove"] = call.flag("remove");
  return backend.tag(body, call.caller());
}

// A text, or a JSON list of texts.
Json one_or_more(const Call& call, const std::string& name) {
  const std::string text = call.query(name);
  if (text.empty()) return Json::array();
  if (text.front() != '[') return Json::array({text});
  Json all = parse_json(text, "`" + name + "`");
  for (const Json& one : all) {
    if (!one.is_string()) throw Error(ErrorCode::kInvalid, "`" + name + "` is no list of texts");
  }
  return all;
}

Json search(Backend& backend, const Call& call) {
  Json wanted = {{"metric", one_or_more(call, "metric")}, {"tag", one_or_more(call, "tag")}};
  for (const char* name : {"name", "hash", "commit", "committer", "since", "until"}) {
    wanted[name] = call.query(name);
  }
  wanted["limit"] = call.query_number("limit", 50, 1, 1'000'000);
  return backend.search(wanted);
}

// "intent-client-3@2", or a model's name alone.
Backend::VersionName version_name(const std::string& text) {
  const size_t at = text.rfind('@');
  const std::string digits = at == text.npos ? "" : text.substr(at + 1);
  if (at == text.npos) return {text, std::nullopt};
  const bool number = !digits.empty() && digits.size() <= 15 && digits[0] != '0' &&
                      digits.find_first_not_of("0123456789") == digits.npos;
  if (number && at > 0) return {text.substr(0, at), std::stoll(digits)};
  throw Error(ErrorCode::kInvalid, "`" + text.substr(0, 200) + "` is no MODEL@V");
}

Json version_diff(Backend& backend, const Call& call) {
  const auto limit = static_cast<size_t>(call.query_number("limit", 10, 0, 10'000));
  return backend.version_diff(version_name(call.need_query("a")),
                              version_name(call.need_query("b")), limit);
}

const std::vector<Route> kLedger = {
    {"POST",
     "/v1/adopt",
     "releaser",
     true,
     {},
     {"models", "from", "reason", "dry_run"},
     "models made elsewhere become versions under today's fingerprints",
     adopt},
    {"POST",
     "/v1/release/import",
     "releaser",
     true,
     {},
     {"from", "style", "models_from", "channel", "reason", "dry_run"},
     "takes in the releases of a ledger begun elsewhere",
     import_ledger},
    {"POST",
     "/v1/notes",
     "analyst",
     false,
     {},
     {"model", "version", "release", "text", "dry_run"},
     "leaves a note with a version or a release",
     note},
    {"POST",
     "/v1/tags",
     "analyst",
     false,
     {},
     {"model", "version", "release", "key", "value", "remove", "dry_run"},
     "puts a tag on a version or a release, or takes it off",
     tag},
    {"GET",
     "/v1/versions",
     "viewer",
     true,
     {"name", "metric", "hash", "commit", "committer", "since", "until", "tag", "limit"},
     {},
     "versions by what is recorded of them",
     search},
    {"GET",
     "/v1/versions/diff",
     "viewer",
     true,
     {"a", "b", "limit"},
     {},
     "two versions side by side",
     version_diff},
    {"POST",
     "/v1/release/keep",
     "releaser",
     false,
     {},
     {"which", "remove", "reason", "dry_run"},
     "keeps a release for good, or no longer",
     [](Backend& b, const Call& c) {
       return b.release_keep(c.need_text("which"), !c.flag("remove"), c.caller());
     }},
};

}  // namespace

const std::vector<Route>& ledger_routes() {
  return kLedger;
}

}  // namespace lockstep
