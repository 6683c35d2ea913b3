// What the routes call: the workspace's commands and queries, each answering the JSON document
// that `lockstep --json` prints. Knows nothing of HTTP; one implementation is in the daemon.
// Calls may come from several threads. They throw Error; routes turn it into a status.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/json.h"
#include "pipeline/core/store.h"

namespace lockstep {

struct Caller {
  std::string user;
  std::string reason;
  bool dry_run = false;
};

// A request as it came: for who checks signatures over raw bytes.
struct HookBytes {
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view body;
};

// How long an answer may be held back for news, and whether anybody is still there to hear it.
struct Patience {
  int64_t wait_ms = 0;
  std::function<bool()> gone;  // null: always there
  bool over() const { return gone && gone(); }
};

// Some of the events that are kept.
struct EventPage {
  int64_t first = 1, last = 0;  // of all that are kept; last is the newest ever given
  std::vector<Event> events;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // {"workspace","pid","serving":bool,"slots":[{"name","pool","device","memory_bytes","step"|null,
  //  "run"|null,"since"}],"queue":[{"step","priority","why"}],"models":{"total","in_step"},
  //  "deferred":[{"step","model"|null,"why"}],
  //  "sources":[{"name","kind","place","branch","commit","error"|null,"quiet_until"|null}],
  //  "channels":[{"name","tag"|null,"held":text|null (why its next release is not
  //  cut)}],"held":held|null,"runner":{"pid"}|null, "trouble":text|null (why nothing is accepted
  //  now),
  //  "outbox":[{"what":"status"|"comment"|"notify","target","error","tries","given_up":bool}]}
  // held, everywhere: {"why":text,"added":[model…],"retired":[model…]}
  virtual Json status() = 0;

  // Every error and warning of workspace and workflows:
  // {"ok":bool,"errors":[{"code","message","hint","where"}],"warnings":[…],
  //  "workflows":[{"name","file","steps"}],"instances":N,"models":N}
  virtual Json check() = 0;

  // Dry run with reasons: {"commits":{source:id},"first":bool,"counts":{state:N},
  //  "steps":[{"step","state","fingerprint"|null,"model"|null,"reasons":[reason…],"waits_for":[…],
  //            "note"|null}],"added":[model…],"retired":[model…],"held":held|null,
  //  "problems":[text or {"message","hint","where"}…]}
  // reason: {"input","kind":"rows"|"code"|"output"|"model"|"definition","change":text,
  //          "changed":N (rows or files, where known),"slice":text|null}
  virtual Json plan() = 0;

  // Looks at the sources, plans and starts a run; answers at once: {"run":id|null,"note"}.
  // options: {"steps":[name or pattern…],"force":bool,"trigger":"manual","branch":text,"tag":text}
  // `branch`: [SOURCE@]BRANCH of a table store, whose commit is planned as a preview; `tag`:
  // [SOURCE@]TAG of a code repository, alike.
  // With "run" null nothing was started: then also "result" ("done" or "held"), "current", "held".
  virtual Json start_run(const Json& options, const Caller& caller) = 0;

