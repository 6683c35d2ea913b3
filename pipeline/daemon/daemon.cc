#include "pipeline/daemon/daemon.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <fstream>

#include "pipeline/base/mapped.h"
#include "pipeline/base/point.h"
#include "pipeline/base/steady.h"
#include "pipeline/daemon/judge.h"
#include "pipeline/daemon/restore.h"
#include "pipeline/daemon/signing.h"
#include "pipeline/daemon/told.h"
#include "pipeline/engine/world.h"
#include "pipeline/runner/workspace.h"
#include "pipeline/systemd/notify.h"

namespace lockstep {
namespace {

constexpr int64_t kTurnWait_ms = 200;

std::map<std::string, std::string> prefixed(Store& store, const std::string& prefix) {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : store.all(prefix)) out[name.substr(prefix.size())] = value;
  return out;
}

// Bytes at the end that begin a character without ending it; 0..3.
size_t unfinished_utf8(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xc0) == 0x80) continue;
    size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

}  // namespace

namespace {

// Under the workspace's lock, which a restore holds while it is at work.
const fs::path& sound(const fs::path& state) {
  refuse_half_restored(state.parent_path());
  return state;
}

}  // namespace

Daemon::Daemon(const fs::path& folder)
    : parts_(folder),
      lock_(parts_.state() / "lock", "the workspace " + parts_.workspace().folder.string()),
      db_(sound(parts_.state() / "state.db")),
      store_(db_),
      artifacts_(parts_.state() / "artifacts"),
      plans_(parts_, store_, artifacts_),
      images_(parts_, artifacts_),
      ledger_(db_),
      survey_sources_(parts_.open_sources()),
      tokens_(parts_.state() / "tokens.json"),
      audit_(parts_.state() / "audit.jsonl", clock_),
      backups_(parts_, artifacts_),
      backend_(make_backend(*this)),
      api_(*backend_) {
  api_.audit_to([this](Json entry) { audit_.append(std::move(entry)); });
  api_.hold_when([this] { return trouble(); });
  fs::permissions(parts_.state(), fs::perms::owner_all);
}

void Daemon::begin() {
  if (engine_) return;
  survey_db_ = std::make_unique<Database>(parts_.state() / "state.db");
  slice_cache_ = std::make_unique<SqliteSliceCache>(*survey_db_);
  ask_sources_ = parts_.open_sources();
  workflows_ = std::make_unique<GitWorkflows>(parts_, *survey_sources_);
  surveyor_ = std::make_unique<Surveyor>(survey_sources_->watched(), *workflows_, *slice_cache_);
  events_db_ = std::make_unique<Database>(parts_.state() / "state.db");
  feed_.begin(SqliteEvents(*events_db_).last());
  seen_ = std::make_unique<SeenArtifacts>(artifacts_, clock_);
  engine_ = std::make_unique<Engine>(
      store_, ledger_, ledger_.load(), clock_,
      [this](const Digest& digest) { return seen_->has(digest); }, engine_options(parts_, images_));
  gate_desk_ = std::make_unique<GateDesk>(artifacts_, [this](const std::string& basis) {
    engine_->inbox().push(Command{[basis](Engine& engine) { engine.measured(basis); }, nullptr});
  });
  engine_->judge_with([this](const GateCase& asked) { return gate_desk_->word(asked); });
  effects_ = std::make_unique<Effects>(*this);
  loop_thread_ = std::thread([this] { loop(); });
  survey_thread_ = std::thread([this] { survey_loop(); });
}

