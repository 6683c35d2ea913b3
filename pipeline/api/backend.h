// What the routes call: the workspace's commands and queries, each answering the JSON document
// that `lockstep --json` prints. Knows nothing of HTTP; one implementation is in the daemon.
// Calls may come from several threads. They throw Error; routes turn it into a status.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/json.h"

namespace lockstep {

struct Caller {
  std::string user;
  std::string reason;
  bool dry_run = false;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // {"workspace","pid","serving":bool,"slots":[{"name","pool","device","memory_bytes","step"|null,
  //  "run"|null,"since"}],"queue":[{"step","priority","why"}],"models":{"total","in_step"},
  //  "sources":[{"name","kind","place","branch","commit","error"|null}],
  //  "channels":[{"name","tag"}],"held":{…}|null,"runner":{"pid"}|null}
  virtual Json status() = 0;

  // Every error and warning of workspace and workflows:
  // {"ok":bool,"errors":[{"code","message","hint","where"}],"warnings":[…],
  //  "workflows":[{"name","file","steps"}],"instances":N,"models":N}
  virtual Json check() = 0;

  // Dry run with reasons: {"commits":{source:id},"first":bool,"counts":{state:N},
  //  "steps":[{"step","state","fingerprint"|null,"model"|null,"reasons":[reason…],"waits_for":[…],
  //            "note"|null}],"added":[model…],"retired":[model…],"held":{…}|null,"problems":[…]}
  // reason: {"input","kind":"rows"|"code"|"output"|"model"|"definition","change":text,
  //          "changed":N (rows or files, where known),"slice":text|null}
  virtual Json plan() = 0;

  // Looks at the sources, plans and starts a run; answers at once: {"run":id|null,"note"}.
  // options: {"steps":[name or pattern…],"force":bool,"trigger":"manual",…}
  virtual Json start_run(const Json& options, const Caller& caller) = 0;

  // {"run","result":"running"|"done"|"failed"|"held"|"superseded"|"cancelled","executed","current",
  //  "failed","blocked","release":tag|null,"trigger","started","finished"|null,"seconds",
  //  "first":bool,"revision":N,
  //  "commits":{…},"data":[{"source","table","rows","by":{"column","values":N}|null,"commit"}],
  //  "code":[{"source","paths","files","commit"}],
  //  "changes":[{"source","table","slice","added","removed","changed"}],
  //  "steps":[{"step","state","model"|null,"version"|null,"attempt"|null,"seconds"|null,
  //            "error"|null,"reasons":[…],"waits_for":[…],"metrics":{…last live line}}],
  //  "gates":{"passed","failed":[{"model","version","verdict"}]},
  //  "moves":[{"model","from","to","why"}],"added":[…],"retired":[…],
  //  "releases":[{"channel","tag","known":bool,"moved":bool,"models":N,"folder","image"|null,
  //               "pushed"|null,"missing":[…],"held_back":[…]}],"held":{…}|null,"notes":[…]}
  // Waits up to `wait_ms` while the run is not finished and "revision" is still `seen`.
  virtual Json run(const std::string& id, int64_t seen, int64_t wait_ms) = 0;
  // [{"run","result","trigger","started","finished","executed","failed","release"}], newest first
  virtual Json runs(size_t limit) = 0;
  // {"log":text,"offset":next offset,"end":bool,"attempt"}; waits like run().
  virtual Json log(const std::string& run, const std::string& step, uint64_t offset,
                   int64_t wait_ms) = 0;
  virtual Json cancel(const std::string& run, const Caller& caller) = 0;
  // `what`: a run, step or model; its used-up attempts count from zero again. {"run":id}
  virtual Json retry(const std::string& what, const Caller& caller) = 0;
  virtual Json trigger(const std::string& workflow, const Json& inputs, const Caller& caller) = 0;
  // {"approved":[…]}
  virtual Json approve_change(const Caller& caller) = 0;

  // CONTRACT `why`, plus "gate", "alias", "withdrawn", "pinned", "state".
  virtual Json why(const std::string& name) = 0;
  // [{"model","version","in_step":bool,"rows","commits","hours","why"}]
  virtual Json lag() = 0;
  // [{"source","table","rows"|null,"columns":[{"name","type"}],"key":[…],"partition"|null,"commit"}]
  virtual Json tables() = 0;
  // {"source","table","from","to","added","removed","changed","columns":[…],
  //  "rows":[{"change":"added"|"removed"|"changed","before":{…}|null,"after":{…}|null}],"more":bool}
  virtual Json diff(const std::string& table, const std::string& from, const std::string& to,
                    const std::string& slice, size_t limit) = 0;

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

  // {"model","from","to","moves":[…],"pins":[…],"releases":[{"channel","from","to","known"}]}
  // body: {"to":N|null,"channel":name|"","override_pins":bool}
  virtual Json rollback(const std::string& model, const Json& body, const Caller& caller) = 0;
  virtual Json pin(const std::string& model, const Json& body, const Caller& caller) = 0;
  // body: {"channel","all":bool,"now":bool}
  virtual Json unpin(const std::string& model, const Json& body, const Caller& caller) = 0;

  // CONTRACT `release list`
  virtual Json releases(const std::string& channel) = 0;
  // `which`: a tag or an unambiguous beginning of one, "" for live, or a time for `at`.
  virtual Json release(const std::string& which, const std::string& at,
                       const std::string& channel) = 0;
  // {"from","to","models":[{"model","from","to","rows":{…},"metrics":{…}}],"added","removed"}
  virtual Json release_diff(const std::string& a, const std::string& b) = 0;
  virtual Json release_rollback(const std::string& channel, const Json& body,
                                const Caller& caller) = 0;
  virtual Json release_rebuild(const std::string& channel, const Caller& caller) = 0;
  // {"pushed":[{"tag","digest","refs":[…]}]}
  virtual Json release_push(const std::string& which, const Caller& caller) = 0;
  // {"tag","ok":bool,"problems":[text…],"checked":{"models","blobs"}}
  virtual Json release_verify(const std::string& which) = 0;

  // {"model","version","identical":bool,"recorded","replayed","differences":[text…],"seconds"}
  virtual Json replay(const std::string& model, std::optional<int64_t> version) = 0;
  // {"freed":[{"sha256","bytes"}],"bytes","held":N,"dry_run":bool}
  virtual Json gc(const Caller& caller) = 0;
  // {"ok":bool,"checks":[{"name","ok":bool,"message","fix"}]}
  virtual Json doctor() = 0;
};

}  // namespace lockstep
