// One workspace at work: builds the concrete parts and runs the engine's loop, the surveyor, the
// effects and the API on their threads. Included by nothing.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "pipeline/api/api.h"
#include "pipeline/api/event_feed.h"
#include "pipeline/api/server.h"
#include "pipeline/base/fd.h"
#include "pipeline/daemon/audit_log.h"
#include "pipeline/daemon/backup.h"
#include "pipeline/daemon/effects.h"
#include "pipeline/daemon/git_workflows.h"
#include "pipeline/daemon/image_parts.h"
#include "pipeline/daemon/metrics.h"
#include "pipeline/daemon/parts.h"
#include "pipeline/daemon/plan_memory.h"
#include "pipeline/engine/engine.h"
#include "pipeline/store/artifact_store.h"
#include "pipeline/store/sqlite_store.h"
#include "registry/ledger/ledger.h"

namespace lockstep {

class GateDesk;

// Has CI said that this check of the commit is green?
bool is_green(Engine& engine, const std::string& source, const std::string& commit,
              const std::string& check);
// Deliveries of webhooks, and what CI said, of more than 90 days ago.
void forget_old_deliveries(Engine& engine);

struct SurveyRequest {
  Trigger trigger;
  std::map<std::string, std::string> commits;  // fixed ones
  std::function<void(const std::string& run, const Error* error)> started;
};

// A survey and the plan that would be made of it, which changes nothing. The plan is that of one
// moment: whoever uses it later asks whether the store has moved since.
struct Preview {
  std::shared_ptr<Survey> survey;
  std::unique_ptr<World> world;  // the plan's
  std::unique_ptr<Plan> plan;
};

// A source whose commits are held until none has come for a while.
struct Quiet {
  std::string head;
  int64_t first_ms = 0, newest_ms = 0;  // when the first and the newest held commit were seen
};

// The newest run as the last turn left it.
struct Progress {
  std::string run;
  int64_t revision = 0;
  bool over = true;
};

class Daemon {
 public:
  // Takes the workspace's lock; throws conflict with the owner's pid, Errors for lockstep.yaml.
  explicit Daemon(const fs::path& folder);
  ~Daemon();
  // Reads the past and begins to turn. Nothing but remembered_plan() is for use before it; does
  // nothing the second time.
  void begin();
  // The document of the plan that would be made now, where it is known without making it.
  std::optional<std::string> remembered_plan() const {
    return engine_ ? std::nullopt : plans_.recall(*survey_sources_);
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // From here on attempts are started and taken: reaches the runner, adopts what it has, serves
  // the socket. Does nothing the second time.
  void work();
  // Watches the sources until stop() or a failure; gives the exit code.
  int serve();
  void stop();
  // Something may have moved: serve() looks soon.
  void hint();
  // The same, and waits until what moved is planned. Throws unavailable where nobody serves.
  void look_now();
  // An effect came about, or failed for good.
  void tell(EffectDone done) { engine_->inbox().push(std::move(done)); }
  // An effect fails for now and is tried again: said once, in the run it belongs to.
  void say(const EffectDone& failed);

  Parts& parts() { return parts_; }
  ArtifactStore& artifacts() { return artifacts_; }
  const PlanMemory& plans() const { return plans_; }
  const ImageParts& images() const { return images_; }
  Backend& backend() { return *backend_; }
  Api& api() { return api_; }
  Tokens& tokens() { return tokens_; }
  AuditLog& audit() { return audit_; }
  Backups& backups() { return backups_; }
  Metrics& metrics() { return metrics_; }
  EventFeed& feed() { return feed_; }
  // The numbers of this moment; those of the engine are missing where it does not answer in time.
  ProcessNumbers numbers();
  EventPage events(int64_t after, size_t limit);
  // Reads the configuration again and takes it where nothing is wrong (Backend::reload). Throws
  // unavailable where nobody serves.
  Json reload();
  // What the last one answered; null: there was none.
  Json last_reload();
  Effects& effects() { return *effects_; }
  bool serving() const { return serving_; }
  bool stopping() const { return stop_ || failed_; }
  // Why nothing that would have to be kept is taken now; nothing while all is well.
  std::optional<Error> trouble();

  // Runs `act` between two turns' messages, inside a transaction; what it throws is thrown here.
  template <class F>
  auto in_loop(F act) -> decltype(act(std::declval<Engine&>())) {
    using R = decltype(act(std::declval<Engine&>()));
    auto work = std::make_shared<std::packaged_task<R(Engine&)>>(std::move(act));
    std::future<R> answer = work->get_future();
    auto durable = std::make_shared<std::promise<void>>();
    std::future<void> told = durable->get_future();
    // Only the command holds the promise: where its turn is undone it goes, and who waits is told.
    engine_->inbox().push(Command{[work](Engine& engine) { (*work)(engine); },
                                  [told_by = std::move(durable)] { told_by->set_value(); }});
    wait_for(told);
    return answer.get();
  }

  // Source → until when its newest commit waits for further ones, at least.
  std::map<std::string, int64_t> quiet_until() {
    std::lock_guard<std::mutex> lock(mutex_);
    return quiet_until_;
  }
  // Waits until the run is over or not the newest, or, from `earliest_ms` (clock) on, its revision
  // is another than `seen`; at most `wait_ms`, false then. Disturbs the loop in nothing.
  bool wait_run(const std::string& run, int64_t seen, int64_t earliest_ms, int64_t wait_ms);
  // Looks at the sources in the survey thread and hands the survey to the engine.
  void request(SurveyRequest request);
  // Looks now, in the caller's thread; what is stale has its changed rows counted.
  std::shared_ptr<Survey> look(const Trigger& trigger,
                               const std::map<std::string, std::string>& commits) {
    return preview(trigger, commits).survey;
  }
  // While it is held no plan begins: with no run and no live attempt, nothing is made.
  std::unique_lock<std::mutex> no_plan() { return std::unique_lock(planning_); }
  // After a start without a plan the engine learns its channels and models from the workflows, at
  // the commits of the last plan.
  void know_graph();
  // The same, with the plan that found what is stale.
  Preview preview(const Trigger& trigger, const std::map<std::string, std::string>& commits);
  // Log bytes of an attempt, whole characters, from `offset`: of the runner while it has them, then
  // as they were kept.
  std::string read_log(const std::string& attempt, uint64_t offset, uint64_t max_bytes);
  fs::path log_file(const std::string& attempt) const;
  // Sources for questions; hold the lock while using them.
  SourceSet& sources() { return *ask_sources_; }
  std::mutex& sources_mutex() { return ask_mutex_; }
  // What serve()'s last look saw; nothing before it.
  struct Look {
    std::map<std::string, std::string> heads, errors;  // by source; errors: why it can't be read
  };
  Look last_look() {
    std::lock_guard<std::mutex> lock(mutex_);
    return last_look_;
  }

 private:
  // Throws unavailable when the engine stopped before.
  void wait_for(std::future<void>& told);
  std::string failure();
  void loop();
  void turn();
  void stop_accepting(const Error& error);  // trouble.cc
  void accept_again();
  void begin_again();
  void tell_turn();
  void tell_progress();
  void survey_loop();
  void survey(SurveyRequest& request);
  void look_at_images(Survey& survey);
  void try_store();
  void count_deltas(Preview& seen, const Trigger& trigger);
  void add_delta(Survey& survey, const Step& step, const StepInput& input, const Json& before);
  void adopt();
  void listen();
  void finish_active();
  void flush();
  // serve.cc
  std::map<std::string, std::string> look_for_changes();
  void keep_look(Look look);
  void wait_for_checks(const std::map<std::string, std::string>& cursors,
                       std::map<std::string, std::string>& heads);
  void wait_for_quiet(const std::map<std::string, std::string>& cursors,
                      std::map<std::string, std::string>& heads);  // quiet.cc
  std::map<std::string, std::string> held_commits();
  bool look_for_previews(const std::map<std::string, std::string>& heads);
  bool preview_branch(const Variant& branch, const std::string& commit, const std::string& head);
  // experiments.cc
  bool look_for_experiments(const std::map<std::string, std::string>& heads);
  bool look_for_tags(const std::map<std::string, std::string>& heads);
  bool begin_experiment(Trigger trigger, const std::map<std::string, std::string>& commits);
  std::optional<Error> have_planned(SurveyRequest wanted);
  void keep_frozen(const Survey& survey);  // frozen.cc
  bool frozen_moved(const std::map<std::string, std::string>& errors);
  int64_t forget_old();  // forget.cc
  void forget_logs();
  bool tend(int64_t now_ms);
  void say_state(const std::map<std::string, std::string>& away);
  void take_parts();        // running.cc
  int64_t run_schedules();  // schedules.cc
  bool plan_tick(const std::string& workflow, int64_t now_ms);
  bool plan_followers();
  bool start_import(const std::string& name);
  bool idle() {
    std::lock_guard<std::mutex> lock(mutex_);
    return progress_.over;
  }

  Parts parts_;
  FileLock lock_;
  Database db_;
  SqliteStore store_;
  ArtifactStore artifacts_;
  std::unique_ptr<SeenArtifacts> seen_;  // by the engine, in its loop
  PlanMemory plans_;
  ImageParts images_;
  std::unique_ptr<Database> survey_db_;
  std::unique_ptr<SqliteSliceCache> slice_cache_;
  Ledger ledger_;
  SystemClock clock_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<GateDesk> gate_desk_;
  std::unique_ptr<SourceSet> survey_sources_, ask_sources_;
  std::unique_ptr<GitWorkflows> workflows_;
  std::unique_ptr<Surveyor> surveyor_;
  std::map<std::string, std::string> waiting_for_checks_;  // source → head that was told of
  // What could not be planned while a source was away; it is not tried again as long as it is.
  std::map<std::string, std::string> in_vain_;
  std::map<std::string, Quiet> quiet_;   // source → what serve() waits with
  std::set<std::string> too_many_tags_;  // sources that were told of
  std::string said_state_;               // serve(): what the service manager was told last
  int64_t next_tick_ms_ = 0, next_forget_ms_ = 0, next_follower_ms_ = 0;  // of serve()
  std::atomic<bool> left_open_{false};  // something is to be planned, whatever the heads say
  std::mutex planning_;                 // from the look of a plan until the engine has it
  std::mutex survey_mutex_;             // the surveyor is used by one thread at a time
  FrozenNames frozen_noticed_;          // what names came to mean, to be planned
  std::mutex ask_mutex_;
  std::unique_ptr<Effects> effects_;
  Tokens tokens_;
  AuditLog audit_;
  Backups backups_;
  Metrics metrics_;
  EventFeed feed_;
  std::unique_ptr<Database> events_db_;
  std::mutex events_mutex_;  // of events_db_
  std::mutex reload_mutex_;  // one at a time
  std::unique_ptr<Backend> backend_;
  Api api_;
  std::unique_ptr<ApiServer> server_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<SurveyRequest> requests_;
  std::string failure_;
  std::string trouble_;  // the store can't be written: what it said
  Progress progress_;
  Look last_look_;
  std::map<std::string, int64_t> quiet_until_;
  Json last_reload_;
  uint64_t looked_ = 0;  // the newest of `asked_` that serve() has looked for

  Fd wake_;  // readable: somebody has asked
  std::atomic<uint64_t> asked_{0};
  std::atomic<bool> parts_changed_{false};  // serve() is to look at other sources
  std::atomic<bool> loop_over_{false}, stop_{false}, failed_{false}, working_{false},
      serving_{false}, anybody_asked_{false};
  std::atomic<bool> blind_{false};  // the engine's memory is not what the store has
  int64_t next_try_ms_ = 0;         // of the loop, while there is trouble
  std::future<void> import_;        // by schedule, the one under way
  std::thread loop_thread_, survey_thread_;
};

Listener listener_of(const ListenerSpec& spec);
EngineOptions engine_options(const Parts& parts, const ImageParts& images);
// The workspace's commands and queries over a daemon.
std::unique_ptr<Backend> make_backend(Daemon& daemon);

}  // namespace lockstep