// Whatever is under way stays durable: attempts go on in the runner, intents in the store.
Daemon::~Daemon() {
  constexpr int64_t kPatience_ms = 600'000;
  if (!loop_thread_.joinable()) return;
  if (working_ && !serving_) finish_active();
  // One more turn: the intents of the last command are then in their lanes, and waited for.
  if (!failed_) flush();
  if (!failed_) effects_->settled(serving_ ? 10'000 : kPatience_ms);
  if (!failed_) effects_->outbox().settled(serving_ ? 1'000 : 20'000);
  stop();
  if (server_) server_->stop();
  survey_thread_.join();
  effects_->stop();  // its threads may ask the loop until then
  loop_over_ = true;
  engine_->inbox().push(Command{[](Engine&) {}, nullptr});  // wakes it
  loop_thread_.join();
}

void Daemon::flush() {
  try {
    in_loop([](Engine&) {});
  } catch (const Error& error) {
    spdlog::warn("{}", error.what());
  }
}

// Another command may have begun a run here, through the socket: it is seen to its end.
void Daemon::finish_active() {
  constexpr int64_t kLook_ms = 500;
  auto active = [](Engine& engine) {
    return engine.active() ? engine.active()->record.id : std::string();
  };
  try {
    for (std::string run = in_loop(active); !run.empty(); run = in_loop(active)) {
      while (!wait_run(run, -1, INT64_MAX, kLook_ms)) {
      }
    }
  } catch (const Error& error) {
    spdlog::warn("{}", error.what());
  }
}

void Daemon::loop() {
  Watchdog watchdog;  // a turn that hangs sends no pings
  try {
    point("daemon.intents.read");
    effects_->act(engine_->take_intents(), *engine_);
    anybody_asked_ = engine_->anybody_asked();
    while (!loop_over_) {
      turn();
      if (serving_) watchdog.alive();
    }
  } catch (const std::exception& error) {
    // The turn was rolled back; what the store has is sound. A new process begins from there.
    {
      std::lock_guard<std::mutex> lock(mutex_);
      failure_ = error.what();
      failed_ = true;
    }
    changed_.notify_all();
  }
}

void Daemon::turn() {
  try {
    if (!blind_) {
      engine_->inbox().wait(kTurnWait_ms);
      const auto begin = std::chrono::steady_clock::now();
      seen_->look_again();
      bool turned = engine_->turn(0);
      std::vector<Intent> intents = engine_->take_intents();
      metrics_.intended(intents, clock_.now_ms());
      effects_->act(intents, *engine_);
      anybody_asked_ = engine_->anybody_asked();
      if (turned) {
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        metrics_.turned(took.count());
        tell_turn();
      }
    }
  } catch (const Error& error) {
    if (!serving_ || error.code != ErrorCode::kUnavailable) throw;
    stop_accepting(error);
  }
  if (next_try_ms_ > 0) accept_again();
}

void Daemon::wait_for(std::future<void>& told) {
  while (told.wait_for(std::chrono::milliseconds(500)) != std::future_status::ready) {
    if (failed_) throw Error(ErrorCode::kUnavailable, "the engine stopped: " + failure());
    if (blind_) {
      throw trouble().value_or(
          Error(ErrorCode::kUnavailable, "the store is being read again", "try again"));
    }
  }
  try {
    told.get();
  } catch (const std::future_error&) {
    // Its turn was undone, and with it who would have told; why is known in a moment.
    constexpr int kLooks = 200;
    for (int i = 0; i < kLooks && !failed_; ++i) {
      if (std::optional<Error> why = trouble()) throw *why;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    throw Error(ErrorCode::kUnavailable, "the engine stopped: " + failure());
  }
}

std::string Daemon::failure() {
  std::lock_guard<std::mutex> lock(mutex_);
  return failure_;
}

void Daemon::tell_turn() {
  std::vector<Event> events = engine_->take_events();
  metrics_.happened(events);
  feed_.publish(events);
  if (serving_) log_events(events);
  tell_progress();
}

void Daemon::tell_progress() {
  const Run* run = engine_->newest();
  if (!run) return;
  std::lock_guard<std::mutex> lock(mutex_);
  bool over = engine_->active() == nullptr;
  if (progress_.run == run->record.id && progress_.revision == run->revision &&
      progress_.over == over) {
    return;
  }
  progress_ = {run->record.id, run->revision, over};
  changed_.notify_all();
}

bool Daemon::wait_run(const std::string& run, int64_t seen, int64_t earliest_ms, int64_t wait_ms) {
  int64_t until_ms = steady_ms() + wait_ms;
  std::unique_lock<std::mutex> lock(mutex_);
  auto another = [&] { return progress_.revision != seen; };
  auto ended = [&] { return stop_ || failed_ || progress_.run != run || progress_.over; };
  while (!ended()) {
    int64_t now = steady_ms();
    bool fresh = another();
    if (fresh && now >= earliest_ms) return true;
    if (now >= until_ms) return false;
    int64_t next = fresh ? std::min(earliest_ms, until_ms) : until_ms;
    // Not woken by every turn: once there is something new, only the run's end is worth it.
    changed_.wait_for(lock, std::chrono::milliseconds(next - now),
                      [&] { return ended() || (!fresh && another()); });
  }
  return true;
}

void Daemon::say(const EffectDone& failed) {
  engine_->inbox().push(Command{[failed](Engine& engine) {
    engine.note(fmt::format("{} {} is tried again: {}", failed.kind, failed.target, failed.error));
  }});
}

void Daemon::request(SurveyRequest request) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    requests_.push_back(std::move(request));
  }
  changed_.notify_all();
}

void Daemon::survey_loop() {
  while (!stop_) {
    SurveyRequest next;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [&] { return stop_ || failed_ || !requests_.empty(); });
      if (stop_ || failed_) return;
      next = std::move(requests_.front());
      requests_.pop_front();
    }
    survey(next);
  }
}

