// The engine: one loop's worth of state. turn() drains the inbox and brings plan, attempts,
// registry and releases forward; one turn is one transaction, and nothing acts before it is
// durable. No threads; reads no clock but the one it is given; never sees SQL, HTTP, YAML or torch.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/core/plan.h"
#include "pipeline/core/schedule.h"
#include "pipeline/engine/gate_bases.h"
#include "pipeline/engine/inbox.h"
#include "pipeline/engine/past.h"
#include "registry/rules/fact_log.h"
#include "registry/rules/rules.h"

namespace lockstep {

struct EngineOptions {
  std::vector<Slot> slots;
  size_t max_new = 50;                 // more new models than this in one commit are held
  bool cancel_superseded = false;      // default: what no plan wants any more is finished
  std::set<std::string> told_sources;  // whose forges are told how their commits did
  // Event ("failure", "gate", "release", "rollback") → who is told of it, by names of the caller's.
  std::map<std::string, std::set<std::string>> told_events;
  bool sign = false;        // releases are signed as they are cut
  Distrust distrust;        // of releases that were: asked before any is pointed to again
  Unbuildable unbuildable;  // asked before a release is cut that needs an image
};

// What became of one step within a run.
struct StepRun {
  std::string attempt;
  int64_t started_ms = 0, finished_ms = 0;
  std::string trigger;  // "data", "code", "upstream", "manual", "first"
  std::vector<Reason> reasons;
  bool executed = false;
};

// What the run that is under way has yet to do; and what of it somebody asked for by name.
struct OpenSteps {
  std::set<std::string> all, named;
};

// What a gate asks somebody who reads what evaluations wrote.
struct GateCase {
  std::string basis;  // SHA-256 of everything that the word will be given for
  std::string model;
  int64_t challenger = 0, champion = 0;
  Json question;             // GateSpec::champion; null: expectations alone
  std::string void_because;  // why they can't be compared; empty: they can
  std::optional<Digest> of_champion, of_challenger, of_expectations;  // predictions.csv
  std::optional<uint64_t> expectations;  // so many rows must come out so
  std::vector<double> other_p;           // of the run's other comparisons
  uint64_t yet_to_come = 0;              // so many are not made yet
};
// Fills all of a word but its basis; nothing: it is being measured, and Engine::measured() tells
// the end of it. Throws invalid, conflict or unavailable when nothing can be said; the gate then
// holds.
using GateJudge = std::function<std::optional<GateWord>(const GateCase&)>;

struct Run {
  RunRecord record;
  Trigger trigger;
  bool first = false;  // the workspace's first plan
  bool cancelling = false;
  std::shared_ptr<const Survey> survey;
  // Of a preview: what it is of, and how its plan sees the engine (before `plan`, which refers to
  // it).
  std::optional<Variant> variant;
  std::unique_ptr<World> preview;
  std::unique_ptr<Plan> plan;  // null for a held run
  std::map<StepId, StepRun> steps;
  std::set<StepId> named;  // no `if:` defers them
  // Of each step why and since when it waits for a slot; known once it was first to be run.
  struct Wait {
    bool known = false;
    Priority priority = Priority::kCode;
    int64_t since_ms = 0;
  };
  std::vector<Wait> waits;
  std::vector<double> chain;
  Json planned = Json::object();  // {"counts", "waits_for"} at its start
  Json data = Json::array();      // what was read (data_json)
  std::vector<Json> moves, releases;
  std::vector<GateReport> gates_failed;
  size_t gates_passed = 0;
  // Attempts whose results gates wait for, by fingerprint, with the steps whose gates they are.
  struct Awaited {
    Json context;
    std::set<StepId> steps;
  };
  std::map<Digest, Awaited> evaluations;
  std::set<StepId> to_judge;                          // what their gates wait for is there
  std::map<std::string, std::set<StepId>> measuring;  // basis → steps whose gates wait for it
  std::vector<double> compared;                       // p of each comparison so far
  std::optional<size_t> to_compare;                   // models, in all
  std::map<StepId, StepState> told;                   // what those who follow know of each step
  size_t notes_told = 0;
  std::vector<std::string> added, retired, notes;
  Json held;                          // null, or what waits for approve-change
  std::string superseded_by;          // the run that took its place; empty: none
  std::vector<std::string> left_out;  // steps it had yet to do, and that run does not have
  int64_t revision = 0;
};

// A tag of code that is to be planned, and the workflows that ask for it as of the last plan.
struct TagNews {
  std::string name, commit;
  std::set<std::string> workflows;
};

class Engine {
 public:
  // Reads what earlier turns left in the store. `registry` is the ledger, loaded.
  Engine(Store& store, FactLog& log, Registry registry, Clock& clock, HasBytes has,
         EngineOptions options);