  // {"run","result":"running"|"done"|"failed"|"held"|"superseded"|"cancelled","executed","current",
  //  "failed","blocked","release":tag|null,"trigger","started","finished"|null,"seconds",
  //  "first":bool,"revision":N,
  //  "planned":{"counts":{state:N},"waits_for":[step or model…]} as the plan was at its start,
  //  "commits":{…},"data":[{"source","table","rows","by":{"column","values":N}|null,"commit"}],
  //  "code":[{"source","paths","files","commit"}],
  //  "changes":[{"source","table","slice"|null,"added","removed","changed"} of rows,
  //             or {"source","paths","files":N} of code],
  //  "models":N that its steps register,"left_out":[step…] that it had yet to do, of a superseded
  //  one, and the one in its place does not have,
  //  "steps" without those that were current and stayed so:
  //           [{"step","state":"waiting"|"run" (not started)|"running"|"done"|"failed"|"cancelled"|
  //            "current"|"deferred"|"blocked","model"|null,"version"|null,"attempt"|null,
  //            "seconds"|null,
  //            "error"|null,"reasons":[…],"waits_for":[…],"metrics":{…last live line}}],
  //  "gates":{"passed","failed":[{"model","version","verdict"}]},
  //  "moves":[{"model","from","to","why"}],"added":[…],"retired":[…],
  //  "releases":[{"channel","tag","known":bool,"moved":bool,"models":N,"folder","image"|null,
  //               "pushed"|null,"missing":[…],"held_back":[…]}],"held":held|null,"notes":[…],
  //  "preview":{"source","branch" or "tag", or "workflow","inputs":{name:value},
  //             "models":[…as in previews()]}|null}
  // "superseded_by":run|null of a superseded one. Waits while the run is not finished and
  // "revision" is still `seen`.
  virtual Json run(const std::string& id, int64_t seen, const Patience& patience) = 0;
  // [{"run","result","trigger","preview":{…without its models}|null,"started","finished",
  //   "executed","failed","release"}], newest first; with `before` those that began before that
  // run. Throws not_found.
  virtual Json runs(size_t limit, const std::string& before) = 0;
  // {"log":text,"offset":next offset,"end":bool,"attempt","run"}; waits like run(). An empty `run`
  // means the step's newest attempt of any run. "end": the attempt is over and this is its last
  // byte. Bytes that are not UTF-8 come as U+FFFD.
  virtual Json log(const std::string& run, const std::string& step, uint64_t offset,
                   const Patience& patience) = 0;
  // {"run","cancelled":[step…]}
  virtual Json cancel(const std::string& run, const Caller& caller) = 0;
  // `what`: a run, step or model; its used-up attempts count from zero again. {"run":id}
  virtual Json retry(const std::string& what, const Caller& caller) = 0;
  // The newest preview of each branch, tag and set of inputs: [{"source","branch" or "tag", or
  //  "workflow","inputs"; "commit","run"|null,"result"|null,
  //  "models":[{"model","version"|null,"metrics","passed":bool|null,"verdict"|null,
  //             "champion"|null,"champion_metrics"}]}]; models whose champion it would be already
  // are left out.
  virtual Json previews() = 0;
  // `inputs`: {name:value}, values as text or of their type; others than the defaults make an
  // experiment. Throws Errors with all that is wrong with them. {"run":id|null,"note"}
  virtual Json trigger(const std::string& workflow, const Json& inputs, const Caller& caller) = 0;
  // {"approved":[model…]}
  virtual Json approve_change(const Caller& caller) = 0;

  // `name`: a model, MODEL@V, or a step.
  // {"model","step","version","state","alias","because":[text or reason…],
  //  "preview":{"source","branch" or "tag", or "workflow","inputs"}|null,
  //  "data":[{"source","table","slice"|null,"from"|null,"to","rows":{"added","removed","changed"},
  //           "authors":[text…]}],
  //  "code":[{"source","paths","from"|null,"to","files":N,"authors":[text…]}],
  //  "upstream":[{"input","model"|null,"step"|null,"from"|null,"to"}],
  //  "gate":{"version",…as in gate(), without the whole report}|null,
  //  "withdrawn":{"who","reason"}|null,
  //  "pinned":{"version","alias","who","reason"}|null}
  virtual Json why(const std::string& name) = 0;
  // [{"model","version","in_step":bool,"rows","commits","hours","why",
  //   "gate":{"version","verdict","checks"}|null}]; "gate" only where one failed
  virtual Json lag() = 0;
  // Of the newest commits, or what is known of them without their server, by source and name, at
  // most `limit` that come behind `after` ("SOURCE/TABLE"; empty: from the first). "rows" is null
  // where the number is not at hand, unless `count` asks for all rows to be read.
  // [{"source","table","rows"|null,"columns":[{"name","type"}],"key":[…],"partition"|null,
  //   "commit","error"|null}]
  struct TablesWanted {
    std::string after;
    size_t limit = SIZE_MAX;
    bool count = false;
  };
  virtual Json tables(const TablesWanted& wanted) = 0;
  // {"source","table","from","to","added","removed","changed","columns":[…],
  //  "rows":[{"change":"added"|"removed"|"changed","before":{…}|null,"after":{…}|null}],
  //  "more":bool}
  // Rows from the one behind `skip` on; `where` is {column: value}, `slice` the same as a text. At
  // most `limit`, and fewer, but one, where their cells take more than 16 MiB.
  struct DiffWanted {
    std::string slice;
    Json where = Json::object();
    size_t skip = 0, limit = 100;
  };
  virtual Json diff(const std::string& table, const std::string& from, const std::string& to,
                    const DiffWanted& wanted) = 0;