void Daemon::survey(SurveyRequest& request) {
  try {
    const std::lock_guard<std::mutex> planning(planning_);  // what is kept for it is not freed
    point("survey.before");
    std::shared_ptr<Survey> seen = look(request.trigger, request.commits);
    if (request.trigger.kind != "preview") look_at_images(*seen);
    if (request.trigger.kind != "preview") keep_frozen(*seen);
    point("survey.after");
    for (const std::string& note : seen->notes) spdlog::warn("{}", note);
    for (const Problem& one : seen->graph->problems) spdlog::warn("{}: {}", one.where, one.message);
    engine_->inbox().push(SurveyDone{seen, request.trigger, request.started});
  } catch (const Error& error) {
    spdlog::warn("cannot plan: {}", error.what());
    if (error.code == ErrorCode::kUnavailable) try_store();
    if (request.started) request.started("", &error);
  } catch (const std::exception& defect) {
    // Ours; but a commit that is read by one must not end the daemon, and each that comes after it.
    const Error error(ErrorCode::kCorrupt, std::string("planning failed: ") + defect.what(),
                      "this is a defect of Lockstep: please report it with the commits");
    spdlog::error("{}", error.what());
    if (request.started) request.started("", &error);
  }
}

Preview Daemon::preview(const Trigger& trigger, const std::map<std::string, std::string>& commits) {
  SurveyOptions options;
  options.commits = commits;
  in_loop([&](Engine& engine) {
    options.cursors = engine.cursors();
    const Variant& variant = trigger.variant;
    const bool preview = trigger.kind == "preview";
    if (preview) options.cursors.erase(variant.source);
    if (preview && variant.kind == VariantKind::kBranch) {
      // Of the branch, what its own last preview was made of: it has a history of its own.
      auto before = engine.previews();
      auto known = before.find(variant.mark());
      if (known != before.end()) options.cursors[variant.source] = known->second.at("commit");
    }
    if (!trigger.inputs.empty()) options.inputs[variant.source] = trigger.inputs;
    options.asked = engine.live_commits();
    // A person who waits is told what is wrong, a tag means what it says; the daemon goes on with
    // what loaded last.
    bool of_tag = preview && variant.kind == VariantKind::kTag;
    if (!trigger.once && !of_tag) options.last_good = prefixed(engine.store(), "workflows/");
  });
  std::lock_guard<std::mutex> lock(survey_mutex_);
  Preview seen;
  seen.survey = surveyor_->survey(options);
  surveyor_->answer(*seen.survey,
                    in_loop([&](Engine& engine) { return engine.questions(*seen.survey); }));
  count_deltas(seen, trigger);
  return seen;
}

// For people: how many rows of each stale slice differ from those its step last ran on, and who
// committed them. Only the tables of stale slices are compared.
void Daemon::count_deltas(Preview& seen, const Trigger& trigger) {
  struct Stale {
    StepId step;
    std::string before;  // recipe
    Json slices;         // as recorded with the last version
  };
  Survey& survey = *seen.survey;
  std::vector<Stale> stale = in_loop([&](Engine& engine) {
    std::vector<Stale> found;
    // Somebody's run starts again what is used up; a question has nobody, and says what is.
    bool by_hand = trigger.kind == "manual" && !trigger.who.empty();
    seen.world = std::make_unique<DryWorld>(engine, seen.survey, by_hand);
    // Throws here, where nothing has changed, what the real plan would throw in the engine.
    seen.plan = engine.preview(seen.survey, trigger, *seen.world);
    for (uint32_t i = 0; i < survey.graph->steps.size(); ++i) {
      const Step& step = survey.graph->steps[i];
      const PlannedStep& planned = seen.plan->at(StepId{i});
      bool counts = planned.state == StepState::kRun || planned.state == StepState::kWaiting ||
                    planned.state == StepState::kDeferred;
      if (!counts) continue;
      const ModelState* model = engine.registry().model(step.registers);
      if (!model || model->versions.empty()) continue;
      int64_t champion = model->alias(kChampion);
      const Version* last = champion ? model->version(champion) : &model->versions.back();
      found.push_back({StepId{i}, last->recipe, last->slices.json()});
    }
    return found;
  });
  for (const Stale& one : stale) {
    const Step& step = survey.graph->step(one.step);
    for (const StepInput& input : step.inputs) {
      for (const Json& slice : one.slices) {
        if (input.kind == InputKind::kRows && slice.at("input") == input.name) {
          add_delta(survey, step, input, slice);
        }
      }
    }
  }
}