  Inbox& inbox() { return inbox_; }
  // Asked within a turn. Without one every gate that asks for more than bounds holds.
  void judge_with(GateJudge judge) { judge_ = std::move(judge); }
  // What the judge was asked under this basis can be said now.
  void measured(const std::string& basis);
  const GateBases& gate_bases() const { return bases_; }
  // Waits up to `wait_ms` for a message, then does one turn. False when there was nothing to do.
  bool turn(int64_t wait_ms);
  // After a turn that threw, memory is not what the store has: nothing but this is called then.
  // Results of attempts that the turn had taken are not lost. Whatever answer was owed is an error.
  void begin_again(Registry registry);
  // While held only commands are taken, so that questions are answered: what attempts and effects
  // tell waits for the end, and no plan is made.
  void hold(bool held);
  // Intents that became durable since the last call; after construction all that were left.
  std::vector<Intent> take_intents();
  // What the last turn wrote for those who follow (docs/API.md, "Following").
  std::vector<Event> take_events() { return std::exchange(new_events_, {}); }

  // ---- what a Command may do (inside a turn) ----
  void append(const std::vector<Fact>& facts);
  // The facts, then these cuts; returns the documents of CONTRACT's "releases". Where one of the
  // cuts is refused nothing has changed. `dry`: nothing changes, and the answer is the same.
  Json move_and_cut(const std::vector<Fact>& facts, std::vector<CutRequest> requests,
                    const std::string& who, const std::string& why, bool dry = false);
  // Of every channel of the last graph that promotes by itself.
  std::vector<CutRequest> cuts() const;
  // Channel → why its release is not cut, as of the last time it was to be.
  std::map<std::string, std::string> held_cuts();
  // What was held is cut, where it can be now; what is wrong is noted.
  void cut_again(const std::string& who, const std::string& why);
  // Of one channel, from its own aliases as a command has moved them.
  CutRequest cut_by_hand(const std::string& channel) const;
  // After a rollback: a known manifest is re-pointed as it was built.
  std::vector<CutRequest> cuts_back(const std::vector<std::string>& channels) const;
  // Of the last graph; throws not_found.
  const ChannelSpec& channel(const std::string& name) const;
  const std::set<std::string>& produced() const { return produced_; }
  Json rebuild(const std::string& channel, const std::string& who, const std::string& reason);
  void sign(const std::string& tag) { intend("sign", tag); }
  void publish(const std::string& channel) { intend("publish", channel); }
  // What images stand on from now on; kept. Of a base image that can't be had now, what was known.
  void know_images(const std::map<std::string, ImageGround>& images);
  const std::map<std::string, ImageGround>& images() const { return images_; }
  // Where the base image of this digest was found; empty: never.
  std::string base_place(const std::string& digest) { return store_.get("base-place/" + digest); }
  void cancel(const std::string& run);
  // The channels and models of a graph that is not being planned: for commands before any plan.
  void know(const Graph& graph);
  // A branch or tag that is gone: its preview is forgotten.
  void forget_preview(const Variant& variant);
  // The preview of what was at `commit` (of inputs: the code's) has come to its end, or there is
  // nothing to do: a branch is merged.
  void settle_preview(const Variant& variant, const std::string& commit, const Run* run);
  // The tags that are in a code source now; gives those that are to be planned. Those that were
  // there when their pattern was first looked for are not.
  std::vector<TagNews> see_tags(const std::string& source,
                                const std::map<std::string, std::string>& there);
  // Whoever is to be told of such events is told of this one.
  void announce(const std::string& event, const Json& data);
  // The comment on the branch's pull request is brought in line with its preview, if it has one.
  void comment(const Variant& branch);
  // Other slots and policies from here on; what runs on a slot that is gone goes on.
  void reconfigure(EngineOptions options) { options_ = std::move(options); }
  // Said with the present run, or the last one.
  void note(const std::string& text);
  // Approves what is held; throws not_found when nothing is.
  Json approve();