  // Brings a sheet of the workspace file into its table: one commit, or none where nothing differs
  // or with `dry_run`. {"import","source","table","branch","place","sha256","bytes","base",
  //  "commit"|null,"added","removed","changed","unchanged","kept","dry_run":bool,
  //  "rows":[as in diff, the first ones],"more":bool}
  // options: {"from":absolute path of a file instead|"","accept_change":bool}
  virtual Json import_sheet(const std::string& name, const Json& options, const Caller& caller) = 0;

  // CONTRACT `models`: [{"name","version","sha256","pinned","metrics","channels":{…},"retired"}]
  virtual Json models() = 0;
  // Everything recorded about a version (default: champion): the Version's fields as JSON, plus
  // "aliases":[…],"withdrawn","gate","versions":[{"version","created","sha256","accuracy"…}],
  // "moves":[{"time","alias","from","to","who","why"}],"pins":[…]
  virtual Json model(const std::string& name, std::optional<int64_t> version) = 0;
  // {"model","version","answers":[{"text","label","score","scores":[…]}]}
  // body: {"texts":[…]} or {"table":name,"column":text,"where":{…},"limit":N}
  virtual Json predict(const std::string& model, std::optional<int64_t> version,
                       const Json& body) = 0;

  // {"model","from","to","dry_run","moves":[{"model","alias","from","to","why"}],
  //  "pinned":[{"model","alias","version"}],"withdrawn":[{"model","version"}],"pins":[…],
  //  "dependents":[{"model","alias","from","to"}],"to_train":[model…],"run":id|null,
  //  "releases":[{"channel","from","to","known"}]: known: re-pointed, else built
  //  "expectations":{"checked","broken":[text…],"unknown":[text…]}|null}
  // body: {"to":N|null,"channel":name|"","override_pins":bool,"with_dependents":bool,
  //  "accept_expectations":bool}
  virtual Json rollback(const std::string& model, const Json& body, const Caller& caller) = 0;
  // Makes a version the champion, and pins it: {"model","from","to","dry_run",
  //  "channel","pinned":bool,"releases":[{"channel","to","known"}]}; with a channel that channel's
  // version alone. body: {"version":N (with a channel default: champion),"channel":name|"",
  // "override_pins":bool}
  virtual Json promote(const std::string& model, const Json& body, const Caller& caller) = 0;
  // What a version's gate said (default: the newest that one looked at):
  // {"model","version","passed",
  //  "verdict","checks":[…],"action":"move"|"ask"|"hold"|null,"champion"|null,"basis"|null,
  //  "approved":{"who","reason"}|null,"report":{…docs/GATES.md}|null,"markdown":text|null,
  //  "note": only where the whole report is gone}
  virtual Json gate(const std::string& model, std::optional<int64_t> version) = 0;
  // Lets a version be champion whose gate asks: {"model","from","to","basis","dry_run",
  //  "releases":[{"channel","to","known"}]}. body: {"version":N, or without the newest that waits}
  virtual Json approve(const std::string& model, const Json& body, const Caller& caller) = 0;
  // Without a version the one the alias has. {"model","pins":[{"alias","version","who","reason"}]}
  // body: {"version":N|null,"channel":name|"","override_pins":bool}
  virtual Json pin(const std::string& model, const Json& body, const Caller& caller) = 0;
  // `model` empty: all of the channel. {"unpinned":[{"model","alias"}],"run":id|null}; with "now"
  // a run is started that moves what may move.
  // body: {"channel":name|"","all":bool,"now":bool}
  virtual Json unpin(const std::string& model, const Json& body, const Caller& caller) = 0;

  // Models that were made elsewhere become versions under today's fingerprints, and champions:
  // {"adopted":[{"model","version","sha256","step","file","metrics"}],
  //  "left":[{"model","step","why"}] (given, or without a result),"dry_run"}
  // body: {"models":[name…] (none: all),"from":absolute path, pattern or list}
  virtual Json adopt(const Json& body, const Caller& caller) = 0;
  // Two versions side by side (without a version: the champion), with at most `limit` rows of each
  // input: {"a" and "b":{"model","version","sha256","created","trigger"},"identical":bool,
  //  "data":[{"input","source","table","slice","from"|null,"to","rows":{"added","removed",
  //           "changed"}|null,"sample":[rows as in diff],"more":bool,"note"|null}] of inputs that
  //  differ,"code":[{"source","from"|null,"to","files","paths","authors"}],
  //  "parameters" and "environment":[{"name","a","b"}] that differ,
  //  "upstreams":[{"input","a" and "b":{"model","version","sha256"}|null}],
  //  "metrics":{name:[a,b]}}
  struct VersionName {
    std::string model;
    std::optional<int64_t> version;
  };
  virtual Json version_diff(const VersionName& a, const VersionName& b, size_t limit) = 0;