void Daemon::add_delta(Survey& survey, const Step&, const StepInput& input, const Json& before) {
  constexpr size_t kMostCommits = 20;
  const SliceSpec& spec = survey.graph->slices[input.slice.value];
  const SliceReading& reading = survey.slices[input.slice.value];
  std::string from = before.at("commit");
  if (survey.deltas.count(input.slice) || before.at("digest") == reading.digest.hex()) return;
  std::vector<std::string> values;
  for (const auto& [column, value] : spec.where) values.push_back(value);
  SliceGroup group = SliceGroup::of(spec);
  try {
    SliceDelta delta{
        from, surveyor_->slices().changes(group, from, reading.commit)[cut_key(values)], {}};
    TableStore& store = *survey_sources_->tables.at(spec.source);
    std::vector<CommitInfo> log = store.log(from, reading.commit, kMostCommits);
    for (size_t i = 0; i < log.size(); ++i) {
      std::string parent = i + 1 < log.size() ? log[i + 1].id : from;
      auto touched = surveyor_->slices().changes(group, parent, log[i].id);
      if (touched[cut_key(values)].all() > 0) delta.by.push_back(log[i]);
    }
    survey.deltas[input.slice] = std::move(delta);
  } catch (const Error& error) {
    // Only the counts are missing: the old commit is gone, or the table had another key then.
    spdlog::info("changes of {} since {} can't be counted: {}", spec.name(), from.substr(0, 7),
                 error.what());
  }
}

void Daemon::work() {
  if (working_.exchange(true)) return;
  point("daemon.work.before");
  effects_->work(engine_->inbox());
  point("daemon.adopt.before");
  adopt();
  point("daemon.adopt.after");
  server_ = std::make_unique<ApiServer>(api_, parts_.socket(), ServerLimits(), &feed_);
  if (serving_) listen();
  server_->start();
}

Listener listener_of(const ListenerSpec& spec) {
  return {spec.address,
          spec.port,
          {spec.hosts.begin(), spec.hosts.end()},
          spec.certificate,
          spec.key,
          spec.connections,
          spec.connections_of_address};
}

// Only who serves for long does so on the network.
void Daemon::listen() {
  for (const ListenerSpec& spec : parts_.workspace().listeners) {
    uint16_t port = server_->listen(listener_of(spec), tokens_);
    spdlog::info("listening on {} port {}{}", spec.address, port,
                 spec.certificate.empty() ? ", without TLS" : "");
  }
}

// What the store calls live and the runner does not know is lost, unless it is still to be
// started. What the runner has finished it delivers by itself.
void Daemon::adopt() {
  std::vector<std::string> known = effects_->executor().known();
  std::set<std::string> there(known.begin(), known.end());
  std::vector<std::string> lost = in_loop([&](Engine& engine) {
    std::vector<std::string> gone;
    for (const auto& [id, attempt] : engine.past().live()) {
      if (attempt.state == AttemptState::kRunning && !there.count(id)) gone.push_back(id);
    }
    return gone;
  });
  for (const std::string& id : lost) {
    AttemptResult result;
    result.id = id;
    result.end = AttemptEnd::kLost;
    result.error = "its runner is gone";
    engine_->inbox().push(std::move(result));
  }
}

fs::path Daemon::log_file(const std::string& attempt) const {
  return parts_.state() / "logs" / (attempt + ".log");
}

// What nobody took from the runner yet, read in its folder: it may not be there to be asked.
static std::string left_at_runner(const fs::path& state, const std::string& attempt,
                                  uint64_t offset, uint64_t max_bytes) {
  const AttemptPaths paths{RunnerPaths{state / "runner"}.attempts() / attempt};
  std::ifstream log(paths.log(), std::ios::binary);
  std::string piece(max_bytes, '\0');
  log.seekg(static_cast<std::streamoff>(offset));
  log.read(piece.data(), static_cast<std::streamsize>(max_bytes));
  piece.resize(static_cast<size_t>(log.gcount()));
  return piece;
}

// A character whose rest is yet to come is left for the next piece.
std::string Daemon::read_log(const std::string& attempt, uint64_t offset, uint64_t max_bytes) {
  std::string piece;
  bool last = false;
  if (fs::exists(log_file(attempt))) {
    MappedFile all(log_file(attempt));
    std::string_view text = all.bytes();
    if (offset < text.size()) piece = text.substr(offset, max_bytes);
    last = offset + piece.size() >= text.size();
  } else if (effects_->working()) {
    piece = effects_->executor().log(attempt, offset, max_bytes);
  } else {
    piece = left_at_runner(parts_.state(), attempt, offset, max_bytes);
  }
  if (!last) piece.resize(piece.size() - unfinished_utf8(piece));
  return piece;
}

// Under the lock: else who has just looked, and is about to wait, would never be woken.
void Daemon::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
}

}  // namespace lockstep