  // ---- what queries read (between turns, or in a Command) ----
  const Registry& registry() const { return registry_; }
  Past& past() { return past_; }
  Store& store() { return store_; }
  const Run* active() const { return active_.get(); }
  const Run* last() const { return last_.get(); }  // newest finished one of this process
  const Run* newest() const { return active_ ? active_.get() : last_.get(); }
  // Newest of the watched branches: what a preview says of steps is no news of them.
  const Run* watched() const { return active_ && !active_->variant ? active_.get() : last_.get(); }
  const std::vector<ChannelSpec>& channels() const { return channels_; }
  const EngineOptions& options() const { return options_; }
  std::vector<Slot> slots() const;  // with what runs on them now
  std::map<std::string, std::string> cursors();
  // Something of an earlier process is to be planned: a run that it left open, attempts that are
  // live, an alias that no release holds, what owe_plan() said. Newer runs than the open one may be
  // over: held ones are.
  bool left_open();
  // Somebody moved a champion by hand, so that what was trained on the one before is to be planned,
  // or approved a change: if this process does not come to it, the next that serves does.
  void owe_plan();
  // The commits that live attempts were started for.
  std::set<SourceCommit> live_commits();
  Json held();
  // The models that the last plan was for; nothing before the first plan.
  std::optional<std::set<std::string>> planned();
  // Models whose gates look at rows that must come out so, as of the last plan.
  std::set<std::string> expecting();
  // How a version is asked for these rows as of a plan: the attempt's context, its fingerprint, and
  // the predictions where they are known. Throws not_found or conflict, saying why it can't be
  // asked.
  struct Expectations {
    Digest fingerprint;
    Json context;
    std::optional<Digest> predictions;
    uint64_t rows = 0;  // that must come out so
  };
  Expectations expectations_of(const Plan& plan, const std::string& model, int64_t version);
  // Source → patterns of the branches that some workflow follows, as of the last plan.
  std::map<std::string, std::set<std::string>> followed();
  // Code source → workflow → patterns of the tags that it asks for, as of the last plan.
  std::map<std::string, std::map<std::string, std::set<std::string>>> tags();
  // Code source → checks that must be green before its commits are planned, as of the last plan.
  std::map<std::string, std::set<std::string>> checks();
  // By workflow, as of the last plan; and when one was due last (0: never). `name`: the workflow's,
  // or any other word for what else has ticks.
  std::map<std::string, std::vector<ScheduleSpec>> schedules();
  // Source → how long it must be quiet before its commits are planned, as of the last plan.
  std::map<std::string, int64_t> quiet();
  // Workflows that the end of another one has asked for: workflow → {"after","run"}.
  Json asked();
  bool anybody_asked() const { return anybody_asked_; }
  int64_t last_tick(const std::string& name);
  void set_tick(const std::string& name, int64_t time_ms);
  // What has to be counted before this survey can be planned, for `if:`.
  Questions questions(const Survey& survey);
  // What the newest plan deferred: step → {"model"|null,"why"}.
  Json deferred();
  // What became of the newest preview of each branch, tag and set of inputs, by Variant::mark():
  // {"commit","run","fingerprints":[…]}, and of inputs "inputs". Of these "commit" is empty until
  // it has come to its end; of the others it is the one that was planned last.
  std::map<std::string, Json> previews();
  int64_t revision() const { return revision_; }
  int64_t now_ms() { return clock_.now_ms(); }

  // A plan that changes nothing: what would be done with this survey. `selected` as in Trigger.
  std::unique_ptr<Plan> preview(std::shared_ptr<const Survey> survey, const Trigger& trigger,
                                World& dry);