  // A ledger that was begun elsewhere, whole or not at all:
  // {"models":N,"versions":N (new),"known":N,"with_bytes":N,"without_digest":N,
  //  "releases":[{"tag","channel","models":N,"style","new":bool}],"dry_run"}
  // body: {"from":absolute path of a file or a folder,"style":text|"",
  //  "models_from":absolute pattern or folder|"","channel":text|""}
  virtual Json import_ledger(const Json& body, const Caller& caller) = 0;
  // {"model","version","release"|null,"notes":[{"time","who","text"}],"dry_run"}; of a version, or
  // of a release. body: {"model","version":N|null,"release":tag|"","text"}
  virtual Json note(const Json& body, const Caller& caller) = 0;
  // {"model","version","release"|null,"tags":{key:value},
  //  "tag_history":[{"time","who","key","value","removed"}],"dry_run"}
  // body: as of a note, and {"key","value","remove":bool}
  virtual Json tag(const Json& body, const Caller& caller) = 0;
  // Versions that are all of it, newest first:
  // [{"model","version","created","sha256","aliases":[…],
  //  "metrics","commits","committers":[text…],"tags","trigger"}]
  // wanted: {"name":pattern,"metric":[text…],"hash","commit","committer","since","until",
  //          "tag":["KEY=VALUE" or "KEY"…],"limit":N}
  virtual Json search(const Json& wanted) = 0;

  // CONTRACT `release list`
  virtual Json releases(const std::string& channel) = 0;
  // `which`: a tag or an unambiguous beginning of one, "" for live, or a time for `at`.
  // {"channel","channels":[those it is live in],"tag","sha256","image"|null,"live":bool,"created",
  //  "manifest":{name:"version"},"content","base"|null,"code"|null,
  //  "withdrawn":{"who","reason"}|null,"folder","pushed"|null,"missing":[…],
  //  "models":[{"name","version","sha256","code":tree|null,"commits":{source:id},
  //             "data":[{"source","table","slice","digest","rows","commit"}],"metrics":{…}}],
  //  "signatures":[{"key","signature","trusted":bool,"valid":bool}]}; with `at` also
  //  "since":{"time","who","why","imported":time|null}: when it went live, or when the ledger that
  //  was imported then says it did
  virtual Json release(const std::string& which, const std::string& at,
                       const std::string& channel) = 0;
  // {"from","to","models":[{"model","from","to","rows":{…},"metrics":{name:[from,to]},
  //   "slices":[{"source","table","slice","from","to","rows"|null,"committers"}],
  //   "code":[{"source","from","to","files","committers"}],"upstream":[{"model","from","to"}]}],
  //  "added":[{"model","version"}],"removed":[{"model","version"}]}
  virtual Json release_diff(const std::string& a, const std::string& b) = 0;
  // One channel gets the versions of another one's live release, of a release, or of "champion":
  // {"channel","source","from":tag,"to":tag,"known":bool,"moved":bool,"models":N,
  //  "missing":[model…],
  //  "moves":[as in rollback],"held_back":[text…],"dry_run"}
  virtual Json release_promote(const std::string& from, const std::string& to,
                               const Caller& caller) = 0;
  // What changed between two releases as a person would say it; `a` empty: what was live before
  // `b` in its channel, both empty: before what is live. {"channel","from":tag|null,"to":tag,
  //  "created","models":N,"entries":[{"model","kind":"moved"|"added"|"removed","from":N|null,
  //  "to":N|null,"why":[{"kind":"rows"|"code"|"upstream"|"back"|"other","text"}],
  //  "rows":{"added","removed","changed"},"committers":[text…],"metrics":{name:[from|null,to]}}]}
  virtual Json release_changelog(const std::string& a, const std::string& b,
                                 const std::string& channel) = 0;
  // Signed by the workspace's key, where it has one: {"tag","signed":bool,"statement":{…},
  //  "envelope":{…}|null}. The statement is in-toto's, its predicate SLSA's.
  virtual Json release_provenance(const std::string& which) = 0;
  // Has the workspace's key sign it: {"tag","key","dry_run"}
  virtual Json release_sign(const std::string& which, const Caller& caller) = 0;
  // {"channel","from","to","pinned":[model…],"known":bool,"moves","pins","withdrawn" as in
  // rollback} body: {"to":tag|"","at":time|"","override_pins":bool}; `channel` empty: the default
  // one
  virtual Json release_rollback(const std::string& channel, const Json& body,
                                const Caller& caller) = 0;
  // {"channel","tag","models":N,"image"|null,"folder"}
  virtual Json release_rebuild(const std::string& channel, const Caller& caller) = 0;
  // {"pushed":[{"tag","digest","refs":[…],"was_there":bool,"blobs_sent","blobs_mounted",
  //   "bytes_sent","requests"}]}
  virtual Json release_push(const std::string& which, const Caller& caller) = 0;
  // {"tag","ok":bool,"problems":[text…],"checked":{"models","blobs"},"signed":bool,
  //  "signatures":[…]}
  virtual Json release_verify(const std::string& which) = 0;

  // Keeps a release for good, or no longer: {"channel","tag","kept":bool,
  //  "not_held":[text…] (training rows that no source holds),"dry_run"}
  virtual Json release_keep(const std::string& which, bool keep, const Caller& caller) = 0;

  // {"model","version","identical":bool,"recorded","replayed","differences":[text…],"seconds"}
  virtual Json replay(const std::string& model, std::optional<int64_t> version) = 0;
  // {"freed":[{"sha256","bytes"}],"bytes","refs":N,"checkpoints":N,"snapshots":N,"held":N,
  // "held_by":[{"why","artifacts":N,"bytes"}],"dry_run":bool}; each held artifact counts once
  virtual Json gc(const Caller& caller) = 0;
  // Begins a backup to `to`, an absolute path of the daemon's machine: {"file"}. Throws conflict
  // while one is under way or where the file is there.
  virtual Json start_backup(const std::string& to, bool artifacts) = 0;
  // The newest one: {"state":"none"|"running"|"done"|"failed","file"|null,"done":bytes,
  // "bytes":N|null,"revision":N,"error":{"code","message","hint"}|null,"seconds", of one that is
  // done also "files","artifacts","size":N,"missing":[sha256…]}. Waits like run().
  virtual Json backup(int64_t seen, const Patience& patience) = 0;
  // {"ok":bool,"checks":[{"name","ok":bool,"message","fix"}]}; "fix" is null where nothing is to
  // do. `deep`: the bytes of every champion are read, not of some.
  virtual Json doctor(bool deep) = 0;

  // A forge's delivery: {"hook","event","source"}. Verified here; kept durably when this returns.
  // Throws not_found (no such hook), denied (its signature), invalid (its body), conflict (it was
  // here before).
  virtual Json hook(const std::string& name, const HookBytes& delivery) = 0;
  // Looks at the sources now and waits until what moved is planned: {"run":the one at work|null}.
  // `source` must be one, or empty. Throws unavailable where nobody serves.
  virtual Json look(const std::string& source) = 0;
  // {"ok":true}, whatever else is wrong.
  virtual Json health() = 0;
  // {"ok":true}; throws unavailable while it does not plan and train.
  virtual Json ready() = 0;
  // Those behind `after`, at most `limit`.
  virtual EventPage events(int64_t after, size_t limit) = 0;
  // Prometheus' text format (docs/OPERATING.md lists the names).
  virtual std::string metrics() = 0;
  // The configuration is read, checked and, where nothing is wrong, taken:
  // {"ok":bool,"time","errors":[as in check()],"changed":[text…],"needs_restart":[text…]}
  virtual Json reload() = 0;
  // [{"id","name","role","created","expires"|null,"by","revoked"|null,"live":bool}]
  virtual Json tokens() = 0;
  // One of these with "token", this once. `expires`: "", a time, or a span from now ("90d").
  virtual Json token_create(const std::string& name, const std::string& role,
                            const std::string& expires, const Caller& caller) = 0;
  virtual Json token_revoke(const std::string& which, const Caller& caller) = 0;
  // [{"time","who","role","peer","method","path","status","reason"|null}], newest first
  virtual Json audit(size_t limit) = 0;
};

}  // namespace lockstep