 private:
  friend class EngineWorld;
  friend class DryWorld;
  friend class PreviewWorld;

  void read_store();
  void put_off(std::vector<Message>& messages);
  void take_all(std::vector<Message>& messages);
  void answer(const SurveyDone& done, const std::string& run, std::optional<Error> error = {});
  void take(SurveyDone& done);
  void take(AttemptResult& result);
  void take(EffectDone& done);
  void take_signature(const EffectDone& done);
  void take(Command& command);

  // surveys (engine_plan.cc)
  void take_preview(SurveyDone& done);  // engine_preview.cc
  void plan_preview(SurveyDone& done, const std::string& commit);
  void close_preview();
  void forget_old_experiments();
  static bool asks_for_any(const Graph& graph, const Trigger& trigger);
  void open_run(const SurveyDone& done);
  void plan_run(World& world, const OpenSteps& open = {});
  OpenSteps yet_to_do() const;
  void record_run(const SurveyDone& done);
  bool hold_accident(SurveyDone& done, const std::vector<std::string>& added,
                     const std::vector<std::string>& retired);
  void begin_run(SurveyDone& done, bool first, const OpenSteps& open,
                 std::vector<std::string> added, std::vector<std::string> retired);
  std::vector<std::string> supersede();  // the runs that are superseded now
  void name_successor(const std::vector<std::string>& runs);
  void carry_renamed(Run& run);
  void cancel_unwanted();
  void keep_produced();
  void keep_expecting(const Graph& graph);  // engine_gates.cc
  void keep_followed(const Graph& graph);
  void keep_tags(const Graph& graph);              // engine_tags.cc
  void keep_executed(const AttemptRecord& ended);  // engine_after.cc
  void ask_followers();
  void answered(const std::string& workflow);
  void keep_deferred();  // conditions.cc
  void reconsider(const AttemptRecord& ended);
  void note_reasons(Run& run);

  // attempts (engine_attempts.cc)
  void start_ready();
  void start_some(std::vector<struct Turn>& line, std::set<std::string>& taken);
  bool fail_impossible(const std::vector<Slot>& slots);
  void start(StepId id, size_t slot);
  std::vector<struct InputFile> input_files(const Graph& graph, StepId id, const Plan* plan);
  void succeed(AttemptRecord& record, const AttemptResult& result);
  void fail(AttemptRecord& record, const AttemptResult& result);
  void accept_stray(const AttemptRecord& record, const ResultRecord& result);
  // Why a result that no plan wants moves nothing; empty: it is gated like any candidate.
  std::string moved_on(const AttemptRecord& record);
  void take_decision(const Candidate& candidate, const Decision& decision);

  // gates (engine_gates.cc)
  std::optional<GateWord> word_on(StepId id, const PlannedStep& planned, const std::string& model,
                                  const Decision& pending);
  std::string not_askable(const Survey& survey, StepId id) const;
  struct GateWork;
  void want_all(GateWork& work, const Version& challenger, const Version* champion);
  void want(GateWork& work, const Version& version, const std::map<std::string, Digest>& upstreams,
            const std::string& name, std::optional<Digest>& predictions);
  std::optional<GateWord> judged(StepId id, GateCase asked);
  void look_again(const std::set<StepId>& steps);
  size_t models_to_compare();
  void judge_waiting();
  bool start_evaluations();
  void start_evaluation(const Digest& fingerprint, size_t slot);
  void evaluated(const Digest& fingerprint);
  // Some step of the run under way waits for this result.
  bool wanted(const Digest& fingerprint) const;

  void nothing_owed();
  static constexpr size_t kRunsLookedAt = 20;  // so far back one is looked for that was left open

  // ends of runs (engine_finish.cc)
  bool release_due() const;
  bool release_due(const ChannelSpec& channel) const;
  void await_cut();
  int64_t oldest_waiting() const;
  std::string without_candidate(const std::string& model) const;
  CutRequest cut_request(const ChannelSpec& channel, bool as_built = false) const;
  void build_and_sign(const std::string& tag);
  Json cut_or_hold(const ChannelSpec& channel, const std::string& why);
  bool held_anew(const std::string& why);
  void keep_held(const std::string& channel, const std::string& why);
  bool releases_stand();
  void cut_waiting();
  void set_unreleased(int64_t since_ms);
  void finish_run();
  // what goes out (engine_outbox.cc)
  // From now on the status of these commits is what becomes of the run; "-": nothing is to be done.
  void speak(const std::string& run, const std::map<std::string, std::string>& commits,
             const std::optional<Variant>& branch);
  void retell(const std::string& run, const std::string& result);
  void announce_failure(const Run& run);
  void channel_moves(const std::string& channel, const std::string& from, const Cut& cut,
                     const std::string& who, const std::string& why);
  void forget_told(const EffectDone& done);
  // Live attempts that the present plan waits for.
  std::vector<std::string> wanted_attempts() const;
  Json cut(CutRequest request, const std::string& who, const std::string& why);
  void carry_out(const CutRequest& request, const Cut& cut);
  Json cut_document(const CutRequest& request, const Cut& cut) const;
  std::vector<std::string> missing(const ChannelSpec& channel) const;
  void intend(const std::string& kind, const std::string& target);

  // what happened (engine_events.cc)
  void tell(const std::string& kind, Json data);
  void tell_news();
  void tell_steps(Run& run);
  void tell_fact(const Entry& entry);
  void tell_attempt(const AttemptRecord& attempt);
  void keep(const RunRecord& run);  // and tells of its result

  Store& store_;
  FactLog& log_;
  Registry registry_;
  Clock& clock_;
  EngineOptions options_;
  GateJudge judge_;
  Inbox inbox_;
  Past past_;
  Recipes recipes_;  // of whatever was planned last
  GateBases bases_;  // the same
  std::unique_ptr<World> world_;
  std::unique_ptr<Run> active_, last_;
  std::vector<ChannelSpec> channels_;          // of the last plan's graph
  std::map<std::string, ImageGround> images_;  // by channel
  std::set<std::string> produced_;             // models of the last plan's graph
  std::map<std::string, Digest> decided_;      // model or step → what the newest plan accepted
  std::set<SourceCommit> off_branch_;          // of live attempts, as the last survey saw it
  std::vector<Intent> new_intents_;
  std::vector<Event> new_events_;
  std::set<int64_t> under_way_;  // intents that were handed over and are not confirmed
  std::set<int64_t> again_;      // of these: asked for anew meanwhile
  std::vector<std::function<void()>> when_durable_;  // answers of the turn under way
  bool anybody_asked_ = false;
  bool held_ = false;
  std::vector<Message> waiting_;      // while held
  int64_t oldest_unreleased_ms_ = 0;  // 0: every alias move is in a release
  // Channel → the oldest such move since it was last cut. Empty after a start: then the one above.
  std::map<std::string, int64_t> due_since_;
  int64_t revision_ = 0;
};

// Models that a graph adds to the registry, and those that it no longer makes.
struct Membership {
  std::vector<std::string> added, retired;
};
// `planned`: those of the last plan, which are not new even where nothing came of them yet.
Membership membership(const Graph& graph, const Registry& registry,
                      const std::set<std::string>& planned);

// {"source","branch"}, {"source","tag"} or {"workflow","inputs"}.
Json variant_json(const Variant& variant, const Json& inputs);
// What was read: per table its rows, and how many values it is cut into.
Json data_json(const Survey& survey);
// The JSON document of a run (pipeline/api/backend.h, run()).
Json run_document(const Run& run, const Registry& registry, int64_t now_ms);
// Why a step of a plan is to be run: what differs from its last accepted result; where nothing
// does, that somebody asked for it or that the bytes of its result are not there.
std::vector<Reason> why_stale(const Plan& plan, StepId id, const std::string& last_recipe);
// {"counts":{state:N},"waits_for":[model or step…]} of a plan as it is now.
Json planned_summary(const Plan& plan);
// The steps of a plan with their states and reasons (pipeline/api/backend.h, plan()).
Json plan_document(const Plan& plan, Past& past);

}  // namespace lockstep
